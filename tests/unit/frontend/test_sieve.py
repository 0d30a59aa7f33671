"""The sieve: commands are separated from expressions for the kernel, and nothing is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.frontend.sieve import Sieve
from wstp import LimitExceeded, Limits
from wstp.packets import decode_expression, encode_packet, packet

HELP = packet("WSTPServer`Help")
PACKETS = [packet("EvaluatePacket", 1), HELP, packet("EnterTextPacket", "WSTPServer`Help[]"), packet("WSTPServer`ConnectKernel", "id")]
STREAM = b"".join(encode_packet(p) for p in PACKETS)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_only_commands_are_removed_from_the_stream(cuts: list[int]) -> None:
    sieve = Sieve(Limits())
    commands, passed, begun, at = [], b"", 0, 0
    for cut in [*sorted(cuts), len(STREAM)]:
        for piece in sieve.feed(STREAM[at:cut]):
            if piece.command:
                commands.append(decode_expression(piece.data))
            else:
                passed += bytes(piece.data)
                begun += piece.expressions
        at = max(at, cut)
    assert commands == [PACKETS[1], PACKETS[3]]
    assert passed == encode_packet(PACKETS[0]) + encode_packet(PACKETS[2])
    assert begun == 2


def test_a_buffer_without_commands_passes_uncopied() -> None:
    data = encode_packet(PACKETS[0]) * 3
    (piece,) = Sieve(Limits()).feed(data)
    assert piece.data is data
    assert piece.expressions == 3


def test_a_command_has_a_bounded_size() -> None:
    sieve = Sieve(Limits())
    long = encode_packet(packet("WSTPServer`ConnectKernel", "x" * (3 << 20)))
    with pytest.raises(LimitExceeded, match="command"):  # noqa: PT012 - which piece exceeds the bound is not fixed
        for at in range(0, len(long), 1 << 18):
            sieve.feed(long[at : at + (1 << 18)])


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_what_ends_early_is_one_piece_like_any_other(step: int) -> None:
    """A client may end a packet (`]`) inside an expression; what follows is its next packet."""
    # Each without its last argument.
    early = [encode_packet(PACKETS[0])[:-7] + b"]", encode_packet(PACKETS[3])[:-9] + b"]"]
    stream = b"FA]" + early[0] + early[1] + b"]" + STREAM
    sieve = Sieve(Limits())
    pieces = [piece for at in range(0, len(stream), step) for piece in sieve.feed(stream[at : at + step])]
    commands = [bytes(piece.data) + b"]" for piece in pieces if piece.command]
    assert commands == [early[1], encode_packet(HELP), encode_packet(PACKETS[3])]
    passed = b"".join(bytes(piece.data) for piece in pieces if not piece.command)
    assert passed == b"FA]" + early[0] + b"]" + encode_packet(PACKETS[0]) + encode_packet(PACKETS[2])
    assert sum(piece.expressions for piece in pieces if not piece.command) == 4
