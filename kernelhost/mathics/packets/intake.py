"""Read one link on a thread of its own: queue its packets, act on its messages.

Packets and messages travel on two connections; a sender writes a packet first and an abort (message
3) for it afterwards. When an abort is read, it stops:

=========================================== ========================================================
the kernel is                               the abort stops
=========================================== ========================================================
evaluating                                  that evaluation
sending the last packet of an answer        the same as when idle
idle, packets wait in the queue             the first of them
idle, a packet is there in whole or in part that packet, as soon as it is complete
idle, nothing has arrived                   nothing: it came too late
idle inside an evaluation that asks         the same as when idle; if nothing has arrived, the
                                            evaluation that asks or holds the dialog
=========================================== ========================================================

So the reader knows how deeply dialogs are nested: an abort is for what the innermost dialog
evaluates, and if that evaluates nothing, for the evaluation that asks.

An interrupt (message 2) is for the same evaluation as an abort would be, except that it has no
effect on an evaluation that already asks. If both connections have something to read at once, the
operating system's time stamps tell which came first. Without time stamps the packet is taken to be
first: an abort right behind its packet must not be lost.

One lock protects all of this. It is also taken to begin and to end a packet, so that an abort is
neither lost between two states nor left over for the next packet. This module evaluates nothing,
and knows interrupts only as functions to call.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final

from kernelbus.kernelhost.mathics.packets.interfaces import Arrival
from wstp import Link, LinkClosed, LinkLost, LinkState, Message, MessageCode, PacketFault, WSTPError

__all__ = ["End", "Intake"]

_log = logging.getLogger("kernelhost.mathics")

#: The most packets that may wait. With so many, only messages are read until one is taken.
_QUEUED: Final = 64
#: How often a full queue is checked again, milliseconds.
_FULL_PAUSE: Final = 20
#: How often an evaluation that waits for a packet checks whether SIGINT came, seconds: nothing
#: wakes it for that.
_SIGNALS: Final = 0.5
#: How long an evaluation may take to end after the link has ended, seconds. Then the process exits.
GRACE: Final = 0.5


class End(Enum):
    """Name the ways in which a link ends."""

    CLOSED = "closed by the peer"
    TERMINATED = "told to terminate"
    LOST = "lost"
    BROKEN = "broken"

    @property
    def status(self) -> int:
        """Return the exit status for it (:mod:`kernelbus.kernelhost.mathics.start.server`)."""
        return {End.LOST: 3, End.BROKEN: 4}.get(self, 0)


class _Terminated(Exception):
    """Say that message 1 was read."""


class _Arrivals:
    """Tell when unread data arrived on two connections, by the operating system's time stamps."""

    _OPTION: Final = getattr(socket, "SO_TIMESTAMPNS", 35)
    _STAMP: Final = struct.Struct("@qq")

    def __init__(self, link: Link) -> None:
        self._sockets: tuple[socket.socket, ...] = ()
        if sys.platform != "linux":
            return
        sockets = tuple(socket.socket(fileno=os.dup(f)) for f in (link.fileno(), link.message_fileno()))
        try:
            for each in sockets:
                each.setsockopt(socket.SOL_SOCKET, self._OPTION, 1)
        except OSError:
            for each in sockets:
                each.close()
            return
        self._sockets = sockets

    def message_first(self) -> bool:
        """Tell whether the first unread message arrived before the first unread data.

        False if the time stamps do not tell.
        """
        if not self._sockets:
            return False
        data, message = map(self._when, self._sockets)
        return data is not None and message is not None and message < data

    def _when(self, connection: socket.socket) -> tuple[int, int] | None:
        try:
            _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(self._STAMP.size), socket.MSG_PEEK)
        except OSError:
            return None
        for level, kind, stamp in ancillary:
            if level == socket.SOL_SOCKET and kind == self._OPTION and len(stamp) >= self._STAMP.size:
                seconds, nanoseconds = self._STAMP.unpack_from(stamp)
                return seconds, nanoseconds
        return None

    def close(self) -> None:
        """Close the copies of the descriptors, so that the link can close the connections."""
        for each in self._sockets:
            each.close()
        self._sockets = ()


class Intake:
    """Read a link for a main loop."""

    def __init__(
        self, link: Link, abort: Callable[[], None], forget: Callable[[], None], interrupt: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare.

        Args:
            link: the link to read; nothing else may read it.
            abort: aborts the running evaluation; called from any thread.
            forget: called when a packet is done with, so that an earlier ``abort`` or ``interrupt``
                has no effect on the next one.
            interrupt: brings up the menu in the running evaluation; called from any thread.
        """
        self._link = link
        self._abort = abort
        self._interrupt = interrupt
        self._forget = forget
        self._changed = threading.Condition()
        self._queue: deque[Arrival] = deque()
        self._busy = False
        self._inside = 0
        self._abort_next = False
        self._interrupt_next = False
        self._end: End | None = None
        self._finishing = False
        self._arrived = _Arrivals(link)

    def start(self) -> None:
        """Start the thread that reads the link."""
        threading.Thread(target=self._run, name="link reader", daemon=True).start()

    def take(self) -> Arrival | End:
        """Wait for the next packet and begin it; or return how the link ended."""
        with self._changed:
            while not self._queue and self._end is None:
                self._changed.wait()
            return self._take_next()

    def take_inside(self, over: Callable[[], bool], remaining: Callable[[], float | None]) -> Arrival | End | None:
        """Wait for the next packet inside an evaluation and begin it; or return how the link ended.

        Call this between :meth:`enter` and :meth:`leave`.

        Args:
            over: tells whether the evaluation must go on at once. If so, None is returned and no
                packet is taken.
            remaining: returns the seconds until that will be so, None for no limit.
        """
        with self._changed:
            if not over():
                self._busy = False
            while not over() and not self._queue and self._end is None:
                limit = remaining()
                self._changed.wait(_SIGNALS if limit is None else min(limit, _SIGNALS))
            return None if over() and self._end is None else self._take_next()

    def _take_next(self) -> Arrival | End:
        """Take the first packet of the queue and become busy; or return how the link ended."""
        if self._end is not None:
            return self._end
        self._busy = True
        arrival = self._queue.popleft()
        self._changed.notify_all()
        return arrival

    def enter(self) -> None:
        """Record that the running evaluation is about to take packets itself."""
        with self._changed:
            self._inside += 1
            self._busy = False

    def leave(self) -> None:
        """Record that this evaluation goes on."""
        with self._changed:
            self._inside -= 1
            self._busy = True

    def begin(self) -> None:
        """Record that something is evaluated that did not come in a packet."""
        with self._changed:
            self._busy = True

    def done(self) -> None:
        """Record that the packet taken last is answered: an abort is not for it any more.

        Call this before the last packet of an answer leaves. A client that has its answer may send
        the next packet and an abort for it before this process runs again.
        """
        with self._changed:
            self._busy = False
            self._forget()

    def end(self) -> End:
        """Return how the link ended; wait up to ``GRACE`` seconds for the reader to notice."""
        with self._changed:
            self._changed.wait_for(lambda: self._end is not None, GRACE)
            return self._end or End.LOST

    @property
    def ended(self) -> End | None:
        """How the link has ended; None while it has not."""
        with self._changed:
            return self._end

    def finish(self) -> None:
        """Record that the process is about to end by itself."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()
        self._arrived.close()

    # -- the thread -----------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
            end = End.TERMINATED
        except _Terminated:
            end = End.TERMINATED
        except LinkClosed:
            end = End.CLOSED
        except LinkLost as error:
            _log.warning("the link is lost: %s", error)
            end = End.LOST
        except WSTPError as error:
            _log.error("the link cannot be read any more: %s", error)
            end = End.BROKEN
        except Exception:
            _log.exception("reading the link failed")
            end = End.BROKEN
        self._ended(end)

    def _step(self) -> bool:
        """Wait for data or a message and act on it; return False for message 1."""
        if not self._room():
            return True
        link = self._link
        active = link.state is LinkState.ACTIVE
        if active:
            # Look before the link reads: once both connections have been read, nothing tells which
            # came first.
            complete, arriving = self._buffered()
            data, message = self._look(wait=not complete)
            if message and not data:
                return self._messages(arriving)
            if message and not arriving and self._arrived.message_first():
                first = link.get_message()
                return first is None or self._heard(first, False)
        ready = link.wait(0 if active else None)
        if ready.message and not self._messages(ready.data or self._buffered()[1]):
            return False
        if ready.data:
            fault = None
            try:
                packet = link.get(0)
            except PacketFault as error:
                fault, packet = error, error.expr
            with self._changed:
                self._queue.append(Arrival(packet, self._abort_next, self._interrupt_next, fault))
                self._abort_next = self._interrupt_next = False
                self._changed.notify_all()
        return True

    def _buffered(self) -> tuple[bool, bool]:
        """Tell what has been read from the connection and not taken.

        Returns:
            Whether a whole packet has, and whether a part of one has.
        """
        link = self._link
        with link._lock:
            complete = link._machine.poll()
            return complete, complete or link._machine.unread > 0

    def _look(self, *, wait: bool) -> tuple[bool, bool]:
        """Tell which connection has something to read: (data, message).

        With `wait`, wait until one has.
        """
        poller = select.poll()
        data, message = self._link.fileno(), self._link.message_fileno()
        if data < 0 or message < 0:
            return True, True
        poller.register(data, select.POLLIN)
        poller.register(message, select.POLLIN)
        found = {file for file, _ in poller.poll(None if wait else 0)}
        return data in found, message in found

    def _messages(self, arriving: bool) -> bool:
        """Act on the messages that have arrived; return False for message 1."""
        while (message := self._link.get_message()) is not None:
            if not self._heard(message, arriving):
                return False
        return True

    def _room(self) -> bool:
        """Tell whether the queue has room; if not, wait a moment and act on messages."""
        with self._changed:
            if len(self._queue) < _QUEUED:
                return True
            self._changed.wait(_FULL_PAUSE / 1000)
        poller = select.poll()
        poller.register(self._link.message_fileno(), select.POLLIN)
        if poller.poll(0):
            if self._link.closed:
                return True
            if not self._messages(True):
                raise _Terminated
        return False

    def _heard(self, message: Message, arriving: bool) -> bool:
        """Act on a message; return False if it ends the kernel."""
        if message.code == MessageCode.TERMINATE:
            _log.info("told to terminate")
            return False
        if message.code == MessageCode.ABORT:
            self._abort_heard(arriving)
        elif message.code == MessageCode.INTERRUPT:
            self._interrupt_heard(arriving)
        else:
            _log.debug("message %d is ignored", message.code)
        return True

    def _abort_heard(self, arriving: bool) -> None:
        with self._changed:
            if self._busy:
                self._abort()
            elif self._queue:
                self._queue[0] = replace(self._queue[0], aborted=True)
            elif arriving:
                self._abort_next = True
            elif self._inside:
                self._abort()
                self._changed.notify_all()
            else:
                _log.debug("an abort is ignored: nothing was under way when it came")

    def _interrupt_heard(self, arriving: bool) -> None:
        with self._changed:
            if self._busy:
                self._interrupt()
            elif self._queue:
                self._queue[0] = replace(self._queue[0], interrupted=True)
            elif arriving:
                self._interrupt_next = True
            else:
                _log.debug("an interrupt is ignored: nothing was under way when it came")

    def _ended(self, end: End) -> None:
        """Tell the main thread how the link ended.

        Exit the process if the evaluation does not end within ``GRACE`` seconds.
        """
        with self._changed:
            self._end = end
            if self._finishing:
                return
            if self._busy:
                self._abort()
            self._changed.notify_all()
            if self._changed.wait_for(lambda: self._finishing, GRACE):
                return
        _log.warning("the evaluation did not stop when the link ended: the process ends")
        logging.shutdown()
        os._exit(end.status)
