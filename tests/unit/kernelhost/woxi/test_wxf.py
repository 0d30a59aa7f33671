"""WXF, as Woxi writes it."""

from __future__ import annotations

import struct

import pytest

from kernelbus.kernelhost.woxi.wxf import WXFError, read_wxf
from wstp import BigReal, Expr, Symbol

A, B = Symbol("Rule")("a", 1), Symbol("RuleDelayed")(Symbol("b"), 2)


@pytest.mark.parametrize(
    ("data", "expr"),
    [
        (b"C\xfb", -5),
        (b"j\x00\x01", 256),
        (b"i\x00\x00\x01\x00", 65536),
        (b"L" + struct.pack("<q", -(2**40)), -(2**40)),
        (b"I\x0312345"[:5], 123),
        (b"r" + struct.pack("<d", 2.5), 2.5),
        (b"R\x061.5`20", BigReal("1.5`20")),
        (b"S\x03a\xc3\xa9", "aé"),
        (b"S\x80\x01" + b"x" * 128, "x" * 128),
        (b"s\x08Global`x", Symbol("x")),
        (b"s\x04pk`x", Symbol("pk`x")),
        (b"B\x02\x01\x02", b"\x01\x02"),
        (b"f\x02s\x04ListC\x01C\x02", [1, 2]),
        (b"f\x00s\x04List", []),
        (b"f\x01s\x04Holdf\x02s\x04PlusC\x01C\x01", Symbol("Hold")(Symbol("Plus")(1, 1))),
        (b"f\x01f\x01s\x01fC\x01C\x02", Symbol("f")(1)(2)),
        (b"A\x02-S\x01aC\x01:s\x01bC\x02", Symbol("Association")(A, B)),
    ],
)
def test_a_part_is_read(data: bytes, expr: Expr) -> None:
    assert read_wxf(b"8:" + data) == expr


def test_depth_does_not_matter() -> None:
    found = read_wxf(b"8:" + b"f\x01s\x01f" * 20_000 + b"C\x01")
    for _ in range(20_000):
        assert found.head == Symbol("f")
        (found,) = found.args
    assert found == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"8C:x", b"8:", b"8:q", b"8:S\x05ab", b"8:f\x01s\x01f", b"8:r\x00", b"8:S\x01\xff", b"8:s\x02x_", b"8:s\x00"],
)
def test_what_is_wrong_is_refused(data: bytes) -> None:
    with pytest.raises(WXFError):
        read_wxf(data)
