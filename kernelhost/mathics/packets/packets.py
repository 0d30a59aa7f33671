"""The names of a kernel's packets, and what they carry."""

from __future__ import annotations

from typing import Final

from wstp import PacketFault
from wstp.expr import Expr, Function, Symbol

__all__ = ["FOREIGN", "fault_message", "given", "message", "packet_name", "text_packet"]

#: Packets that are no requests to a kernel, and are ignored.
FOREIGN: Final = frozenset(
    {
        "BeginDialogPacket",
        "CallPacket",
        "DisplayEndPacket",
        "DisplayPacket",
        "EndDialogPacket",
        "ExpressionPacket",
        "InputNamePacket",
        "InputPacket",
        "InputStringPacket",
        "MenuPacket",
        "MessagePacket",
        "OutputNamePacket",
        "ResumePacket",
        "ReturnExpressionPacket",
        "ReturnPacket",
        "ReturnTextPacket",
        "SuspendPacket",
        "SyntaxPacket",
        "TextPacket",
    }
)

#: Packets in which clients wrap the answer to a question.
_WRAPPERS: Final = frozenset(
    {
        "EnterExpressionPacket",
        "EnterTextPacket",
        "ReturnExpressionPacket",
        "ReturnPacket",
        "ReturnTextPacket",
        "TextPacket",
    }
)


def packet_name(packet: Expr) -> str:
    """Return the name of a packet's head without its context; "" if the head is no symbol."""
    if isinstance(packet, Function) and isinstance(packet.head, Symbol):
        return packet.head.name.removeprefix("System`")
    return ""


def text_packet(text: str) -> Function:
    """Return the packet that shows text."""
    return Function(Symbol("TextPacket"), text)


def message(symbol: str, tag: str, text: str) -> tuple[Function, Function]:
    """Return the two packets of a message: its name, and its text."""
    return Function(Symbol("MessagePacket"), Symbol(symbol), tag), text_packet(f"{symbol}::{tag}: {text}\n")


def fault_message(fault: PacketFault) -> tuple[Function, Function]:
    """Return the packets of the message about a packet that cannot be read.

    Its name is ``Kernel::number``, ``text``, ``array`` or ``end``, as the kind of the fault is.
    """
    text = str(fault)
    return message("Kernel", fault.what, f"{text[:1].upper()}{text[1:]}.")


def given(packet: Expr) -> Expr:
    """Return the answer that a client gives to a question.

    The answer comes bare, or as the only argument of any packet that can carry one value.

    Raises:
        LookupError: the packet is no answer, but has another purpose.
    """
    name = packet_name(packet)
    if name in _WRAPPERS and isinstance(packet, Function) and len(packet.args) == 1:
        return packet.args[0]
    if name in FOREIGN or name in _WRAPPERS:
        raise LookupError(name)
    return packet
