"""The contract of the transports: how frames get from a part to the broker and back.

A part (frontend or kernel host) holds a :class:`Transport`; the broker holds a :class:`Route` for
each part that sends to it. There are two implementations, and all other code is the same over both:
ZeroMQ (:mod:`kernelbus.bus.transport.zeromq`; tcp, ipc, inproc) and, between parts of one process,
a plain call (:mod:`kernelbus.bus.transport.call`).

The contract, which the tests check for both: frames of one lane arrive in order or, after a break,
not at all; `send` never blocks and never calls back before it returns; memory is bounded by what
the windows of the channels allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kernelbus.bus.channel.frames import Frame

__all__ = ["BrokerTransport", "FrameHandler", "Route", "RouteHandler", "Transport", "TransportFactory"]

FrameHandler = Callable[[Frame], None]


class Transport(Protocol):
    """A part's connection to its broker."""

    def send(self, frame: Frame) -> None:
        """Send `frame` on its lane."""

    def close(self) -> None:
        """Close the connection; frames not yet sent may be lost, and the channels repeat them."""


class Route(Protocol):
    """The broker's connection to one part.

    Routes are compared by identity; the broker keeps one for as long as the part sends over it.
    """

    @property
    def name(self) -> str:
        """The name of the connection, for the log."""

    @property
    def credentials(self) -> str:
        """The user and process at the other end, as the operating system names them, or ""."""
        return ""

    @property
    def own(self) -> bool:
        """Whether the other end is certainly run by the broker's own user, or by root."""
        return False

    @property
    def key(self) -> str:
        """The public key that the other end's machine has proved to have; "": none."""
        return ""

    @property
    def machine(self) -> str:
        """The name that the broker's machine has for that key; "" without one."""
        return ""

    def send(self, frame: Frame) -> bool:
        """Send `frame` on its lane; return False when the part is known to be unreachable."""


RouteHandler = Callable[[Route, Frame], None]


class BrokerTransport(Protocol):
    """The endpoint at which the broker listens."""

    def close(self) -> None:
        """Stop listening."""


#: Makes a part's transport; called for each attempt to reach the broker.
TransportFactory = Callable[[FrameHandler], Transport]
