"""Which keys the configuration file has, and what may stand at each: marshmallow schemas, and their
refusals in words.

What depends on more than one key, or on this machine, is not checked here but in
:mod:`kernelbus.bus.settings.config`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from marshmallow import Schema, ValidationError
from marshmallow import fields as mm

from kernelbus.bus.channel.frames import MAXIMUM_PAYLOAD
from kernelbus.bus.settings.relaxedjson import Path

__all__ = ["Faults", "check", "check_endpoint", "check_name", "dotted", "nearest", "offer", "shown", "spelled"]

_Value = TypeVar("_Value")

_UNKNOWN = "unknown"


class Faults(ValueError):
    """What is wrong with a configuration: for each fault the path of its key, and a line that says
    what to do.
    """

    def __init__(self, faults: Iterable[tuple[Path, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(text for _, text in self.faults))


def check(value: Any) -> dict[str, Any]:
    """Check `value`, a whole configuration as JSON has it; give what it says, with Python's names
    for keys, without defaults.

    Raises:
        Faults: it has unknown keys, or values that cannot be.
    """
    try:
        return dict(_ConfigSchema().load(value))
    except ValidationError as error:
        raise Faults(_problems(error.messages, ())) from None


def check_endpoint(text: str) -> str:
    """Give `text` back if it is a bus endpoint, ``tcp://address:port`` or ``ipc://path``; a
    ValueError in words if it is not.
    """
    tcp = re.fullmatch(r"tcp://(?:\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):(\d+)", text)
    if (tcp and int(tcp[1]) <= 65535) or re.fullmatch(r"ipc://\S.*", text):
        return text
    raise ValueError(f"{shown(text)} is not a bus endpoint: write tcp://address:port, or ipc://path on one machine")


def check_name(text: str) -> str:
    """Give `text` back if a broker, frontend or host can be called so; a ValueError in words if
    not.
    """
    if re.fullmatch(r"[^\s/]{1,64}", text) and text.isprintable():
        return text
    raise ValueError(f"{shown(text)} cannot name a part: use up to 64 letters, digits and signs, without spaces and /")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the one of `known` that is most like `name`, in any case of letters; None: none is."""
    folded = {candidate.casefold(): candidate for candidate in reversed(list(known))}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


class _Field(mm.Field[_Value]):
    default_error_messages = {"null": "null is not a value here: leave the key out for its default"}  # noqa: RUF012


class _Flag(_Field[bool]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not true or false, without quotes: write one of the two")
        return value


class _Count(_Field[int]):
    """A whole number of at least `least`, and at most `most`, of `what`."""

    def __init__(self, what: str, least: int = 1, most: int = 2**63 - 1) -> None:
        super().__init__()
        self._what, self._least, self._most = what, least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not a whole number of {self._what}: write one, without quotes")
        if value < self._least:
            raise ValidationError(f"{shown(value)} {self._what} are too few: write {self._least} or more")
        if value > self._most:
            raise ValidationError(f"{shown(value)} {self._what} are too many: write {self._most} or less")
        return value


class _Seconds(_Field[float]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValidationError(f"{shown(value)} is not a number of seconds: write one, without quotes")
        if not 0 < value <= 10**9:
            raise ValidationError(f"{shown(value)} is not a usable time: write a number of seconds above 0")
        return float(value)


class _Text(_Field[str]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{shown(value)} is not a string: put it in double quotes")
        if "\0" in value:
            raise ValidationError("a zero character cannot be part of it: remove it")
        return value


class _Options(_Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            shlex.split(text)
        except ValueError as error:
            reason = str(error)[:1].lower() + str(error)[1:]
            raise ValidationError(f"{shown(text)} cannot be split into arguments ({reason}): close the quote") from None
        return text


class _Endpoint(_Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_endpoint(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Name(_Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_name(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _Choice(_Text):
    def __init__(self, *choices: str) -> None:
        super().__init__()
        self._choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in self._choices:
            raise ValidationError(f"{shown(text)} is not one of {_listed(self._choices)}: write one of them")
        return text


class _ServiceName(_Text):
    """A service's name as RFC 6335 (5.1) has it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(r"(?=.*[A-Za-z])(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?", text):
            raise ValidationError(f"{shown(text)} cannot name a service: write up to 15 letters, digits and single hyphens within")
        return text


class _IPAddress(_Text):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise ValidationError(f"{shown(text)} is not an IP address: write one") from None


class _Section(Schema):
    error_messages = {  # noqa: RUF012
        "unknown": _UNKNOWN,
        "type": "this must be an object: write its keys and values in braces, { }",
    }

    def on_bind_field(self, field_name: str, field_obj: mm.Field[Any]) -> None:
        field_obj.data_key = spelled(field_name)


class _PoolSchema(_Section):
    default = _Flag()
    parallel_kernel_default = _Flag()
    parallel_kernels = _Flag()
    keep_alive = _Flag()
    reserve_previously_connected_kernels = _Flag()
    minimum_kernel_number = _Count("kernels", least=0, most=100_000)
    maximum_kernel_number = _Count("kernels", most=100_000)
    kernel_path = _Text()
    kernel_options = _Options()
    initialization_file = _Text()
    initialization_code = _Text()


class _Pools(_Field[dict[str, dict[str, Any]]]):
    """Pools by name, each checked by _PoolSchema, with all faults of all of them told at once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(value, dict):
            raise ValidationError("this must be an object: write pools by name in braces, { }")
        if not value:
            raise ValidationError("no pool is named here: name one, or leave Pools out")
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
    endpoint = _Endpoint()
    heartbeat_interval = _Seconds()
    heartbeat_timeout = _Seconds()
    journal = _Text()
    local_transport = _Choice("call", "inproc")
    keys = _Text()
    broker_key = _Text()
    name = _Name()


class _AccessSchema(_Section):
    pass


class _DiscoverySchema(_Section):
    service_protocol = _ServiceName()
    interface = _IPAddress()


class _LimitsSchema(_Section):
    connection_timeout = _Seconds()
    greeting_timeout = _Seconds()
    client_timeout = _Seconds()
    window = _Count("bytes")
    chunk = _Count("bytes", most=MAXIMUM_PAYLOAD)
    hold_buffer = _Count("bytes", least=0)
    output_buffer = _Count("bytes", least=0)
    kernel_start_timeout = _Seconds()
    abort_timeout = _Seconds()
    kernel_memory = _Count("bytes", least=0)
    kernel_recycle_memory = _Count("bytes", least=0)
    host_timeout = _Seconds()
    orphan_timeout = _Seconds()
    shutdown_timeout = _Seconds()
    links = _Count("links")
    token_size = _Count("bytes", least=1024)


class _ConfigSchema(_Section):
    allow_stealing_kernels = _Flag()
    allow_silent_kernel_replacement = _Flag()
    enable_automatic_kernel_connection = _Flag()
    send_input_name_packet_upon_kernel_connection = _Flag()
    pools = _Pools()
    bus = mm.Nested(_BusSchema, error_messages=_Field.default_error_messages)
    access = mm.Nested(_AccessSchema, error_messages=_Field.default_error_messages)
    discovery = mm.Nested(_DiscoverySchema, error_messages=_Field.default_error_messages)
    limits = mm.Nested(_LimitsSchema, error_messages=_Field.default_error_messages)


def spelled(name: str) -> str:
    """Give the file's spelling of one of Python's names: keep_alive is KeepAlive."""
    return "".join(part.capitalize() for part in name.split("_"))


#: The keys that may stand in each place of the file; a pool's under the name "a pool".
_KEYS: dict[str, tuple[str, ...]] = {
    "": tuple(spelled(name) for name in _ConfigSchema._declared_fields),
    "a pool": tuple(spelled(name) for name in _PoolSchema._declared_fields),
    "Bus": tuple(spelled(name) for name in _BusSchema._declared_fields),
    "Access": tuple(spelled(name) for name in _AccessSchema._declared_fields),
    "Discovery": tuple(spelled(name) for name in _DiscoverySchema._declared_fields),
    "Limits": tuple(spelled(name) for name in _LimitsSchema._declared_fields),
}


# ---- faults, in words --------------------------------------------------------------------------------------


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
    """Say which of `known`, which are `what`, may have been meant by `name`; else, all there are.
    """
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {shown(near)}?" if near is not None else f"the {what} are {_listed(known)}"


def dotted(path: Path) -> str:
    """Write a path of keys as one word for a message."""
    return ".".join(str(part) if str(part).isprintable() else shown(part) for part in path)


def shown(value: Any) -> str:
    """Write a value as JSON for a message, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    text = text if text.isprintable() else json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(shown, names))
