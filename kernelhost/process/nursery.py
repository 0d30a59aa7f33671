"""Embedded kernels in milliseconds: forked from preloaded parents, one for each initialisation
(:mod:`kernelbus.kernelhost.process.parent`).

The first parent loads Mathics3. For pools with an InitializationFile or InitializationCode another
is forked from it, which runs that once; kernels forked from that have it already. Pools with the
same initialisation share a parent. A parent is started when its first kernel is wanted and stays as
long as the host; when it has died it is started again, while its kernels live on.

Where an initialisation leaves something that a fork cannot share, kernels run it themselves. Where
there is no fork (or the environment has KERNELBUS_NO_FORK), or Mathics3 cannot be loaded, they are
started as any program is, and do so too.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from kernelbus.bus.settings.logs import fields
from kernelbus.kernelhost.process.initialisation import Initialisation
from kernelbus.kernelhost.process.parent import ForkedKernel, InitialisationFailed, NurseryFailed, Parent

__all__ = ["Nursery"]

_log = logging.getLogger("kernelbus.host")

_NONE = Initialisation()
#: Seconds before a parent that died is started again without anybody's asking, after so many deaths
#: in a row; the last holds on.
_REBUILD = (0.0, 2.0, 8.0, 30.0, 60.0)
#: A parent that lived so many seconds has not died in a row with the one before.
_LIVED = 120.0


class Nursery:
    """The parents of one host's kernels.

    Args:
        start_timeout: seconds that loading, and an initialisation, may take.
    """

    def __init__(self, start_timeout: float) -> None:
        self.available = hasattr(os, "fork") and hasattr(os, "pidfd_open") and not os.environ.get("KERNELBUS_NO_FORK")
        self._start_timeout = start_timeout
        self._loop = asyncio.get_running_loop()
        self._parents: dict[Initialisation, Parent] = {}
        # Kernels are started side by side: only the first to find no parent may start one.
        self._starting: dict[Initialisation, asyncio.Task[Parent]] = {}
        self._said: dict[Initialisation, set[str]] = {}
        self._deaths: dict[Initialisation, tuple[int, float]] = {}
        self._rebuilds: set[asyncio.Task[Parent]] = set()
        self._closed = False

    async def fork(
        self, arguments: list[str], name: str, on_exit: Callable[[str], None], initialisation: Initialisation, pool: str
    ) -> ForkedKernel:
        """Give a new kernel; waits while its parent loads or is initialised.

        Args:
            arguments: the kernel's command line.
            name: the kernel's, for the log.
            on_exit: as :class:`kernelbus.kernelhost.process.starting.KernelProcess` has it.
            initialisation: what it shall have run.
            pool: for the log, should a parent have to be started.

        Raises:
            NurseryFailed: no parent loads, or it has died before it forked.
            InitialisationFailed: the initialisation fails.
            OSError: no parent can be started at all.
        """
        parent = await self._parent(initialisation, pool)
        initialised = True
        if parent.unshared:
            parent, initialised = await self._parent(_NONE, pool), not initialisation.steps()
        kernel = await parent.fork(arguments, name, on_exit)
        kernel.initialised = initialised
        return kernel

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
            task.exception()  # looked at, whether or not somebody waits

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
            _log.info("%s is of no use: %s; each kernel runs it by itself", what, parent.unshared, extra=about)
        self._parents[initialisation] = parent
        return parent

    def _log_of(self, what: str, initialisation: Initialisation, pool: str) -> Callable[[str, bool], None]:
        """Give what logs an initialisation's output: once, however often it is run again and says
        the same.
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
        # Somebody may have wanted it before its last words were heard.
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
        """Start nothing more: who waits for a parent is told so at once."""
        self._closed = True
        for task in self._starting.values():
            task.cancel()

    async def close(self) -> None:
        """End every parent, and every kernel that is still there."""
        self.give_up()
        base = self._parents.pop(_NONE, None)
        # Those that were forked from the first before it.
        await asyncio.gather(*(parent.close() for parent in self._parents.values()))
        if base is not None:
            await base.close()
