"""What a kernel says, packet by packet, as happenings that a notebook can show. Sans-IO.

A message of the language comes as two packets, a result as its name and its text: each pair is one
happening. The prompt says that the kernel waits, and with which number. Within `Dialog[]` the
prompts are the dialog's; :attr:`Conversation.depth` counts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.commands import CONTEXT, name_of
from kernelbus.shell.jupyter.kernelcode import PRINTED
from wstp import Expr, Function

__all__ = ["Asked", "Conversation", "Happening", "Pictured", "Printed", "Prompted", "Result", "Returned", "Told", "Unreadable"]

_NUMBER = re.compile(r"(?:In|Out)\[(\d+)\]")
_DIALOG = "(Dialog)"


@dataclass(frozen=True, slots=True)
class Printed:
    """The kernel has printed `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class Pictured:
    """The kernel has printed what is more than its `text`; `rendered` is for `rendering.bundle`."""

    text: str
    rendered: Expr


@dataclass(frozen=True, slots=True)
class Told:
    """A message.

    Attributes:
        name: its name, as `Power::infy`; "" for a text that follows no message packet.
        text: its text, without a line end.
        of_server: whether the server says it, and not the kernel.
    """

    name: str
    text: str
    of_server: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A result of entered text.

    Attributes:
        number: n of `Out[n]`; None without one.
        label: the whole name, as `Out[3]//InputForm= `; "" without one.
        text: the text.
    """

    number: int | None
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The value of an `EvaluatePacket`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The kernel cannot read the text that was entered; `position` counts characters from 1."""

    position: int


@dataclass(frozen=True, slots=True)
class Asked:
    """An evaluation asks, and waits for the answer.

    Attributes:
        kind: `input` wants an expression, `string` text, and `menu` a word.
    """

    kind: Literal["input", "string", "menu"]
    prompt: str


@dataclass(frozen=True, slots=True)
class Prompted:
    """The kernel waits for input.

    Attributes:
        number: n of `In[n]`; None if the prompt has none.
        depth: of how many dialogs it is the prompt; 0: the main loop's.
    """

    prompt: str
    number: int | None
    depth: int


Happening: TypeAlias = Printed | Pictured | Told | Result | Returned | Unreadable | Asked | Prompted


class Conversation:
    """Follows the packets of one kernel.

    Attributes:
        depth: how many dialogs are open.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._message = ""
        self._of_server = False
        self._label = ""
        self._explains = False
        self._rendered: Expr = None  # of the text that comes next

    @property
    def within(self) -> bool:
        """Whether the next packet belongs to the last one."""
        return bool(self._message or self._label or self._explains or self._rendered)

    def at_prompt(self, prompt: str) -> Prompted:
        """Note the prompt at which the kernel waits, and return it as a happening."""
        if not prompt.startswith(_DIALOG):
            self.depth = 0
        elif not self.depth:
            # Attached in the middle of a dialog.
            self.depth = 1
        number = _NUMBER.search(prompt)
        return Prompted(prompt, int(number[1]) if number else None, self.depth)

    def take(self, packet: Function) -> Iterator[Happening]:
        """Give what a packet brings, if anything."""
        name, value = name_of(packet.head), packet.args[0] if packet.args else ""
        # An abort between the two packets leaves a rendering without its text.
        rendered, self._rendered = self._rendered, None
        match name:
            case "InputNamePacket":
                yield self.at_prompt(str(value))
            case "MessagePacket":
                symbol = name_of(packet.args[0]) if packet.args else ""
                self._of_server = symbol.startswith(CONTEXT)
                self._message = f"{symbol}::{packet.args[-1]}" if packet.args else "?"
            case "TextPacket" if self._message:
                message, self._message = self._message, ""
                yield Told(message, str(value).rstrip("\n"), self._of_server)
            case "TextPacket" if self._explains:
                self._explains = False
                yield Printed(str(value))
                yield Asked("menu", "Interrupt> ")
            case "TextPacket" if rendered is not None:
                yield Pictured(str(value), rendered)
            case "TextPacket":
                yield Printed(str(value))
            case "ExpressionPacket" if isinstance(value, list) and len(value) == 2 and value[0] == PRINTED:
                self._rendered = value[1]
            case "SyntaxPacket":
                yield Unreadable(value if isinstance(value, int) else 0)
            case "OutputNamePacket":
                self._label = str(value)
            case "ReturnTextPacket" | "ReturnExpressionPacket":
                label, self._label = self._label, ""
                number = _NUMBER.search(label)
                text = value if isinstance(value, str) else full_form(value)
                yield Result(int(number[1]) if number else None, label, text)
            case "ReturnPacket":
                yield Returned(value)
            case "InputPacket":
                yield Asked("input", str(value))
            case "InputStringPacket":
                yield Asked("string", str(value))
            case "MenuPacket" if value == 0:
                # The menu after a wrong answer: a text that explains it comes next.
                self._explains = True
            case "MenuPacket":
                yield Asked("menu", str(packet.args[-1]) if len(packet.args) > 1 else "Interrupt> ")
            case "BeginDialogPacket":
                self.depth += 1
            case "EndDialogPacket":
                self.depth = max(self.depth - 1, 0)
            case "SuspendPacket" | "ResumePacket":
                pass
            case _:
                yield Told("", f"the kernel says {name or 'something'}, which cannot be shown here")
