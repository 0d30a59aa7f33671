"""Hold the links that a kernel has opened: make, read, write and close them; no Mathics3.

Whatever waits does so in short slices, so that an abort comes through between two of them and never
in the middle of one: :class:`Held` is what holds an abort back. A link is made on a thread of its
own, as the other side may be this kernel too. The links are over TCP in ordinary
mode (PROTOCOL.md section 3), or to a link server (section 2) where options ask for it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

import wstp
from wstp import Link, LinkTimeout, Listener, WSTPError
from wstp.expr import Expr, Symbol
from wstp.linkspec import ModeName

__all__ = ["Entry", "Held", "LinkFailure", "Links", "Making"]

#: How long one slice of waiting is, seconds: an abort waits so long.
_SLICE: Final = 0.05
#: How long a listener waits before it looks whether it is still wanted, seconds.
_ACCEPTING: Final = 0.2
#: How long a refusal of a connection is waited for, seconds. What takes longer is waited for when
#: the link is used.
_REFUSAL: Final = 0.3
#: How long opening a link to a listener may take, seconds.
_CONNECTING: Final = 10.0
#: How long a peer may take to read the rest and to go, and then a program to end, seconds.
_LINGER: Final = 1.0
_ENDING: Final = 2.0
#: The option of a link that asks for a link server (PROTOCOL.md section 1).
_UUID: Final = 4


class Held(Protocol):
    """Hold aborts back."""

    @property
    def masked(self) -> AbstractContextManager[None]:
        """Hold aborts back while the body runs, and raise what came at its end."""

    def check(self) -> None:
        """Raise what has come."""


class LinkFailure(Exception):
    """Say that a link cannot be made or used. The tag is that of a message of ``LinkObject``."""

    def __init__(self, tag: str, text: str) -> None:
        super().__init__(text)
        self.tag = tag


@dataclass(slots=True)
class Entry:
    """Hold one link.

    Attributes:
        number: its number in this kernel.
        name: its name, by which the other side connects.
        making: what makes the link; None once it is made.
        link: the link, None until the other side has come.
        process: the program that was started for it, if any.
        patterns: the patterns that its program has defined, as text.
        owed: how many answers of the program are to be dropped: those of aborted calls.
        active: whether it has been activated, or used.
    """

    number: int
    name: str
    making: Making | None = None
    link: Link | None = None
    process: subprocess.Popen[bytes] | None = None
    patterns: list[str] = field(default_factory=list)
    owed: int = 0
    active: bool = False


class Making:
    """Make a link on a thread: wait for the other side, or connect to it."""

    def __init__(self, make: Callable[[threading.Event], Link]) -> None:
        """Begin.

        Args:
            make: returns the link, or raises ``WSTPError`` or ``OSError``; it gives up when the
                event is set.
        """
        self._make = make
        self._given_up = threading.Event()
        self._done = threading.Event()
        self._link: Link | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="link", daemon=True).start()

    def _run(self) -> None:
        try:
            self._link = self._make(self._given_up)
        except (WSTPError, OSError) as error:
            self._error = error
        finally:
            self._done.set()
        if self._given_up.is_set() and self._link is not None:
            self._link.abort()

    def outcome(self, seconds: float) -> Link | None:
        """Wait for the link; return None if it is not made in that time.

        Raises:
            WSTPError, OSError: it cannot be made.
        """
        if not self._done.wait(seconds):
            return None
        if self._error is not None:
            raise self._error
        return self._link

    def give_up(self) -> None:
        """Make the link no more, and end it if it is made."""
        self._given_up.set()
        # The thread looks the other way round: whoever is last ends the link.
        if self._done.is_set() and self._link is not None:
            self._link.abort()


class Links:
    """The links of one kernel. The first has number 2: number 1 is the kernel's own."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._entries: dict[int, Entry] = {}
        self._last = 1

    def all(self) -> list[Entry]:
        """Return the open links, oldest first."""
        return list(self._entries.values())

    def get(self, number: int) -> Entry | None:
        """Return the link with a number, None if there is none."""
        return self._entries.get(number)

    # -- making -----------------------------------------

    def listen(self, name: str, options: int = 0) -> Entry:
        """Wait for another program at a name, ``port`` or ``port@host``; "" is any free port.

        Raises:
            LinkFailure: the name is wrong, or the port is taken.
        """
        with self._failing("linkc"):
            listener = wstp.listen(name or "0@127.0.0.1", mode="uuid" if options & _UUID else "default")
        return self._add(Entry(self._next(), listener.link_name, Making(lambda given_up: _accepted(listener, given_up))))

    def connect(self, name: str, options: int = 0) -> Entry:
        """Connect to a program that listens at a name.

        Raises:
            LinkFailure: the name is wrong, or nobody listens there.
        """
        mode: ModeName = "uuid" if options & _UUID else "default"
        making = Making(lambda given_up: wstp.connect(name, timeout=_CONNECTING, mode=mode))
        with self._failing("linkc"):
            link = making.outcome(_REFUSAL)
        return self._add(Entry(self._next(), name, making if link is None else None, link))

    def launch(self, command: str) -> Entry:
        """Start a program, which connects to the link that its last arguments name.

        Raises:
            LinkFailure: the program cannot be started.
        """
        try:
            words = [command] if os.path.isfile(command) else shlex.split(command)
        except ValueError as error:
            raise LinkFailure("linke", f"{command}: {error}") from error
        if not words:
            raise LinkFailure("linke", "no program is named")
        entry = self.listen("")
        arguments = ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", entry.name]
        try:
            entry.process = subprocess.Popen([*words, *arguments], stdin=subprocess.DEVNULL)
        except OSError as error:
            self.close(entry)
            _raise_forbidden(error)
            raise LinkFailure("linke", f"{words[0]}: {error.strerror}") from error
        entry.name = command
        return entry

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _add(self, entry: Entry) -> Entry:
        self._entries[entry.number] = entry
        return entry

    @contextlib.contextmanager
    def _failing(self, tag: str) -> Iterator[None]:
        try:
            yield
        except (WSTPError, OSError) as error:
            _raise_forbidden(error)
            # Python adds the address to what the system says.
            text = str(error) if isinstance(error, WSTPError) else (error.strerror or str(error)).partition(" (while ")[0]
            raise LinkFailure(tag, text) from error

    # -- using -----------------------------------------

    def activate(self, entry: Entry) -> Link:
        """Wait until the other side has come, and return the link.

        Raises:
            LinkFailure: it will not come: its program has ended, or the link is closed.
        """
        while entry.link is None:
            with self._held.masked:
                if not self._made(entry, _SLICE):
                    self._look_at_process(entry)
        entry.active = True
        return entry.link

    def _made(self, entry: Entry, seconds: float) -> bool:
        """Wait for a link to be made, and tell whether it is.

        Raises:
            LinkFailure: it cannot be made.
        """
        if entry.link is None:
            if entry.making is None:
                raise LinkFailure("linkd", "it is closed")
            try:
                entry.link = entry.making.outcome(seconds)
            except (WSTPError, OSError) as error:
                raise LinkFailure("linkd", str(error)) from error
            if entry.link is not None:
                entry.making = None
        return entry.link is not None

    def connected(self, entry: Entry) -> bool:
        """Tell whether the other side has come."""
        try:
            return self._made(entry, 0.0)
        except LinkFailure:
            return False

    def _look_at_process(self, entry: Entry) -> None:
        status = entry.process.poll() if entry.process is not None else None
        if status is not None:
            raise LinkFailure("linkd", f"the program has ended with status {status}")

    def write(self, entry: Entry, expr: Expr) -> None:
        """Write an expression, and the end of the packet behind it.

        Raises:
            LinkFailure: the other side has gone.
            ValueError: the expression holds something that cannot be written.
        """
        link = self.activate(entry)
        try:
            with self._held.masked:
                link.put(expr, end_packet=True)
            while True:
                with self._held.masked:
                    try:
                        link.flush(_SLICE)
                    except LinkTimeout:
                        continue
                    return
        except (TypeError, wstp.LocalProtocolError) as error:
            raise ValueError(str(error)) from error
        except WSTPError as error:
            raise LinkFailure("linkd", str(error)) from error

    def read(self, entry: Entry, seconds: float | None = None) -> Expr:
        """Wait for an expression, and return it.

        Args:
            entry: the link.
            seconds: how long to wait; None as long as it takes.

        Raises:
            LinkFailure: the other side has gone; or nothing came in time (tag ``linkt``).
        """
        link = self.activate(entry)
        until = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                with self._held.masked:
                    if link.wait(_SLICE).data:
                        return link.get(0)
                if until is not None and time.monotonic() > until:
                    raise LinkFailure("linkt", f"nothing came in {seconds:g} s")
        except wstp.PacketFault as error:
            return error.expr
        except WSTPError as error:
            raise LinkFailure("linkd", str(error)) from error

    def ready(self, entries: Sequence[Entry], seconds: float = 0.0) -> list[bool]:
        """Tell of which links there is something to read; wait for the first, up to some seconds.

        A link that has not been activated is ready when its other side has come. One whose other
        side has gone is ready: reading says so.
        """
        until = time.monotonic() + seconds
        while True:
            wait = min(_SLICE, max(until - time.monotonic(), 0.0)) / max(1, len(entries))
            with self._held.masked:
                found = [self._arrived(entry, wait) for entry in entries]
            if any(found) or time.monotonic() >= until:
                return found

    def _arrived(self, entry: Entry, seconds: float) -> bool:
        try:
            if not self._made(entry, seconds):
                return False
            assert entry.link is not None
            return not entry.active or entry.link.wait(seconds).data
        except (LinkFailure, WSTPError):
            return True

    def message(self, entry: Entry, code: int) -> None:
        """Send an out-of-band message; nothing if the other side is not there."""
        with contextlib.suppress(WSTPError, OSError):
            if entry.link is not None:
                entry.link.put_message(code)

    # -- ending -----------------------------------------

    def close(self, entry: Entry) -> None:
        """Close a link, and end the program that was started for it."""
        self._entries.pop(entry.number, None)
        if entry.making is not None:
            entry.making.give_up()
            entry.making = None
        if entry.link is not None:
            with contextlib.suppress(WSTPError, OSError):
                entry.link.close(timeout=_LINGER, linger=_LINGER)
        if entry.process is not None:
            _end(entry.process)

    def transact(self, entry: Entry, request: Expr, answer: Callable[[Expr], Expr | None]) -> Expr:
        """Write a request, and read until the peer's result is there.

        An abort is passed on to the peer, whose result is dropped when it comes.

        Args:
            entry: the link.
            request: what is written first.
            answer: given what the peer says, returns what to write to it; None if that is the
                result.

        Raises:
            LinkFailure: the other side has gone.
        """
        answering = False
        try:
            while entry.owed:
                self.read(entry)
                entry.owed -= 1
            self.write(entry, request)
            while True:
                said = self.read(entry)
                answering = True
                reply = answer(said)
                answering = False
                if reply is None:
                    return said
                self.write(entry, reply)
        except Exception:
            raise
        except BaseException:
            # An abort or a time limit: the peer has its call, and answers it sooner or later.
            self.message(entry, wstp.MessageCode.ABORT)
            if answering and entry.link is not None:
                with contextlib.suppress(WSTPError, TypeError):
                    entry.link.put(Symbol("ReturnPacket")(Symbol("$Aborted")), end_packet=True)
            entry.owed += 1
            raise


def _raise_forbidden(error: BaseException) -> None:
    """Raise what says that the pool forbids it, if that is behind an error.

    It is a ``PermissionError`` that does not come from the system; the kernel says it in words of
    its own.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PermissionError) and cause.errno is None:
            raise cause
        cause = cause.__cause__ or cause.__context__


def _accepted(listener: Listener, given_up: threading.Event) -> Link:
    """Wait for the other side at a listener, and close that."""
    with listener:
        while True:
            try:
                return listener.accept(_ACCEPTING)
            except LinkTimeout:
                if given_up.is_set():
                    raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program: it may end by itself, is then asked to, and is killed at last."""
    for end in (lambda: None, process.terminate, process.kill):
        end()
        try:
            process.wait(_ENDING)
            return
        except subprocess.TimeoutExpired:
            continue

