"""Whole packets as bytes and back."""

from __future__ import annotations

import pytest

from wstp import Features, LimitExceeded, Limits, RemoteProtocolError, Symbol
from wstp.packets import decode_expression, encode_packet, packet

PACKET = packet("ReturnPacket", Symbol("Plus")(2, 2), "é")


def test_a_packet_is_read_back() -> None:
    assert PACKET.head == Symbol("ReturnPacket")
    assert PACKET.args == (Symbol("Plus")(2, 2), "é")
    data = encode_packet(PACKET)
    assert data.endswith(b"]")
    assert decode_expression(data) == PACKET
    assert decode_expression(memoryview(data)) == PACKET


def test_a_peer_that_takes_seven_bits() -> None:
    data = encode_packet(PACKET, Features(tokens=(), formats=(1,)))
    assert b"\\351" in data
    assert decode_expression(data) == PACKET


def test_what_is_no_whole_expression() -> None:
    data = encode_packet(PACKET)
    for part in (b"", data[:-2], b"x"):
        with pytest.raises(RemoteProtocolError):
            decode_expression(part)
    with pytest.raises(LimitExceeded):
        decode_expression(data, Limits(total_size=10))
