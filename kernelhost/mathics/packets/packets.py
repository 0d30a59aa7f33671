"""Name the packets of a kernel, and take from them what they carry."""

from __future__ import annotations

from typing import Final

from wstp.expr import Expr, Function, Symbol

__all__ = ["FOREIGN", "given", "message", "misread_message", "packet_name", "text_packet"]

#: Packets that are requests to somebody else, or answers to nobody.
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

#: What clients wrap an answer to a question in.
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
    """Return the name of a packet's head without its context, "" for what has no symbol as head."""
    if isinstance(packet, Function) and isinstance(packet.head, Symbol):
        return packet.head.name.removeprefix("System`")
    return ""


def text_packet(text: str) -> Function:
    """Return the packet that shows a text."""
    return Function(Symbol("TextPacket"), text)


def message(symbol: str, tag: str, text: str) -> tuple[Function, Function]:
    """Return the two packets of a message."""
    return Function(Symbol("MessagePacket"), Symbol(symbol), tag), text_packet(f"{symbol}::{tag}: {text}\n")


def misread_message(text: str) -> tuple[Function, Function]:
    """Return the message on a number whose text is none."""
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return message("Kernel", "number", f'"{shown}" was sent as a number, and is none that can be read.')


def given(packet: Expr) -> Expr:
    """Return the answer that a client gives to a question: bare, or in any packet that carries one
    value.

    Raises:
        LookupError: it is no answer, but a packet for something else.
    """
    name = packet_name(packet)
    if name in _WRAPPERS and isinstance(packet, Function) and len(packet.args) == 1:
        return packet.args[0]
    if name in FOREIGN or name in _WRAPPERS:
        raise LookupError(name)
    return packet
