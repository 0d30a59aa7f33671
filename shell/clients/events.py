"""What a session at a prompt waits for: what the kernel says, what is typed, Ctrl-C. One queue, one
thread that deals with it.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

import wstp
from kernelbus.shell.clients.session import Session
from wstp import Function

__all__ = ["Ended", "Event", "Events", "Interrupts", "Pressed", "Said", "Typed", "listen"]

# So many packets wait to be shown; then the link is not read, and the kernel waits.
_ROOM = 256


@dataclass(frozen=True, slots=True)
class Said:
    """The kernel said something. `position`: the number of the packet behind it
    (:attr:`kernelbus.shell.clients.session.Session.position`).
    """

    session: Session
    packet: Function
    position: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The link has ended."""

    session: Session
    error: wstp.WSTPError


@dataclass(frozen=True, slots=True)
class Pressed:
    """Ctrl-C was pressed."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line of standard input has come, or its end: the console has it."""


Event: TypeAlias = Said | Ended | Pressed | Typed


class Events:
    """The queue. Anything may put; one thread gets.

    Attributes:
        on_put: called after each put, by whoever puts.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._room = threading.Semaphore(_ROOM)
        self.on_put: Callable[[], None] | None = None

    def put(self, event: Event) -> None:
        """Put; of what a kernel says only so much at a time."""
        if isinstance(event, Said):
            self._room.acquire()
        self._queue.put(event)
        if (told := self.on_put) is not None:
            told()

    def get(self, timeout: float | None) -> Event | None:
        """Give the next one, None when there was none in `timeout` seconds."""
        try:
            event = self._queue.get(timeout=timeout) if timeout != 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        if isinstance(event, Said):
            self._room.release()
        return event


def listen(session: Session, events: Events) -> None:
    """Put what comes over a session's link into `events` until it ends."""

    def run() -> None:
        while True:
            try:
                packet = session.next()
            except wstp.WSTPError as error:
                events.put(Ended(session, error))
                return
            events.put(Said(session, packet, session.position))

    threading.Thread(target=run, name=f"listens to {session.kernel[:8]}", daemon=True).start()


class Interrupts:
    """While this is entered, Ctrl-C is an event and cuts nothing in two."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A SimpleQueue may be put to from a signal handler.
        self._events.put(Pressed())
