"""What a kernel said while no program was attached to it, read from its packets. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kernelbus.shell.commands import CONTEXT, WAITING, name_of
from kernelbus.shell.pool.said import KernelDied, KernelMessage
from wstp import Expr, Function

__all__ = ["Missed", "MissedReader"]

# What a client has a kernel evaluate to know that it has answered everything before.
_MARK = re.compile(r"kernelbus [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Missed:
    """One thing that a kernel said while the program was away; `str()` is its text.

    Attributes:
        kind: `print` for printed text, `message`, `result`, or `question` for what it asked.
        value: the text of what was printed or asked; a :class:`KernelMessage`; a result's
            expression, or its text where the kernel was asked for text.
        name: `Out[3]`, where the kernel named a result so; else "".
    """

    kind: Literal["print", "message", "result", "question"]
    value: Expr
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name}= {self.value}" if self.name else str(self.value)


class MissedReader:
    """Make :class:`Missed` of packets.

    >>> from wstp import Symbol
    >>> reader = MissedReader()
    >>> reader.take(Symbol("TextPacket")("1\\n"))
    >>> reader.take(Symbol("ReturnPacket")(2))
    >>> [missed.kind for missed in reader.found]
    ['print', 'result']

    Attributes:
        found: what has been read, in order.
    """

    def __init__(self) -> None:
        self.found: list[Missed] = []
        self._told: tuple[str, str] | None = None
        self._name = ""

    def take(self, packet: Function) -> None:
        """Take the next packet.

        Raises:
            KernelDied: it says that the kernel is gone.
        """
        match name_of(packet.head), packet.args:
            case "MessagePacket", (symbol, tag, *_):
                self._told = (name_of(symbol) or str(symbol), str(tag))
            case "TextPacket", (text, *_) if self._told is not None:
                told, self._told = self._told, None
                if told[0].startswith(CONTEXT + "Kernel"):
                    raise KernelDied(lost(str(text), told[1]))
                if told != WAITING:
                    self.found.append(Missed("message", KernelMessage(*told, str(text))))
            case "TextPacket", (text, *_):
                self.found.append(Missed("print", str(text)))
            case "OutputNamePacket", (name, *_):
                self._name = str(name).strip().removesuffix("=").rstrip()
            case ("ReturnPacket" | "ReturnTextPacket" | "ReturnExpressionPacket"), args:
                value = args[0] if len(args) == 1 else Function("Sequence", *args)
                name, self._name = self._name, ""
                if isinstance(value, str) and _MARK.fullmatch(value):
                    return
                self.found.append(Missed("result", value, name))
            case ("InputPacket" | "InputStringPacket"), args:
                self.found.append(Missed("question", str(args[0]) if args else ""))
            case _:
                pass  # prompts, and packets for front ends


def lost(text: str, tag: str) -> str:
    """Return why the kernel is gone, from the text of the server's message about it."""
    return " ".join(text.partition(f"::{tag}: ")[2].split()) or text
