"""The output log: what is sent again, wherever clients go, and that nothing is lost."""

from __future__ import annotations

import contextlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbus.kernelhost.session.output import LogState, OutputLog, ResumeError
from wstp import Limits, Symbol
from wstp.expression import ExpressionReader
from wstp.packets import encode_packet, packet
from wstp.tokens import NEED_DATA
from wstp.tracker import Tracker


class Feed:
    """A kernel whose packets go into a log."""

    def __init__(self, capacity: int = 10_000, history: int = 1000, unread: int = 0) -> None:
        self.log = OutputLog(capacity, history, unread)
        self.tracker = Tracker(Limits())

    def say(self, data: bytes) -> None:
        base = self.tracker.position
        self.log.append(data, self.tracker.feed(data), base)
        self.log.validate()

    def packets(self, offset: int) -> list[object]:
        data = b"".join(bytes(piece) for piece in self.log._pieces(offset, self.log.end))
        reader = ExpressionReader(Limits())
        reader.feed(data)
        found: list[object] = []
        while (expression := reader.next()) is not NEED_DATA:
            found.append(expression.args[0])
        return found


def text(number: int, size: int = 10) -> bytes:
    return encode_packet(packet("TextPacket", f"{number}" + "." * size))


def said(*numbers: int, size: int = 10) -> list[object]:
    return [f"{number}" + "." * size for number in numbers]


def test_output_that_was_not_taken_is_sent_again_from_the_start_of_its_packet() -> None:
    feed = Feed()
    for number in range(5):
        feed.say(text(number))
    size = len(text(0))
    for taken, first in ((0, 0), (1, 0), (size - 2, 0), (size - 1, 1), (size, 1), (size + 1, 1), (4 * size + 3, 4), (5 * size, 5)):
        feed.log.take(taken)
        offset, number = feed.log.missed()
        assert (number, feed.packets(offset)) == (first, said(*range(first, 5))), taken


def test_a_resume_point_goes_back_into_what_was_taken() -> None:
    feed = Feed(history=10_000)
    for number in range(5):
        feed.say(text(number))
    feed.log.take(feed.log.end)
    assert feed.packets(feed.log.resume(2)) == said(2, 3, 4)
    assert feed.packets(feed.log.resume(5)) == []
    with pytest.raises(ResumeError, match="resume point 6 is not there yet: the session has said 5 packets"):
        feed.log.resume(6)


def test_history_is_bounded_and_says_so() -> None:
    feed = Feed(history=200)
    for number in range(100):
        feed.say(text(number))
        feed.log.take(feed.log.end)
    assert feed.log.kept <= 200 + len(text(0))
    with pytest.raises(ResumeError, match="resume point 3 is too old") as refused:
        feed.log.resume(3)
    assert refused.value.code == "resume-too-old"
    assert feed.packets(feed.log.resume(99)) == said(99)


def test_nothing_that_was_not_taken_is_dropped() -> None:
    feed = Feed(capacity=100, history=0)
    for number in range(50):
        feed.say(text(number))
    assert feed.log.full
    assert feed.packets(feed.log.missed()[0]) == said(*range(50))


def test_what_a_client_may_not_have_read_is_sent_again() -> None:
    """Its connection was reset: it may have lost what its machine had acknowledged."""
    feed = Feed(capacity=10_000, history=200, unread=2000)
    size = len(text(10))
    for number in range(10, 60):
        feed.say(text(number))
    feed.log.answered(20 * size)
    feed.log.take(feed.log.end)
    assert feed.log.kept >= 30 * size
    feed.log.give_back(20 * size)
    feed.log.left()
    feed.log.validate()
    assert feed.packets(feed.log.missed()[0]) == said(*range(30, 60))


def test_what_a_client_has_read_is_soon_released_and_what_is_released_cannot_be_given_back() -> None:
    feed = Feed(capacity=10_000, history=200, unread=2000)
    size = len(text(100))
    for number in range(100, 400):
        feed.say(text(number))
        feed.log.take(feed.log.end)
        assert feed.log.kept <= 2000 + 2 * size
    assert feed.log.kept >= 2000
    feed.log.answered(feed.log.end)
    assert feed.log.kept <= 200 + size
    feed.log.give_back(0)
    feed.log.validate()
    offset, number = feed.log.missed()
    assert feed.packets(offset) == said(*range(100 + number, 400)) != []


def test_an_abort_drops_what_no_client_was_sent() -> None:
    def log(*heads: str) -> Feed:
        feed = Feed()
        for head in heads:
            feed.say(encode_packet(packet(head, head)))
        return feed

    def left(feed: Feed, sent: int) -> list[object]:
        packets, end = feed.log.packets, feed.log.end
        count, size = feed.log.forgo(sent)
        feed.log.validate()
        assert (feed.log.packets, feed.log.end) == (packets - count, end - size)
        return feed.packets(0)

    texts = log("TextPacket", "TextPacket", "TextPacket")
    one = texts.log.end // 3
    assert left(log("TextPacket", "TextPacket", "TextPacket"), 0) == ["TextPacket"], "it may be the text of a message before it"
    assert left(log("ReturnPacket", "TextPacket", "DisplayPacket", "TextPacket"), 0) == ["ReturnPacket"]
    assert left(texts, one + 1) == ["TextPacket"] * 2, "what has been begun is sent whole"
    assert left(texts, 2 * one) == ["TextPacket"] * 2, "there is nothing left to drop"
    assert left(log("ReturnPacket", "MessagePacket", "TextPacket"), 10**9) == ["ReturnPacket", "MessagePacket", "TextPacket"]
    message = log("ReturnPacket", "MessagePacket")
    begun = message.log.end
    for _ in range(2):
        message.say(encode_packet(packet("TextPacket", "TextPacket")))
    assert left(message, begun) == ["ReturnPacket", "MessagePacket", "TextPacket"], "its text belongs to a message"
    answered = log("TextPacket", "TextPacket", "ReturnPacket", "InputNamePacket")
    assert left(answered, 0) == ["TextPacket", "TextPacket", "ReturnPacket", "InputNamePacket"], "an answer is not aborted"


def test_what_an_abort_drops_leaves_the_rest_whole() -> None:
    feed = Feed()
    feed.say(encode_packet(packet("ReturnPacket", 0)) + text(1) + text(2)[:5])
    assert feed.log.forgo(0)[0] == 1
    feed.log.validate()
    feed.say(text(2)[5:] + encode_packet(packet("ReturnPacket", Symbol("$Aborted"))))
    feed.log.validate()
    assert feed.packets(0) == [0, *said(2), Symbol("$Aborted")]
    assert (feed.log.packets, feed.log.missed()) == (3, (0, 0))


def test_stale_output_is_dropped_to_the_next_packet() -> None:
    feed = Feed()
    feed.say(text(0))
    feed.say(text(1)[:9])
    feed.log.drop()
    feed.say(text(1)[9:])
    feed.say(text(2)[:5])
    assert not feed.log.between
    # The client that waited has gone. Nobody can get the present packet whole.
    feed.log.left()
    assert feed.log.state is LogState.RESYNCHRONISING
    feed.say(text(2)[5:] + text(3))
    offset, number = feed.log.missed()
    assert (number, feed.packets(offset)) == (1, said(3))


def test_a_packet_too_large_to_keep_is_cut_only_under_a_client_that_goes() -> None:
    feed = Feed(capacity=1000, history=0)
    feed.say(text(0))
    feed.log.take(feed.log.end)
    large = text(1, 5000)
    for start in range(0, 4000, 100):
        feed.say(large[start : start + 100])
        feed.log.take(feed.log.end - 50)
        assert feed.log.kept <= 1200
    feed.log.left()
    feed.log.validate()
    feed.say(large[4000:] + text(2))
    (note, after) = feed.packets(feed.log.missed()[0])
    assert "cut off" in str(note)
    assert after == said(2)[0]
    assert feed.log.missed()[1] == 1


def test_a_cut_packet_whose_end_is_kept_is_replaced_too() -> None:
    feed = Feed(capacity=1000, history=0)
    large = text(0, 5000)
    feed.say(large[:4000])
    feed.log.take(3900)
    feed.say(large[4000:] + text(1) + text(2)[:7])
    feed.log.take(4500)
    feed.log.left()
    feed.log.validate()
    feed.say(text(2)[7:])
    (note, *after) = feed.packets(feed.log.missed()[0])
    assert "cut off" in str(note)
    assert after == said(1, 2)
    assert (feed.log.missed()[1], feed.log.packets) == (0, 3)


def test_an_end_of_packet_that_comes_late_belongs_to_its_packet() -> None:
    feed = Feed()
    feed.say(text(0)[:-1])
    feed.log.take(feed.log.end)
    feed.say(b"]")
    assert feed.packets(feed.log.missed()[0]) == []
    feed.say(text(1))
    assert feed.packets(feed.log.missed()[0]) == said(1)


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=True))
def test_clients_together_get_every_packet_once(random: Random) -> None:
    """Clients that resume, take some bytes and go at any moment see each packet exactly once.

    Together they get every packet whole, in order.
    """
    feed = Feed(capacity=10**9, history=random.randint(0, 500))
    stream = b"".join(text(number, random.randint(0, 60)) for number in range(random.randint(1, 12)))
    expected = ExpressionReader(Limits())
    expected.feed(stream)
    whole = []
    while (expression := expected.next()) is not NEED_DATA:
        whole.append(expression)
    seen: list[object] = []
    offset = 0
    while True:
        # A client comes. It is sent what was missed, and the output from now on.
        base, number = feed.log.missed()
        assert number == len(seen)
        cursor, reader = base, ExpressionReader(Limits())
        for _ in range(random.randint(0, 4)):
            size = random.randint(1, 50)
            feed.say(stream[offset : offset + size])
            offset = min(len(stream), offset + size)
            step = random.randint(0, feed.log.end - cursor)
            reader.feed(b"".join(bytes(piece) for piece in feed.log._pieces(cursor, feed.log.end))[:step])
            cursor += step
            feed.log.take(cursor)
            feed.log.validate()
        while (expression := reader.next()) is not NEED_DATA:
            seen.append(expression)
        feed.log.left()
        # Without a client the kernel goes on.
        size = random.randint(0, 50)
        feed.say(stream[offset : offset + size])
        offset = min(len(stream), offset + size)
        if offset == len(stream) and feed.log.missed()[0] >= feed.log.end - 1:
            break
        if offset == len(stream):
            base = feed.log.missed()[0]
            reader = ExpressionReader(Limits())
            reader.feed(b"".join(bytes(piece) for piece in feed.log._pieces(base, feed.log.end)))
            feed.log.take(feed.log.end)
            while (expression := reader.next()) is not NEED_DATA:
                seen.append(expression)
            break
    assert seen == whole
    assert seen[0].head == Symbol("TextPacket")


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_clients_do_the_next_one_begins_with_a_whole_packet(random: Random) -> None:
    """Clients resume or begin anew, take, read, abort, lose and go in any order.

    Packets may be larger than what is kept. What each client is sent is always made of whole
    packets.
    """
    feed = Feed(capacity=random.choice((50, 200, 10**6)), history=random.choice((0, 50, 500)), unread=random.choice((0, 100, 1000)))
    log = feed.log
    stream = bytearray()
    sent = 0

    def say() -> None:
        if len(stream) < 50:
            stream.extend(text(random.randrange(1000), random.choice((0, 20, 300))))
        size = random.choice((1, random.randint(1, 50), len(stream)))
        feed.say(bytes(stream[:size]))
        del stream[:size]

    for _ in range(random.randint(2, 8)):
        reader, greeted = ExpressionReader(Limits()), random.random() < 0.6
        base, number = log.missed()
        if greeted:
            if random.random() < 0.3:
                with contextlib.suppress(ResumeError):
                    base = log.resume(random.randint(0, number))
            log.rewind(base)
        else:
            log.drop()
        cursor = consumed = base
        for _ in range(random.randint(0, 8)):
            say()
            if not greeted:
                if log.between and random.random() < 0.5:
                    log.keep()
                    base = cursor = consumed = log.end
                    log.append_packet(text(0))
                    greeted = True
                continue
            while cursor < log.end and random.random() < 0.9:
                piece = log.piece(cursor)
                cursor += len(piece)
                reader.feed(bytes(piece))
                while reader.next() is not NEED_DATA:
                    pass
            consumed = random.randint(consumed, cursor)
            log.take(consumed)
            if random.random() < 0.3:
                log.answered(consumed)
            if random.random() < 0.2:
                log.forgo(max(cursor, sent))
            log.validate()
        if greeted:
            if random.random() < 0.5:
                exactly = random.randint(base, consumed)
                log.answered(exactly)
                log.give_back(exactly)
            sent = max(sent, cursor)
            if random.random() < 0.5:
                log.give_back()
        log.left()
        log.validate()


def test_a_packet_that_has_lost_its_beginning_is_never_sent_again() -> None:
    feed = Feed(capacity=1000, history=100_000)
    large = text(0, 5000)
    feed.say(large[:4000])
    feed.log.take(3900)
    feed.say(large[4000:] + text(1))
    feed.log.take(feed.log.end - 5)
    feed.log.left()
    # The next client wants nothing stale, and its link breaks off.
    feed.log.drop()
    feed.log.keep()
    feed.log.append_packet(text(2))
    feed.log.give_back()
    feed.log.left()
    feed.log.validate()
    assert feed.packets(feed.log.missed()[0]) == said(2)
