"""The transport between parts of one process: a plain call.

A frame sent while another is being handled waits in one queue for its turn, so that no part is ever called back from inside its own
call, and the order of events is the order of sending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bus.frames import Frame
from bus.transport import FrameHandler, Route, RouteHandler

__all__ = ["CallHub"]


class CallHub:
    """Joins a broker with the parts that run in its process."""

    def __init__(self, on_frame: RouteHandler) -> None:
        self._on_frame = on_frame
        self._queue: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._running = False

    def connect(self, on_frame: FrameHandler) -> _CallTransport:
        """Make a part's transport (a :data:`bus.transport.TransportFactory`)."""
        return _CallTransport(self, on_frame)

    def close(self) -> None:
        """Drop what waits."""
        self._queue.clear()

    def _put(self, handler: Callable[..., None], *arguments: object) -> None:
        self._queue.append((handler, arguments))
        if self._running:
            return
        self._running = True
        try:
            while self._queue:
                handler, arguments = self._queue.popleft()
                handler(*arguments)
        finally:
            self._running = False


class _CallTransport:
    def __init__(self, hub: CallHub, on_frame: FrameHandler) -> None:
        self._hub = hub
        self._handler: FrameHandler | None = on_frame
        self._route = _CallRoute(self)

    def send(self, frame: Frame) -> None:
        if self._handler is not None:
            self._hub._put(self._hub._on_frame, self._route, frame)

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

    def send(self, frame: Frame) -> bool:
        if self._transport._handler is None:
            return False
        self._transport._hub._put(self._transport.deliver, frame)
        return True
