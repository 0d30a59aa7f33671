"""Serve one link with the embedded kernel, from the first prompt to the exit status.

====== ===========================================================================================
status the kernel ended because
====== ===========================================================================================
0      ``Quit[]`` or ``Exit[]`` was evaluated, the peer closed the link (message 9), or the peer
       sent terminate (message 1)
n      ``Exit[n]`` was evaluated (n modulo 256)
1      Mathics3 could not be loaded, or the kernel failed because of an error of its own
2      the options are wrong, or nobody listens at the link they name
3      the link was lost: the connection ended without message 9
4      the peer broke the protocol, or sent more than the limits allow
====== ===========================================================================================

A process that preloads calls :func:`kernelbus.kernelhost.mathics.evaluation.loading.load` first,
and :func:`kernelbus.kernelhost.mathics.start.run.run` in each child that it forks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kernelbus.kernelhost.mathics.engine.process import engine
from kernelbus.kernelhost.mathics.evaluation.identity import renew
from kernelbus.kernelhost.mathics.evaluation.interrupts import Interrupts, Suspension
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.evaluation.memory import guard
from kernelbus.kernelhost.mathics.links.functions import name_parent
from kernelbus.kernelhost.mathics.packets.intake import End, Intake
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from kernelbus.kernelhost.mathics.start.options import Options
from wstp import Link, LocalProtocolError, WSTPError
from wstp.expr import Expr

__all__ = ["LinkGone", "serve"]

_log = logging.getLogger("kernelhost.mathics")

#: The seconds that a program may take to read the kernel's last words. Our own host takes none.
_LINGER = 10.0


class LinkGone(BaseException):
    """Unwind the main thread because the peer is gone.

    It is no ``Exception``, so that no ``except Exception`` of an evaluation catches it.
    """


class _LinkPort:
    """Send packets over a link; an abort never cuts a packet in two."""

    def __init__(self, link: Link, loaded: Loaded, answered: Callable[[], None]) -> None:
        self._link = link
        self._interrupts = loaded.interrupts
        self._answered = answered

    def send(self, *packets: Expr, last: bool = False) -> None:
        """Send packets in one go, each with its end.

        If they are the last of an answer, the answer is recorded as complete before they leave.

        Raises:
            LinkGone: the peer is gone.
            ValueError: a packet holds something that cannot be written; nothing of that packet was
                sent.
        """
        with self._interrupts.masked:
            try:
                for packet in packets:
                    self._link.put(packet, end_packet=True)
                if last:
                    self._answered()
                self._link.flush()
            except (TypeError, LocalProtocolError) as error:
                raise ValueError(str(error)) from error
            except WSTPError:
                # However the link ended, also by wrong bytes of the peer, nothing can be sent any
                # more; the reading thread knows why.
                raise LinkGone from None


class _LinkSource:
    """Give packets of a link to evaluations that ask for them."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Deliver packets to the running evaluation while the body runs."""
        self._intake.enter()
        try:
            yield
        finally:
            self._intake.leave()

    def next(self, suspension: Suspension) -> Arrival | None:
        """Wait for a packet; return None if the evaluation must go on without one.

        Raises:
            LinkGone: the peer is gone.
        """
        arrival = self._intake.take_inside(lambda: suspension.over, lambda: suspension.remaining)
        if isinstance(arrival, End):
            raise LinkGone
        return arrival

    def done(self) -> None:
        """Record that the packet taken last has been answered."""
        self._intake.done()


def serve(loaded: Loaded, link: Link, options: Options) -> int:
    """Serve a link until it or the kernel ends, and return the exit status. Main thread only."""
    renew(loaded.definitions)
    interrupts = loaded.interrupts
    interrupts.install()
    guard.start(options.memory)
    engine.memory = guard.left
    intake = Intake(link, interrupts.abort, interrupts.forget, interrupts.interrupt)
    port, source = _LinkPort(link, loaded, intake.done), _LinkSource(intake)
    loop = MainLoop(loaded, port, source, prompts=options.prompts)
    name_parent(loaded.definitions, link.name)
    loaded.workers.server = options.parallel
    intake.start()
    try:
        intake.begin()
        for file in options.initfiles:
            loop.load(file)
        for code in options.run:
            loop.run(code)
        loop.start()
        intake.done()
        status = _answer(intake, loop, interrupts)
    except SystemExit as left:
        status = _status(left.code)
    except LinkGone:
        # The reading thread has seen how the link ended, or is about to.
        status = intake.end().status
    intake.finish()
    # A peer that told us to end wants nothing more.
    link.close(linger=0.0 if intake.ended is End.TERMINATED else _LINGER)
    return status


def _answer(intake: Intake, loop: MainLoop, interrupts: Interrupts) -> int:
    while True:
        arrival = intake.take()
        if isinstance(arrival, End):
            return arrival.status
        if arrival.interrupted:
            interrupts.interrupt()
        loop.handle(arrival.packet, aborted=arrival.aborted, fault=arrival.fault)
        intake.done()


def _status(code: object) -> int:
    return code & 0xFF if isinstance(code, int) else 0
