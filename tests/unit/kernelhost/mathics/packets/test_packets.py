"""The names of packets, and what they carry."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.kernelhost.mathics.packets.packets import FOREIGN, given, message, misread_message, packet_name
from wstp import Expr, Function, Symbol

S = Symbol


@pytest.mark.parametrize(
    ("packet", "name"),
    [(S("EvaluatePacket")(1), "EvaluatePacket"), (S("System`TextPacket")("x"), "TextPacket"), (S("f")(1)(2), ""), (S("x"), ""), (5, "")],
)
def test_packet_name(packet: Expr, name: str) -> None:
    assert packet_name(packet) == name


@pytest.mark.parametrize(
    ("packet", "answer"),
    [(S("TextPacket")("x"), "x"), (S("ReturnPacket")(5), 5), ("bare", "bare"), (S("f")(1), S("f")(1)), (S("x"), S("x"))],
)
def test_an_answer_comes_bare_or_in_a_packet(packet: Expr, answer: Any) -> None:
    assert given(packet) == answer


OTHERS = sorted(name for name in FOREIGN if name != "TextPacket" and not name.startswith("Return"))


@pytest.mark.parametrize("packet", [S("TextPacket")(), S("ReturnPacket")(1, 2), *(S(name)(1) for name in OTHERS)], ids=packet_name)
def test_other_packets_are_no_answers(packet: Function) -> None:
    with pytest.raises(LookupError, match=packet_name(packet)):
        given(packet)


def test_a_message_is_two_packets() -> None:
    assert message("f", "tag", "Words.") == (S("MessagePacket")(S("f"), "tag"), S("TextPacket")("f::tag: Words.\n"))


def test_a_long_number_is_cut_in_its_message() -> None:
    _, short = misread_message("abc")
    _, long = misread_message("9" * 1000)
    assert '"abc"' in str(short.args[0])
    assert f'"{"9" * 40}..."' in str(long.args[0])
