"""What a client and a kernel have asked of each other, read off the packet heads that pass.

Rules of this module: no I/O. From here come the prompt, whether the kernel is busy, and what it is
waiting to be told.
"""

from __future__ import annotations

from wstp import Function, Symbol
from wstp.packets import packet

__all__ = ["Conversation"]

_ANSWERS = {
    "EvaluatePacket": "ReturnPacket",
    "EnterTextPacket": "InputNamePacket",
    "EnterExpressionPacket": "InputNamePacket",
}
_QUESTIONS = frozenset(("InputPacket", "InputStringPacket", "MenuPacket"))


class Conversation:
    """One kernel's.

    Attributes:
        prompt: the last one.
        evaluations: how many were asked for.
        awaited: what the kernel owes, by the head of the packet.
        question: what the kernel asks its client in the middle of an evaluation (PROTOCOL.md
            section 8), until that is answered.
    """

    #: The packets whose first argument :meth:`said` wants to know.
    HEADS = frozenset(("InputNamePacket", "TextPacket")) | _QUESTIONS

    def __init__(self) -> None:
        self.prompt = ""
        self.evaluations = 0
        self.awaited = {"ReturnPacket": 0, "InputNamePacket": 0}
        self.question: Function | None = None
        #: Whether the packet at hand follows a MessagePacket, whose text it then is.
        self.after_message = False
        self._dialogs = 0
        # For each EvaluatePacket that is not answered: what the kernel asked when it came, and asks
        # still when that is answered.
        self._aside: list[Function | None] = []
        self._head = ""
        self._argument: str | int | float | None = None

    @property
    def busy(self) -> bool:
        """Whether the kernel has been asked for something it has not answered."""
        return self.awaited["ReturnPacket"] > 0 or self.awaited["InputNamePacket"] > 0

    @property
    def listening(self) -> bool:
        """Whether the kernel takes a client's next word now: it is idle, or asks."""
        return self.question is not None or not self.busy

    def requested(self, head: str | None) -> None:
        """A whole packet has passed to the kernel."""
        name = (head or "").removeprefix("System`")
        answers, self.question = self.question, None
        answer = _ANSWERS.get(name)
        if answer is None:
            return
        if answer == "ReturnPacket":
            self._aside.append(answers)
        if answers is not None and answer == "InputNamePacket" and answers.head != Symbol("InputNamePacket"):
            # Not an input of its own, but what was asked for.
            return
        self.evaluations += 1
        self.awaited[answer] += 1

    def interrupted(self) -> None:
        """An abort has passed to the kernel: it no longer asks."""
        self.question = None

    def begins(self) -> None:
        """The kernel begins a packet."""
        self.after_message = self._head == "MessagePacket"
        self._head, self._argument = "", None

    def names(self, head: str | None) -> None:
        """The packet's head is known."""
        self._head = (head or "").removeprefix("System`")

    def says(self, argument: str | int | float) -> str:
        """The packet's first argument is known; gives the packet's head."""
        self._argument = argument
        return self._head

    def ends(self) -> str:
        """The packet is whole; gives its head."""
        head = self._head
        if self.awaited.get(head):
            self.awaited[head] -= 1
        match head:
            case "InputNamePacket":
                self.prompt = self._argument if isinstance(self._argument, str) else self.prompt
                # Within a dialog the kernel still owes what was asked before it, and yet it is this
                # that it waits for.
                self.question = packet(head, self.prompt) if self._dialogs and self.busy else None
            case "BeginDialogPacket":
                # Its first prompt answers nobody, and what ends it is answered by no prompt.
                self._dialogs += 1
                self.awaited["InputNamePacket"] += 1
            case "EndDialogPacket":
                self._dialogs = max(0, self._dialogs - 1)
                self.awaited["InputNamePacket"] = max(0, self.awaited["InputNamePacket"] - 1)
            case "InputPacket" | "InputStringPacket":
                self.question = packet(head, self._argument if self._argument is not None else "")
            case "MenuPacket":
                self.question = packet(head, self._argument if self._argument is not None else 1, "Interrupt> ")
            case "ReturnPacket":
                self.question = self._aside.pop() if self._aside else None
        return head
