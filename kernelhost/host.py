"""The kernel host: pools of kernels, offered to a broker.

:class:`Host` carries out what the pools decide (:mod:`kernelbus.kernelhost.pools.pool`) and reports
every change to the broker. The broker's requests and the clients' frames come in through one
:class:`kernelbus.bus.membership.Membership`.

A kernel that does not start is logged as an error once for each reason, not for each try. The pool
tries again with its back-off; clients are refused, with the reason, if it has no kernel at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from kernelbus.bus.channel.channel import ChannelOptions, EndReason
from kernelbus.bus.channel.frames import Frame
from kernelbus.bus.channel.multiplexer import Multiplexer
from kernelbus.bus.membership import Membership, MembershipState
from kernelbus.bus.predecessors import Predecessors
from kernelbus.bus.protocol.messages import (
    NO_POINT,
    Acquire,
    Acquired,
    ChannelReport,
    KeepAlive,
    KernelGone,
    KernelReport,
    Reclaim,
    Refused,
    Register,
    Release,
    Told,
    WithdrawAbort,
)
from kernelbus.bus.protocol.orders import Order
from kernelbus.bus.protocol.reports import HostReport
from kernelbus.bus.protocol.schema import Message
from kernelbus.bus.rounds import shared
from kernelbus.bus.settings.config import Config
from kernelbus.bus.settings.logs import EventLogger, fields
from kernelbus.bus.settings.networks import address_of
from kernelbus.bus.settings.reload import HOST_KEYS, Reloader
from kernelbus.bus.transport.interface import TransportFactory
from kernelbus.kernelhost.administration import machine
from kernelbus.kernelhost.administration.orders import OrderRefused, carry_out
from kernelbus.kernelhost.administration.reporting import Reporter, kernel_report
from kernelbus.kernelhost.administration.tracefeed import TraceFeed
from kernelbus.kernelhost.kernel import Kernel
from kernelbus.kernelhost.pools.pool import (
    LICENCE_RETRY,
    Action,
    Attach,
    KernelState,
    Pool,
    Refuse,
    Request,
    Start,
    Stop,
    Warn,
)
from kernelbus.kernelhost.pools.table import PoolTable
from kernelbus.kernelhost.process.cgroups import Groups, GroupsUnavailable
from kernelbus.kernelhost.process.nursery import Nursery
from kernelbus.kernelhost.process.scratch import Scratch
from kernelbus.kernelhost.process.watch import KernelWatch, settled
from kernelbus.kernelhost.process.wolfram import licence_refusal
from kernelbus.kernelhost.session.output import ResumeError

__all__ = ["Host"]

_log = logging.getLogger("kernelbus.host")

#: The states of kernels that have been ready.
_INITIALISED = (KernelState.READY, KernelState.ATTACHED, KernelState.DETACHED)

class Host:
    """The kernels of one machine, as one member of the bus.

    Args:
        config: the configuration: pools and limits.
        connect: makes the transport to the broker.
        name: the host's name in logs and status; several hosts may have the same.
        version: the version of this program.
        where: the broker's address, for the log.
        reread: reads the configuration again, for an order to reload; None: such an order changes
            nothing here.
        end: ends this process, for the reason given; None: the host is part of a process that does
            more, and cannot end by itself.
        records: the folder of :class:`kernelbus.bus.predecessors.Predecessors`; None: none.

    Attributes:
        reloader: replaces the configuration.
        server: where the server of its kernels listens for programs, ``port@host``; "" if that is
            not known.
    """

    def __init__(
        self,
        config: Config,
        connect: TransportFactory,
        *,
        name: str,
        version: str,
        where: str,
        reread: Callable[[], Config] | None = None,
        end: Callable[[str], None] | None = None,
        records: Path | None = None,
    ) -> None:
        self._config = config
        self._end = end
        self.reloader = Reloader(config, reread, HOST_KEYS, self._configure)
        self.server = ""
        self._name = name
        self._version = version
        self._log = EventLogger(_log, lambda: {"host": name})
        self._identity = secrets.token_hex(16)
        self._predecessors = Predecessors(records, self._identity)
        self._loop = asyncio.get_running_loop()
        self._born = self._loop.time()
        self._table = PoolTable(config)
        self._pools = self._table.pools
        self._counts = self._table.counts
        self._drained = False
        self._kernels: dict[tuple[str, int], Kernel] = {}
        self._by_identity: dict[str, Kernel] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._starts: set[asyncio.Task[None]] = set()
        self._none_left = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._limits = limits = settled(config.limits)
        self._rounds = shared()
        self._nursery = Nursery(limits.kernel_start_timeout)
        self._scratch = self._make_scratch()
        self._groups: Groups | None = None
        options = ChannelOptions(window=limits.window, chunk=limits.chunk, paced=True)
        self._multiplexer = Multiplexer(self._transmit, options)
        self._reporter = Reporter(
            self._tell, self._kernel_report, lambda: self._table.reports(self.now), self._machine_report, self._counts, self._kernels.values
        )
        self._feed = TraceFeed(self._tell)
        self._watch = KernelWatch(limits, self._kernels.values, self._reporter.kernel_changed, self._recycle)
        self._membership = Membership(
            connect,
            self._describe,
            self._control,
            self._multiplexer.receive,
            self._up,
            heartbeat_timeout=config.bus.heartbeat_timeout,
            where=where,
        )

    def _make_scratch(self) -> Scratch | None:
        try:
            return Scratch()
        except OSError as error:
            text = "kernels have no folders of their own, and run in %s: %s; let TMPDIR name a folder that can be written"
            self._log.error(text, os.getcwd(), error.strerror or error)
            return None

    def _find_groups(self) -> Groups | None:
        try:
            groups = Groups.find()
        except GroupsUnavailable as error:
            self._log.info("kernels have no control groups, and their memory is that of their processes: %s", error)
            return None
        self._log.info("each kernel has a control group%s", f" without a limit of memory: {groups.why}" if groups.why else "")
        return groups

    @property
    def membership(self) -> Membership:
        """The host's side of the bus."""
        return self._membership

    @property
    def kernels(self) -> int:
        """How many kernels the host has."""
        return len(self._kernels)

    @property
    def attached(self) -> int:
        """How many kernels have a client."""
        return sum(1 for kernel in self._kernels.values() if kernel.session.attached)

    async def run(self) -> None:
        """Run the pools, and be a member of the bus, until cancelled; then end every kernel."""
        self._groups = self._find_groups()
        for name in self._pools:
            self._tick(name)
        self._watch.start()
        self._reporter.start()
        watch = self._loop.create_task(self._watch_orphans())
        try:
            await self._membership.run()
        finally:
            watch.cancel()
            await self.close()

    async def wait_until_ready(self) -> dict[str, int]:
        """Wait until each pool has as many kernels as it is to keep ready; return how many it has.

        Pools that keep none are left out.
        """
        await self._all_ready.wait()
        return {name: pool.count(*_INITIALISED) for name, pool in self._pools.items() if pool.options.minimum}

    def _look_whether_ready(self) -> None:
        if all(pool.count(*_INITIALISED) >= min(pool.options.minimum, pool.maximum) for pool in self._pools.values()):
            self._all_ready.set()

    async def _watch_orphans(self) -> None:
        """End all sessions when there has been no broker for `Limits`/`OrphanTimeout`.

        Without a broker nobody can come back to them.
        """
        limit = self._config.limits.orphan_timeout
        while True:
            await asyncio.sleep(min(limit / 2, 5.0))
            away = self.now - self._membership.up_until
            if self._membership.state is MembershipState.UP or away < limit:
                continue
            for kernel in [kernel for kernel in self._kernels.values() if kernel.attachments]:
                pool = self._pool_of(kernel)
                why = f"no broker has been there for {away:.0f} s (Limits/OrphanTimeout)"
                if pool.kernels[kernel.number].state is not KernelState.ENDING:
                    kernel.log.error("%s is ended: %s", kernel, why)
                self.perform(kernel.pool.name, pool.unwanted(kernel.number, self.now, why))

    async def close(self) -> None:
        """End every kernel; kill those that still run after half of `Limits`/`ShutdownTimeout`."""
        now = self.now
        if self._timer is not None:
            self._timer.cancel()
        self._watch.stop()
        self._reporter.stop()
        self._feed.close()
        for name, pool in self._pools.items():
            self.perform(name, pool.close(now))
        self._nursery.give_up()
        if self._kernels:
            half = self._config.limits.shutdown_timeout / 2
            for _ in range(2):
                try:
                    await asyncio.wait_for(self._none_left.wait(), half)
                    break
                except TimeoutError:
                    for kernel in self._kernels.values():
                        kernel.kill()
        for task in self._starts:
            task.cancel()
        await self._nursery.close()
        if self._scratch is not None:
            await asyncio.to_thread(self._scratch.close)
        if self._groups is not None:
            await asyncio.to_thread(self._groups.close)
        self._multiplexer.close()
        self._predecessors.close()

    # ------------------------------------------------------------------ the broker

    def _transmit(self, frame: Frame) -> None:
        self._membership.transmit(frame)

    def _tell(self, message: Message) -> None:
        self._membership.send(message)

    def _up(self) -> None:
        self._reporter.registered()
        self._multiplexer.resume()

    def _describe(self) -> Register:
        kernels = [self._kernel_report(kernel) for kernel in self._by_identity.values()]
        attached = {report.channel for report in kernels}
        # The last output of a kernel, and its end, may still be on their way to the client.
        ending = [ChannelReport(channel) for channel in self._multiplexer.channels if channel not in attached]
        reports = self._table.reports(self.now)
        return Register(self._identity, "host", self._name, self._version, reports, kernels, ending, self._predecessors.gone)

    def _control(self, message: Message) -> None:
        match message:
            case Acquire():
                self._acquire(message)
            case Release():
                self._release(message)
            case KeepAlive(channel, keep):
                kernel = self._on_channel(channel)
                if kernel is not None:
                    self._pool_of(kernel).keep_alive(kernel.number, keep)
                    kernel.session.promised |= keep
                    self._reporter.kernel_changed(kernel)
            case WithdrawAbort(channel):
                kernel = self._on_channel(channel)
                if kernel is not None:
                    kernel.withdraw_abort()
            case Told(channel):
                kernel = self._on_channel(channel)
                if kernel is not None:
                    kernel.session.known = True
            case Reclaim(identity, why):
                kernel = self._by_identity.get(identity)
                if kernel is not None and kernel.session.unspent:
                    self.perform(kernel.pool.name, self._pool_of(kernel).give_up(kernel.number, self.now, why))
            case Order():
                answer = carry_out(self, message)
                self._reporter.now()
                if message.request:
                    self._membership.send(answer)
                self._leave_if_empty()
            case _:
                self._log.error("the broker sent %s, which is not for a host; ignored", type(message).__name__)

    def _acquire(self, message: Acquire) -> None:
        known = self._on_channel(message.channel)
        if known is not None:
            self._membership.send(Acquired(message.channel, self._kernel_report(known)))
            return
        now = self.now
        if message.kernel:
            self._acquire_named(message, now)
            return
        pool = self._pools.get(message.pool)
        if pool is None:
            names = ", ".join(self._pools)
            self._refuse(message.channel, "unknown-pool", f"host {self._name} has no pool {message.pool!r}; it has: {names}")
            return
        request = Request(
            message.channel, message.client, now + message.wait, message.profile, message.demand, message.told, message.keep
        )
        self.perform(message.pool, pool.acquire(request, now))

    def _acquire_named(self, message: Acquire, now: float) -> None:
        kernel = self._by_identity.get(message.kernel)
        entry = None if kernel is None else self._pool_of(kernel).kernels.get(kernel.number)
        if kernel is None or entry is None or entry.state not in (KernelState.ATTACHED, KernelState.DETACHED):
            self._refuse(message.channel, "unknown-kernel", f"there is no kernel {message.kernel}: it has ended, or never was")
            return
        if entry.state is KernelState.ATTACHED and not message.steal:
            self._refuse(message.channel, "kernel-in-use", f"another client is attached to kernel {message.kernel}")
            return
        if not (message.busy or message.resume) and not kernel.session.listening:
            text = f'kernel {message.kernel} is evaluating; connect without "Wait" -> False to wait for it'
            self._refuse(message.channel, "kernel-busy", text)
            return
        if why := kernel.session.sent_away(message, now):
            self._refuse(message.channel, "detached", why)
            return
        over = "" if entry.state is KernelState.ATTACHED else self._pool_of(kernel).too_many(address_of(message.client), new=False)
        if over:
            self._refuse(message.channel, "address-limit", over)
            return
        try:
            kernel.session.position(message.resume, message.point)
        except ResumeError as error:
            self._refuse(message.channel, error.code, str(error))
            return
        if entry.state is KernelState.ATTACHED:
            kernel.session.detach(EndReason.DETACHED, f"the kernel was taken by {message.client}")
        if entry.state is not KernelState.DETACHED:
            # It was not to be kept when its client left, and ends now.
            self._refuse(message.channel, "unknown-kernel", f"there is no kernel {message.kernel}: it has ended")
            return
        self._pool_of(kernel).attach(kernel.number, message.channel, now, message.client, message.keep)
        kernel.session.known |= message.told
        kernel.session.promised |= message.keep is True
        self._attach(kernel, message.channel, message.client, message.profile, message.resume, message.point)

    def _refuse(self, channel: int, code: str, text: str) -> None:
        self._membership.send(Refused(channel, code, text))

    def _release(self, message: Release) -> None:
        now = self.now
        for name, pool in self._pools.items():
            self.perform(name, pool.cancel(message.channel, now))
        kernel = self._on_channel(message.channel)
        if kernel is not None:
            kernel.session.let_go(message.text)

    def _on_channel(self, channel: int) -> Kernel | None:
        return next((kernel for kernel in self._by_identity.values() if kernel.session.channel == channel), None)

    # ------------------------------------------------------------------ what the pools decide

    def _pool_of(self, kernel: Kernel) -> Pool:
        return self._pools[kernel.pool.name]

    def _tick(self, name: str) -> None:
        self.perform(name, self._pools[name].tick(self.now))

    def perform(self, pool: str, actions: list[Action]) -> None:
        """Carry out what a pool has decided."""
        for action in actions:
            match action:
                case Start(number):
                    self._start(pool, number)
                case Stop(number, why, gives_up):
                    kernel = self._kernels[pool, number]
                    if gives_up:
                        self._log_given_up(kernel, why)
                    else:
                        kernel.log.info("%s is ended: %s", kernel, why)
                    kernel.end(why)
                case Warn(number, text):
                    kernel = self._kernels[pool, number]
                    kernel.log.warning("%s: %s; %s", kernel, text, _described(kernel, self.now))
                case Attach(number, request):
                    kernel = self._kernels[pool, number]
                    kernel.session.known, kernel.session.promised = request.told, request.keep is True
                    self._attach(kernel, request.channel, request.client, request.profile)
                case Refuse(channel, code, text):
                    self._refuse(channel, code, text)
        self._arm()
        self._reporter.pools()

    def _log_given_up(self, kernel: Kernel, why: str) -> None:
        """Log that a session is given up, and tell its client if it has one."""
        kernel.log.warning("%s is %s; %s", kernel, why, _described(kernel, self.now))
        kernel.session.tell("closed", f"the session was {why}.")

    def _recycle(self, kernel: Kernel, why: str) -> None:
        """End a kernel that waits for its first client; the pool starts another."""
        pool = self._pool_of(kernel)
        if pool.kernels[kernel.number].state is KernelState.READY:
            self.perform(kernel.pool.name, pool.unwanted(kernel.number, self.now, why))

    def _start(self, name: str, number: int) -> None:
        identity = secrets.token_urlsafe(16)
        config = self._config
        send_prompt = config.send_input_name_packet_upon_kernel_connection
        replaced = config.allow_silent_kernel_replacement
        kernel = Kernel(
            number,
            identity,
            self._table.configs[name],
            self._limits,
            send_prompt,
            replaced,
            self,
            self._nursery,
            self._rounds,
            self._name,
            self._scratch,
            self._groups,
        )
        kernel.server = self.server
        self._kernels[name, number] = kernel
        self._by_identity[identity] = kernel
        self._none_left.clear()
        task = self._loop.create_task(kernel.start())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    def _attach(
        self, kernel: Kernel, channel: int, client: str, profile: str, resume: bool = False, point: int = NO_POINT
    ) -> None:
        kernel.log.info("%s is attached to client %s", kernel, client)
        kernel.session.profile = profile or kernel.session.profile
        # The broker has to know of the attachment before the first byte comes. The position is
        # taken here, since detaching an earlier client has only now shown what that one missed.
        position = kernel.session.position(resume, point)
        kernel.session.channel, kernel.session.client, kernel.session.start = channel, client, position
        kernel.session.attachments += 1
        kernel.session.began = kernel.session.began or self.now
        self._membership.send(Acquired(channel, self._kernel_report(kernel), position))
        kernel.session.attach(channel, client, self._multiplexer, resume, point)

    def _arm(self) -> None:
        """Set the timer for the pools' next deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [when for when in (pool.next_event() for pool in self._pools.values() if not pool.closed) if when is not None]
        if times:
            self._timer = self._loop.call_at(min(times) + 0.001, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for name in self._pools:
            self._tick(name)

    # ------------------------------------------------------------------ kernels' events

    def kernel_ready(self, kernel: Kernel) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        kernel.log.info("%s is ready", kernel)
        self._reporter.kernel_changed(kernel)
        counts = self._counts[kernel.pool.name]
        counts.started += 1
        counts.starts.add(self.now - kernel.born)
        pool = self._pool_of(kernel)
        if pool.failing:
            self._log.warning("pool %s: its kernels start again", kernel.pool.name, extra=fields(pool=kernel.pool.name))
        self.perform(kernel.pool.name, pool.ready(kernel.number, self.now))
        self._look_whether_ready()

    def kernel_busy(self, kernel: Kernel) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        if not kernel.attachments:
            return
        self._reporter.kernel_changed(kernel)
        if kernel.busy:
            kernel.busy_since = self.now
        elif kernel.busy_since:
            # When a client has waited for the kernel, this is called at the end of the
            # initialisation too, which was no evaluation: `busy_since` is 0 then.
            self._counts[kernel.pool.name].evaluations.add(self.now - kernel.busy_since)
            kernel.busy_since = 0.0
        self.kernel_activity(kernel)

    def kernel_activity(self, kernel: Kernel) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        if not kernel.attachments:
            return
        pool = self._pool_of(kernel)
        actions = pool.busy(kernel.number, kernel.session.activity, self.now)
        if actions or not kernel.session.attached or pool.options.timeouts.attached:
            # Whether it may be given up for a waiting client, and from when on, has changed.
            self.perform(kernel.pool.name, actions)
        self._reporter.kernel_changed(kernel)

    def kernel_detached(self, kernel: Kernel, why: str) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        kernel.log.info("%s is detached: %s", kernel, why)
        pool = self._pool_of(kernel)
        pool.busy(kernel.number, kernel.session.activity, self.now)
        self.perform(kernel.pool.name, pool.detached(kernel.number, self.now, kernel.session.worth))
        self._membership.send(self._kernel_report(kernel))

    def kernel_unused(self, kernel: Kernel) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        kernel.log.info("%s was not used, and goes back to its pool", kernel)
        self.perform(kernel.pool.name, self._pool_of(kernel).unused(kernel.number, self.now))
        self._membership.send(self._kernel_report(kernel))

    def kernel_unwanted(self, kernel: Kernel, why: str) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        self.perform(kernel.pool.name, self._pool_of(kernel).unwanted(kernel.number, self.now, why))

    def kernel_ended(self, kernel: Kernel, how: str) -> None:
        """See :class:`kernelbus.kernelhost.kernel.KernelHandler`."""
        name = kernel.pool.name
        pool = self._pools[name]
        del self._kernels[name, kernel.number]
        del self._by_identity[kernel.identity]
        if not self._kernels:
            self._none_left.set()
        state = pool.kernels[kernel.number].state
        counts = self._counts[name]
        counts.ended(kernel.bytes_in, kernel.bytes_out)
        counts.failed += state is KernelState.STARTING
        counts.died += state not in (KernelState.STARTING, KernelState.ENDING)
        self._feed.kernel_ended(kernel)
        if state is not KernelState.STARTING and state is not KernelState.ENDING:
            kernel.log.warning("%s has ended: it %s", kernel, how)
        known, log = pool.failing, EventLogger(_log, lambda: {"pool": name, "host": self._name})
        refusal = licence_refusal(how) if kernel.program else None
        if refusal is not None:
            how = f"was not let run by its licence: {refusal}"
        before = pool.licensed
        actions = pool.ended(kernel.number, self.now, how, refusal, kernel.short)
        self._reporter.kernel_gone(kernel)
        self._membership.send(KernelGone(kernel.identity, how))
        if pool.licensed is not None and refusal is not None:
            level = logging.INFO if pool.licensed == before else logging.WARNING
            log.log(level, "pool %s has as many kernels as its licence allows, %d: %s", name, pool.licensed, refusal)
            log.log(level, "pool %s: trying again in %.0f s, or when one of them ends", name, LICENCE_RETRY)
        elif state is KernelState.STARTING and not pool.closed:
            wait = max(0.0, pool.retry_at - self.now)
            # Logged as an error once for each reason, not for each try.
            level = logging.INFO if how == known else logging.ERROR
            kernel.log.log(level, "%s did not start: it %s", kernel, how)
            log.log(level, "pool %s: trying again in %.0f s", name, wait)
        self.perform(name, actions)
        if self._table.remove_if_gone(name):
            self._membership.send(self._describe())
        self._leave_if_empty()

    # ------------------------------------------------------------------ orders (OrderedHost)

    @property
    def now(self) -> float:
        """The time, on the loop's clock."""
        return self._loop.time()

    def kernel(self, identity: str) -> Kernel | None:
        """Return a kernel by its id; None: there is none."""
        return self._by_identity.get(identity)

    def pool(self, name: str) -> Pool | None:
        """Return a pool by its name; None: there is none."""
        return self._pools.get(name)

    def resize(self, pool: str, minimum: int | None, maximum: int | None) -> None:
        """Change a pool's size until it is changed again; None: unchanged."""
        self.perform(pool, self._table.resize(pool, minimum, maximum, self.now))

    def trace(self, kernel: Kernel, on: bool) -> None:
        """Begin or renew the trace of a kernel, or end it."""
        self._feed.trace(kernel, on)

    def drain(self, drained: bool) -> str:
        """Give no kernels out and end when none is left, or undo that; return what follows."""
        self._drained = drained
        # The broker has to know the reason before it gets the refusals of clients that wait here.
        self._reporter.machine()
        for name, pool in self._pools.items():
            self.perform(name, pool.drain_host(drained, self.now))
        self._log.warning("the host %s", "is being drained" if drained else "gives kernels out again")
        if not drained:
            return f"host {self._name} gives kernels out"
        left = sum(1 for kernel in self._kernels.values() if kernel.attachments)
        follows = "then it ends" if self._end is not None else "it stays, being part of its server"
        return f"host {self._name} gives no kernels out; it has {left} session{'' if left == 1 else 's'} left, {follows}"

    def evict(self, why: str) -> str:
        """End now, with every kernel; return what follows.

        Raises:
            OrderRefused: the host is not a process of its own.
        """
        if self._end is None:
            text = f"host {self._name} is part of its server and cannot be evicted: drain it, or end the server"
            raise OrderRefused("not-separate", text)
        self._log.warning("the host is %s", why)
        # After the answer has been sent.
        self._loop.call_soon(self._end, why)
        return f"host {self._name} ends, with {len(self._kernels)} kernels"

    def _leave_if_empty(self) -> None:
        if self._drained and not self._kernels and self._end is not None:
            self._loop.call_soon(self._end, "the host is drained, and empty")

    def _configure(self, config: Config) -> list[str]:
        """Replace the configuration; return what follows from that, a line each."""
        self._config, self._limits = config, settled(config.limits)
        self._watch.rules = KernelWatch.rules_of(self._limits)
        decided, lines = self._table.configure(config, self._drained, self.now)
        for name, actions in decided:
            self.perform(name, actions)
        # A new registration lists the pools that there are now.
        self._membership.send(self._describe())
        return lines

    # ------------------------------------------------------------------ reports

    def _kernel_report(self, kernel: Kernel) -> KernelReport:
        return kernel_report(kernel, self._pool_of(kernel))

    def _machine_report(self) -> HostReport:
        return machine.report(self._end is not None, self._drained, self.now - self._born)



def _described(kernel: Kernel, now: float) -> str:
    """Say how old a kernel's session is, and its profile."""
    age = f"its session is {now - (kernel.session.began or kernel.born):.0f} s old"
    return f"{age} and has profile {kernel.session.profile!r}" if kernel.session.profile else f"{age} and has no profile"
