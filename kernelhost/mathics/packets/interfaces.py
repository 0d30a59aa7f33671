"""The link as the main loop and dialogs see it: a port to send on, a source to take from.

:mod:`kernelbus.kernelhost.mathics.start.server` implements both over a real link; tests implement
them over lists. This module holds types only, and imports no other module of its room.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from kernelbus.kernelhost.mathics.evaluation.interrupts import Suspension
from wstp import PacketFault
from wstp.expr import Expr

__all__ = ["Arrival", "Port", "Source"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Hold a packet that arrived, and what arrived on the message connection for it.

    Attributes:
        packet: the packet's expression.
        aborted: whether an abort came for the packet before its evaluation began.
        interrupted: whether an interrupt came for the packet before its evaluation began.
        fault: why the packet cannot be read, None if it can; ``packet`` then has ``$Failed`` in the
            place of what is wrong or missing.
    """

    packet: Expr
    aborted: bool = False
    interrupted: bool = False
    fault: PacketFault | None = None


class Port(Protocol):
    """Send packets to the client."""

    def send(self, *packets: Expr, last: bool = False) -> None:
        """Send packets, each followed by EndPacket, and return when they have left.

        An abort or interrupt of the running evaluation is held back until then.

        Args:
            packets: what to send.
            last: whether these packets complete the answer to the packet that was taken last.

        Raises:
            ValueError: a packet holds something that cannot be written.
        """


class Source(Protocol):
    """Give packets to a running evaluation that asks the client something."""

    def inside(self) -> AbstractContextManager[None]:
        """Deliver packets to the running evaluation while the body runs.

        Otherwise packets are kept for the main loop.
        """

    def next(self, suspension: Suspension) -> Arrival | None:
        """Wait for a packet; return None if the evaluation must go on without one."""

    def done(self) -> None:
        """Record that the packet taken last has been answered."""
