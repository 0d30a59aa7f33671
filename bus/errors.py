"""Define the errors of the bus.

They form one tree. Each is raised where the fault is found, and its text is one line that names
what is at fault.
"""

from __future__ import annotations

__all__ = [
    "BusError",
    "ChannelError",
    "ChannelUsageError",
    "ChannelViolation",
    "EndpointError",
    "FrameError",
    "MessageError",
    "VersionError",
]


class BusError(Exception):
    """Base of every error of the bus."""


class FrameError(BusError):
    """The peer sent bytes that are not a frame."""


class MessageError(BusError):
    """The peer sent a control message that its schema refuses.

    Attributes:
        request: the number of the request that the message was meant to be, or None if it is not
            known.
        sender: who the message says has sent it; empty if it is not known.
        later: whether a later version of the protocol has the message, so that it is passed over.
    """

    def __init__(self, text: str, request: int | None = None, sender: str = "") -> None:
        super().__init__(text)
        self.request = request
        self.sender = sender
        self.later = False


class VersionError(MessageError):
    """The peer speaks another major version of the protocol; the text names both versions."""


class ChannelError(BusError):
    """Base of the errors of one channel."""


class ChannelViolation(ChannelError):
    """The peer broke the channel's rules: it overran the window or sent bytes at a wrong offset."""


class ChannelUsageError(ChannelError):
    """This side broke the channel's rules: it sent after the end or consumed more than came."""


class EndpointError(BusError):
    """A bus endpoint cannot be bound or connected to."""
