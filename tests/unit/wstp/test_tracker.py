"""The tracker's marks and limits, and completions that are too large to be held."""

from __future__ import annotations

import struct

import pytest

from wstp import NEED_DATA, ExpressionReader, LimitExceeded, Limits, RemoteProtocolError, Tracker
from wstp.tracker import Argument, End, Head, Mark, PacketEnd, Start, TrackerState

INT = b"\xe4\x07\x00\x00\x00\n"
REAL = b"\xf6" + struct.pack("<d", 2.5) + b"\n"
LIST = b"#GA~DList\n"


@pytest.mark.parametrize(
    ("data", "marks"),
    [
        (INT, [Start(0), Head(6, None, 0), End(6)]),
        (b"]" + INT + b"]]", [PacketEnd(1), Start(1), Head(7, None, 0), End(7), PacketEnd(8), PacketEnd(9)]),
        (b"F@" + LIST, [Start(0), Head(12, "List", 0), End(12)]),
        (b"FA#HA~ETextP\n" + b'"DD~Ax\n]', [Start(0), Head(13, "TextP", 1), Argument(20, "x"), End(20), PacketEnd(21)]),
        (b"FB#DA~Af\n" + INT + REAL, [Start(0), Head(9, "f", 2), Argument(15, 7), End(25)]),
        (b"FB#DA~Af\n" + REAL + INT, [Start(0), Head(9, "f", 2), Argument(19, 2.5), End(25)]),
        (b"FB#DA~Af\nF@#DA~Ax\n" + INT, [Start(0), Head(9, "f", 2), End(24)]),
        (b"FA#DA~Ag\n" + INT, [Start(0), Head(9, "g", 1), End(15)]),
        (b"FAF@#DA~Af\n" + INT, [Start(0), Head(11, None, 1), End(17)]),
        (b"FA" + INT + INT, [Start(0), Head(8, None, 1), End(14)]),
        (b"AADMFA" + LIST + b".\nPA\xa1\x00\n", [Start(0), Head(18, "List", 1), End(23)]),
        (b"A@DMF@" + LIST + b".\n", [Start(0), Head(18, "List", 0), End(18)]),
        (b"FB#DA~Af\nPA\xa1\x00\n" + INT, [Start(0), Head(9, "f", 2), End(20)]),
        # What ends early, and what cannot be read but ends where it says.
        (b"FA]" + INT, [Start(0), End(2, True), PacketEnd(3), Start(3), Head(9, None, 0), End(9)]),
        (b"FB#DA~Af\nFA]]", [Start(0), Head(9, "f", 2), End(11, True), PacketEnd(12), PacketEnd(13)]),
        (b"FB#DA~Af\n" + INT + b"]", [Start(0), Head(9, "f", 2), Argument(15, 7), End(15, True), PacketEnd(16)]),
        (b"AADMFA" + LIST + b".\n]", [Start(0), Head(18, "List", 1), End(18, True), PacketEnd(19)]),
        (b"FA#DD~A\xff\n" + INT, [Start(0), Head(9, None, 1), End(15)]),
        (b"FA#CD~@\n" + INT, [Start(0), Head(8, "", 1), End(14)]),
        (b'FA#HA~ETextP\n"DD~A\xff\n', [Start(0), Head(13, "TextP", 1), End(20)]),
        (b'FA#HA~ETextP\n"HG~Ehello\n', [Start(0), Head(13, "TextP", 1), End(24)]),
        (b'FA#HA~ETextP\n"203 C~64 ' + b"x" * 198 + b"\n", [Start(0), Head(13, "TextP", 1), End(222)]),
        (b"AADJFA#DD~A\xff\n.\nPA\xa1\x00\n", [Start(0), Head(15, None, 1), End(20)]),
    ],
)
def test_marks(data: bytes, marks: list[Mark]) -> None:
    wanted = {"f", "TextP"}
    assert Tracker(want_first_argument=wanted).feed(data) == marks
    cut = Tracker(want_first_argument=wanted)
    assert [mark for at in range(len(data)) for mark in cut.feed(data[at : at + 1])] == marks
    assert cut.state is TrackerState.IDLE
    assert cut.position == len(data)
    assert bytes(cut.completion()) == b""


@pytest.mark.parametrize("count", [7, 8, 9, 63, 64, 65, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize(
    "item",
    [INT, REAL, INT + REAL, b'"KD~Hsome str\n', b"FB#GA~DRule\n" + b'"DD~Ax\n' + INT, b"FA" + LIST + b"F@" + LIST,
     b"+DA~A5\n", b"PA\xa1\x00\n"],
)  # fmt: skip
def test_dense_lists_of_any_length(item: bytes, count: int) -> None:
    number = count * (2 if item == INT + REAL else 1)
    data = b"F" + (b"%d " % number if number >= 64 else bytes((0x40 + number,))) + LIST + item * count
    expected = [Start(0), Head(len(data) - len(item) * count, "List", number), End(len(data))]
    assert Tracker().feed(data + data)[:3] == expected
    cut = Tracker()
    assert [mark for at in range(0, len(data), 1000) for mark in cut.feed(data[at : at + 1000])] == expected


def test_arrays_of_single_numbers() -> None:
    data = b"A2000 DQF2000 " + LIST[:-1] + b"\n.\n" + INT * 1500 + b"P200 \xf6" + bytes(1600) + b"\n" + REAL * 300
    assert Tracker().feed(data)[-1] == End(len(data))
    tracker = Tracker()
    tracker.feed(data[:-5])
    reader = ExpressionReader()
    reader.feed(data[:-5] + bytes(tracker.completion()))
    assert reader.next() is not NEED_DATA


@pytest.mark.parametrize(
    ("data", "offset"),
    [(b"x", 0), (b"P", 0), (INT + b"FA\x01", 8), (b"FAP", 2), (b"FA#DA~Af\nPB", None), (b"\xe4....x", 5), (b'"DD~Axy', 6),
     (b"AADMFA" + LIST + b'.\n"', 18), (b"AADMFB" + LIST + b".", 16)],
)  # fmt: skip
def test_wrong_bytes(data: bytes, offset: int | None) -> None:
    whole = Tracker()
    with pytest.raises(RemoteProtocolError) as caught:
        whole.feed(data + b"\xa1")
    assert offset is None or caught.value.offset == offset
    assert whole.state is TrackerState.FAILED
    assert not whole.idle
    for again in (lambda: whole.feed(b""), whole.completion):
        with pytest.raises(RemoteProtocolError):
            again()


def feed_in_steps(tracker: Tracker, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        tracker.feed(data[at : at + step])


@pytest.mark.parametrize(
    ("data", "limits", "bound"),
    [
        (b"FAFAFAFA", {"nesting_depth": 3}, "nesting_depth"),
        (b"FZ#DA~Af\n" + INT * 26, {"total_size": 100}, "total_size"),
        (b"F500 #DA~Af\n" + INT * 500, {"total_size": 1000}, "total_size"),
        (b"FI" + LIST + b"F@#DA~Af\n" * 9, {"nesting_depth": 1}, "nesting_depth"),
        (b"FI" + LIST + b'"PD~Mxxxxxxxxxxxxx\n' * 9, {"token_size": 10}, "token_size"),
        (b"P", {}, None),
    ],
)
@pytest.mark.parametrize("step", [1, 10, 10_000])
def test_limits(data: bytes, limits: dict[str, int], bound: str | None, step: int) -> None:
    tracker = Tracker(Limits(**limits))
    with pytest.raises(LimitExceeded if bound else RemoteProtocolError, match=bound or "begins no expression"):
        feed_in_steps(tracker, data, step)


def test_a_gigabyte_is_followed_and_completed_without_being_held() -> None:
    tracker = Tracker()
    tracker.feed(b"FA#QA~NEvaluatePacket\nF125000000 " + LIST + b"P125000000 \xf6")
    block = bytes(1 << 20)
    for _ in range(100):
        assert tracker.feed(block) == []
    completion = tracker.completion()
    assert completion.size == 1_000_000_001 - (100 << 20)
    seen = 0
    for buffer in completion:
        assert len(buffer) <= 1 << 18
        marks = tracker.feed(buffer)
        seen += len(buffer)
    assert seen == completion.size
    assert marks == [End(tracker.position)]


def test_a_claim_of_a_million_billion_arguments_is_only_a_number() -> None:
    tracker = Tracker()
    tracker.feed(b"F1000000000000000 #DA~Af\n")
    assert tracker.completion().size == 10**15 * 10
    assert len(next(iter(tracker.completion()))) <= 1 << 18


def test_depth() -> None:
    tracker = Tracker()
    tracker.feed(b"FA" * 100_000 + b"#DA~Af\n")
    assert tracker.depth == 100_000
    tracker.feed(bytes(tracker.completion()))
    assert tracker.idle
