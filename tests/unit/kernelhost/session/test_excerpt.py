"""Excerpts of packets, and the beginnings that they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from kernelbus.kernelhost.session.excerpt import Beginnings, excerpt
from wstp import BigReal, Expr, Limits, Symbol, write_expression
from wstp.packets import encode_packet, packet
from wstp.tracker import Tracker

NESTED = Symbol("f")(1, "a\nb", [], Symbol("System`g")(), Symbol("h")(Symbol("x"))(2.5), BigReal("1.5`20"))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Symbol("x"), "x"),
        (NESTED, 'f[1, "a\\nb", List[], g[], h[x][2.5], 1.5`20]'),
        (np.arange(6.0).reshape(2, 3), "<array 2 x 3>"),
        (Symbol("f")(np.arange(3), 4), "f[List[0, 1, 2], 4]"),
        (np.arange(1000) / 8, "<array 1000>"),
        (list(range(200)), "List[" + ", ".join(map(str, range(200)))),
        (Symbol("f")("x" * 1000), 'f["' + "x" * 500),
    ],
)
def test_an_excerpt(expression: Expr, text: str) -> None:
    data = b"".join(write_expression(expression))
    assert excerpt(data) == (text if len(text) <= 200 else text[:200] + "...")


def test_an_excerpt_of_half_a_packet_or_of_none() -> None:
    data = b"".join(write_expression(NESTED))
    whole = excerpt(data)
    for cut in range(len(data)):
        said = excerpt(data[:cut])
        assert said.endswith("...")
        assert whole.startswith(said[:-3])
    assert excerpt(b"\xff\xff") == "..."


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_beginnings_of_packets_in_pieces(size: int) -> None:
    packets = [encode_packet(packet("ReturnPacket", "y" * length)) for length in (0, 300, 5)]
    stream, tracker, beginnings, found = b"".join(packets), Tracker(Limits()), Beginnings(20), []
    for at in range(0, len(stream), size):
        piece = stream[at : at + size]
        base = tracker.position
        marks = tracker.feed(piece)
        beginnings.feed(piece, marks, base)
        found += [beginnings.take() for mark in marks if type(mark).__name__ == "End"]
    assert found == [data[:-1][:20] for data in packets]
