"""Feed wrong bytes to everything in wstp that takes bytes.

Four things hold. Any bytes in any pieces end in values, in NEED_DATA or in a WSTPError, and never
in another exception, a hang, or memory out of proportion. The marks and errors of a stream do not
depend on its pieces. A reader reads what a tracker completes. Expressions end where both say.

Run: python tests/fuzz/fuzz_wstp.py --seconds 60 [--seed N]. A failure prints the seed and the
bytes.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from fuzzing import main

from wstp import (
    NEED_DATA,
    ExpressionReader,
    LimitExceeded,
    Limits,
    LinkSpec,
    LinkSpecError,
    MessageReader,
    PacketFault,
    RemoteProtocolError,
    TokenReader,
    Tracker,
    WSTPError,
    write_expression,
)
from wstp.expression import END_PACKET
from wstp.handshake import SERVER_PREAMBLE, Acceptor, Connector, Greeting, Mode, greeting_lines
from wstp.machine import LinkMachine
from wstp.tracker import End, PacketEnd

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
UUID = "01234567-89ab-4def-8123-456789abcdef"
LIMITS = Limits(nesting_depth=2000, token_size=1 << 22, total_size=1 << 24, array_nodes=100_000, integer_digits=10_000)
ALPHABET = b'F#"+*AP]~ABCDEF\n @\x7f.0123456789\xa0\xa1\xe2\xe4\xe6\xf4\xf6\xf8\\'
MEMORY = 1 << 31
LOST = ("packed numbers where",)


def corpus() -> list[bytes]:
    """Return recorded streams, and the bytes of handshakes."""
    found = []
    for name in ("tokens.json", "jlink.json"):
        records = json.loads((RECORDINGS / name).read_text())["records"]
        found += [bytes.fromhex(record["hex"]) for record in records]
    found.append(b"A@DnF@#GD~DList\nF@#JD~GComplex\nF0 #LD~IByteArray\n.\n")
    found.append(b"F200 #GA~DList\n" + b"\xe4\0\0\0\0\n" * 200)
    found.append(f"id={UUID} connection=data".encode() + SERVER_PREAMBLE)
    found.append(b"need_msg_portY")
    found.append(b"msg_port=12345Y")
    found.append(b"Math Link " + greeting_lines(6))
    found.append(b"\0\0\0\x03\0\0\0\0\0\0\0\x09")
    return found


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return some damaged recordings in a row, or random bytes that occur in the grammar."""
    if rng.random() < 0.2:
        return bytes(rng.choice(ALPHABET) for _ in range(rng.randint(0, 120)))
    data = bytearray(b"".join(rng.choice(seeds) for _ in range(rng.randint(1, 4))))
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.random()
        if kind < 0.4 and at < len(data):
            data[at] = rng.choice(ALPHABET) if rng.random() < 0.7 else rng.randrange(256)
        elif kind < 0.6:
            del data[at : at + rng.choice((1, 1, 2, 10))]
        elif kind < 0.8:
            data[at:at] = bytes(rng.choice(ALPHABET) for _ in range(rng.choice((1, 1, 3))))
        elif kind < 0.9:
            piece = rng.choice(seeds)
            data[at:at] = piece[: rng.randrange(len(piece) + 1)]
        else:
            del data[at:]
    return bytes(data[:20_000])


def cut(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """Yield `data` in pieces: whole, byte by byte, or as it comes."""
    kind = rng.random()
    if kind < 0.2:
        yield data
        return
    at = 0
    while at < len(data):
        size = 1 if kind < 0.4 else rng.choice((1, 2, 7, 100, 5000))
        yield data[at : at + size]
        at += size


def check_reader(rng: random.Random, data: bytes) -> None:
    """Read whole and in pieces, with the same result; then write the values and read them again."""
    outcomes = []
    for pieces in ([data], cut(rng, data)):
        reader = ExpressionReader(LIMITS)
        seen = []
        error = None
        try:
            for piece in pieces:
                reader.feed(piece)
                while (value := next_value(reader)) is not NEED_DATA:
                    seen.append((repr(value), reader.offset))
                    expr = value.expr if isinstance(value, PacketFault) else value
                    for features_buffer in write_expression(expr) if expr is not END_PACKET else ():
                        assert len(features_buffer)
        except (RemoteProtocolError, LimitExceeded) as caught:
            error = type(caught)
        outcomes.append((seen, error))
    assert outcomes[0] == outcomes[1], outcomes
    if outcomes[0][1] is None:
        compare_ends(data, [offset for _, offset in outcomes[0][0]])


def next_value(reader: ExpressionReader) -> object:
    """Return the reader's next event, or the fault of an expression that cannot be read."""
    try:
        return reader.next_event()
    except PacketFault as fault:
        return fault


def compare_ends(data: bytes, offsets: list[int]) -> None:
    """A tracker ends expressions and packets where the reader, which has read all, says."""
    tracker = Tracker(LIMITS)
    try:
        marks = tracker.feed(data)
    except (RemoteProtocolError, LimitExceeded):
        # It looks into tokens that have not come whole, for which the reader still waits.
        marks = tracker.marks_before_error
    ends = [mark for mark in marks if isinstance(mark, (End, PacketEnd))]
    assert [mark.offset for mark in ends if not getattr(mark, "early", False)] == offsets, (ends, offsets)


def check_chunks(rng: random.Random, data: bytes) -> None:
    """Read tokens in chunks."""
    reader = TokenReader(LIMITS, chunked=True)
    try:
        for piece in cut(rng, data):
            reader.feed(piece)
            while reader.next_token() is not NEED_DATA:
                pass
    except (RemoteProtocolError, LimitExceeded):
        pass


def check_tracker(rng: random.Random, data: bytes) -> None:
    """Track whole and in pieces: marks and error are the same. Then complete what is open."""
    outcomes = []
    for pieces in ([data], cut(rng, data)):
        tracker = Tracker(LIMITS, want_first_argument={"InputNamePacket", "TextPacket", "f"})
        marks = []
        error = ""
        try:
            for piece in pieces:
                marks += tracker.feed(piece)
        except (RemoteProtocolError, LimitExceeded) as caught:
            marks += tracker.marks_before_error
            error = str(caught)
        outcomes.append((marks, error))
    assert outcomes[0] == outcomes[1], outcomes
    if outcomes[0][1]:
        return
    try:
        completion = tracker.completion()
    except LimitExceeded:
        return  # a cut array header that has no legal rest
    if completion.size > 1 << 22:
        return
    rest = bytes(completion)
    assert completion.size == len(rest)
    try:
        tracker.feed(rest)
    except LimitExceeded:
        return
    except RemoteProtocolError as error:
        # Only what was wrong already: a text whose counts contradict each other, a count beyond
        # what is due.
        if not any(lost in str(error) for lost in LOST):
            raise
        return
    assert tracker.idle


def check_handshakes(rng: random.Random, data: bytes) -> None:
    """Give the bytes to every machine that begins a link."""
    machines: list[Callable[[bytes], object]] = [
        Acceptor(message_port=1).receive,
        Connector(Mode.UUID, UUID).receive,
        Connector(Mode.DEFAULT).receive,
        Connector(Mode.DEFAULT, knows_message_port=True).receive,
        Greeting(limits=LIMITS).receive,
        MessageReader().feed,
    ]
    for receive in machines:
        try:
            for piece in cut(rng, data):
                receive(piece)
        except (RemoteProtocolError, LimitExceeded):
            pass


def check_link(rng: random.Random, data: bytes) -> None:
    """Give the bytes to an active link, on both connections, and end it somehow."""
    machine = LinkMachine(limits=LIMITS)
    machine.receive_data(b"Math Link " + greeting_lines(6))
    try:
        for piece in cut(rng, data):
            rng.choice((machine.receive_data, machine.receive_data, machine.receive_message))(piece)
            if rng.random() < 0.05:
                rng.choice((machine.data_ended, machine.message_ended, machine.doubt_over, machine.close))()
            while True:
                try:
                    if machine.next_expression() is NEED_DATA:
                        break
                except PacketFault:
                    pass
    except WSTPError:
        pass


def check_specification(rng: random.Random, data: bytes) -> None:
    """Parse the bytes as a link specification."""
    text = data[:60].decode("latin-1")
    for spec in (text, "-linkname " + text, ["-linkname", text, "-linkmode", "listen"]):
        try:
            parsed = LinkSpec.parse(spec)
            assert LinkSpec.parse(parsed.to_argv()).to_argv() == parsed.to_argv()
        except LinkSpecError:
            pass


CHECKS = (check_reader, check_chunks, check_tracker, check_handshakes, check_link, check_specification)


if __name__ == "__main__":
    sys.exit(main("Feed wrong bytes to wstp.", CHECKS, partial(mutated, seeds=corpus()), MEMORY * 2))
