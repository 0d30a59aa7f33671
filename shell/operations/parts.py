"""One process of the server: the tasks of its parts, the signal to stop, and their end in order.

:func:`run_part` runs the event loop. The main coroutine of a part enters :func:`parts`, starts its
tasks there, reports that it is ready, and waits until it is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from kernelbus.bus.descriptors import raise_limit
from kernelbus.bus.errors import BusError
from kernelbus.bus.membership import Membership, MembershipState
from kernelbus.bus.security.curve import Introduction
from kernelbus.bus.settings.config import Config, load
from kernelbus.bus.settings.reload import Reloader
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.bus.transport.zeromq import dealer_factory
from kernelbus.shell.defaults import check_folder
from kernelbus.shell.exits import OK, UNUSABLE
from kernelbus.shell.operations.memory import keep_small
from kernelbus.shell.operations.notify import Notifier
from kernelbus.shell.state import state_directory

if TYPE_CHECKING:
    from kernelbus.shell.operations.findbus import DiscoveredBus

__all__ = ["DISCOVER", "Parts", "broker_there", "part_name", "parts", "reach_bus", "records", "run_part"]

_log = logging.getLogger("kernelbus.server")

#: The endpoint that stands for a broker to be found by DNS-SD.
DISCOVER = "discover"


def run_part(main: Coroutine[Any, Any, None]) -> int:
    """Run `main` on an event loop, uvloop's if there is one.

    Returns:
        The exit status: 0 after an orderly end; 2 after an error of the bus, which is logged.
    """
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # uvloop is a matter of speed
        import uvloop

        loop_factory = uvloop.new_event_loop
    # What is loaded by now stays: a full pass of the garbage collector need not look at it, which
    # takes some 30 ms in the middle of somebody's turn.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            runner.run(main)
        except BusError as error:
            _log.error("%s", error)
            return UNUSABLE
    return OK


def part_name(config: Config) -> str:
    """Return what a part of this machine is called: its configured name, or the machine's."""
    return config.bus.name or socket.gethostname()


def records() -> Path:
    """Return the folder in which parts of this user keep that they are there."""
    return state_directory() / "parts"


async def reach_bus(
    process: Parts, config: Config, endpoint: str
) -> tuple[TransportFactory, str, DiscoveredBus | None] | None:
    """Find the way to the broker at `endpoint`, which may be :data:`DISCOVER`.

    Returns:
        What makes transports to the broker, where it is, and what follows it to another address if
        it was discovered; None: the process was told to stop meanwhile.

    Raises:
        BusError: keys are needed, and missing.
    """
    if endpoint != DISCOVER:
        introduction = Introduction(check_folder(endpoint), config)
        return dealer_factory(process.context, endpoint, secrets.token_bytes, introduction), endpoint, None
    # Only a part that has to look for its broker loads zeroconf.
    from kernelbus.shell.operations.findbus import DiscoveredBus

    found = DiscoveredBus(config, process.context)
    if not await process.unless_stopped(found.find()):
        return None
    return found.connect, found.endpoint, found


def broker_there(membership: Membership, endpoint: str) -> str:
    """Say, for the service manager, whether the part is joined to its broker."""
    if membership.state is MembershipState.UP:
        return f"joined to the broker at {endpoint}"
    return f"looking for the broker at {endpoint}"


class Parts:
    """The tasks of one process; the last one started is ended first.

    Attributes:
        descriptors: how many descriptors the process may have.
    """

    def __init__(self, config: Config) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.notifier = Notifier(os.environ)
        self.descriptors = raise_limit()
        self._config = config
        self._stop = asyncio.Event()
        self._tasks: list[tuple[asyncio.Task[None], Callable[[], Coroutine[Any, Any, None]] | None]] = []
        self._closers: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled, number)
        if not os.isatty(0):
            # With a terminal, SIGHUP says that the terminal has gone.
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._reloaders: tuple[Reloader, ...] = ()

    def reread(self) -> Config:
        """Read the configuration again, from the file that it came from.

        Raises:
            ConfigError: it cannot be used as it is now.
        """
        config = load(self._config.source)
        # The name may come from the command line, and does not change while the process runs.
        return replace(config, bus=replace(config.bus, name=self._config.bus.name))

    def reload_with(self, *reloaders: Reloader) -> None:
        """Have these parts apply what is read again on SIGHUP."""
        self._reloaders = reloaders

    def _reload(self) -> None:
        self.notifier.reloading()
        said: dict[str, bool] = {}
        for reloader in self._reloaders:
            ok, lines = reloader.reload()
            said.update((line, ok) for line in lines)
        for line, ok in said.items():
            _log.log(logging.WARNING if ok else logging.ERROR, "the configuration is read again: %s", line)
        if not said:
            _log.info("the configuration is read again; nothing has changed")
        self.notifier.reloaded()

    def stop(self, why: str) -> None:
        """End the process in an orderly way."""
        _log.info("stopping: %s", why)
        self._stop.set()

    def on_exit(self, closer: Callable[[], None]) -> None:
        """Have `closer` called when all tasks have ended."""
        self._closers.append(closer)

    def start(self, main: Coroutine[Any, Any, None], on_stop: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run a task; `on_stop` is awaited before the task is cancelled."""
        task = self._loop.create_task(main)
        task.add_done_callback(lambda _: self._stop.set())
        self._tasks.append((task, on_stop))

    def tell(self, describe: Callable[[], str]) -> None:
        """Report what `describe` returns to the service manager, if there is one."""
        if self.notifier.listens:
            self.start(self.notifier.run(describe))

    def ready(self, line: str) -> None:
        """Report on standard output, and to the service manager, that the part can be used."""
        print(line, flush=True)
        self.notifier.ready()

    async def unless_stopped(self, main: Coroutine[Any, Any, None]) -> bool:
        """Wait for `main`; cancel it if the process is told to stop first.

        Returns:
            Whether `main` is done.
        """
        task, stop = self._loop.create_task(main), self._loop.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    async def wait_for_stop(self) -> None:
        """Wait for a signal, or for a task to end; a failed task raises its error."""
        await self._stop.wait()
        for task, _ in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def end(self) -> None:
        """End everything in order."""
        self.notifier.stopping()
        for task, on_stop in reversed(self._tasks):
            if on_stop is not None:
                await on_stop()
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    _log.error("a part has failed: %r", result)
        for closer in reversed(self._closers):
            closer()
        self.context.destroy(linger=200)

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            # A second signal: do not wait any longer. Kernels end with this process
            # (PR_SET_PDEATHSIG).
            os._exit(128 + number)
        _log.info("stopping on %s", signal.Signals(number).name)
        self._stop.set()


@contextlib.asynccontextmanager
async def parts(config: Config) -> AsyncIterator[Parts]:
    """Make the tasks of one process, and end them on the way out."""
    process = Parts(config)
    process.start(keep_small())
    try:
        yield process
    finally:
        await process.end()
