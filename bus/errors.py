"""The bus's errors: one tree, raised where the fault is found, each one line that names the thing.
"""

from __future__ import annotations

__all__ = ["BusError", "ChannelError", "ChannelUsageError", "ChannelViolation", "EndpointError", "FrameError", "MessageError"]


class BusError(Exception):
    """Anything that goes wrong on the bus."""


class FrameError(BusError):
    """Bytes that are not a frame; the peer erred."""


class MessageError(BusError):
    """A control message that its schema refuses; the peer erred.

    Attributes:
        request: the number of the request that it was meant to be; None: not known.
        sender: who says that they sent it; empty: not known.
    """

    def __init__(self, text: str, request: int | None = None, sender: str = "") -> None:
        super().__init__(text)
        self.request = request
        self.sender = sender


class ChannelError(BusError):
    """Anything that goes wrong in one channel."""


class ChannelViolation(ChannelError):
    """The peer broke the channel's rules (overran the window, sent bytes at a wrong offset)."""


class ChannelUsageError(ChannelError):
    """This side broke the channel's rules (sent after the end, consumed more than came)."""


class EndpointError(BusError):
    """A bus endpoint that cannot be bound or connected to."""
