"""Carries `%kernel` out: which session the notebook has, and how it gets another one."""

from __future__ import annotations

import asyncio
from datetime import datetime

from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import kept_for
from kernelbus.shell.jupyter.binding import Binding, Occupied
from kernelbus.shell.jupyter.magics import MagicError
from kernelbus.shell.jupyter.orders import HELP, Facts, Order, described
from kernelbus.shell.jupyter.session import NoSession, NotebookSession, Turn
from kernelbus.shell.operations.tables import duration
from wstp import Symbol

__all__ = ["Steering", "local_time"]

_SHORT = 8


def local_time(text: str) -> str:
    """Return a moment of a profile for people, in this machine's time; "" if it is none."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return ""
    return f"{moment.day} {moment:%b %H:%M}"


class Steering:
    """Steers which session a notebook has."""

    def __init__(self, session: NotebookSession, binding: Binding) -> None:
        self._session = session
        self._binding = binding

    async def carry_out(self, order: Order) -> list[str]:
        """Carry an order out, and return the lines that say what follows.

        Raises:
            MagicError: it cannot be carried out; nothing is changed then.
            NoSession: no kernel can be had.
        """
        match order.word:
            case "help":
                return HELP.splitlines()
            case "":
                return await self._shown()
            case "close":
                return await self._closed()
            case "fresh":
                lines = await self._closed(again=True)
                return [*lines, await self._attached("a fresh kernel")]
            case "pool":
                return await self._pool(order.argument)
            case "attach" if order.argument and self._session.kernel.startswith(order.argument):
                return [f"this is the session already: {order.argument}"]
            case "attach" if order.argument:
                server = self._session.attachment.session.address if self._session.attached else None
                self._binding.to_kernel(order.argument, server)
                return await self._gone_to(f"kernel {order.argument[:_SHORT]}")
            case "attach":
                return await self._to("")
            case _:
                return await self._to(order.argument)

    # ------------------------------------------------------------------ which one it is

    async def _shown(self) -> list[str]:
        session, binding = self._session, self._binding
        if not session.attached:
            return [await asyncio.to_thread(self._expected)]
        table = await session.describe()
        said, attachment = table or {}, session.attachment
        idle, evaluations = said.get("Idle"), said.get("Evaluations")
        profile = attachment.profile
        kept = kept_for(table, busy=said.get("Busy") == Symbol("True")) if session.choice.kept else ""
        facts = Facts(
            session.kernel,
            attachment.session.address.place,
            attachment.session.pool,
            attachment.file.label if attachment.file is not None else "",
            binding.path if attachment.file is not None else "",
            local_time(profile.created) if profile is not None else "",
            float(idle) if isinstance(idle, int | float) else None,
            evaluations if isinstance(evaluations, int) else None,
            kept or ("yes" if session.choice.kept else ""),
        )
        return described(facts, duration(facts.idle) if facts.idle is not None else "")

    def _expected(self) -> str:
        """Say what the next cell gets."""
        profile = self._binding.expected()
        if profile is None:
            return "no kernel is attached: the next cell gets a fresh one"
        begun = f", begun {local_time(profile.created)}" if profile.created else ""
        return f"no kernel is attached: the next cell goes back to session {profile.kernel[:_SHORT]} at {profile.server.place}{begun}"

    def follow(self) -> None:
        """Notice that the notebook has another name, and have the session go by that."""
        try:
            renamed = self._binding.follow()
        except ProfileError as error:
            self._session.say(str(error))
            return
        if renamed is not None:
            old, new, told = renamed
            self._session.rename(old, new)
            if told:
                self._session.say(told)

    # ------------------------------------------------------------------ the end

    async def end(self) -> None:
        """End the session, for a fresh one."""
        self.follow()
        try:
            await self._closed()
        except NoSession:
            # Its server is not there: it is left to its fate.
            await asyncio.to_thread(self._binding.forget)

    async def leave(self) -> str:
        """Let the session go, and return a line that says what becomes of it; "": there is none."""
        session = self._session
        self.follow()
        await asyncio.to_thread(self._binding.close)
        if not session.attached:
            return ""
        kept, kernel, name = session.choice.kept, session.kernel, self._binding.notebook
        # The server's word on this may be a second old.
        busy = session.turn in (Turn.BUSY, Turn.ASKED)
        table = await session.describe() if kept else None
        await session.detach(close=not kept)
        if not kept:
            return ""
        for_how_long = kept_for(table, busy=busy)
        doing = "goes on, and is kept" if busy else "is kept"
        return f"session {kernel[:_SHORT]} of {name or 'this notebook'} {doing}{f' {for_how_long}' if for_how_long else ''}"

    # ------------------------------------------------------------------ another one

    async def _closed(self, *, again: bool = False) -> list[str]:
        """End the session, which the notebook may have without being attached to it."""
        session, binding = self._session, self._binding
        if not session.attached and await asyncio.to_thread(binding.expected) is not None:
            await session.attach()
        kernel = session.kernel
        await session.detach(close=True)
        await asyncio.to_thread(binding.forget)
        if not kernel:
            return [] if again else ["there was no session; the next cell gets a fresh kernel"]
        return [f"session {kernel[:_SHORT]} is ended" + ("" if again else "; the next cell gets a fresh kernel")]

    async def _pool(self, pool: str) -> list[str]:
        session = self._session
        if session.attached and session.attachment.session.pool == pool:
            return [f"session {session.kernel[:_SHORT]} is of pool {pool} already"]
        self._binding.to_pool(pool)
        return await self._gone_to(f"a fresh kernel of pool {pool}", close=True)

    async def _to(self, name: str) -> list[str]:
        """Go to the notebook's own session, or to that of a name."""
        session, binding = self._session, self._binding
        before = session.attachment.file.name if session.attached and session.attachment.file is not None else ""
        try:
            await asyncio.to_thread(binding.to_name, name) if name else await asyncio.to_thread(binding.to_own)
        except (Occupied, ProfileError) as why:
            raise MagicError(" ".join(str(why).split())) from None
        if binding.file is not None and before == binding.file.name:
            return [f"this is the session already: {session.kernel[:_SHORT]}"]
        return await self._gone_to(f"session {name or binding.notebook}")

    async def _gone_to(self, what: str, *, close: bool = False) -> list[str]:
        """Leave the present session for the one that is chosen; stay if it cannot be had.

        `close`: whether the present session ends although it has a name.
        """
        session, binding = self._session, self._binding
        kept = session.choice.kept and not close
        left = session.leave()
        try:
            told = await self._attached(what)
        except (NoSession, asyncio.CancelledError):
            binding.stay()
            session.take_back(left)
            raise
        binding.went()
        if left is None:
            return [told]
        await session.let_go(left, close=not kept)
        was = f"session {left.session.kernel[:_SHORT]} " + ("was left, and is kept" if kept else "is ended")
        return [told, was]

    async def _attached(self, what: str) -> str:
        session = self._session
        await session.attach()
        which = "the notebook has" if session.attachment.file is not None else "this kernel has"
        return f"{which} session {session.kernel[:_SHORT]} of pool {session.attachment.session.pool} now ({what})"
