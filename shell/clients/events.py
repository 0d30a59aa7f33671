"""Events of a session at a prompt: the kernel's packets, typed lines, Ctrl-C, the end of the link.

One thread reads the link, and one thread handles all events, from one queue.
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

# Packets that may wait in the queue; beyond them the link is not read, and the kernel waits.
_ROOM = 256


@dataclass(frozen=True, slots=True)
class Said:
    """The kernel said something.

    Attributes:
        position: the number of the next packet (`Session.position`).
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
    """The console has a line of standard input, or its end."""


Event: TypeAlias = Said | Ended | Pressed | Typed


class Events:
    """The queue. Any thread may put; one thread gets.

    Attributes:
        on_put: called after each put, in the thread that puts; None: nothing is called.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._room = threading.Semaphore(_ROOM)
        self.on_put: Callable[[], None] | None = None

    def put(self, event: Event) -> None:
        """Put an event; wait while too many of the kernel's packets are in the queue."""
        if isinstance(event, Said):
            self._room.acquire()
        self._queue.put(event)
        if (told := self.on_put) is not None:
            told()

    def get(self, timeout: float | None) -> Event | None:
        """Return the next event, or None when there was none in `timeout` seconds (None: wait)."""
        try:
            event = self._queue.get(timeout=timeout) if timeout != 0 else self._queue.get_nowait()
        except queue.Empty:
            return None
        if isinstance(event, Said):
            self._room.release()
        return event


def listen(session: Session, events: Events) -> None:
    """Put a session's packets into `events` until its link ends, from a thread of their own."""

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
    """While this is entered, Ctrl-C is an event and interrupts no call."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __enter__(self) -> Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A signal handler may put to a SimpleQueue.
        self._events.put(Pressed())
