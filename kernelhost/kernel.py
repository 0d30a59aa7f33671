"""One kernel: its process and its link, from start to end.

The pool decides the kernel's state (:class:`kernelbus.kernelhost.pools.pool.KernelState`); a
:class:`Kernel` does the I/O under it: it starts the process, accepts its link, initialises it, and
ends it. What passes between the kernel and its clients belongs to its session
(:mod:`kernelbus.kernelhost.session.session`).

The embedded kernel is given its link: two pairs of Unix sockets. Another kernel program connects to
a loopback port of its own, with either greeting (UUID mode or default mode); only its own processes
are let in. Its process runs in a process group of its own and dies with the host.

When its link is active, and before it has any client, the kernel is told its id and its pool
(``WSTPServer`$KernelID``, ``WSTPServer`$PoolName``) and runs the pool's initialisation
(:mod:`kernelbus.kernelhost.process.initialisation`), unless the parent it was forked from has run
it. The answers show that it is ready: a kernel that runs with ``-noprompt`` sends no prompt. A
kernel whose initialisation fails is ended; the reason goes to the pool, which tries again after its
back-off.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import logging
import os
import shutil
import socket
import time
from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from kernelbus.bus.descriptors import available, shortage
from kernelbus.bus.rounds import Rounds
from kernelbus.bus.settings.config import WOXI, LimitsConfig, PoolConfig
from kernelbus.bus.settings.logs import EventLogger
from kernelbus.bus.turns import Backlog, Turn
from kernelbus.kernelhost.process import peers
from kernelbus.kernelhost.process.accounting import Usage
from kernelbus.kernelhost.process.cgroups import Group, Groups
from kernelbus.kernelhost.process.confinement import Confinement, confinement_of, person
from kernelbus.kernelhost.process.initialisation import CONFINE, Initialisation, Step, judged, verdict
from kernelbus.kernelhost.process.memory import amount
from kernelbus.kernelhost.process.nursery import Nursery
from kernelbus.kernelhost.process.parent import InitialisationFailed, NurseryFailed
from kernelbus.kernelhost.process.sandbox import PROGRAM, sandboxed
from kernelbus.kernelhost.process.scratch import Scratch
from kernelbus.kernelhost.process.starting import (
    READABLE,
    KernelProcess,
    SpawnedKernel,
    embedded_arguments,
    is_embedded,
    kernel_command,
    link_to,
)
from kernelbus.kernelhost.process.tree import family, mark_of, processes
from kernelbus.kernelhost.session.abort import AbortWatch
from kernelbus.kernelhost.session.conversation import Conversation
from kernelbus.kernelhost.session.excerpt import Beginnings
from kernelbus.kernelhost.session.session import Session
from kernelbus.kernelhost.session.trace import FROM, TO, PacketTrace
from wstp import OURS, Function, LimitExceeded, Limits, Message, MessageCode, RemoteProtocolError, Symbol
from wstp.packets import encode_packet, packet
from wstp.relay import RelayLink, RelayListener, RelayOwner, relay_over
from wstp.stream import ByteStream
from wstp.tracker import Argument, End, Head, Start, Tracker
from wstp.transcoder import Transcoder, covers

__all__ = ["Kernel", "KernelHandler", "Phase"]

_log = logging.getLogger("kernelbus.host")

#: How many descriptors the host keeps for itself.
_RESERVE = 24
#: Seconds between asking a kernel to end and killing it.
_END_GRACE = 1.0
#: How often the removal of a control group is tried, and seconds between two attempts.
_REMOVALS, _REMOVAL = 50, 0.1


class Phase(Enum):
    """How far a kernel has come: its active link ends STARTING, its readiness INITIALISING."""

    STARTING = "starting"
    INITIALISING = "initialising"
    SERVING = "serving"
    ENDED = "ended"


class KernelHandler(Protocol):
    """What is told of the events in a kernel's life."""

    def kernel_ready(self, kernel: Kernel) -> None:
        """Handle that the kernel is initialised and waits for its first client."""

    def kernel_busy(self, kernel: Kernel) -> None:
        """Handle that :attr:`Kernel.busy` has changed."""

    def kernel_activity(self, kernel: Kernel) -> None:
        """Handle that the kernel asks its client something, goes on after that, or is aborted."""

    def kernel_unused(self, kernel: Kernel) -> None:
        """Handle that its client has gone without a request: the kernel is as it was before."""

    def kernel_detached(self, kernel: Kernel, why: str) -> None:
        """Handle that its client has gone."""

    def kernel_unwanted(self, kernel: Kernel, why: str) -> None:
        """Handle that its client has asked for the kernel's end."""

    def kernel_ended(self, kernel: Kernel, how: str) -> None:
        """Handle that its process is gone. Called once; `how` follows "it"."""


#: The receive buffer of a kernel's connection. What its program has written and nobody takes waits
#: in front of its answer to an abort, and an abort cannot drop it.
_RECEIVE = 512 * 1024
#: Bytes with which a packet may be ended that the kernel has left unfinished.
_BREAK_OFF = 65536


class Kernel(RelayOwner):
    """A kernel process with its link.

    Args:
        number: its number in its pool.
        identity: the kernel id, for clients.
        pool: the configuration that it is started with.
        limits: `Limits` of the configuration, with `kernel_memory` filled in.
        send_prompt: whether a client that attaches is sent `InputNamePacket`.
        replaced: whether a client whose kernel dies gets another one at once.
        handler: what is told of the events in its life.
        nursery: forks embedded kernels.
        rounds: gives the turns in which bytes to it and from it are passed on.
        scratch: makes the folder that it runs in; None: it runs in the host's.
        groups: makes the control group that it runs in; None: it has none of its own.
        host: the name of the kernel host, for the log.

    Attributes:
        log: the log for events of this kernel; each event carries the kernel's ids.
        trace: the packets to and from it, as they pass.
        session: what passes between it and its clients.
        serial: how many reports of it were made.
        usage: the processor time and the memory that it had at the last look.
        born: when it was made, on the loop's clock.
        busy_since: when it began to work for a client, on the loop's clock; 0: it does not work.
        quiet_since: when it became ready, or its :attr:`busy` last changed, on the loop's clock.
        program: the program that it runs; empty: the embedded kernel.
        short: whether it could not be started because the host is short of something.
        server: where its server listens for programs, ``port@host``; "" if that is not known. An
            embedded kernel takes kernels for parallel work there.
    """

    def __init__(
        self,
        number: int,
        identity: str,
        pool: PoolConfig,
        limits: LimitsConfig,
        send_prompt: bool,
        replaced: bool,
        handler: KernelHandler,
        nursery: Nursery,
        rounds: Rounds,
        host: str = "",
        scratch: Scratch | None = None,
        groups: Groups | None = None,
    ) -> None:
        self.number = number
        self.identity = identity
        self.pool = pool
        self.phase = Phase.STARTING
        self.serial = 0
        self.host = host
        self.server = ""
        self.log = EventLogger(_log, self._fields)
        self.trace = PacketTrace(self.log, str(self), time.time)
        self.session = Session(self, limits, send_prompt, replaced, rounds)
        self._limits = limits
        self._handler = handler
        self._nursery = nursery
        self._loop = asyncio.get_running_loop()
        self._scratch = scratch
        self._folder = ""
        self._groups = groups
        self.group: Group | None = None
        self._listener: RelayListener | None = None
        self._process: KernelProcess | None = None
        self._link: RelayLink | None = None
        self._exit: str | None = None
        self.usage = Usage()
        self.born = self._loop.time()
        self._passed = (0, 0)  # bytes_in and bytes_out when the link ended
        self.busy_since = 0.0
        self.quiet_since = 0.0
        self.program = ""
        self.short = False
        self._ending: str | None = None
        self._unwanted: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._abort = AbortWatch(self, limits.abort_timeout)
        given = tuple((name, value) for name, value in pool.environment if isinstance(value, str))
        self._initialisation = Initialisation(pool.initialization_file, pool.initialization_code, given)
        self._steps: deque[Step] = deque()
        self._step: Step | None = None
        self._value: object = None
        self._last_message = ""
        self._linked = False
        self._begun = 0  # the offset at which the present packet begins
        self._head: str | None = None
        self._beginnings = Beginnings(self.trace.kept)
        self._rounds = rounds
        self._unheard = Backlog()  # of its output, what it has had no turn for
        self._held = False  # nobody takes its output at present
        self._output = Tracker(Limits(token_size=limits.token_size), want_first_argument=Conversation.HEADS | {"ReturnPacket"})

    def __str__(self) -> str:
        return f"kernel {self.identity[:8]} of pool {self.pool.name}"

    def _fields(self) -> dict[str, object]:
        session = self.session
        return {
            "kernel": self.identity,
            "session": self.identity if session.attachments else "",
            "pool": self.pool.name,
            "host": self.host,
            "client": session.client,
            "channel": f"{session.channel:x}" if session.channel else "",
        }

    @property
    def busy(self) -> bool:
        """Whether it has been asked for something that it has not answered."""
        return self.session.busy

    @property
    def serving(self) -> bool:
        """Whether it is initialised, and has not ended."""
        return self.phase is Phase.SERVING

    @property
    def attachments(self) -> int:
        """How many clients it has had."""
        return self.session.attachments

    @property
    def link(self) -> RelayLink | None:
        """Its link, while there is one."""
        return self._link

    @property
    def bytes_in(self) -> int:
        """Token bytes written to the kernel."""
        return self._link.bytes_out if self._link is not None else self._passed[0]

    @property
    def bytes_out(self) -> int:
        """Token bytes that came from the kernel."""
        return self._link.bytes_in if self._link is not None else self._passed[1]

    @property
    def pid(self) -> int:
        """The id of its process; 0: it has none yet, or none any more."""
        return self._process.pid if self._process is not None and self._exit is None else 0

    @property
    def port(self) -> int:
        """The loopback port that its program connects to; 0: it is the embedded kernel."""
        return self._listener.port if self._listener is not None else 0

    @property
    def idle(self) -> float:
        """Seconds since its last evaluation ended, or since it became ready; 0 while it works."""
        return self._loop.time() - self.quiet_since if self.serving and not self.busy else 0.0

    @property
    def ends_in(self) -> float:
        """Seconds until it is killed unless it obeys an abort; 0: it is not to be killed."""
        return self._abort.left

    def withdraw_abort(self) -> None:
        """Do not kill it for an abort that it has not obeyed."""
        if self._abort.withdraw():
            self.log.info("%s has not obeyed an abort, and its client lets it go on", self)
            self._handler.kernel_activity(self)

    @property
    def held(self) -> bool:
        """Whether its output is not read, because nobody takes it at present."""
        return self._link is not None and self._held

    # ------------------------------------------------------------------ start and end

    async def start(self) -> None:
        """Start the process. Its link is awaited in the background.

        The handler is told of success or failure; nothing is raised. A kernel that has been ended
        before is not started.
        """
        if self._ending is not None:
            self._exited("was not started")
            return
        try:
            if available() < _RESERVE:
                # Starting one half is worse than not starting it.
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            confinement = self._confine()
            if is_embedded(self.pool.kernel_path):
                await self._start_embedded(confinement)
            else:
                await self._start_program(confinement)
            assert self._process is not None
            self._process.log_to(self.log)
            self._process.wrapped = self.pool.sandbox is not None
            self._process.group = self.group
        except OSError as error:
            lacking = shortage(error)
            self.short = bool(lacking)
            program = self.program or "the embedded kernel"
            self._exited(f"could not be started: {lacking or f'{program}: {error.strerror or error}'}")
        except LookupError as error:
            self._exited(f"could not be started: {error}")
        except (InitialisationFailed, NurseryFailed) as error:
            self._exited(f"could not be initialised: {error}")
        else:
            if self._unwanted.done():
                self.kill()
            elif self._exit is None:
                if not self.serving:
                    self._timer = self._loop.call_later(self._limits.kernel_start_timeout, self._late)
                if self._linked:
                    self._initialise()

    def _confine(self) -> Confinement:
        """Make what the kernel gets: its folder first.

        Raises:
            LookupError: its user does not exist, or the host may not take it on.
            OSError: its folder cannot be made.
        """
        user = person(self.pool.user) if self.pool.user else None
        folder = self.pool.working_directory or ""
        if folder and not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} (WorkingDirectory) is not a folder")
        if not folder and self._scratch is not None:
            folder = self._folder = self._scratch.make((user.uid, user.gid) if user is not None else None)
        confinement = confinement_of(self.pool, mark_of(self.identity), folder, user, os.environ)
        if self._groups is None:
            return confinement
        try:
            self.group = self._groups.make(f"{self.pool.name}-{self.identity[:8]}", self._limits.kernel_memory or 0)
        except OSError as error:
            self.log.error("%s has no control group of its own: %s", self, error)
            return confinement
        return confinement._replace(group=self.group.entry)

    def _sandboxed(self, command: list[str], confinement: Confinement, *, network: bool) -> list[str]:
        if self.pool.sandbox is None:
            return command
        if shutil.which(PROGRAM) is None:
            raise FileNotFoundError(errno.ENOENT, f"{PROGRAM} is not installed (Sandbox): install bubblewrap, or leave Sandbox out")
        needed = (*READABLE, os.path.dirname(os.path.realpath(shutil.which(command[0]) or command[0])))
        return sandboxed(command, confinement.folder or os.getcwd(), needed, network=network)

    async def _start_program(self, confinement: Confinement) -> None:
        """Start a program, which connects to a port of its own.

        Every user of the machine can reach the port: see :meth:`_refusal`.
        """
        timeout = self._limits.greeting_timeout
        self._listener = RelayListener(self._accept, ("uuid", "default"), timeout, check=self._refusal, receive=_RECEIVE)
        port = await self._listener.listen("127.0.0.1", 0)
        command = kernel_command(self.pool.kernel_path, self.pool.kernel_options, link_to(port), self.pool.parallel_kernels)
        self.program = command[0]
        if self.pool.kernel_path == WOXI and importlib.util.find_spec("woxi") is None:
            raise LookupError("Woxi is not installed: pip install 'kernelbus[engine]'")
        command = self._sandboxed(command, confinement, network=True)
        self._process = await SpawnedKernel.start(command, str(self), self._exited, (), confinement)
        self._listener.decide()

    async def _start_embedded(self, confinement: Confinement) -> None:
        """Fork or start the embedded kernel, whose link nobody else can reach."""
        command = kernel_command(self.pool.kernel_path, self.pool.kernel_options, (), self.pool.parallel_kernels)
        command += ["-title", str(self)]
        if self.server:
            command += ["-parallel", self.server]
        if self._limits.kernel_memory:
            command += ["-memory", str(self._limits.kernel_memory)]
        (data, its_data), (message, its_message) = socket.socketpair(), socket.socketpair()
        try:
            self._process = await self._run_embedded(command, (its_data.fileno(), its_message.fileno()), confinement)
            await relay_over(data, message, self._take_link, str(self))
        except BaseException:
            data.close()
            message.close()
            raise
        finally:
            its_data.close()
            its_message.close()

    async def _run_embedded(self, command: list[str], link: tuple[int, int], confinement: Confinement) -> KernelProcess:
        arguments = embedded_arguments(command)
        assert arguments is not None
        # What was forked cannot be put into a sandbox any more.
        if self._nursery.available and self.pool.sandbox is None:
            try:
                return await self._nursery.fork(
                    arguments, str(self), self._exited, link, self._initialisation, self.pool.name, confinement, self._unwanted
                )
            except NurseryFailed as error:
                if self._ending is not None:
                    raise
                self.log.error("%s; %s is started as a process of its own", error, self)
        command = [*command, "-linkdescriptors", f"{link[0]},{link[1]}"]
        command = self._sandboxed(command, confinement, network=False)
        return await SpawnedKernel.start(command, str(self), self._exited, link, confinement)

    def end(self, why: str) -> None:
        """Ask the kernel to end, and kill it if it still runs after a grace period.

        Args:
            why: the reason, which replaces the exit status in what the handler is told.
        """
        if self._ending is not None:
            return
        self._ending = why
        if not self._unwanted.done():
            self._unwanted.set_result(None)
        if self._link is not None:
            self._link.write_message(MessageCode.TERMINATE)
            if self.trace.active:
                self.trace.message(TO, MessageCode.TERMINATE)
            self._link.close()
        self._restart_timer(_END_GRACE, self.kill)
        if self._link is None:
            self.kill()

    def kill(self) -> None:
        """Kill the process now, and again until it is gone."""
        if self._process is not None:
            self._process.kill()
            if self._exit is None:
                self._restart_timer(_END_GRACE, self.kill)

    def interrupt(self) -> None:
        """Send SIGINT to the process group."""
        if self._process is not None:
            self._process.interrupt()

    def destroy(self, tag: str, why: str) -> None:
        """Kill the process, and tell the client why.

        Args:
            tag: the name of the message.
            why: the reason, which follows "the kernel".
        """
        self._ending = self._ending or why
        self.session.tell(tag, f"the kernel {why}")
        self.kill()

    def _late(self) -> None:
        limit = f"{self._limits.kernel_start_timeout:g} s"
        if self._step is not None:
            self._fail(f"did not end in {limit}")
            return
        output = self._process.last_output if self._process else ""
        self.end(f"did not get ready in {limit}" + (f"; it said last: {output}" if output else ""))

    def _exited(self, how: str) -> None:
        self._exit = how
        self._stop_timer()
        if self._listener is not None:
            self._listener.close()
        if self._link is None:
            self._finish()
        else:
            # Its last output may still be on its way; the connections end behind it. A process that
            # the kernel has started may hold them open.
            self._restart_timer(_END_GRACE, self._abandon_link)

    def _abandon_link(self) -> None:
        if self._link is not None and not self.session.attached:
            self._link.abort()

    def link_leaves(self, link: RelayLink) -> None:
        """Do nothing: what the kernel wrote before is read first."""

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        while self._unheard:
            self._hear(self._unheard.take(self._output.skippable))
        self._passed = self.bytes_in, self.bytes_out
        self._link = None
        if self._exit is None:
            self._restart_timer(_END_GRACE, self._kill_linkless)
        if self._exit is not None:
            self._finish()
        elif self._ending is not None:
            self.session.kernel_ended(self._ending)
        # Else its process has ended, or is about to: then the client is told how, with the exit
        # status that a script may have given.

    def _kill_linkless(self) -> None:
        self._ending = self._ending or "closed its link"
        self.kill()

    def _remove_folder(self) -> None:
        folder, self._folder = self._folder, ""
        if folder and self._scratch is not None:
            # In a thread: it may hold much.
            self._loop.run_in_executor(None, self._scratch.remove, folder)

    def _remove_group(self, attempts: int = _REMOVALS) -> None:
        """Remove its control group, as soon as nothing runs in it any more."""
        if self.group is None:
            return
        self.group.kill()
        if self.group.remove():
            self.group = None
        elif attempts:
            self._loop.call_later(_REMOVAL, self._remove_group, attempts - 1)
        else:
            self.log.error("the control group of %s cannot be removed: processes %s do not end", self, self.group.processes())

    def _finish(self) -> None:
        self._stop_timer()
        self._abort.stop()
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self._remove_folder()
        assert self._exit is not None
        if self._step is not None and self._ending is None:
            self._ending = f"could not be initialised: {self._step.name} ended the kernel, which {self._exit}"
        killed = self._ending is None and self._process is not None and self._process.killed_by_others
        tag = "killed" if killed else ""
        if killed and self.group is not None and self.group.out_of_memory():
            limit = amount(self._limits.kernel_memory or 0)
            tag, self._ending = "memory", f"took more than {limit} of memory (Limits/KernelMemory), and was killed by the system"
        self._remove_group()
        self.session.kernel_ended(self._ending or self._exit, tag)
        self._handler.kernel_ended(self, self._ending or self._exit)

    def _restart_timer(self, delay: float, callback: object) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay, callback)  # type: ignore[arg-type]

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------------ the link comes up

    def _refusal(self, stream: ByteStream) -> str | None:
        """Say why a connection to the kernel's port is refused: not the kernel made it.

        None: the kernel's process is not known yet.
        """
        if not peers.KNOWN:
            return ""
        if self._process is None:
            return None
        assert stream.ends is not None
        here, there = stream.ends
        found = peers.owner(there, here)
        if found is None:
            return "is gone already"
        expected = person(self.pool.user).uid if self.pool.user else os.getuid()
        if found.uid != expected:
            return f"is of user {found.uid}, not of the kernel's user {expected}"
        mine = [process.pid for process in family(self._process.pid, processes())]
        return "" if peers.holds(mine, found.inode) else f"is of another process than {self}"

    def _take_link(self, link: RelayLink) -> RelayOwner:
        self._link = link
        return self

    def _accept(self, link: RelayLink) -> RelayOwner | None:
        if self._link is not None:
            self.log.error("%s: a second link to its port is refused", self)
            return None
        return self._take_link(link)

    def link_active(self, link: RelayLink) -> None:
        if self._listener is not None:
            self._listener.close()
        if not covers(link.peer_features, OURS):
            self.log.info("%s takes fewer kinds of tokens than clients send; its input is rewritten", self)
            link.transcoder = Transcoder(link.peer_features, Limits(token_size=self._limits.token_size))
        self._linked = True
        # The link of a forked kernel may be active before the parent's report of the fork arrives.
        if self._process is not None:
            self._initialise()

    def _initialise(self) -> None:
        """Define what every kernel has, and begin the pool's initialisation unless it has been run.

        Called when the process has been started and its link is active, by whichever comes last.
        """
        if self.phase is not Phase.STARTING or self._ending is not None:
            return
        self.phase = Phase.INITIALISING
        assert self._process is not None
        if not self._process.initialised:
            self._steps.extend(self._initialisation.steps())
        define = [
            Symbol("Set")(Symbol("WSTPServer`$KernelID"), self.identity),
            Symbol("Set")(Symbol("WSTPServer`$PoolName"), self.pool.name),
        ]
        if not self.program and not (self.pool.files and self.pool.processes):
            # What the pool forbids is forbidden once the initialisation is over.
            allowed = [Symbol("True" if allowed else "False") for allowed in (self.pool.files, self.pool.processes)]
            self._steps.append(Step("the confinement", judged(Symbol(CONFINE)(*allowed))))
        self._ask(Symbol("CompoundExpression")(*define, Symbol("Null")))

    def _ask(self, expression: Function) -> None:
        assert self._link is not None
        self._value = None
        self.session.conversation.requested("EvaluatePacket")
        data = encode_packet(packet("EvaluatePacket", expression))
        if self.trace.active:
            self.trace.passed(TO, "EvaluatePacket", len(data) - 1, data[: self.trace.kept])
        self._link.write(data)

    def _initialise_on(self) -> None:
        """Begin the next step if the one that was just answered has not failed."""
        if self._ending is not None:
            return
        if self._step is not None and (why := verdict(self._value)) is not None:
            self._fail(why)
        elif self._steps:
            self._step = self._steps.popleft()
            self._ask(self._step.expression)
        else:
            self._step = None
            self._become_ready()

    def _fail(self, why: str) -> None:
        assert self._step is not None
        because = f"; its last message: {self._last_message}" if self._last_message else ""
        self.end(f"could not be initialised: {self._step.name} {why}{because}")

    def _become_ready(self) -> None:
        self.phase = Phase.SERVING
        self.quiet_since = self._loop.time()
        self._output.want_first_argument(Conversation.HEADS)
        conversation = self.session.conversation
        conversation.evaluations = conversation.answered = 0
        conversation.prompts = bool(conversation.prompt)
        self._stop_timer()
        self._handler.kernel_ready(self)

    # ------------------------------------------------------------------ from the kernel

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        self._unheard.add(data)
        self._rounds.ask(self)
        self._set_reading(link)

    def work(self, turn: Turn) -> bool:
        """Take what the kernel has said; see :class:`kernelbus.bus.rounds.Worker`."""
        goes_on = True
        while self._unheard and goes_on:
            self._hear(self._unheard.take(self._output.skippable))
            goes_on = turn.step()
        if self._link is not None:
            self._set_reading(self._link)
        return bool(self._unheard)

    def hold(self, held: bool) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._held = held
        if self._link is not None:
            self._set_reading(self._link)

    def _set_reading(self, link: RelayLink) -> None:
        if self._held:
            link.pause()
        elif self._unheard:
            link.pause(soon=True)
        else:
            link.resume()

    def _hear(self, data: memoryview) -> None:
        try:
            marks = self._output.feed(data)
        except (RemoteProtocolError, LimitExceeded) as error:
            self._unheard.clear()
            self.log.error("%s sent what is not WSTP (%s), and is ended", self, error)
            self.end("sent what is not WSTP")
            return
        base = self._output.position - len(data)
        if self.serving:
            self.session.heard(data, marks, base)
        was_busy, did = self.busy, self.session.activity
        conversation = self.session.conversation
        self._beginnings.feed(data, marks, base)
        for mark in marks:
            match mark:
                case Start():
                    self._begun, self._head = mark.offset, None
                    conversation.begins()
                case Head():
                    self._head = mark.name
                    conversation.names(mark.name)
                case Argument():
                    head = conversation.says(mark.value)
                    if self.phase is Phase.INITIALISING:
                        self._said_at_the_start(head, mark.value)
                case End():
                    beginning = self._beginnings.take()
                    if self.trace.active:
                        self.trace.passed(FROM, self._head, mark.offset - self._begun, beginning)
                    self._said(conversation.ends())
        self.session.looked_at()
        if self.busy != was_busy:
            self.quiet_since = self._loop.time()
            self._handler.kernel_busy(self)
        elif self.session.activity is not did:
            self._handler.kernel_activity(self)

    def _said_at_the_start(self, head: str, value: object) -> None:
        """Log a packet's first argument, or keep its value, while the kernel is initialised."""
        if head == "ReturnPacket":
            self._value = value
        elif head == "TextPacket":
            said = str(value).strip()
            after_message = self.session.conversation.after_message
            if after_message:
                self._last_message = said
            level = logging.WARNING if after_message else logging.INFO
            self.log.log(level, "%s said while it was initialised: %s", self, said)

    def _said(self, head: str) -> None:
        self._abort.answered(head)
        if self.phase is Phase.INITIALISING and not self.busy:
            self._initialise_on()

    def link_message(self, link: RelayLink, message: Message) -> None:
        if self.trace.active:
            self.trace.message(FROM, message.code)
        self.session.told(message)

    def link_drained(self, link: RelayLink) -> None:
        self.session.drained()

    # ------------------------------------------------------------------ for its session

    def completion(self) -> Iterable[bytes | memoryview]:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        return self._output.completion()

    def break_off(self) -> bytes | None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        try:
            return self._output.break_off(_BREAK_OFF)
        except (RemoteProtocolError, LimitExceeded):
            return None  # what it sent is no WSTP

    def abort_written(self) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._abort.asked()
        self._handler.kernel_activity(self)

    def session_busy(self) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._handler.kernel_busy(self)

    def session_unused(self) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._handler.kernel_unused(self)

    def session_detached(self, why: str) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._handler.kernel_detached(self, why)

    def session_unwanted(self, why: str) -> None:
        """See :class:`kernelbus.kernelhost.session.session.SessionKernel`."""
        self._handler.kernel_unwanted(self, why)
