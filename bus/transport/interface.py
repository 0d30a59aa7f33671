"""The transport: how frames get from a part to the broker and back.

A part (frontend or host) holds a :class:`Transport`; the broker holds a :class:`Route` for each
part that speaks to it. There are two implementations, and everything above is the same over both:
ZeroMQ (:mod:`kernelbus.bus.transport.zeromq`; tcp, ipc, inproc) and, between parts of one process,
a plain call (:mod:`kernelbus.bus.transport.call`).

The contract, which the tests check for both: frames of one lane arrive in order or, after a break,
not at all; `send` never blocks and never calls back before it returns; memory is bounded by what
the channels' windows allow to be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kernelbus.bus.channel.frames import Frame

__all__ = ["BrokerTransport", "FrameHandler", "Route", "RouteHandler", "Transport", "TransportFactory"]

FrameHandler = Callable[[Frame], None]


class Transport(Protocol):
    """A part's way to its broker."""

    def send(self, frame: Frame) -> None:
        """Send `frame` on its lane."""

    def close(self) -> None:
        """Give the way up; frames not yet sent may be lost (the channels see to that)."""


class Route(Protocol):
    """The broker's way to one part. Compared by identity; the broker keeps one for as long as the
    part speaks over it.
    """

    @property
    def name(self) -> str:
        """For the log."""

    def send(self, frame: Frame) -> bool:
        """Send `frame` on its lane; False when the part is known not to be reachable."""


RouteHandler = Callable[[Route, Frame], None]


class BrokerTransport(Protocol):
    """Where the broker listens."""

    def close(self) -> None:
        """Stop listening."""


#: Makes a part's transport; called again for each attempt to reach the broker.
TransportFactory = Callable[[FrameHandler], Transport]
