"""The session of a notebook: the one owner of the attachment to a server.

The I/O shell over :mod:`kernelbus.shell.jupyter.conversation`. A thread of its own reads the link
(:mod:`kernelbus.shell.clients.events`); all else happens on the loop of whoever uses it. One cell
at a time uses it: :meth:`NotebookSession.enter` or :meth:`NotebookSession.evaluate`, then
:meth:`NotebookSession.next` until the prompt or the value. An abort may come in between.

**Which session a notebook has** is what :attr:`NotebookSession.choice` says: a
:class:`~kernelbus.shell.clients.choice.Choice`, which may name a profile. With a profile the kernel
outlives the link, and attaching goes back to it: :attr:`NotebookSession.fresh` then is False, and
what the kernel said meanwhile comes from :meth:`NotebookSession.next` until it is idle
(:meth:`NotebookSession.settle`). The position is saved in the profile as happenings are taken.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.events import Ended, Events, Said, listen
from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import KernelRefused, SessionError
from kernelbus.shell.commands import command
from kernelbus.shell.extras import MissingExtra
from kernelbus.shell.jupyter.conversation import Asked, Conversation, Happening, Prompted, Returned
from kernelbus.shell.jupyter.rendering import DEFINITIONS
from kernelbus.shell.jupyter.starting import StartError, is_here, is_listening, start_server
from kernelbus.shell.token import TokenError
from wstp import Expr, Symbol

__all__ = ["NoSession", "NotebookSession", "SessionLost", "Turn"]

_T = TypeVar("_T")

# Seconds until the server is asked whether a silent kernel is idle, and between two such questions.
_ASK_SECONDS = 0.3
_ASK_AGAIN_SECONDS = 2.0
# Seconds for which a lost server is waited for.
_PATIENCE = 30.0


class NoSession(Exception):
    """There is no server, or it gives no kernel; the text is one line that says which and why."""


class SessionLost(Exception):
    """The link has ended, and the kernel cannot be attached again; the text says why."""


class Turn(Enum):
    """Whose turn it is."""

    AWAY = "away"  # nothing is attached
    UNKNOWN = "unknown"  # just attached: the kernel may be idle or evaluate
    BUSY = "busy"
    IDLE = "idle"
    ASKED = "asked"  # the evaluation waits for an answer


class NotebookSession:
    """The session.

    Attributes:
        choice: which kernel is wanted; read when one is attached.
        may_start: whether a server may be started where there is none.
        turn: whose turn it is.
        number: n of the next `In[n]`.
        fresh: whether no client had the attached kernel before.
        say: told in one line what a person should know.
    """

    def __init__(self, choice: Choice, *, may_start: bool, say: Callable[[str], None]) -> None:
        self.choice = choice
        self.may_start = may_start
        self.say = say
        self.turn = Turn.AWAY
        self.number = 1
        self.fresh = True
        self._attachment: Attachment | None = None
        self._conversation = Conversation()
        self._events = Events()
        self._came = asyncio.Event()
        self._waiting: deque[Happening] = deque()
        self._ask_at = 0.0
        self._quitting = False
        self._defined = False  # whether the kernel has the functions for renderings

    @property
    def attachment(self) -> Attachment:
        """The attachment.

        Raises:
            NoSession: there is none.
        """
        if self._attachment is None:
            raise NoSession("no kernel is attached")
        return self._attachment

    @property
    def attached(self) -> bool:
        """Whether a kernel is attached."""
        return self._attachment is not None

    @property
    def depth(self) -> int:
        """How many dialogs of the kernel are open."""
        return self._conversation.depth

    # ------------------------------------------------------------------ attaching

    async def attach(self) -> None:
        """Attach a kernel, unless one is attached. A server is started if it may be.

        A cancelled call leaves no kernel behind.

        Raises:
            NoSession: no kernel can be had.
        """
        if self._attachment is not None:
            return
        attachment = await self._got()
        self._use(attachment)
        if attachment.notice:
            self.say(attachment.notice)

    async def _got(self) -> Attachment:
        loop = asyncio.get_running_loop()
        given_up = threading.Event()

        def waits(why: str) -> None:
            if not given_up.is_set():
                loop.call_soon_threadsafe(self.say, f"waiting for a kernel: {why}")

        def get() -> Attachment:
            return self.choice.attach(keep=self.choice.kept, resume=True, on_wait=waits)

        def release(attachment: Attachment) -> None:
            _let_go(attachment, close=not self.choice.kept)

        try:
            try:
                return await _beside(get, release)
            except SessionError as error:
                if isinstance(error, KernelRefused) or not await self._started(error):
                    raise
            return await _beside(get, release)
        except asyncio.CancelledError:
            given_up.set()
            raise
        except (SessionError, ProfileError, TokenError, StartError, MissingExtra) as error:
            raise NoSession(" ".join(str(error).split())) from None

    async def _started(self, error: SessionError) -> bool:
        """Start a server if there is none and one may be started; return whether one was."""
        choice = self.choice
        address = choice.address or Address()
        if choice.discover is not None or choice.kernel or not is_here(address) or await asyncio.to_thread(is_listening, address):
            return False
        if not self.may_start:
            raise SessionError(f"{error}; start it with kernelbus serve --port {address.port}")
        log = await asyncio.to_thread(start_server, address)
        self.say(f"no server was at {address.place}: one was started for you in the background; its log is {log}")
        return True

    def _use(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._conversation = Conversation()
        self._waiting.clear()
        self._quitting = self._defined = False
        self.fresh = attachment.fresh
        self.turn = Turn.UNKNOWN
        self._ask_at = time.monotonic() + _ASK_SECONDS
        self._listen(attachment)

    def _listen(self, attachment: Attachment) -> None:
        loop = asyncio.get_running_loop()

        def put() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._came.set)

        self._events.on_put = put
        listen(attachment.session, self._events)

    async def settle(self, take: Callable[[Happening], None]) -> None:
        """Wait until the kernel is idle or asks, and give what it says until then.

        Raises:
            SessionLost: the link has ended.
        """
        while self.turn in (Turn.UNKNOWN, Turn.BUSY):
            happening = await self.next()
            if not isinstance(happening, Prompted):
                take(happening)

    async def detach(self, *, close: bool) -> None:
        """Let the kernel go.

        Args:
            close: whether it ends; else it is as when any client leaves, and a kernel that is kept
                goes on with what it evaluates.
        """
        attachment, self._attachment = self._attachment, None
        self.turn = Turn.AWAY
        self._came.set()
        if attachment is not None:
            await asyncio.to_thread(_let_go, attachment, close=close)

    # ------------------------------------------------------------------ to the kernel

    async def enter(self, text: str) -> None:
        """Enter text as at a prompt: a :class:`Prompted` ends what comes of it."""
        self.turn = Turn.BUSY
        await self._put(Symbol("EnterTextPacket")(text))

    async def evaluate(self, expression: Expr) -> None:
        """Have an expression evaluated beside the inputs: :class:`Returned` ends it."""
        self.turn = Turn.BUSY
        await self._put(Symbol("EvaluatePacket")(expression))

    async def value(self, expression: Expr, heard: Callable[[Happening], None] | None = None) -> Expr:
        """Evaluate an expression beside the inputs, and return its value.

        Args:
            expression: the expression; what it asks is not answered.
            heard: takes what the kernel says meanwhile; None: that is left out.

        Raises:
            SessionLost: the link has ended.
        """
        await self.evaluate(expression)
        while True:
            happening = await self.next()
            if isinstance(happening, Returned):
                return happening.value
            if isinstance(happening, Asked):
                await self.answer(Symbol("EnterExpressionPacket")(Symbol("EndOfFile")))
            elif heard is not None:
                heard(happening)

    async def rendering(self, expression: Expr, heard: Callable[[Happening], None]) -> Expr:
        """Return the value of an expression of :mod:`kernelbus.shell.jupyter.rendering`.

        Raises:
            SessionLost: the link has ended.
        """
        if not self._defined:
            await self.value(DEFINITIONS)
            self._defined = True
        return await self.value(expression, heard)

    async def answer(self, answer: Expr) -> None:
        """Answer what the kernel has asked."""
        self.turn = Turn.BUSY
        await self._put(answer)

    def abort(self) -> None:
        """Abort what the kernel evaluates."""
        self._message(wstp.MessageCode.ABORT)

    def interrupt(self) -> None:
        """Have the kernel bring up its interrupt menu."""
        self._message(wstp.MessageCode.INTERRUPT)

    async def order(self, name: str) -> None:
        """Give the server a command about this kernel; its answer is left out."""
        if name == "CloseKernel":
            self._quitting = True
        await self._put(command(name))

    def _message(self, code: wstp.MessageCode) -> None:
        if self._attachment is not None:
            try:
                self._attachment.session.link.put_message(code)
            except wstp.WSTPError:
                pass  # the link has ended: the listener puts an event, which is handled later

    async def _put(self, expression: Expr) -> None:
        session = self.attachment.session
        try:
            await asyncio.to_thread(session.put, expression)
        except wstp.WSTPError:
            pass  # as above

    # ------------------------------------------------------------------ what comes

    async def next(self) -> Happening:
        """Return the next happening, however long it takes.

        A kernel with another client's evaluation is waited for. When the link ends, the kernel is
        attached again, and what it said meanwhile comes.

        Raises:
            SessionLost: the kernel has ended, or cannot be attached again.
        """
        while not self._waiting:
            if self._attachment is None:
                raise SessionLost("the kernel has been let go")
            if self.turn is Turn.UNKNOWN and time.monotonic() >= self._ask_at:
                self._ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
                await self._put(command("Kernels"))
            event = self._events.get(0)
            if event is None:
                await self._wait()
                continue
            match event:
                case Said() if self._attachment is not None and event.session is self._attachment.session:
                    self._said(event)
                case Ended() if self._attachment is not None and event.session is self._attachment.session:
                    await self._lost(event.error)
        return self._waiting.popleft()

    async def _wait(self) -> None:
        """Wait until there may be an event, or something is due."""
        attachment = self.attachment
        due = [] if attachment.unsaved is None else [attachment.unsaved]
        if self.turn is Turn.UNKNOWN:
            due.append(max(self._ask_at - time.monotonic(), 0.0))
        try:
            async with asyncio.timeout(min(due) if due else None):
                await self._came.wait()
        except TimeoutError:
            if attachment.unsaved == 0.0:
                self._save(attachment.save_now)
        self._came.clear()

    def _said(self, said: Said) -> None:
        attachment = self.attachment
        table = attachment.session.table(said.packet)
        if table is not None:
            if self.turn is Turn.UNKNOWN and table.get("State") == "attached" and table.get("Busy") in (None, Symbol("False")):
                self._note(self._conversation.at_prompt(str(table.get("Prompt") or "")))
            return
        for happening in self._conversation.take(said.packet):
            self._note(happening)
        if isinstance(self._waiting[-1] if self._waiting else None, Asked | Prompted):
            self._save(lambda: attachment.save(said.position))
        elif not self._conversation.within:
            self._save(lambda: attachment.save_soon(said.position))

    def _note(self, happening: Happening) -> None:
        match happening:
            case Prompted():
                self.turn = Turn.IDLE
                self.number = happening.number or self.number
            case Returned():
                self.turn = Turn.IDLE
            case Asked():
                self.turn = Turn.ASKED
        self._waiting.append(happening)

    def _save(self, save: Callable[[], None]) -> None:
        try:
            save()
        except ProfileError as error:
            self.say(str(error))

    async def _lost(self, error: wstp.WSTPError) -> None:
        """Attach the kernel again, or end the session.

        Raises:
            SessionLost: it has ended, or cannot be attached.
        """
        attachment = self.attachment
        position: int | None = attachment.session.position
        if self._quitting or not self.choice.kept:
            await self.detach(close=False)
            raise SessionLost("the kernel has ended" if self._quitting else f"the kernel has ended, or the connection is lost ({error})")
        deadline, told = time.monotonic() + _PATIENCE, False
        while True:
            try:
                await asyncio.to_thread(attachment.again, position)
                break
            except SessionError as failed:
                final = isinstance(failed, KernelRefused) and (failed.gone or failed.tag == "detached")
                if isinstance(failed, KernelRefused) and failed.tag == "resumetooold" and position is not None:
                    self.say(f"some of what the kernel said is lost: {failed.reason}")
                    position = None
                    continue
                if final or time.monotonic() > deadline:
                    await self.detach(close=False)
                    reason = failed.reason if isinstance(failed, KernelRefused) else str(failed)
                    raise SessionLost(f"the kernel has ended: {reason}" if final else reason) from None
                if not told:
                    told = True
                    self.say(f"the connection to {attachment.session.address.place} is lost ({error}): trying to get back to the kernel")
                await asyncio.sleep(1.0)
        if told:
            self.say("back at the kernel")
        self.turn = Turn.UNKNOWN
        self._ask_at = time.monotonic() + _ASK_SECONDS
        self._listen(attachment)


async def _beside(get: Callable[[], _T], release: Callable[[_T], None]) -> _T:
    """Call a function that may take long in a thread that nobody waits for at the end.

    Args:
        get: the function.
        release: called with its value, if the caller has been cancelled meanwhile.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def deliver(value: _T) -> None:
        if future.cancelled():
            threading.Thread(target=release, args=(value,), daemon=True).start()
        else:
            future.set_result(value)

    def fail(error: BaseException) -> None:
        if not future.cancelled():
            future.set_exception(error)

    def run() -> None:
        try:
            value = get()
        except BaseException as error:
            told: Callable[[], None] = partial(fail, error)
        else:
            told = partial(deliver, value)
        if not loop.is_closed():
            loop.call_soon_threadsafe(told)

    threading.Thread(target=run, name="attaches a kernel", daemon=True).start()
    return await future


def _let_go(attachment: Attachment, *, close: bool) -> None:
    session = attachment.session
    if close:
        try:
            session.command("CloseKernel")
        except wstp.WSTPError:
            pass  # the link has ended, and a kernel that is not kept with it
    session.close()
