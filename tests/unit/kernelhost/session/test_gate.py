"""The gate: with any input, in any pieces, from a client that goes at any place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.kernelhost.session.gate import Gate, GateState
from wstp import NEED_DATA, Expr, ExpressionReader, Limits, RemoteProtocolError, Symbol, write_expression
from wstp.packets import encode_packet, packet

REQUEST = encode_packet(packet("EvaluatePacket", Symbol("f")(1, "text\n]", 2.5)))
OTHER = encode_packet(packet("EnterTextPacket", "2+2"))


def gate(hold: int = 1 << 20) -> tuple[Gate, list[str | None]]:
    heads: list[str | None] = []
    return Gate(hold, Limits(), lambda head, size, beginning: heads.append(head)), heads


def joined(pieces: list[bytes | memoryview]) -> bytes:
    return b"".join(bytes(piece) for piece in pieces)


def read(data: bytes) -> list[Expr]:
    reader = ExpressionReader()
    reader.feed(data)
    found = []
    while (expression := reader.next()) is not NEED_DATA:
        found.append(expression)
    assert not reader.inside
    return found


def test_a_client_that_dies_anywhere_leaves_only_whole_expressions() -> None:
    for cut in range(len(REQUEST)):
        made, heads = gate()
        passed = joined(made.feed(OTHER + REQUEST[:cut]))
        assert made.abandon() is None
        assert heads[0] == "EnterTextPacket"
        assert len(read(passed)) == len(heads)


@given(cuts=st.lists(st.integers(0, 3 * len(REQUEST + OTHER)), max_size=8))
def test_the_pieces_in_which_bytes_come_make_no_difference(cuts: list[int]) -> None:
    stream = (REQUEST + OTHER) * 3
    made, heads = gate()
    out, at = b"", 0
    for cut in [*sorted(cuts), len(stream)]:
        out += joined(made.feed(stream[at:cut]))
        at = max(at, cut)
    assert out == stream
    assert heads == ["EvaluatePacket", "EnterTextPacket"] * 3
    assert made.state is GateState.BETWEEN


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_large_expression_is_streamed_and_completed_when_its_client_goes(share: float) -> None:
    whole = b"".join(bytes(p) for p in write_expression(packet("EvaluatePacket", Symbol("f")(np.arange(5000.0), "tail", [1, 2]))))
    made, heads = gate(hold=100)
    sent = whole[: int(len(whole) * share)]
    passed = joined(made.feed(sent))
    assert passed == sent
    assert made.held == 0
    completion = made.abandon()
    assert completion is not None
    assert heads == ["EvaluatePacket"]
    (expression,) = read(passed + joined(list(completion)))
    assert expression.head == Symbol("EvaluatePacket")  # type: ignore[union-attr]


def test_bytes_that_are_not_tokens_are_refused() -> None:
    made, _ = gate()
    with pytest.raises(RemoteProtocolError):
        made.feed(b"GET / HTTP/1.1")


@pytest.mark.parametrize("keep", [0, 5, 10_000])
def test_each_packet_is_reported_with_its_size_and_beginning(keep: int) -> None:
    told: list[tuple[str | None, int, bytes]] = []
    made = Gate(1 << 20, Limits(), lambda *packet: told.append(packet), keep)
    stream = OTHER + REQUEST + OTHER
    for at in range(0, len(stream), 7):
        made.feed(stream[at : at + 7])
    # Expressions without an end-of-packet token behind them.
    heads = [("EnterTextPacket", OTHER), ("EvaluatePacket", REQUEST), ("EnterTextPacket", OTHER)]
    assert told == [(head, len(data) - 1, data[:-1][:keep]) for head, data in heads]


@pytest.mark.parametrize("hold", [10, 1 << 20])
def test_what_ends_early_passes_and_counts_as_a_packet(hold: int) -> None:
    """The kernel's reader drops it and answers; nothing of it stays behind in the gate."""
    made, heads = gate(hold)
    stream = b"FA]" + REQUEST[:-11] + b"]" + OTHER
    out = b"".join(joined(made.feed(stream[at : at + 7])) for at in range(0, len(stream), 7))
    assert out == stream
    assert heads == [None, "EvaluatePacket", "EnterTextPacket"]
    assert made.state is GateState.BETWEEN
    assert made.abandon() is None
