"""The names of packets, and what they carry."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.kernelhost.mathics.packets.packets import FOREIGN, fault_message, given, message, packet_name
from wstp import EarlyEnd, Expr, Function, Misread, Symbol

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


def test_the_message_says_what_is_wrong() -> None:
    name, text = fault_message(EarlyEnd("end", "the packet ended", S("$Failed"), 5))
    assert name == S("MessagePacket")(S("Kernel"), "end")
    assert text == S("TextPacket")("Kernel::end: The packet ended.\n")
    _, quoted = fault_message(Misread("number", '"x" was none', S("$Failed"), 5))
    assert quoted == S("TextPacket")('Kernel::number: "x" was none.\n')
