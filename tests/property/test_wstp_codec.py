"""Properties of the token stream: what is written is read, and wrong bytes end in typed errors."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st
from wire_forms import big_reals, cuts, expressions, jlink_records, pieces, plain, streams, token_records

from wstp import (
    NEED_DATA,
    OURS,
    BigReal,
    ExpressionReader,
    Features,
    LimitExceeded,
    Limits,
    PacketFault,
    RemoteProtocolError,
    Symbol,
    TokenReader,
    Tracker,
    same,
    write_expression,
)
from wstp.expression import END_PACKET
from wstp.lexer import encode_count
from wstp.text import joined
from wstp.tracker import End, Mark, PacketEnd, TrackerState

# Few but large examples: a stream may hold hundreds of tokens.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
WANTED = frozenset({"InputNamePacket", "TextPacket", "List", "f", "x"})
LIMITED = Features(tokens=(), formats=(1,))
RECORDED = [data for _, data, _ in token_records()] + [data for _, data in jlink_records()]


def read_all(data: bytes, cuts: list[int]) -> list[Any]:
    reader = ExpressionReader()
    events = []
    for piece in pieces(data, cuts):
        reader.feed(piece)
        while (event := reader.next_event()) is not NEED_DATA:
            events.append(event)
    return events


def track_all(data: bytes, cuts: list[int]) -> tuple[list[Mark], Tracker, str | None]:
    """Return (marks, the tracker, the text of the error or None)."""
    tracker = Tracker(want_first_argument=WANTED)
    marks: list[Mark] = []
    for piece in pieces(data, cuts):
        try:
            marks += tracker.feed(piece)
        except (RemoteProtocolError, LimitExceeded) as error:
            return marks + tracker.marks_before_error, tracker, str(error)
    return marks, tracker, None


def boundaries(data: bytes) -> list[Mark]:
    """Return where expressions and packets end, as the reader finds it."""
    reader = ExpressionReader()
    reader.feed(data)
    marks: list[Mark] = []
    while (event := reader.next_event()) is not NEED_DATA:
        marks.append(PacketEnd(reader.offset) if event is END_PACKET else End(reader.offset))
    assert reader.unread == 0
    return marks


def same_event(left: Any, right: Any) -> bool:
    return left is right or (left is not END_PACKET and right is not END_PACKET and same(left, right))


@calm
@given(expressions())
@example(np.arange(200, dtype="<i4"))
@example("\ud800")
@example([Symbol("List")])
def test_what_is_written_is_read(expr: Any) -> None:
    data = b"".join(write_expression(expr))
    assert len(events := read_all(data, [])) == 1
    assert same(events[0], expr)


@calm
@given(expressions())
def test_a_limited_peer_gets_the_same_expression_in_other_tokens(expr: Any) -> None:
    data = b"".join(write_expression(expr, LIMITED))
    for token in (TokenReader(),):
        token.feed(data)
        while (found := token.next_token()) is not NEED_DATA:
            assert type(found).__name__ != "PackedToken"
    # All bytes are 7-bit but those of the numbers: texts are escaped.
    (event,) = read_all(data, [])
    assert same(plain(event), plain(expr))


@calm
@given(st.text(st.sampled_from("aα\\\n\ud83d\ude00😀\uffff")), st.sampled_from([OURS, LIMITED, Features(formats=(1, 4))]))
def test_surrogates_in_a_text_are_read_as_the_characters_that_they_make(text: str, features: Features) -> None:
    data = b"".join(write_expression(text, features))
    assert read_all(data, []) == [joined(text)]
    if features is not OURS or not text.isascii():
        token = re.match(rb'"(?:[@-\x7f]|[0-9]+ )(.)', data, re.DOTALL)
        assert token is not None
        assert all(lead < 0xF0 for lead in data) or token[1] == b"C"


@calm
@given(big_reals, st.sampled_from([b"A", b"B", b"C"]))
def test_a_precision_behind_a_zero_character_is_read(real: BigReal, encoding: bytes) -> None:
    """The library writes C's exponent, then a zero, then the mark (docs/protocol.md)."""
    mantissa, _, power = real.text.partition("*^")
    number, tick, mark = mantissa.partition("`")
    text = f"{number}{'e' * bool(power)}{power}\0{tick}{mark}"
    data = text.encode("utf-16-be" if encoding == b"C" else "ascii")
    chars = b" " if len(text) >= 64 and encoding in b"BC" else encode_count(len(text))
    token = b"*" + encode_count(len(data) + len(chars) + 2) + encoding + b"~" + chars + data + b"\n"
    (event,) = read_all(token, [])
    assert event == real


@calm
@given(streams(), cuts)
def test_reader_does_not_depend_on_segmentation(data: bytes, places: list[int]) -> None:
    whole, cut = read_all(data, []), read_all(data, places)
    assert len(whole) == len(cut)
    assert all(same_event(one, other) for one, other in zip(whole, cut, strict=True))


@calm
@given(streams(), cuts)
def test_marks_are_the_readers_boundaries_under_any_segmentation(data: bytes, places: list[int]) -> None:
    whole, tracker, error = track_all(data, [])
    assert error is None
    assert tracker.state is TrackerState.IDLE
    assert [mark for mark in whole if isinstance(mark, (End, PacketEnd))] == boundaries(data)
    assert track_all(data, places)[0] == whole


@calm
@given(streams())
def test_byte_by_byte(data: bytes) -> None:
    every = list(range(len(data)))
    assert track_all(data, every)[0] == track_all(data, [])[0]
    whole, cut = read_all(data, []), read_all(data, every)
    assert len(whole) == len(cut)
    assert all(same_event(one, other) for one, other in zip(whole, cut, strict=True))


@calm
@given(streams(), st.data())
def test_truncated_streams_need_data_and_are_never_wrong(data: bytes, draws: st.DataObject) -> None:
    place = draws.draw(st.integers(0, len(data)))
    events = read_all(data[:place], [])
    assert all(same_event(one, other) for one, other in zip(events, read_all(data, []), strict=False))


@calm
@given(streams(), st.data())
def test_completion_of_any_truncated_stream_makes_legal_expressions(data: bytes, draws: st.DataObject) -> None:
    place = draws.draw(st.integers(0, len(data)))
    _, tracker, error = track_all(data[:place], draws.draw(cuts))
    assert error is None
    try:
        completion = tracker.completion()
    except LimitExceeded:
        # The one documented refusal: a cut array header that was made so that it has no legal rest.
        assert b"A" in data[:place]
        reject()
    rest = bytes(completion)
    assert completion.size == len(rest)
    assert bool(rest) == (not tracker.idle)
    reader = ExpressionReader()
    reader.feed(data[:place] + rest)
    before = list(read_all(data[:place], []))
    after = []
    while (event := reader.next_event()) is not NEED_DATA:
        after.append(event)
    assert len(after) == len(before) + bool(rest)
    assert reader.unread == 0
    assert not reader.inside
    # The same holds for the tracker.
    tracker.feed(rest)
    assert tracker.idle


def outcome(data: bytes, places: list[int], limits: Limits) -> tuple[int, type[Exception] | None]:
    """Return (number of events, type of the error or None) of a reader; allow typed errors only."""
    reader = ExpressionReader(limits)
    found = 0
    for piece in pieces(data, places):
        reader.feed(piece)
        while True:
            try:
                if reader.next_event() is NEED_DATA:
                    break
            except PacketFault:
                pass
            except (RemoteProtocolError, LimitExceeded) as error:
                with pytest.raises(type(error)):
                    reader.next_event()
                return found, type(error)
            found += 1
    return found, None


@calm
@given(st.binary(max_size=300), cuts)
def test_random_bytes_end_in_typed_errors(data: bytes, places: list[int]) -> None:
    limits = Limits(nesting_depth=50, token_size=1 << 20)
    outcome(data, places, limits)
    whole, _, error = track_all(data, [])
    cut, _, other = track_all(data, places)
    assert whole == cut
    assert error == other


@calm
@given(streams(), st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=3), cuts)
def test_damaged_streams_end_in_typed_errors(data: bytes, damage: list[tuple[int, int]], places: list[int]) -> None:
    damaged = bytearray(data)
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    wrong = bytes(damaged)
    outcome(wrong, places, Limits(array_nodes=10_000))
    whole, _, error = track_all(wrong, [])
    cut, _, other = track_all(wrong, places)
    assert whole == cut
    assert error == other


@pytest.mark.parametrize("data", [data for data in RECORDED if len(data) < 700])
def test_recordings_cut_at_every_byte_are_completed(data: bytes) -> None:
    for place in range(len(data)):
        tracker = Tracker()
        tracker.feed(data[:place])
        rest = bytes(tracker.completion())
        reader = ExpressionReader()
        reader.feed(data[:place] + rest)
        while reader.next_event() is not NEED_DATA:
            pass
        assert reader.unread == 0
        assert not reader.inside


@calm
@given(expressions(), cuts)
def test_equal_expressions_have_equal_hashes(expr: Any, places: list[int]) -> None:
    one, other = Symbol("g")(expr), Symbol("g")(*read_all(b"".join(write_expression(expr)), places))
    assert same(one, other)
    if "nan" not in repr(one):
        assert one == other or not _without_nan(expr)
    assert hash(one) == hash(other) or not _without_nan(expr)


def _without_nan(expr: Any) -> bool:
    pending = [expr]
    while pending:
        value = pending.pop()
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "fc" and np.isnan(value).any():
                return False
        elif isinstance(value, float) and value != value:
            return False
        elif isinstance(value, list):
            pending.extend(value)
        elif hasattr(value, "args"):
            pending.extend((value.head, *value.args))
    return True


@given(st.text("0123456789.`*^-", max_size=12))
def test_a_real_is_written_only_if_it_can_be_read(text: str) -> None:
    try:
        real = BigReal(text)
    except ValueError:
        return
    assert read_all(b"".join(write_expression(real, OURS)), []) == [real]
