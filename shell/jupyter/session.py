"""The session of a notebook: the one owner of the attachment to a server.

The I/O shell over :mod:`kernelbus.shell.jupyter.conversation`. A thread of its own reads the link
(:mod:`kernelbus.shell.clients.events`); all else happens on the loop of whoever uses it. Who
holds :attr:`NotebookSession.lock` uses it: :meth:`NotebookSession.enter` or
:meth:`NotebookSession.evaluate`, then :meth:`NotebookSession.next` until the prompt or the value.
An abort may come in between.

**Which session a notebook has** is what :attr:`NotebookSession.choice` says: a
:class:`~kernelbus.shell.clients.choice.Choice`, which may name a profile. With a profile the kernel
outlives the link, and attaching goes back to it: :attr:`NotebookSession.fresh` then is False, and
what the kernel said meanwhile comes from :meth:`NotebookSession.next` until it is idle
(:meth:`NotebookSession.settle`). The position is saved in the profile a moment after
:meth:`NotebookSession.shown`: whenever this process is killed, what it has not shown comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import TypeVar

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.ending import ending, exit_status, how_it_ended
from kernelbus.shell.clients.events import Ended, Events, Said, listen
from kernelbus.shell.clients.profile import CellNote, ProfileError, ProfileFile
from kernelbus.shell.clients.session import KernelRefused, SessionError
from kernelbus.shell.commands import command
from kernelbus.shell.extras import MissingExtra
from kernelbus.shell.jupyter.conversation import Asked, Conversation, Happening, Prompted, Returned, Told
from kernelbus.shell.jupyter.rendering import DEFINITIONS, prints
from kernelbus.shell.jupyter.starting import StartError, is_here, is_listening, start_server
from kernelbus.shell.token import TokenError
from wstp import Expr, Symbol

__all__ = ["NoSession", "NotebookSession", "SessionLost", "Turn"]

_T = TypeVar("_T")

# Seconds until the server is asked whether a silent kernel is idle, and between two such questions.
_ASK_SECONDS = 0.3
_ASK_AGAIN_SECONDS = 2.0
# Why a server refuses a kernel that another client has.
_IN_USE = "kernelinuse"
# Seconds in which a link that has just been closed is known to be so; whoever has the kernel after
# that has it. And seconds between two tries.
_CLOSING_SECONDS = 1.5
_AGAIN_SECONDS = 0.3
# Seconds for which the server's word on the kernel is waited for.
_DESCRIBE_SECONDS = 3.0
# Seconds from when something is shown until that is saved: it has left this process by then.
_SAVE_SECONDS = 0.1
# Seconds for which a lost server is waited for.
_PATIENCE = 30.0
_SEEK_SECONDS = 0.5


class NoSession(Exception):
    """There is no server, or it gives no kernel; the text is one line that says which and why."""


class SessionLost(Exception):
    """The link has ended, and the kernel cannot be attached again; the text says why.

    Attributes:
        over: whether the kernel is known to have ended.
        status: its exit status, if it has quit by itself; else None.
    """

    def __init__(self, text: str, *, over: bool = False, status: int | None = None) -> None:
        super().__init__(text)
        self.over = over
        self.status = status


class Turn(Enum):
    """Whose turn it is."""

    AWAY = "away"  # nothing is attached
    UNKNOWN = "unknown"  # just attached: the kernel may be idle or evaluate
    BUSY = "busy"
    IDLE = "idle"
    ASKED = "asked"  # the evaluation waits for an answer


_TURNS: dict[type[Happening], Turn] = {Prompted: Turn.IDLE, Returned: Turn.IDLE, Asked: Turn.ASKED}


class NotebookSession:
    """The session.

    Attributes:
        choice: which kernel is wanted; read when one is attached.
        may_start: whether a server may be started where there is none.
        turn: whose turn it is.
        number: n of the next `In[n]`.
        fresh: whether no client had the attached kernel before.
        say: told in one line what a person should know.
        choose: gives :attr:`choice` before one is attached, and a line to say; called in a thread.
            It is told whether the last choice is in use by another client. None: it stays as it is.
        asked_by: the cell whose evaluation the profile noted when the kernel was attached.
        position: how many packets the session's output had with the last happening.
        may_save: whether what was shown has reached somebody, as far as is known.
        lock: held by whoever uses the session.
    """

    def __init__(self, choice: Choice, *, may_start: bool, say: Callable[[str], None]) -> None:
        self.choice = choice
        self.may_start = may_start
        self.say = say
        self.turn = Turn.AWAY
        self.number = 1
        self.fresh = True
        self.choose: Callable[[bool], tuple[Choice, str]] | None = None
        self.asked_by: CellNote | None = None
        self.position = 0
        self.may_save: Callable[[], bool] = lambda: True
        self.lock = asyncio.Lock()
        self._attachment: Attachment | None = None
        self._given_up = False  # whether a person waits no longer for a lost kernel
        self._returning = False  # whether it is not known yet that all has come that was missed
        self._waits_for_answer: Turn | None = None  # whose turn it is if the last word was a question
        self._prompt = ""
        self._marker = ""  # what the kernel is asked for after all that was missed
        self._reading = False  # whether somebody waits in next()
        self._table: asyncio.Future[dict[str, Expr]] | None = None
        self._saving: asyncio.TimerHandle | None = None
        self._asking: CellNote | None = None  # the cell whose evaluation has not ended
        self._shown: tuple[int, CellNote | None] = (0, None)
        self._conversation = Conversation()
        self._events = Events()
        self._came = asyncio.Event()
        self._waiting: deque[tuple[Happening, int]] = deque()
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
    def kernel(self) -> str:
        """The id of the attached kernel; "": none is attached."""
        return self._attachment.session.kernel if self._attachment is not None else ""

    @property
    def returning(self) -> bool:
        """Whether an earlier session was attached, and it is not known yet that all has come."""
        return self._returning

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
            # A profile's name is of use in a terminal; here it is the notebook's.
            name = attachment.file.name if attachment.file is not None else ""
            self.say(attachment.notice.replace(f"profile {name}: ", "the session of this notebook: ", 1))

    async def _got(self) -> Attachment:
        loop = asyncio.get_running_loop()
        given_up = threading.Event()

        def waits(why: str) -> None:
            # That a kernel evaluates still is said of whoever comes back to it, in another line.
            if not given_up.is_set() and not self._returning:
                loop.call_soon_threadsafe(self.say, f"waiting for a kernel: {why}")

        def choose(taken: bool) -> None:
            if self.choose is not None:
                self.choice, told = self.choose(taken)
                if told:
                    loop.call_soon_threadsafe(self.say, told)

        def get() -> Attachment:
            choose(False)
            deadline = time.monotonic() + _CLOSING_SECONDS
            while True:
                try:
                    return self.choice.attach(keep=self.choice.kept, resume=True, on_wait=waits)
                except KernelRefused as refused:
                    if refused.tag != _IN_USE or self.choose is None or not self.choice.resume:
                        raise
                if time.monotonic() > deadline or given_up.wait(_AGAIN_SECONDS):
                    break
            choose(True)
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
        self.asked_by = attachment.profile.asks if attachment.profile is not None else None
        self.position = attachment.session.position
        self._asking = self.asked_by
        self.turn = Turn.UNKNOWN
        self._ask_at = time.monotonic() + _ASK_SECONDS
        # Prompts and questions among what was missed do not say how the kernel stands now.
        self._returning, self._marker = not attachment.fresh, ""
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

        `take` calls :meth:`shown`.

        Raises:
            SessionLost: the link has ended.
        """
        while self._waiting or self.turn in (Turn.UNKNOWN, Turn.BUSY):
            take(await self.next())

    async def detach(self, *, close: bool) -> None:
        """Let the kernel go.

        Args:
            close: whether it ends; else it is as when any client leaves, and a kernel that is kept
                goes on with what it evaluates.
        """
        await self.let_go(self.leave(), close=close)

    def leave(self) -> Attachment | None:
        """Have no kernel, but do not let the present one go: return it."""
        self.save()
        attachment, self._attachment = self._attachment, None
        self.turn = Turn.AWAY
        self._came.set()
        return attachment

    async def let_go(self, attachment: Attachment | None, *, close: bool) -> None:
        """Let a kernel go that was left; see :meth:`detach`."""
        if attachment is not None:
            await asyncio.to_thread(_let_go, attachment, close=close)

    def take_back(self, attachment: Attachment | None) -> None:
        """Have the kernel that was left."""
        self._attachment = attachment
        self.turn = Turn.AWAY if attachment is None else Turn.UNKNOWN
        self._ask_at = time.monotonic()

    def rename(self, old: ProfileFile, new: ProfileFile) -> None:
        """Have the session go by another profile, which is the old one's file renamed."""
        if self._attachment is not None and self._attachment.file is not None and self._attachment.file.name == old.name:
            self._attachment.file = new
        if self.choice.file is not None and self.choice.file.name == old.name:
            self.choice = replace(self.choice, file=new)

    # ------------------------------------------------------------------ to the kernel

    async def enter(self, text: str, asks: CellNote | None = None, notebook: str = "") -> None:
        """Enter text as at a prompt: a :class:`Prompted` ends what comes of it.

        `asks`: the cell that it is of, which the profile notes, and the path of its `notebook`.
        """
        if asks is not None:
            self._asking = asks
            try:
                self.attachment.note(asks, notebook=notebook)
            except ProfileError as error:
                self.say(str(error))
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
        await self._define()
        return await self.value(expression, heard)

    async def render_prints(self) -> None:
        """Have what the next input prints rendered, if it is one of the main loop.

        Raises:
            SessionLost: the link has ended.
        """
        if not self.depth:
            await self._define()
            await self.value(prints(self.number))

    async def _define(self) -> None:
        if not self._defined:
            await self.value(DEFINITIONS)
            self._defined = True

    async def answer(self, answer: Expr) -> None:
        """Answer what the kernel has asked."""
        self.turn = Turn.BUSY
        await self._put(answer)

    def abort(self) -> None:
        """Abort what the kernel evaluates; or give up a lost kernel that is looked for."""
        self._given_up = True
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
            self._reading = True
            try:
                await self._proceed()
            finally:
                self._reading = False
        happening, self.position = self._waiting.popleft()
        if isinstance(happening, Prompted) and happening.depth == 0:
            self._asking = None
        return happening

    async def _proceed(self) -> None:
        """Handle the next event, or wait until there may be one.

        Raises:
            SessionLost: as :meth:`next`.
        """
        if self._attachment is None:
            raise SessionLost("the kernel has been let go")
        if self._asks and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
            await self._put(command("Kernels"))
        event = self._events.get(0)
        match event:
            case None:
                await self._wait()
            case Said() if self._attachment is not None and event.session is self._attachment.session:
                await self._said(event)
            case Ended() if self._attachment is not None and event.session is self._attachment.session:
                await self._lost(event.error)

    async def describe(self) -> dict[str, Expr] | None:
        """Ask the server what it says of the kernel; None: it does not answer soon."""
        if self._attachment is None:
            return None
        told = self._table = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError, SessionLost):
            async with asyncio.timeout(_DESCRIBE_SECONDS):
                await self._put(command("Kernels"))
                while not (self._reading or told.done()):
                    await self._proceed()
                return await told
        return None

    def shown(self) -> None:
        """Note that everything that :meth:`next` has given has been shown."""
        self._shown = self.position, self._asking
        if self._saving is None and self._attachment is not None and self._attachment.file is not None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_SECONDS, self._save_shown, *self._shown)

    def _save_shown(self, position: int, asking: CellNote | None) -> None:
        self._saving = None
        self._save(position, asking)
        if self._shown != (position, asking):
            self.shown()

    def save(self) -> None:
        """Save now what was shown."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
            self._save(*self._shown)

    def _save(self, position: int, asking: CellNote | None) -> None:
        attachment = self._attachment
        if attachment is None or not self.may_save():
            return
        try:
            if asking is None and self._asking is None:
                attachment.note(None)
            attachment.save(position)
        except ProfileError as error:
            self.say(str(error))

    async def _wait(self) -> None:
        """Wait until there may be an event, or something is due."""
        seconds = max(self._ask_at - time.monotonic(), 0.0) if self._asks else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        self._came.clear()

    async def _said(self, said: Said) -> None:
        attachment = self.attachment
        table = attachment.session.table(said.packet)
        if table is not None:
            if self._table is not None and not self._table.done():
                self._table.set_result(table)
            await self._stands(table, said.position)
            return
        for happening in self._conversation.take(said.packet):
            if self._marker and isinstance(happening, Returned) and happening.value in (self._marker, Symbol("$Aborted")):
                self._returning, self._marker = False, ""
                self._note(self._conversation.at_prompt(self._prompt), said.position)
            else:
                self._note(happening, said.position)

    async def _stands(self, table: dict[str, Expr], position: int) -> None:
        """Take what the server says of the kernel, if it is not known otherwise how it stands."""
        if not self._asks or table.get("State") != "attached":
            return
        busy, asking = (table.get(key) == Symbol("True") for key in ("Busy", "Asking"))
        prompt = str(table.get("Prompt") or "")
        if not self._returning:
            if not busy:
                self._note(self._conversation.at_prompt(prompt), position)
        elif asking and self._waits_for_answer is not None:
            self._returning = False
            self.turn = self._waits_for_answer
        elif busy:
            self.turn = Turn.BUSY
        elif not self._marker:
            # The server may say this before the last of what was missed. The kernel says its answer
            # to this after it.
            self._marker, self._prompt = f"kernelbus-{secrets.token_hex(8)}", prompt
            await self._put(Symbol("EvaluatePacket")(self._marker))

    @property
    def _asks(self) -> bool:
        """Whether the server is to be asked how the kernel stands."""
        return self._attachment is not None and not self._marker and (self._returning or self.turn is Turn.UNKNOWN)

    def _note(self, happening: Happening, position: int) -> None:
        if isinstance(happening, Prompted):
            self.number = happening.number or self.number
        elif isinstance(happening, Told) and happening.of_server and happening.name.endswith("::replaced"):
            self._defined = False  # the server has put another kernel in the place of one that has ended
        waits_for = _TURNS.get(type(happening))
        if not self._returning:
            self.turn = waits_for or self.turn
        elif waits_for is not None:
            self._ask_at = 0.0
        dialog = isinstance(happening, Prompted) and happening.depth > 0
        self._waits_for_answer = waits_for if isinstance(happening, Asked) or dialog else None
        self._waiting.append((happening, position))

    async def _lost(self, error: wstp.WSTPError) -> None:
        """Attach the kernel again, or end the session.

        Raises:
            SessionLost: it has ended, or cannot be attached.
        """
        attachment = self.attachment
        position: int | None = attachment.session.position
        if self._quitting or not self.choice.kept:
            await self.detach(close=False)
            if self._quitting:
                raise SessionLost("the kernel has ended", over=True)
            session = attachment.session
            how = await asyncio.to_thread(how_it_ended, session.address, session.kernel, session.token)
            place = session.address.place
            raise _ended(how) or SessionLost(f"the connection to {place} is lost ({error}), and so is the session, which has no name")
        deadline, told = time.monotonic() + _PATIENCE, False
        self._given_up = False
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
                if final or self._given_up or time.monotonic() > deadline:
                    await self.detach(close=False)
                    reason = failed.reason if isinstance(failed, KernelRefused) else str(failed)
                    gone = isinstance(failed, KernelRefused) and failed.gone
                    raise (_ended(reason) if gone else None) or SessionLost(reason) from None
                if not told:
                    told = True
                    self.say(f"the connection to {attachment.session.address.place} is lost ({error}): trying to get back to the kernel")
                await asyncio.sleep(_SEEK_SECONDS)
        if told:
            self.say("back at the kernel")
        self.turn = Turn.UNKNOWN
        self._ask_at = time.monotonic() + _ASK_SECONDS
        self._listen(attachment)


def _ended(how: str) -> SessionLost | None:
    """Return what is raised for a kernel that has ended, as its server says; None: it does not."""
    return SessionLost(ending(how), over=True, status=exit_status(how)) if how else None


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
