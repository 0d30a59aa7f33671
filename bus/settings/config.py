"""The configuration file: WSTPServer's keys and our own, checked, with defaults filled in.

The file is relaxed JSON (:mod:`kernelbus.bus.settings.relaxedjson`). Every fault is a
:class:`ConfigError` of one line that names the file, the line and the key, and says what to do. A
value that may be right on another machine or at another time (a program or file that does not exist
here and now) is no fault, but one of :attr:`Config.warnings`.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from kernelbus.bus.errors import BusError
from kernelbus.bus.settings import relaxedjson
from kernelbus.bus.settings import schema as configschema
from kernelbus.bus.settings.files import read_file
from kernelbus.bus.settings.networks import WORDS, Networks, parse_network
from kernelbus.bus.settings.relaxedjson import Document
from kernelbus.bus.settings.schema import dotted, nearest, offer, shown

__all__ = [
    "DEFAULT_NAME",
    "DEFAULT_TIMES",
    "EMBEDDED",
    "WOXI",
    "AccessConfig",
    "BusConfig",
    "Config",
    "ConfigError",
    "DiscoveryConfig",
    "LimitsConfig",
    "PoolConfig",
    "check_endpoint",
    "find",
    "load",
    "loads",
    "nearest",
    "searched",
    "user_folder",
]

#: The file's name where none is given.
DEFAULT_NAME = "wstpserver.conf"

#: The largest configuration file, in bytes.
_LARGEST_FILE = 4 * 2**20

#: The KernelPath that names the embedded kernel.
EMBEDDED = "embedded"

#: The KernelPath of pools whose kernels are Woxi (:mod:`kernelbus.kernelhost.woxi`).
WOXI = "woxi"


class ConfigError(BusError):
    """A configuration that cannot be used.

    Attributes:
        problems: one line for each fault, in the file's order; the error's own text is the first
            line and the number of the others.
    """

    def __init__(self, *problems: str) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = problems


def _default_maximum() -> int:
    return max(8, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """Kernels that share properties. Numbers count kernels of this pool on one host.

    Attributes:
        name: what clients call it.
        default: a client that names no pool gets a kernel of this one; true of exactly one pool.
        parallel_kernel_default: the same for requests for parallel kernels.
        parallel_kernels: kernels start as parallel subkernels (``-subkernel``).
        keep_alive: a kernel survives its client's leaving; if false it is ended and replaced.
        reserve_previously_connected_kernels: a detached kernel is kept for who names it, even when
            someone waits.
        minimum_kernel_number: ready kernels kept in advance.
        maximum_kernel_number: the cap on all kernels, detached ones included.
        kernel_path: the program; EMBEDDED: the embedded kernel; WOXI: Woxi; None: a WolframKernel
            that is found, else the embedded kernel.
        kernel_options: its further arguments, split as a shell would.
        initialization_file: an absolute path, read by every kernel at its start.
        initialization_code: Wolfram Language text, evaluated by every kernel at its start, after
            the file.
        user: the user of the machine that kernels run as; None: the host's.
        working_directory: the folder that they run in; None: a private one for each, which is
            removed with its kernel.
        environment: names of environment variables, with what kernels have there: a value, True
            for the host's value, False for none. Without one, a list in
            :mod:`kernelbus.kernelhost.process.confinement` decides.
        maximum_processes: how many processes the user of a kernel may have; None: no limit.
        maximum_open_files: how many files each process of a kernel may have open; None: no limit.
        maximum_cpu_time: seconds of processor time of each process of a kernel; None: no limit.
        maximum_file_size: bytes of the largest file that a kernel may write; None: no limit.
        files: whether code in the embedded kernel may use files and connections.
        processes: whether code in the embedded kernel may start programs.
        sandbox: the program that keeps kernels from the machine; None: none.
        session_idle_timeout, detached_evaluation_timeout, detached_question_timeout,
        leftover_timeout, attached_idle_timeout, timeouts_apply, kernels_per_address,
        sessions_per_address: as in :class:`LimitsConfig`; None: as it says there.
    """

    name: str
    default: bool = False
    parallel_kernel_default: bool = False
    parallel_kernels: bool = False
    keep_alive: bool = True
    reserve_previously_connected_kernels: bool = False
    minimum_kernel_number: int = 2
    maximum_kernel_number: int = field(default_factory=_default_maximum)
    kernel_path: str | None = None
    kernel_options: str = ""
    initialization_file: str | None = None
    initialization_code: str | None = None
    user: str | None = None
    working_directory: str | None = None
    environment: tuple[tuple[str, str | bool], ...] = ()
    maximum_processes: int | None = None
    maximum_open_files: int | None = None
    maximum_cpu_time: int | None = None
    maximum_file_size: int | None = None
    files: bool = True
    processes: bool = True
    sandbox: Literal["bubblewrap"] | None = None
    session_idle_timeout: float | None = None
    detached_evaluation_timeout: float | None = None
    detached_question_timeout: float | None = None
    leftover_timeout: float | None = None
    attached_idle_timeout: float | None = None
    timeouts_apply: str | None = None
    kernels_per_address: int | None = None
    sessions_per_address: int | None = None


@dataclass(frozen=True, slots=True)
class BusConfig:
    """How the parts reach each other. Times in seconds.

    Attributes:
        endpoint: where the broker binds and the others connect, ``tcp://address:port`` or
            ``ipc://path``. None: a socket in the user's state folder, named for the WSTP port.
        heartbeat_interval: between two heartbeats, each way.
        heartbeat_timeout: silence after which a peer is suspect.
        journal: the file in which the broker keeps its sessions; empty: none. None: one named for
            its endpoint, in the user's folder for state.
        local_transport: what joins the parts of one process: plain calls, or ZeroMQ inproc.
        keys: the folder of this machine's keys. None: ``kernelbus/keys`` in the user's
            configuration folder.
        broker_key: the public key that is expected of the broker, or its name among the allowed
            ones. None: the only one that is allowed.
        administrators: the public keys, or their names among the allowed ones, whose machines may
            give orders beside the broker's own user. None: everybody may who reaches the bus.
        name: what the parts of this machine are called in the status and the log; None: as the
            machine.
    """

    endpoint: str | None = None
    heartbeat_interval: float = 1.0
    heartbeat_timeout: float = 5.0
    journal: str | None = None
    local_transport: Literal["call", "inproc"] = "call"
    keys: str | None = None
    broker_key: str | None = None
    administrators: tuple[str, ...] | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Who may connect to the port for clients (:mod:`kernelbus.bus.settings.networks`).

    Attributes:
        allow: the networks from which connections are accepted, beside this machine.
        deny: networks from which none is.
        anonymous: the networks whose programs need no token.
        token: the file with the token; None: one in the user's state folder.
    """

    allow: tuple[str, ...] = ("attached",)
    deny: tuple[str, ...] = ()
    anonymous: tuple[str, ...] = ("loopback",)
    token: str | None = None


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """How servers are advertised, and looked for.

    Attributes:
        service_protocol: of the WSTP service, `_<service_protocol>._tcp`, as programs that browse
            for it name it. Which one WSTPServer registers is not published: the default is its own
            name.
        interface: an address of the interface on which servers and brokers are looked for; None:
            all.
    """

    service_protocol: str = "wstpserver"
    interface: str | None = None


#: The times of sessions, in seconds, that hold where the configuration sets none. They end a
#: session only for a client that needs its place. 0: none.
DEFAULT_TIMES: dict[str, float] = {
    "session_idle_timeout": 2 * 86400.0,
    "detached_evaluation_timeout": 86400.0,
    "detached_question_timeout": 3600.0,
    "leftover_timeout": 20.0,
    "attached_idle_timeout": 0.0,
}


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """Bounds. Times in seconds, sizes in bytes.

    Attributes:
        connection_timeout: how long a request waits for a kernel of a full pool.
        greeting_timeout: how long a connection to the WSTP port may take to greet.
        client_timeout: after which a client that has vanished without a word is taken for lost, to
            within a fifth.
        window: bytes under way in one direction of one session.
        chunk: the largest payload of one frame.
        hold_buffer: how much of an unfinished expression is held before it is streamed to the
            kernel.
        output_buffer: output kept of a session that no client has taken; then its kernel is held
            back.
        kernel_start_timeout: from the start of a kernel's process to its first packet.
        abort_timeout: how long a kernel may take to obey an abort: after half of it SIGINT is sent
            too, after all of it it is killed.
        kernel_memory: how much of it a kernel may have; one that takes more is killed; 0: no limit.
            None: three quarters of what the machine (or the cgroup that the host runs in) has.
        kernel_recycle_memory: a kernel that waits for its first client, and has grown by more than
            this since it was ready, is replaced; 0: none is.
        host_timeout: after which a host that does not come back is lost, and its sessions with it.
        orphan_timeout: how long a host that reaches no broker keeps its kernels.
        shutdown_timeout: how long everything may take to end in an orderly way.
        links: client links open at once on one frontend.
        links_per_address: the same of one address; 0: as many.
        pending: connections to the WSTP port that are not links yet.
        pending_per_address: the same of one address; 0: as many.
        unused_kernel_timeout: how long a client may have a kernel and not use it while one of
            another address waits, which has fewer; 0: for ever.
        link_timeout: how long a link may be open without a kernel and without a command.
        token_size: the longest single token that is decoded (not merely forwarded).
        session_idle_timeout: how long an idle session is safe that its client has left and can come
            back to; 0: always.
        detached_evaluation_timeout: the same while it evaluates.
        detached_question_timeout: the same while it waits for an answer.
        leftover_timeout: how long a kernel may go on that nobody can come back to.
        attached_idle_timeout: how long a client may have a kernel and ask for nothing; 0: for ever.
        timeouts_apply: whether sessions over these times end only "WhenNeeded", "Always", or
            "WhenSet": always where the configuration sets the time. None of a time says that it
            does not; :data:`DEFAULT_TIMES` holds.
        kernels_per_address: how many kernels of a pool clients of one address may be attached to;
            0: any number.
        sessions_per_address: the same for all sessions, detached ones included.
    """

    connection_timeout: float = 30.0
    greeting_timeout: float = 10.0
    client_timeout: float = 25.0
    window: int = 8 * 2**20
    chunk: int = 2**20
    hold_buffer: int = 2**20
    output_buffer: int = 64 * 2**20
    kernel_start_timeout: float = 60.0
    abort_timeout: float = 10.0
    kernel_memory: int | None = None
    kernel_recycle_memory: int = 256 * 2**20
    host_timeout: float = 60.0
    orphan_timeout: float = 600.0
    shutdown_timeout: float = 4.0
    links: int = 1000
    links_per_address: int = 0
    pending: int = 1024
    pending_per_address: int = 0
    unused_kernel_timeout: float = 20.0
    link_timeout: float = 600.0
    token_size: int = 2**31
    session_idle_timeout: float | None = None
    detached_evaluation_timeout: float | None = None
    detached_question_timeout: float | None = None
    leftover_timeout: float | None = None
    attached_idle_timeout: float | None = None
    timeouts_apply: str = "WhenSet"
    kernels_per_address: int = 0
    sessions_per_address: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, as every part takes it; ``Config()`` is the one without a file.

    Attributes:
        allow_stealing_kernels: a client may take a kernel that another is attached to.
        allow_silent_kernel_replacement: a kernel that is gone is replaced without an error.
        enable_automatic_kernel_connection: a new link gets a kernel of the default pool at once.
        send_input_name_packet_upon_kernel_connection: on attach the client gets the session's
        prompt.
        message_ports: the ports for the message connections of clients that connect without
            `-linkoptions 4`, first and last; None: any free ports.
        pools: at least one; exactly one is the default, and exactly one the default for parallel
            kernels.
        source: the file it was read from; None: defaults, or text.
        warnings: lines to log: what will not work here as it stands, and what to do.
    """

    allow_stealing_kernels: bool = False
    allow_silent_kernel_replacement: bool = False
    enable_automatic_kernel_connection: bool = True
    send_input_name_packet_upon_kernel_connection: bool = True
    message_ports: tuple[int, int] | None = None
    pools: tuple[PoolConfig, ...] = (PoolConfig("Default", default=True, parallel_kernel_default=True),)
    bus: BusConfig = BusConfig()
    access: AccessConfig = AccessConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    limits: LimitsConfig = LimitsConfig()
    source: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def default_pool(self) -> PoolConfig:
        """The pool for a client that names none."""
        return next((pool for pool in self.pools if pool.default), self.pools[0])

    @property
    def parallel_default_pool(self) -> PoolConfig:
        """The pool for a request for parallel kernels that names none."""
        return next((pool for pool in self.pools if pool.parallel_kernel_default), self.pools[0])

    def named(self, name: str) -> Config:
        """Return this configuration with another `Bus`/`Name`.

        Raises:
            ConfigError: `name` is not a valid name.
        """
        try:
            return replace(self, bus=replace(self.bus, name=configschema.check_name(name)))
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def pool(self, name: str) -> PoolConfig:
        """Return the pool called `name`.

        Raises:
            ConfigError: there is none; the text offers the nearest name.
        """
        for pool in self.pools:
            if pool.name == name:
                return pool
        known = [pool.name for pool in self.pools]
        raise ConfigError(f"no pool is named {shown(name)}: {offer(name, known, 'pools')}")


# ---- finding and reading -------------------------------------------------------------------------


def find(directory: Path | None = None, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration file to read where none is named, or None: then the defaults hold.

    In this order: ``wstpserver.conf`` in `directory` (the working directory),
    ``kernelbus/wstpserver.conf`` in the user's configuration folder (``$XDG_CONFIG_HOME``, else
    ``~/.config``), ``/etc/kernelbus/wstpserver.conf``.
    """
    return next((path for path in searched(directory, environment) if path.is_file()), None)


def searched(directory: Path | None = None, environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return the places in which :func:`find` looks, in order."""
    return tuple(folder / DEFAULT_NAME for folder in (directory or Path(), user_folder(environment), Path("/etc/kernelbus")))


def user_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the user's folder: ``kernelbus`` in ``$XDG_CONFIG_HOME``, else in ``~/.config``."""
    environment = os.environ if environment is None else environment
    home = environment.get("HOME") or os.path.expanduser("~")
    return Path(environment.get("XDG_CONFIG_HOME") or Path(home, ".config"), "kernelbus")


def load(path: str | Path | None = None) -> Config:
    """Read the file at `path`, or the file that :func:`find` finds, or return the defaults.

    A file that nobody named has to be one that only this user, or root, can have written: whoever
    can write into the working directory could have the server run a program otherwise.

    Raises:
        ConfigError: the file cannot be read, is not JSON, has an invalid key or value, or was found
            and may be somebody else's.
    """
    if path is None:
        path = find()
        if path is None:
            return Config()
        _check_owner(path)
    else:
        path = Path(path)
    try:
        data = read_file(path, _LARGEST_FILE)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this configuration file: {error.strerror}") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    return loads(text, path)


def _check_owner(path: Path) -> None:
    """Raise ConfigError if another user than this one and root can have written a file."""
    if os.name != "posix":
        return
    # The folder too: who can write there can put another file in the place of this one. A folder
    # for temporary files has the sticky bit, which prevents that.
    for each, where in ((path, ""), (path.absolute().parent, "is in a folder that ")):
        status = each.stat()
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_uid not in (0, os.geteuid()):
            fault = f"{where}belongs to another user"
        elif status.st_mode & stat.S_IWOTH and not sticky:
            fault = f"{where}everybody can write"
        else:
            continue
        raise ConfigError(
            f"{path}: this configuration file, which no option names, {fault}, so it is not used: "
            "name it with -c if you want it used, or start kernelbus in another folder"
        )


def loads(text: str, source: str | Path | None = None) -> Config:
    """Read a configuration from `text`.

    Args:
        source: the file it came from, for errors and for paths relative to it.

    Raises:
        ConfigError: it is not JSON, or has an invalid key or value.
    """
    label = "configuration" if source is None else str(source)
    try:
        document = relaxedjson.parse(text)
    except relaxedjson.SyntaxFault as fault:
        raise ConfigError(f"{label}:{fault.line}: {fault}") from None
    try:
        loaded = configschema.check(document.value)
    except configschema.Faults as error:
        raise _located(label, document, error.faults) from None
    path = None if source is None else Path(source)
    settled = _Settler(document, label, path.parent if path else Path())
    pools = settled.pools(loaded.pop("pools", {}))
    settled.limits()
    bus = loaded.get("bus", {})
    for key in ("journal", "keys"):
        if bus.get(key):
            bus[key] = settled.absolute(bus[key])
    access = settled.access(loaded.get("access", {}))
    # As in pools, an empty string stands for nothing. (An empty Journal means no journal.)
    bus.update((key, bus.get(key) or None) for key in ("keys", "broker_key"))
    if settled.faults:
        raise _located(label, document, settled.faults)
    return Config(
        **{key: value for key, value in loaded.items() if isinstance(value, bool)},
        message_ports=loaded.get("message_ports"),
        pools=pools,
        bus=BusConfig(**bus),
        access=access,
        discovery=DiscoveryConfig(**loaded.get("discovery", {})),
        limits=LimitsConfig(**loaded.get("limits", {})),
        source=path,
        warnings=tuple(settled.warnings),
    )


def check_endpoint(text: str) -> str:
    """Return `text` if it is a bus endpoint, ``tcp://address:port`` or ``ipc://path``.

    Raises:
        ConfigError: it is not.
    """
    try:
        return configschema.check_endpoint(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


# ---- what depends on more than one key, or on this machine ---------------------------------------


def _located(label: str, document: Document, faults: Iterable[tuple[relaxedjson.Path, str]]) -> ConfigError:
    lines = sorted(((document.line(path), text) for path, text in faults), key=lambda fault: fault[0])
    return ConfigError(*(f"{label}:{line}: {text}" for line, text in lines))


class _Settler:
    """Checks keys against each other and against this machine, and fills in dependent defaults."""

    def __init__(self, document: Document, label: str, folder: Path) -> None:
        self._document = document
        self._label = label
        self._folder = folder
        self.faults: list[tuple[relaxedjson.Path, str]] = []
        self.warnings: list[str] = []

    def pools(self, loaded: dict[str, dict[str, Any]]) -> tuple[PoolConfig, ...]:
        pools = [self._pool(name, content) for name, content in loaded.items()] or list(Config().pools)
        defaults = [pool.name for pool in pools if pool.default]
        parallel = [pool.name for pool in pools if pool.parallel_kernel_default]
        for chosen, key in ((defaults, "Default"), (parallel, "ParallelKernelDefault")):
            for name in chosen[1:]:
                self._fault(f"pool {shown(chosen[0])} has {key} already: let one pool have it", "Pools", name, key)
        if not defaults:
            pools[0] = replace(pools[0], default=True)
        if not parallel:
            pools[0] = replace(pools[0], parallel_kernel_default=True)
        return tuple(pools)

    def limits(self) -> None:
        limits, bus = LimitsConfig(), BusConfig()
        self._compare("Limits", {"Chunk": limits.chunk, "Window": limits.window})
        self._compare(
            "Bus",
            {"HeartbeatInterval": bus.heartbeat_interval, "HeartbeatTimeout": bus.heartbeat_timeout},
            strictly=True,
        )

    def access(self, loaded: dict[str, Any]) -> AccessConfig:
        loaded["token"] = self.absolute(loaded["token"]) if loaded.get("token") else None
        access = AccessConfig(**loaded)
        allowed, word = Networks(access.allow), Networks(access.anonymous).word
        for index, entry in enumerate(access.anonymous):
            if entry not in WORDS and not allowed.overlaps(network := parse_network(entry)) and not network.is_loopback:
                text = f"{shown(entry)} is not in Allow, so that nobody from there may connect: write it there too"
                self._warn(text, "Access", "Anonymous", index)
        if word == "all" and allowed.word == "all":
            self._warn("everybody who reaches the port can run code as this user, without a token", "Access", "Anonymous")
        return access

    def _compare(self, section: str, defaults: dict[str, float], *, strictly: bool = False) -> None:
        """Refuse a first key that is not below the second, at whichever of them the file has."""
        (small, low), (large, high) = defaults.items()
        given = self._document.value.get(section, {})
        low, high = given.get(small, low), given.get(large, high)
        if low < high or (low == high and not strictly):
            return
        relation = "is not less than" if strictly else "is more than"
        if small in given:
            default = "" if large in given else "the default of "
            self._fault(f"{low} {relation} {default}{large}, {high}: lower it, or raise {large}", section, small)
        else:
            self._fault(f"{small}'s default of {low} {relation} {high}: raise it, or give {small} too", section, large)

    def _pool(self, name: str, content: dict[str, Any]) -> PoolConfig:
        path = ("Pools", name)
        least = content.get("minimum_kernel_number")
        most = content.get("maximum_kernel_number")
        if least is None:
            least = 2 if most is None else min(2, most)
        if most is None:
            most = max(_default_maximum(), least)
        if least > most:
            text = f"{least} is more than MaximumKernelNumber, {most}: lower the one, or raise the other"
            self._fault(text, *path, "MinimumKernelNumber")
        settled = dict(content, minimum_kernel_number=least, maximum_kernel_number=most)
        # WSTPServer's files may have empty strings for values that are not wanted.
        for key in ("kernel_path", "initialization_file", "initialization_code", "user", "working_directory"):
            settled[key] = content.get(key) or None
        settled["environment"] = tuple(content.get("environment", {}).items())
        if (program := settled["kernel_path"]) not in (None, EMBEDDED, WOXI):
            settled["kernel_path"] = program = self._program(program)
            if shutil.which(program) is None:
                what = "is not a program that can be run" if os.path.isfile(program) else "does not exist"
                self._warn(f"{shown(program)} {what}: this pool has no kernels while that is so", *path, "KernelPath")
        if (file := settled["initialization_file"]) is not None:
            settled["initialization_file"] = file = self.absolute(file)
            if not os.path.isfile(file):
                text = f"{shown(file)} does not exist: this pool has no kernels while that is so"
                self._warn(text, *path, "InitializationFile")
        if (folder := settled["working_directory"]) is not None:
            settled["working_directory"] = folder = self.absolute(folder)
            if not os.path.isdir(folder):
                text = f"{shown(folder)} is not a folder: this pool has no kernels while that is so"
                self._warn(text, *path, "WorkingDirectory")
        return PoolConfig(name, **settled)

    def _program(self, given: str) -> str:
        """Return a bare name as it is, for a search in PATH; else an absolute path."""
        return self.absolute(given) if "/" in given or os.sep in given else given

    def absolute(self, given: str) -> str:
        """Return an absolute path; a relative one starts from the configuration file's folder."""
        return str((self._folder / Path(given).expanduser()).absolute())

    def _fault(self, text: str, *path: str) -> None:
        self.faults.append((path, f"{dotted(path)}: {text}"))

    def _warn(self, text: str, *path: str | int) -> None:
        self.warnings.append(f"{self._label}:{self._document.line(path)}: {dotted(path)}: {text}")
