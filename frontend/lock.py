"""What a link may cost whose client has yet to give the server's token, and what it is told.

Such a link gets no kernel. What its client says is refused by an answer that tells what to do. A
client that says nothing, since it waits for a prompt, is told after a while. The link is closed
after too much time, too many bytes, or too many expressions.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from kernelbus.frontend.access import WINDOW, Attempt
from kernelbus.frontend.commands import CONTEXT, CommandRefused

__all__ = ["SYMBOL", "Lock", "LockedLink"]

#: The symbol of the messages about the token.
SYMBOL = CONTEXT + "Authenticate"

#: Seconds until a client that says nothing is told what to do, and seconds and bytes up to the
#: token.
_REMIND = 2.0
_SECONDS = 120.0
_BYTES = 64 * 1024

#: Expressions that are refused before the link is closed.
_STRIKES = 20

_GIVE = f'send {SYMBOL}["..."] with what kernelbus access shows on its machine, or have its operator say kernelbus access grant'
_FIRST = f"this server needs its token first; {_GIVE}"


class LockedLink(Protocol):
    """What a lock needs of its link."""

    @property
    def address(self) -> str:
        """The client's address."""

    def refuse(self, tag: str, text: str, *, failed: bool = True) -> None:
        """Answer with a message about the token; `failed`: and with $Failed."""

    def close_for(self, tag: str, text: str) -> None:
        """Answer with a message about the token, and close the link."""


class Lock:
    """The lock of one link, from the end of its greeting to the token.

    Attributes:
        opened: whether the token was given, or proved to be known.
        numbers: the random numbers of the client and of the server, for a proof that is to come.
    """

    def __init__(self, link: LockedLink) -> None:
        self.opened = False
        self.numbers: tuple[str, str] | None = None
        self._link = link
        self._strikes = 0
        later = asyncio.get_running_loop().call_later
        self._timers = [later(_REMIND, self._remind), later(_SECONDS, self._give_up)]

    def end(self) -> None:
        """Watch the link no longer."""
        for timer in self._timers:
            timer.cancel()

    def came(self, count: int) -> bool:
        """Note how many bytes have come in all, and return whether the link goes on."""
        if count <= _BYTES:
            return True
        self._link.close_for("token", f"more than {_BYTES} bytes came before the token; {_GIVE}")
        return False

    def said(self) -> None:
        """Note that the client speaks: what it is answered tells it as much as a reminder would."""
        self._timers[0].cancel()

    def refuse(self, expressions: int) -> None:
        """Refuse expressions, and close the link if they were too many."""
        self._strikes += expressions
        if self._strikes > _STRIKES:
            self._link.close_for("token", _FIRST)
        else:
            self._link.refuse("token", _FIRST)

    def judged(self, attempt: Attempt) -> None:
        """Take what became of a token that the client has given.

        Raises:
            CommandRefused: it was not the right one.
        """
        match attempt:
            case Attempt.RIGHT:
                self.opened = True
                self.end()
            case Attempt.WRONG:
                raise CommandRefused("token", "this is not the server's token; kernelbus access shows it, on the server's machine")
            case Attempt.TOO_MANY:
                text = f"too many wrong tokens came from {self._link.address}: wait {WINDOW:g} s, then connect again"
                self._link.close_for("wait", text)
                raise CommandRefused("wait", text)

    def _remind(self) -> None:
        self._link.refuse("token", _FIRST, failed=False)

    def _give_up(self) -> None:
        self._link.close_for("token", f"no token came in {_SECONDS:g} s; {_GIVE}")
