"""The keys of the configuration file and their valid values: marshmallow schemas and their errors.

Checks that depend on more than one key, or on this machine, are in
:mod:`kernelbus.bus.settings.config`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from marshmallow import Schema, ValidationError
from marshmallow import fields as mm

from kernelbus.bus.channel.frames import MAXIMUM_PAYLOAD
from kernelbus.bus.settings.networks import WORDS, check_network
from kernelbus.bus.settings.relaxedjson import Path

__all__ = [
    "MAXIMUM_POOLS",
    "PLACES",
    "Faults",
    "Key",
    "check",
    "check_endpoint",
    "check_name",
    "dotted",
    "nearest",
    "offer",
    "shown",
    "spelled",
]

_Value = TypeVar("_Value")

_UNKNOWN = "unknown"

#: How many pools a configuration, and so a host, may have.
MAXIMUM_POOLS = 1000


class Faults(ValueError):
    """The faults of a configuration.

    Attributes:
        faults: for each fault the path of its key, and a line that says what to do.
    """

    def __init__(self, faults: Iterable[tuple[Path, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(text for _, text in self.faults))


def check(value: Any) -> dict[str, Any]:
    """Check `value`, a whole configuration as JSON has it.

    Returns:
        The values in the file, under Python's names for the keys, without defaults.

    Raises:
        Faults: it has unknown keys or invalid values.
    """
    try:
        return dict(_ConfigSchema().load(value))
    except ValidationError as error:
        raise Faults(_problems(error.messages, ())) from None


def check_endpoint(text: str) -> str:
    """Return `text` if it is a bus endpoint, ``tcp://address:port`` or ``ipc://path``.

    Raises:
        ValueError: it is not; the text says what to write.
    """
    tcp = re.fullmatch(r"tcp://(?:\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):(\d+)", text)
    if (tcp and int(tcp[1]) <= 65535) or re.fullmatch(r"ipc://\S.*", text):
        return text
    raise ValueError(f"{shown(text)} is not a bus endpoint: write tcp://address:port, or ipc://path on one machine")


def check_name(text: str) -> str:
    """Return `text` if it can name a broker, frontend or host.

    Raises:
        ValueError: it cannot; the text says what to write.
    """
    if re.fullmatch(r"[^\s/]{1,64}", text) and text.isprintable():
        return text
    raise ValueError(f"{shown(text)} cannot name a part: use up to 64 letters, digits and signs, without spaces and /")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the entry of `known` that is most like `name`, ignoring case, or None."""
    folded = {candidate.casefold(): candidate for candidate in reversed(list(known))}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


class _Field(mm.Field[_Value]):
    """A value of the file.

    Args:
        meaning: what the key does, for the reference of the configuration. Markdown.

    Attributes:
        takes: which values can stand there, for the reference.
    """

    default_error_messages = {"null": "null is not a value here: leave the key out for its default"}  # noqa: RUF012
    takes = ""

    def __init__(self, meaning: str) -> None:
        super().__init__(metadata={"meaning": meaning})


class _Flag(_Field[bool]):
    takes = "`true` or `false`"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not true or false, without quotes: write one of the two")
        return value


class _Count(_Field[int]):
    """A whole number from `least` to `most` of `what`."""

    def __init__(self, what: str, meaning: str, *, least: int = 1, most: int = 2**63 - 1) -> None:
        super().__init__(meaning)
        self._what, self._least, self._most = what, least, most
        self.takes = f"a number of {what}, {least} or more" if most == 2**63 - 1 else f"a number of {what}, {least} to {most}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not a whole number of {self._what}: write one, without quotes")
        if value < self._least:
            raise ValidationError(f"{shown(value)} {self._what} are too few: write {self._least} or more")
        if value > self._most:
            raise ValidationError(f"{shown(value)} {self._what} are too many: write {self._most} or less")
        return value


class _Seconds(_Field[float]):
    """A time; with `zero`, 0 is one too, and means what the key's meaning says."""

    takes = "a number of seconds, above 0"

    def __init__(self, meaning: str, *, zero: bool = False) -> None:
        super().__init__(meaning)
        self._zero = zero
        if zero:
            self.takes = "a number of seconds, 0 or more"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not a number of seconds: write one, without quotes")
        if not 0 < value <= 10**9 and not (self._zero and value == 0):
            least = "0 or more" if self._zero else "above 0"
            raise ValidationError(f"{shown(value)} is not a usable time: write a number of seconds {least}")
        return float(value)


class _Text(_Field[str]):
    takes = "a string"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{shown(value)} is not a string: put it in double quotes")
        if "\0" in value:
            raise ValidationError("a zero character cannot be part of it: remove it")
        return value


class _Options(_Text):
    takes = "a string, split into arguments as a shell does"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            shlex.split(text)
        except ValueError as error:
            reason = str(error)[:1].lower() + str(error)[1:]
            raise ValidationError(f"{shown(text)} cannot be split into arguments ({reason}): close the quote") from None
        return text


class _Endpoint(_Text):
    takes = "`tcp://address:port` or `ipc://path`"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_endpoint(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Name(_Text):
    takes = "a string of up to 64 characters, without spaces and `/`"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_name(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Choice(_Text):
    def __init__(self, meaning: str, *choices: str) -> None:
        super().__init__(meaning)
        self._choices = choices
        self.takes = " or ".join(f'`"{choice}"`' for choice in choices)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in self._choices:
            raise ValidationError(f"{shown(text)} is not one of {_listed(self._choices)}: write one of them")
        return text


class _Environment(_Field[dict[str, str | bool]]):
    takes = "an object of names, each with a string, `true` or `false`"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str | bool]:
        if not isinstance(value, dict):
            raise ValidationError('this must be an object: write names and values in braces, {"NAME": "value"}')
        faults: dict[str, list[str]] = {}
        for name, content in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
                faults[name] = ["this cannot name an environment variable: use letters, digits and _"]
            elif not isinstance(content, (str, bool)):
                faults[name] = [f"{shown(content)} is not a string, true or false: write one of these"]
            elif isinstance(content, str) and "\0" in content:
                faults[name] = ["a value cannot have a zero byte: leave it out"]
        if faults:
            raise ValidationError(faults)
        return dict(value)


class _ServiceName(_Text):
    """A service's name as RFC 6335 (section 5.1) defines it."""

    takes = "a string of up to 15 letters, digits and hyphens"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(r"(?=.*[A-Za-z])(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?", text):
            raise ValidationError(f"{shown(text)} cannot name a service: write up to 15 letters, digits and single hyphens within")
        return text


class _IPAddress(_Text):
    takes = "an IP address"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise ValidationError(f"{shown(text)} is not an IP address: write one") from None


class _Ports(_Field[tuple[int, int]]):
    takes = 'two ports, `"31500-31599"`'

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, int]:
        ends = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", value) if isinstance(value, str) else None
        if ends is None:
            raise ValidationError(f'{shown(value)} is no range of ports: write "FIRST-LAST", in quotes')
        first, last = int(ends[1]), int(ends[2])
        if not 0 < first <= last < 65536:
            raise ValidationError(f"{shown(value)} is no range of ports: write ports from 1 to 65535, the lower one first")
        return first, last


class _List(_Field[tuple[str, ...]]):
    """A list of strings; the faults of all entries are reported together."""

    #: What stands in the list.
    entries = "strings"
    #: The words with a meaning that may stand in it.
    words: tuple[str, ...] = ()

    def entry(self, text: str) -> str:
        """Return an entry as it is used.

        Raises:
            ValueError: it cannot be used; the text stands behind the entry.
        """
        raise NotImplementedError

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            raise ValidationError(f"{shown(value)} is not a list: put it in brackets, [{shown(value)}]")
        if not isinstance(value, list):
            raise ValidationError(f"{shown(value)} is not a list: write {self.entries} in brackets, [ ]")
        found: list[str] = []
        faults: dict[int, list[str]] = {}
        for index, entry in enumerate(value):
            try:
                if not isinstance(entry, str):
                    raise ValueError("is not a string: put it in double quotes")
                found.append(self.entry(entry))
            except ValueError as error:
                near = nearest(entry, self.words) if self.words and isinstance(entry, str) else None
                faults[index] = [f"{shown(entry)} {error}" + (f" (did you mean {shown(near)}?)" if near else "")]
        if faults:
            raise ValidationError(faults)
        return tuple(dict.fromkeys(found))


class _Networks(_List):
    """A list of networks and words for them."""

    takes = "a list of addresses, networks (`192.0.2.0/24`) and [words](access.md#networks)"
    entries = "networks"
    words = WORDS

    def entry(self, text: str) -> str:
        return check_network(text)


class _KeyNames(_List):
    """A list of public keys and of names of keys."""

    takes = "a list of public keys and of their names"
    entries = "keys, or their names,"

    def entry(self, text: str) -> str:
        if not text.strip() or any(character.isspace() for character in text.strip()):
            raise ValueError("is neither a key nor the name of one: kernelbus keys list shows both")
        return text.strip()


class _Section(Schema):
    error_messages = {  # noqa: RUF012
        "unknown": _UNKNOWN,
        "type": "this must be an object: write its keys and values in braces, { }",
    }

    def on_bind_field(self, field_name: str, field_obj: mm.Field[Any]) -> None:
        field_obj.data_key = spelled(field_name)


def _section(schema: type[_Section], meaning: str) -> mm.Nested:
    return mm.Nested(schema, error_messages=_Field.default_error_messages, metadata={"meaning": meaning})


class _Keeping(_Section):
    """The keys about sessions that nobody uses, of Limits; each pool may override them."""

    session_idle_timeout = _Seconds(
        "How long a session is kept that is idle, and that no client has but one can come back to: "
        "one that was told the kernel's id, or that has a profile. If this is set, the session "
        "ends then, after a warning in the log (see `TimeoutsApply`). 0: it is kept for ever.",
        zero=True,
    )
    detached_evaluation_timeout = _Seconds(
        "How long such a session is kept while it evaluates. 0: for ever.", zero=True
    )
    detached_question_timeout = _Seconds(
        "How long such a session is kept while it waits for the answer to a question (`Input[]`). "
        "0: for ever.",
        zero=True,
    )
    leftover_timeout = _Seconds(
        "How long a kernel may evaluate, or wait for an answer, whose client has left and did not "
        "know its id, so that nobody can come back to it. An idle one may be ended at once for a "
        "client that needs its place. 0: while it works it is kept.",
        zero=True,
    )
    attached_idle_timeout = _Seconds(
        "How long a client may have a kernel and ask it for nothing. 0: for ever.",
        zero=True,
    )
    timeouts_apply = _Choice(
        "What these times do. `WhenSet`: a time that the configuration sets ends each session that "
        "is over it; a time that is left out ends a session only when a client waits for a kernel "
        "and there is no other place. `WhenNeeded`: that holds for all of them. `Always`: all of "
        "them end each session that is over it.",
        "WhenSet",
        "WhenNeeded",
        "Always",
    )
    kernels_per_address = _Count(
        "kernels",
        "How many kernels of a pool, on each host, clients of one address may be attached to at "
        "once. 0: any number.",
        least=0,
    )
    sessions_per_address = _Count(
        "sessions",
        "How many sessions one address may have in a pool, on each host, detached ones included. "
        "0: any number.",
        least=0,
    )


class _PoolSchema(_Keeping):
    default = _Flag(
        "A client that names no pool gets a kernel of this one. One pool may have it; without it, "
        "the first pool is the default."
    )
    parallel_kernel_default = _Flag(
        "A client that asks for a kernel for parallel work, and names no pool, gets one of this "
        "pool. One pool may have it; without it, it is the first pool."
    )
    parallel_kernels = _Flag("The kernels start as parallel subkernels (`-subkernel`).")
    keep_alive = _Flag(
        "A kernel is kept when its client leaves. If false, the kernel is ended and replaced by a "
        "fresh one."
    )
    reserve_previously_connected_kernels = _Flag(
        "A detached kernel is kept for a client that names it, also when the pool is full and "
        "other clients wait. If false, a session that nobody can come back to, or that is over "
        "its time-outs, is ended for a client that has asked for a kernel and waits."
    )
    minimum_kernel_number = _Count(
        "kernels",
        (
            "How many ready kernels each host keeps in advance. It must not be more than "
            "`MaximumKernelNumber`; if that is given and this is not, this is lowered to it."
        ),
        least=0,
        most=100_000,
    )
    maximum_kernel_number = _Count(
        "kernels",
        (
            "How many kernels this pool may have on each host, detached ones included. Left out, "
            "it is twice the number of processors, but at least 8 and at least "
            "`MinimumKernelNumber`."
        ),
        most=100_000,
    )
    kernel_path = _Text(
        "The program that is the kernel: a path, or a name that is looked up in `PATH`. `embedded` "
        "is the embedded kernel, `woxi` the engine Woxi. Left out, it is a WolframKernel if one is found on the machine, "
        "else the embedded kernel."
    )
    kernel_options = _Options("More arguments for the program.")
    initialization_file = _Text("A file that each kernel reads before it has a client.")
    initialization_code = _Text(
        "Code that each kernel evaluates before it has a client, after `InitializationFile`."
    )
    user = _Text(
        "The user of the machine that the kernels run as. Only a host that is started as root can "
        "start kernels of another user. Left out, it is the user of the host."
    )
    working_directory = _Text(
        "The folder that the kernels run in. Left out, each kernel has a private one, which is "
        "removed when it ends."
    )
    environment = _Environment(
        "Environment variables of the kernels: a value, `true` for the host's value, or `false` "
        "for none. Variables that are not named here are passed on only if they say where things "
        "are or how to speak to people: `PATH`, `HOME`, `USER`, `LOGNAME`, `SHELL`, `TMPDIR`, `TZ`, "
        "`LANG`, `LANGUAGE`, `LC_...`, `LD_LIBRARY_PATH`, `SSL_CERT_...`, `WOLFRAM...`, "
        "`MATHEMATICA...`."
    )
    maximum_processes = _Count("processes", "How many processes the user of the kernels may have. root has no limit.")
    maximum_open_files = _Count("files", "How many files each process of a kernel may have open.", least=32)
    maximum_cpu_time = _Count(
        "seconds", "How much processor time each process of a kernel may use; then the system ends it."
    )
    maximum_file_size = _Count("bytes", "How long a file may become that a kernel writes.", least=0)
    files = _Flag(
        "If false, code in the embedded kernel can neither use files nor connect to other machines, "
        "once the initialisation is over."
    )
    processes = _Flag(
        "If false, code in the embedded kernel can start no programs, once the initialisation is "
        "over."
    )
    sandbox = _Choice(
        "The kernels run in a sandbox of bubblewrap (`bwrap`): they see the machine's files without "
        "the homes, cannot write any but those in their own folder, and see no other processes. "
        "Embedded kernels have no network there, and take seconds to start, since they are not "
        "forked.",
        "bubblewrap",
    )


class _Pools(_Field[dict[str, dict[str, Any]]]):
    """Pools by name, each checked by _PoolSchema; the faults of all pools are reported together."""

    takes = "an object of pools by name"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            raise ValidationError("this must be an object: write pools by name in braces, { }")
        if not value:
            raise ValidationError("no pool is named here: name one, or leave Pools out")
        if len(value) > MAXIMUM_POOLS:
            raise ValidationError(f"{len(value)} pools are too many: write {MAXIMUM_POOLS} or less")
        pools: dict[str, dict[str, Any]] = {}
        faults: dict[str, Any] = {}
        for name, content in value.items():
            if not name.strip() or not name.isprintable() or "/" in name or len(name) > 100:
                faults[name] = ["this cannot name a pool: use up to 100 letters, digits and signs other than /"]
                continue
            try:
                pools[name] = _PoolSchema().load(content)
            except ValidationError as error:
                faults[name] = error.messages
        if faults:
            raise ValidationError(faults)
        return pools


class _BusSchema(_Section):
    endpoint = _Endpoint(
        "Where the broker listens for frontends and hosts, and where they connect. Left out, it is "
        "a socket in the user's state folder, `~/.local/state/kernelbus/bus-31415`, which is for the "
        "user alone. `kernelbus serve` names it for its port for clients."
    )
    heartbeat_interval = _Seconds(
        "The time between two heartbeats, in each direction. It must be less than "
        "`HeartbeatTimeout`. The broker tells it to the others."
    )
    heartbeat_timeout = _Seconds(
        "How long the other side may be silent before it is suspected to be gone."
    )
    journal = _Text(
        "The file in which the broker keeps its sessions, so that they survive its restart. "
        "`\"\"`: none. Left out, it is a file named for the endpoint in the user's state folder, "
        "`~/.local/state/kernelbus`."
    )
    local_transport = _Choice(
        "What joins the parts of one process: direct calls, or ZeroMQ's `inproc`.",
        "call",
        "inproc",
    )
    keys = _Text("The folder of this machine's keys. Left out, it is `~/.config/kernelbus/keys`.")
    broker_key = _Text(
        "The key that the broker must have: a public key, or a name from `kernelbus keys list`. "
        "Left out, it is the only key that is allowed on this machine."
    )
    administrators = _KeyNames(
        "The keys whose machines may [give orders](machines.md#who-may-give-orders): public keys, or "
        "names from `kernelbus keys list`. The user of the broker always may. Left out, everybody "
        "may who reaches the bus."
    )
    name = _Name(
        "What the parts of this machine are called in the status and in the log. Left out, it is "
        "the machine's host name."
    )


class _AccessSchema(_Section):
    allow = _Networks(
        "The networks whose programs may connect. Programs of this machine may always, unless "
        "`Deny` has them."
    )
    deny = _Networks(
        "The networks whose programs may not connect, also if `Allow` or `Anonymous` has them."
    )
    anonymous = _Networks(
        "The networks whose programs need no token. `[]`: every program needs it. It does not "
        "widen `Allow`."
    )
    token = _Text(
        "The file with the token, for its owner alone. It is made at the first start. Left out, it "
        "is `access-token` in the user's state folder, `~/.local/state/kernelbus`."
    )


class _DiscoverySchema(_Section):
    service_protocol = _ServiceName(
        "The DNS-SD service type under which WSTP services are advertised and looked for; "
        "`wstpserver` is `_wstpserver._tcp`. Which type WSTPServer registers is not published."
    )
    interface = _IPAddress(
        "An address of this machine. Servers and brokers are looked for only on the network "
        "interface that has it. Left out, they are looked for on all interfaces."
    )


class _LimitsSchema(_Keeping):
    connection_timeout = _Seconds(
        "How long a client waits for a kernel when its pool is full. Then it is refused."
    )
    greeting_timeout = _Seconds(
        "How long a connection may take for the opening exchange of WSTP. Then it is closed."
    )
    client_timeout = _Seconds(
        "How long a client may be silent at the TCP level, after its machine or its network has "
        "failed, before its link counts as lost. The time is exact to within a fifth."
    )
    window = _Count("bytes", "How many bytes of one session may be under way in one direction.")
    chunk = _Count(
        "bytes",
        "The longest payload of one frame on the bus. It must not be more than `Window`.",
        most=MAXIMUM_PAYLOAD,
    )
    hold_buffer = _Count(
        "bytes",
        (
            "How much of an incomplete expression is held back from the kernel. A longer one is "
            "streamed to the kernel as it comes."
        ),
        least=0,
    )
    output_buffer = _Count(
        "bytes",
        (
            "How much output of a session is kept until a client takes it. When it is full, the "
            "kernel has to wait."
        ),
        least=0,
    )
    kernel_start_timeout = _Seconds(
        "How long a kernel may take from the start of its process until it has answered for the "
        "first time and run its initialisation. Then it is killed."
    )
    abort_timeout = _Seconds(
        "How long a kernel may take to obey an abort. After half of it the kernel is sent SIGINT, "
        "after all of it the kernel is killed."
    )
    kernel_memory = _Count(
        "bytes",
        (
            "How much memory a kernel may have. One that takes more is killed. 0: no limit. Left "
            "out, it is three quarters of the memory of the machine, or of the cgroup in which the "
            "host runs."
        ),
        least=0,
    )
    kernel_recycle_memory = _Count(
        "bytes",
        (
            "How much a kernel may grow while it waits for its first client. One that grows more "
            "is replaced. 0: no limit."
        ),
        least=0,
    )
    host_timeout = _Seconds(
        "How long the broker waits for a host that does not answer. Then its sessions are lost."
    )
    orphan_timeout = _Seconds("How long a host that reaches no broker keeps its kernels.")
    shutdown_timeout = _Seconds(
        "How long a part may take to end in an orderly way when it is told to stop."
    )
    links = _Count(
        "links",
        (
            "How many links of clients a frontend has open at once. When there are more, the "
            "address with the most links loses one: one without a kernel, else its newest."
        ),
    )
    links_per_address = _Count("links", "How many of them one address may have. 0: all.", least=0)
    pending = _Count(
        "connections",
        (
            "How many connections may wait to become links. When there are more, the address with "
            "the most of them loses the one that has been silent longest, else its newest."
        ),
        least=16,
    )
    pending_per_address = _Count(
        "connections", "How many of them one address may have. 0: all.", least=0
    )
    unused_kernel_timeout = _Seconds(
        "How long a client may have a kernel and not use it while a client of another address "
        "waits for one, whose address has fewer kernels of the pool. After that the kernel is "
        "ended, and its client is told why. 0: for ever.",
        zero=True,
    )
    link_timeout = _Seconds(
        "How long a link may be open without a kernel. A command to the server begins the time "
        "anew. Then the link is closed. One that waits for a kernel is not."
    )
    token_size = _Count(
        "bytes",
        (
            "The longest single token, such as a string or an array, that is decoded. Longer ones "
            "are only forwarded."
        ),
        least=1024,
    )


class _ConfigSchema(_Section):
    allow_stealing_kernels = _Flag(
        "A client may take a kernel that another client is attached to, by naming it."
    )
    allow_silent_kernel_replacement = _Flag(
        "A client that names a kernel that is gone gets a new one of the same pool, without an "
        "error, and so does a client whose kernel dies."
    )
    enable_automatic_kernel_connection = _Flag(
        "A new link is attached to a kernel of the default pool at once."
    )
    send_input_name_packet_upon_kernel_connection = _Flag(
        "When a link is attached to a kernel, the client gets an `InputNamePacket` with the "
        "session's prompt."
    )
    message_ports = _Ports(
        "The ports for the message connections of clients that connect without `-linkoptions 4`, "
        "where a firewall or a container lets only some ports through. A port is open from such a "
        "client's first bytes until its second connection comes. With fewer ports than clients "
        "that connect at once, clients wait for each other. Left out, any free ports are taken."
    )
    pools = _Pools("The pools of kernels. Left out, there is one pool, `Default`.")
    bus = _section(_BusSchema, "How broker, frontends and hosts reach each other.")
    access = _section(
        _AccessSchema, "Which programs may connect to the port for clients ([Access](access.md))."
    )
    discovery = _section(
        _DiscoverySchema, "How servers are advertised on the network, and looked for."
    )
    limits = _section(_LimitsSchema, "Bounds on what one client, or a silence, can cost.")


def spelled(name: str) -> str:
    """Return the file's spelling of a Python name: keep_alive is KeepAlive."""
    return "".join(part.capitalize() for part in name.split("_"))


class Key(NamedTuple):
    """A key of the file.

    Attributes:
        name: Python's name for it.
        spelled: the file's.
        meaning: what it does, in Markdown.
        takes: which values can stand there, in Markdown.
    """

    name: str
    spelled: str
    meaning: str
    takes: str


def _keys(schema: type[_Section]) -> tuple[Key, ...]:
    declared = schema._declared_fields.items()
    return tuple(Key(name, spelled(name), field.metadata["meaning"], getattr(field, "takes", "an object")) for name, field in declared)


#: The keys that may stand in each place of the file: "" is the outermost object, "a pool" each
#: object in Pools.
PLACES: dict[str, tuple[Key, ...]] = {
    "": _keys(_ConfigSchema),
    "a pool": _keys(_PoolSchema),
    "Bus": _keys(_BusSchema),
    "Access": _keys(_AccessSchema),
    "Discovery": _keys(_DiscoverySchema),
    "Limits": _keys(_LimitsSchema),
}

_KEYS = {place: tuple(key.spelled for key in keys) for place, keys in PLACES.items()}


# ---- faults, in words ----------------------------------------------------------------------------


def _problems(messages: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Flatten marshmallow's tree of messages into (path, line of text)."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _problems(inner, path if key == "_schema" else (*path, key))
        return
    for message in messages:
        if message == _UNKNOWN:
            yield path, _unknown_key(path)
        else:
            yield path, f"{dotted(path)}: {message}" if path else str(message)


def _unknown_key(path: Path) -> str:
    *around, key = map(str, path)
    place = "a pool" if around[:1] == ["Pools"] else "".join(around[:1])
    where = f" in {dotted(tuple(around))}" if around else ""
    told = f"unknown key {shown(key)}{where}: "
    elsewhere = next((other for other, keys in _KEYS.items() if other != place and key in keys), None)
    if elsewhere is not None:
        return told + f"it belongs {f'in {elsewhere}' if elsewhere else 'to the outermost object'}"
    if not _KEYS[place]:
        return told + f"{place} has no keys yet, leave it empty"
    return told + offer(key, _KEYS[place], "keys")


def offer(name: str, known: Iterable[str], what: str) -> str:
    """Return a hint at which of `known` was meant by `name`; else a list of all, called `what`."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {shown(near)}?" if near is not None else f"the {what} are {_listed(known)}"


def dotted(path: Path) -> str:
    """Return a path of keys as one word for a message."""
    return ".".join(str(part) if str(part).isprintable() else shown(part) for part in path)


def shown(value: Any) -> str:
    """Return a value as JSON for a message, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    text = text if text.isprintable() else json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(shown, names))
