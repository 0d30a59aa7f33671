"""Starts embedded kernels in milliseconds, by forking them from preloaded parents.

There is one parent (:mod:`kernelbus.kernelhost.process.parent`) for each initialisation. The first
parent loads Mathics3. For each InitializationFile and InitializationCode that pools have, another
parent is forked from the first and runs the initialisation once; kernels that are forked from it
have run it already, and all of them share the memory of the first parent. Pools with the same
initialisation share a parent.

A parent is started when its first kernel is wanted, and stays as long as the host. The host watches
it by a socket. When it has died it is started again, while its kernels live on: the host sees their
end by pidfd, whoever their parent process is.

An initialisation may leave something that a fork cannot share (open files, threads, processes). Its
kernels then run it themselves. Without fork (or with `KERNELBUS_NO_FORK` in the environment), or
when Mathics3 cannot be loaded, kernels are started as programs of their own, and run their
initialisation themselves too.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from kernelbus.bus.settings.logs import fields
from kernelbus.kernelhost.process.confinement import Confinement
from kernelbus.kernelhost.process.initialisation import Initialisation
from kernelbus.kernelhost.process.parent import ForkedKernel, InitialisationFailed, NurseryFailed, Parent

__all__ = ["Nursery"]

_log = logging.getLogger("kernelbus.host")

_NONE = Initialisation()
#: Seconds before a parent that has died is started again although no kernel is wanted, by the
#: number of deaths in a row; the last value stays.
_REBUILD = (0.0, 2.0, 8.0, 30.0, 60.0)
#: Deaths that are so many seconds or more apart are not deaths in a row.
_LIVED = 120.0


class Nursery:
    """The parents of one host's embedded kernels.

    Args:
        start_timeout: seconds that loading Mathics3 may take, and that an initialisation may take.

    Attributes:
        available: whether kernels can be forked on this system.
    """

    def __init__(self, start_timeout: float) -> None:
        self.available = hasattr(os, "fork") and hasattr(os, "pidfd_open") and not os.environ.get("KERNELBUS_NO_FORK")
        self._start_timeout = start_timeout
        self._loop = asyncio.get_running_loop()
        self._parents: dict[Initialisation, Parent] = {}
        # Kernels are started concurrently: only the first to find no parent may start one.
        self._starting: dict[Initialisation, asyncio.Task[Parent]] = {}
        self._said: dict[Initialisation, set[str]] = {}
        self._deaths: dict[Initialisation, tuple[int, float]] = {}
        self._rebuilds: set[asyncio.Task[Parent]] = set()
        self._closed = False

    async def fork(
        self,
        arguments: list[str],
        name: str,
        on_exit: Callable[[str], None],
        link: tuple[int, int],
        initialisation: Initialisation,
        pool: str,
        confinement: Confinement,
        unwanted: asyncio.Future[None] | None = None,
    ) -> ForkedKernel:
        """Fork a new kernel; wait while its parent loads or is initialised.

        Args:
            arguments: the kernel's command line, without the program.
            name: what the log calls the kernel.
            on_exit: see :class:`kernelbus.kernelhost.process.starting.KernelProcess`.
            link: the descriptors of its data and its message connection.
            initialisation: what it has to have run before its first client.
            pool: the pool's name, for the log if a parent has to be started.
            confinement: what its process gets.
            unwanted: done when nobody wants the kernel any more. It is not forked then, and its
                parent is not waited for.

        Returns:
            The kernel. Its attribute `initialised` says whether it still has to run the
            initialisation.

        Raises:
            NurseryFailed: no parent loads, the parent died before it forked, or nobody wants the
                kernel.
            InitialisationFailed: the initialisation fails.
            OSError: no parent can be started at all.
        """
        finding = self._loop.create_task(self._ready(initialisation, pool))
        try:
            awaited: set[asyncio.Future[Any]] = {finding} if unwanted is None else {finding, unwanted}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finding.cancel()
        if unwanted is not None and unwanted.done():
            await asyncio.gather(finding, return_exceptions=True)
            raise NurseryFailed("it was ended before it was started")
        parent, initialised = finding.result()
        kernel = await parent.fork(arguments, name, on_exit, link, confinement)
        kernel.initialised = initialised
        return kernel

    async def _ready(self, initialisation: Initialisation, pool: str) -> tuple[Parent, bool]:
        """Return the parent to fork from, and whether its kernels have run the initialisation."""
        parent = await self._parent(initialisation, pool)
        if parent.unshared:
            return await self._parent(_NONE, pool), not initialisation.steps()
        return parent, True

    async def _parent(self, initialisation: Initialisation, pool: str) -> Parent:
        if self._closed:
            raise NurseryFailed("the kernel host is shutting down")
        parent = self._parents.get(initialisation)
        if parent is not None and not parent.gone:
            return parent
        task = self._starting.get(initialisation)
        if task is None:
            task = self._starting[initialisation] = self._loop.create_task(self._start(initialisation, pool))
            task.add_done_callback(lambda task: self._started(initialisation, task))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._closed:
                raise NurseryFailed("the kernel host is shutting down") from None
            raise

    def _started(self, initialisation: Initialisation, task: asyncio.Task[Parent]) -> None:
        del self._starting[initialisation]
        if not task.cancelled():
            task.exception()  # retrieve it, or asyncio complains when nobody waits

    async def _start(self, initialisation: Initialisation, pool: str) -> Parent:
        def died(parent: Parent, how: str) -> None:
            self._died(parent, how, initialisation, pool)

        if initialisation.steps():
            base = await self._parent(_NONE, pool)
            what = f"the parent of pool {pool} ({initialisation})"
            began = self._loop.time()
            parent = await base.fork_parent(what, initialisation, died, self._log_of(what, initialisation, pool))
        else:
            what = "the nursery of embedded kernels"
            began = self._loop.time()
            parent = await Parent.spawn(what, died)
        try:
            async with asyncio.timeout(self._start_timeout):
                await parent.ready
        except TimeoutError:
            parent.kill()
            if initialisation.steps():
                raise InitialisationFailed(f"{initialisation} did not end in {self._start_timeout:g} s") from None
            raise NurseryFailed(f"{what} did not get ready in {self._start_timeout:g} s") from None
        except NurseryFailed as error:
            if initialisation.steps():
                raise InitialisationFailed(str(error)) from None
            raise
        except asyncio.CancelledError:
            parent.kill()
            raise
        about = fields(pool=pool if initialisation.steps() else "")
        _log.info("%s is ready after %.2f s", what, self._loop.time() - began, extra=about)
        if parent.unshared:
            _log.info("%s cannot be shared: %s; each kernel runs the initialisation itself", what, parent.unshared, extra=about)
        self._parents[initialisation] = parent
        return parent

    def _log_of(self, what: str, initialisation: Initialisation, pool: str) -> Callable[[str, bool], None]:
        """Return a function that logs the output of an initialisation.

        When the initialisation is run again, what it prints again is logged at debug level only.
        """
        known, said = self._said.get(initialisation, set()), set[str]()
        self._said[initialisation] = said

        def log(text: str, is_message: bool) -> None:
            said.add(text)
            level = logging.WARNING if is_message else logging.INFO
            _log.log(logging.DEBUG if text in known else level, "%s said: %s", what, text, extra=fields(pool=pool))

        return log

    def _died(self, parent: Parent, how: str, initialisation: Initialisation, pool: str) -> None:
        if self._closed or not parent.served:
            return
        _log.error("%s is started again: it %s", parent.name, how, extra=fields(pool=pool if initialisation.steps() else ""))
        # A kernel may have been wanted, and another parent started, before this death was seen.
        if self._parents.get(initialisation) is parent:
            del self._parents[initialisation]
        now = self._loop.time()
        count, last = self._deaths.get(initialisation, (0, now))
        count = count + 1 if now - last < _LIVED else 1
        self._deaths[initialisation] = count, now
        self._loop.call_later(_REBUILD[min(count, len(_REBUILD)) - 1], self._rebuild, initialisation, pool)

    def _rebuild(self, initialisation: Initialisation, pool: str) -> None:
        if initialisation not in self._parents and initialisation not in self._starting and not self._closed:
            task = self._loop.create_task(self._parent(initialisation, pool))
            self._rebuilds.add(task)
            task.add_done_callback(self._rebuilt)

    def _rebuilt(self, task: asyncio.Task[Parent]) -> None:
        self._rebuilds.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._closed:
            _log.error("%s; it is tried again when a kernel is wanted", error)

    def give_up(self) -> None:
        """Start nothing more, and fail at once whatever waits for a parent."""
        self._closed = True
        for task in self._starting.values():
            task.cancel()

    async def close(self) -> None:
        """End every parent, and every kernel of them that still runs."""
        self.give_up()
        base = self._parents.pop(_NONE, None)
        # The first parent ends last, since it reports how those that were forked from it end.
        await asyncio.gather(*(parent.close() for parent in self._parents.values()))
        if base is not None:
            await base.close()
