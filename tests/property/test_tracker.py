"""The tracker's marks agree with the reader and do not depend on how the stream is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wstp import (
    NEED_DATA,
    ExpressionReader,
    LimitExceeded,
    PacketFault,
    RemoteProtocolError,
    Tracker,
    WSTPError,
)
from wstp.tracker import End, Mark, PacketEnd

DATA = Path(__file__).parents[1] / "recordings"
PIECES = [
    bytes.fromhex(record["hex"])
    for name in ("tokens.json", "jlink.json")
    for record in json.loads((DATA / name).read_text())["records"]
    if len(record["hex"]) < 3000
]
streams = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)
damage = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)


def follow(data: bytes, cuts: list[int]) -> tuple[list[Mark], tuple[Any, str] | None]:
    tracker = Tracker(want_first_argument={"InputNamePacket", "EnterTextPacket", "TextPacket"})
    marks: list[Mark] = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        try:
            marks += tracker.feed(data[at:cut])
        except WSTPError as error:
            return marks + tracker.marks_before_error, (type(error), str(error))
        at = cut
    return marks, None


def next_or_fault(reader: ExpressionReader) -> Any:
    """Return the reader's next event, or the fault of an expression that cannot be read."""
    try:
        return reader.next_event()
    except PacketFault as fault:
        return fault


@given(data=streams, wrong=damage, cuts=st.lists(st.integers(0, 10**6), max_size=6))
@settings(max_examples=300, deadline=None)
def test_marks_do_not_depend_on_the_pieces(data: bytes, wrong: list[tuple[int, int]], cuts: list[int]) -> None:
    damaged = bytearray(data)
    for position, byte in wrong:
        if damaged:
            damaged[position % len(damaged)] = byte
    data = bytes(damaged)
    whole = follow(data, [])
    assert follow(data, [cut % (len(data) + 1) for cut in cuts]) == whole
    assert follow(data, list(range(1, len(data)))) == whole


@given(data=streams)
@settings(max_examples=150, deadline=None)
def test_expressions_end_where_the_reader_says(data: bytes) -> None:
    reader = ExpressionReader()
    reader.feed(data)
    count = 0
    while reader.next() is not NEED_DATA:
        count += 1
    assert sum(isinstance(mark, End) for mark in follow(data, [])[0]) == count


@given(data=streams, wrong=damage)
@settings(max_examples=300, deadline=None)
def test_both_end_alike_what_cannot_be_read(data: bytes, wrong: list[tuple[int, int]]) -> None:
    """What passes at the server is read by the kernel in as many expressions."""
    damaged = bytearray(data)
    for position, byte in wrong:
        if damaged:
            damaged[position % len(damaged)] = byte
    # Each damage becomes an end of packet as often as not: most bytes break the stream for good.
    for chosen in (bytes(damaged), bytes(damaged).replace(b"\xe4", b"]", 1)):
        reader = ExpressionReader()
        reader.feed(chosen)
        ends = []
        try:
            while next_or_fault(reader) is not NEED_DATA:
                ends.append(reader.offset)
        except (RemoteProtocolError, LimitExceeded):
            continue
        marks, _ = follow(chosen, [])
        assert [mark.offset for mark in marks if isinstance(mark, (End, PacketEnd)) and not (isinstance(mark, End) and mark.early)] == ends


@given(data=streams.filter(bool), share=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_what_is_cut_off_anywhere_can_be_completed(data: bytes, share: float) -> None:
    cut = data[: int(len(data) * share)]
    tracker = Tracker()
    tracker.feed(cut)
    whole = cut + b"".join(bytes(piece) for piece in tracker.completion())
    reader = ExpressionReader()
    reader.feed(whole)
    while reader.next() is not NEED_DATA:
        pass
    assert not reader.inside


@given(data=st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = ExpressionReader()
    try:
        reader.feed(data)
        while next_or_fault(reader) is not NEED_DATA:
            pass
    except (RemoteProtocolError, LimitExceeded):
        pass
