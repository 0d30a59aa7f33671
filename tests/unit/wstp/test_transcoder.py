"""Streams that are rewritten for a peer that takes less."""

from __future__ import annotations

import numpy as np
import pytest

from wstp import (
    ExpressionReader,
    Features,
    LimitExceeded,
    Limits,
    RemoteProtocolError,
    Symbol,
    Tracker,
    same,
    write_expression,
)
from wstp.features import OURS
from wstp.tracker import PacketEnd
from wstp.transcoder import Transcoder, covers

LITTLE = Features(tokens=(), formats=(1,))


def test_who_needs_it() -> None:
    assert covers(OURS, OURS)
    assert covers(Features(tokens=(*OURS.tokens, 120), formats=(*OURS.formats, 7)), OURS)
    assert not covers(LITTLE, OURS)
    assert not covers(Features(formats=(1, 4)), OURS)
    assert not covers(Features(version=5), OURS)


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_the_meaning_stays(step: int) -> None:
    sent = [Symbol("f")("é€", 10**40), np.arange(6.0).reshape(2, 3), [1, 2.5]]
    data = b"]".join(b"".join(write_expression(expr)) for expr in sent)
    transcoder, reader = Transcoder(LITTLE), ExpressionReader()
    out = [part for at in range(0, len(data), step) for part in transcoder.feed(data[at : at + step])]
    written = b"".join(out)
    assert "é".encode() not in written
    assert b"\xf6" + bytes(8) not in written.replace(b"\xf6" + bytes(8) + b"\n", b"")  # no packed run of reals
    reader.feed(written)
    assert out.count(b"]") == len(sent)
    for expr in sent:
        assert same(reader.next(), expr)


def test_what_cannot_be_read_is_replaced_and_what_ended_early_ends_early() -> None:
    data = b'FB#DA~Af\n"DD~A\xff\n"DD~Ax\n]FB#DA~Af\n"DD~Ax\n]FA]' + b"".join(write_expression("next"))
    written = b"".join(bytes(part) for part in Transcoder(LITTLE).feed(data))
    assert written == b'FB#DA~Af\n#JA~G$Failed\n"DA~Ax\n]FA#DA~Af\n]FA#JA~G$Failed\n]"GA~Dnext\n]'
    assert Tracker().feed(written)[-1] == PacketEnd(len(written))


def test_bytes_that_are_no_tokens() -> None:
    with pytest.raises(RemoteProtocolError):
        Transcoder(LITTLE).feed(b"x")
    with pytest.raises(LimitExceeded):
        Transcoder(LITTLE, Limits(token_size=10)).feed(b'"99 D')


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_peer_of_version_5_gets_no_escape_of_six_digits(step: int) -> None:
    plain = [b"".join(write_expression(expr)) for expr in (Symbol("f")("é\\", 1.5), np.arange(6.0), "\\:03b1")]
    escaped = b'FB#DA~Af\n"KA~A\\|01f600\n\xe4\x01\x00\x00\x00\n'
    early = b'FC#DA~Af\n"KA~A\\|01f600\n'
    data = b"".join((plain[0], b"]", escaped, b"]", plain[1], escaped, plain[2], b"]]", early, b"]", plain[0], b"]"))
    transcoder = Transcoder(Features(version=5))
    written = b"".join(bytes(part) for at in range(0, len(data), step) for part in transcoder.feed(data[at : at + step]))
    assert b"\\|" not in written
    again = b"".join(write_expression(Symbol("f")("\U0001f600", 1)))
    expected = b"".join((plain[0], b"]", again, b"]", plain[1], again, plain[2], b"]]", b"FA#DA~Af\n", b"]", plain[0], b"]"))
    assert written == expected
