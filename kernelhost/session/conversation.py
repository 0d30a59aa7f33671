"""What a client and a kernel have asked of each other, as the heads of their packets show.

Sans-IO. The module follows packets (PROTOCOL.md section 8) for three things: the prompt, whether
the kernel is busy, and what the kernel asks its client.
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
    """The conversation of one kernel and its clients.

    Attributes:
        prompt: the last prompt.
        prompts: whether the kernel prompts; one that runs with ``-noprompt`` does not, and so
            nothing shows when it is done with an input of its main loop.
        evaluations: how many evaluations were requested.
        answered: how many of them were answered.
        awaited: for each head of an answer, how many such packets the kernel still owes.
        question: the packet with which the kernel asks its client something in the middle of an
            evaluation (PROTOCOL.md section 8), until the client answers; None: it asks nothing.
        after_message: whether the present packet follows a MessagePacket, whose text it then is.
    """

    #: The packets whose first argument :meth:`says` needs.
    HEADS = frozenset(("InputNamePacket", "TextPacket")) | _QUESTIONS

    def __init__(self) -> None:
        self.prompt = ""
        self.prompts = True
        self.evaluations = 0
        self.answered = 0
        self.awaited = {"ReturnPacket": 0, "InputNamePacket": 0}
        self.question: Function | None = None
        self.after_message = False
        self._dialogs = 0
        # For each EvaluatePacket that is not answered: the question that was open when it came,
        # which is open again when it has been answered.
        self._aside: list[Function | None] = []
        self._head = ""
        self._argument: str | int | float | None = None

    @property
    def busy(self) -> bool:
        """Whether the kernel has been asked for something that it has not answered."""
        return self.awaited["ReturnPacket"] > 0 or self.awaited["InputNamePacket"] > 0

    @property
    def listening(self) -> bool:
        """Whether the kernel takes a client's next packet now: it is idle, or asks something."""
        return self.question is not None or not self.busy

    def requested(self, head: str | None) -> None:
        """Note that a whole packet has passed to the kernel.

        Args:
            head: the name of its head; None: the head is not a symbol.
        """
        name = (head or "").removeprefix("System`")
        answers, self.question = self.question, None
        answer = _ANSWERS.get(name)
        if answer is None:
            return
        if answer == "ReturnPacket":
            self._aside.append(answers)
        if answers is not None and answer == "InputNamePacket" and answers.head != Symbol("InputNamePacket"):
            # The packet is the answer to the question, not an input of its own.
            return
        self.evaluations += 1
        if answer == "InputNamePacket" and not self.prompts:
            self.answered += 1
            return
        self.awaited[answer] += 1

    def interrupted(self) -> None:
        """Note that an abort has passed to the kernel, which ends its question."""
        self.question = None

    def begins(self) -> None:
        """Note that the kernel begins a packet."""
        self.after_message = self._head == "MessagePacket"
        self._head, self._argument = "", None

    def names(self, head: str | None) -> None:
        """Note the head of the kernel's present packet; None: it is not a symbol."""
        self._head = (head or "").removeprefix("System`")

    def says(self, argument: str | int | float) -> str:
        """Note the first argument of the kernel's present packet; return the packet's head."""
        self._argument = argument
        return self._head

    def ends(self) -> str:
        """Note that the kernel's present packet is complete; return its head."""
        head = self._head
        if self.awaited.get(head):
            self.awaited[head] -= 1
            self.answered += 1
        match head:
            case "InputNamePacket":
                self.prompts = True
                self.prompt = self._argument if isinstance(self._argument, str) else self.prompt
                # In a dialog the kernel still owes the answers to what was asked before it, but
                # what it waits for is the answer to this prompt.
                self.question = packet(head, self.prompt) if self._dialogs and self.busy else None
            case "BeginDialogPacket":
                # Its first prompt answers no request, and the request that ends it is answered by
                # no prompt.
                self._dialogs += 1
                self.awaited["InputNamePacket"] += 1
            case "EndDialogPacket":
                self._dialogs = max(0, self._dialogs - 1)
                self.awaited["InputNamePacket"] = max(0, self.awaited["InputNamePacket"] - 1)
            case "InputPacket" | "InputStringPacket":
                self.question = packet(head, self._argument if self._argument is not None else "")
            case "MenuPacket":
                # A client that is asked again is not sent the text that follows a menu of number 0.
                self.question = packet(head, self._argument or 1, "Interrupt> ")
            case "ReturnPacket":
                self.question = self._aside.pop() if self._aside else None
        return head
