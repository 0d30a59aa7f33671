"""The transport between parts of one process: a plain call.

Frames wait in one queue and are handed over in the order of sending, from inside the first `send`.
Frames for the sender itself wait until the next turn of the event loop: neither a part nor the
broker is ever called back from inside its own call, however long the chain of answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.transport.interface import FrameHandler, Route, RouteHandler

__all__ = ["CallHub"]


class CallHub:
    """Joins a broker with the parts that run in its process."""

    def __init__(self, on_frame: RouteHandler) -> None:
        self._on_frame = on_frame
        self._loop = asyncio.get_running_loop()
        # Each entry: the receiver (a transport, or this hub for the broker), its handler and the
        # arguments.
        self._queue: deque[tuple[object, Callable[..., None], tuple[object, ...]]] = deque()
        self._running = False
        self._scheduled = False
        self.closed = False

    def connect(self, on_frame: FrameHandler) -> _CallTransport:
        """Return a part's transport, as a `TransportFactory` does."""
        return _CallTransport(self, on_frame)

    def close(self) -> None:
        """Drop what waits, and everything that is sent from now on."""
        self.closed = True
        self._queue.clear()

    def _put(self, sender: object, target: object, handler: Callable[..., None], *arguments: object) -> None:
        if not self.closed:
            self._queue.append((target, handler, arguments))
            if not self._running:
                self._run(sender)

    def _run(self, sender: object) -> None:
        """Hand over what waits, except to `sender`, which is inside a call of its own."""
        queue = self._queue
        kept: list[tuple[object, Callable[..., None], tuple[object, ...]]] = []
        self._running = True
        try:
            while queue:
                target, handler, arguments = queue.popleft()
                if target is sender:
                    kept.append((target, handler, arguments))
                    continue
                try:
                    handler(*arguments)
                except Exception as error:
                    # The receiver's failure is not the sender's to handle: report it as the loop
                    # does for a callback.
                    self._loop.call_exception_handler({"message": "a frame's receiver has failed", "exception": error})
        finally:
            self._running = False
            if not self.closed:
                queue.extendleft(reversed(kept))
            if queue and not self._scheduled:
                self._scheduled = True
                self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._scheduled = False
        if not self._running:
            self._run(None)


class _CallTransport:
    def __init__(self, hub: CallHub, on_frame: FrameHandler) -> None:
        self._hub = hub
        self._handler: FrameHandler | None = on_frame
        self._route = _CallRoute(self)

    def send(self, frame: Frame) -> None:
        if self._handler is not None:
            hub = self._hub
            hub._put(self, hub, hub._on_frame, self._route, frame)

    def close(self) -> None:
        self._handler = None

    def deliver(self, frame: Frame) -> None:
        if self._handler is not None:
            self._handler(frame)


class _CallRoute(Route):
    def __init__(self, transport: _CallTransport) -> None:
        self._transport = transport

    @property
    def name(self) -> str:
        return "this process"

    @property
    def own(self) -> bool:
        return True

    def send(self, frame: Frame) -> bool:
        transport = self._transport
        if transport._handler is None or transport._hub.closed:
            return False
        transport._hub._put(transport._hub, transport, transport.deliver, frame)
        return True
