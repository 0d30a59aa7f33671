"""Completes and explains names while a person types. The kernel is asked only when it has time."""

from __future__ import annotations

import asyncio
from typing import Any

from kernelbus.shell.jupyter.completion import Known, complete, files_expression, reply
from kernelbus.shell.jupyter.inspection import described, description
from kernelbus.shell.jupyter.places import name_at, place_at
from kernelbus.shell.jupyter.session import NoSession, NotebookSession, SessionLost, Turn
from wstp import Expr

__all__ = ["Assistant"]

# Seconds that a kernel has for an answer; later ones are left out.
_SECONDS = 3.0


class Assistant:
    """Answers for one notebook.

    Attributes:
        known: what is known of the kernel's names.
    """

    def __init__(self, session: NotebookSession) -> None:
        self._session = session
        self.known = Known()
        self._kernel = ""
        self._described: dict[str, Expr] = {}

    def entered(self, text: str) -> None:
        """Note that a cell is run."""
        self.known.note(text)

    async def complete(self, code: str, cursor: int) -> dict[str, Any]:
        """Return the content of a `complete_reply`."""
        place = place_at(code, cursor)
        files = None
        self._look()
        if place.kind == "name" and (wanted := self.known.lacks(place)) is not None:
            answer = await self._ask(wanted)
            if answer is not None:
                self.known.learn(answer)
        elif place.kind == "string" and "\n" not in place.text:
            files = await self._ask(files_expression(place))
        return reply(place, complete(place, self.known, files), cursor)

    async def inspect(self, code: str, cursor: int, detail: int) -> dict[str, Any]:
        """Return the content of an `inspect_reply`."""
        name = name_at(code, cursor)
        if not name:
            return described("", [], 0)
        self._look()
        answer = await self._ask(description(name))
        if answer is None:
            answer = self._described.get(name, [])
        else:
            self._described[name] = answer
        return described(name, answer, detail)

    def _look(self) -> None:
        """Forget what is known if another kernel is attached than the last time."""
        kernel = self._session.kernel
        if kernel and kernel != self._kernel:
            self._kernel = kernel
            self.known.forget()
            self._described.clear()

    async def _ask(self, expression: Expr) -> Expr | None:
        """Return the value of an expression; None: the kernel has no time, or there is none."""
        session = self._session
        if session.lock.locked() or session.turn is not Turn.IDLE:
            return None
        async with session.lock:
            try:
                async with asyncio.timeout(_SECONDS):
                    return await session.value(expression)
            except (TimeoutError, NoSession, SessionLost):
                # The cell that comes next waits for the kernel, or says that it is lost.
                return None
