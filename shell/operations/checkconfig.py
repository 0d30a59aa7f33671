"""`kernelbus check-config`: what a configuration file means, or everything that is wrong with it.

The output is itself a configuration file with the defaults filled in, and means the same on this
machine: a comment behind each value says on which line it was given, or that it is a default. A key
without a value of its own, whose effect depends on the machine or the command, stands in a comment
that says what holds here. The keys come from the dataclasses of
:mod:`kernelbus.bus.settings.config`, so a new key needs nothing here, except for a line in
`_LEFT_OUT` if it has no value when it is left out.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kernelbus.bus.plaintext import plain
from kernelbus.bus.security.keys import default_folder
from kernelbus.bus.settings import relaxedjson
from kernelbus.bus.settings.config import Config, ConfigError, LimitsConfig, PoolConfig, find, load, searched
from kernelbus.bus.settings.schema import dotted, shown, spelled
from kernelbus.kernelhost.pools.table import TIMES, timeouts_of
from kernelbus.kernelhost.process.memory import amount
from kernelbus.kernelhost.process.watch import settled
from kernelbus.kernelhost.process.wolfram import choose_kernel
from kernelbus.shell.defaults import bus_endpoint
from kernelbus.shell.exits import OK, UNUSABLE
from kernelbus.shell.state import state_directory
from kernelbus.shell.terminal import json_text
from kernelbus.shell.token import TokenFile

__all__ = ["explain", "run_check_config"]

_Path = relaxedjson.Path


def run_check_config(file: str | None, *, as_json: bool) -> int:
    """Check `file`, or the one that the parts would find, and print what it means.

    Args:
        file: its path; None: look for it.
        as_json: print JSON.

    Returns:
        The exit status: 0: it can be used; warnings are on standard error. 2: it cannot; each fault
        is one line there, with its file and line.
    """
    path = Path(file) if file is not None else find()
    try:
        # Without a file load finds none either: it looks where find has looked.
        config = load(path)
    except ConfigError as error:
        if as_json:
            _print_json({"file": str(path), "valid": False, "problems": list(error.problems)})
        for problem in error.problems:
            print(plain(problem), file=sys.stderr)
        return UNUSABLE
    lines = {} if path is None else dict(relaxedjson.parse(path.read_text(encoding="utf-8")).lines)
    if as_json:
        _print_json(_described(config, path, lines))
    else:
        print(plain("\n".join(explain(config, lines)), keep="\n"))
    for warning in config.warnings:
        print(plain(warning), file=sys.stderr)
    return OK


def explain(config: Config, lines: Mapping[_Path, int]) -> Iterator[str]:
    """Yield the lines of a file that means what `config` means.

    Args:
        config: the configuration.
        lines: the line of each key in the file that it comes from.
    """
    if config.source is None:
        yield "# There is no configuration file: these are the defaults. Looked for:"
        yield from (f"#   {shown(str(path))}" for path in searched())
    else:
        yield f"# What {shown(str(config.source))} means on this machine."
    yield from (f"# Warning: {warning}" for warning in config.warnings)
    yield from _section("", _plain_config(config), (), lines, _notes(config))


def _section(label: str, values: Mapping[str, Any], path: _Path, lines: Mapping[_Path, int], notes: Mapping[_Path, str]) -> Iterator[str]:
    """Yield the lines of an object; `label` stands before its brace."""
    indent = "    " * len(path)
    line = lines.get(path) if path else None
    yield f"{indent}{label}{{" + (f"  # line {line}" if line is not None else "")
    for key, value in values.items():
        inner = (*path, key)
        name = json.dumps(key, ensure_ascii=False)
        if value is None:
            told = f" (line {lines[inner]})" if inner in lines else ""
            yield f"{indent}    # {name}: {notes.get(inner, 'none')}{told}"
        elif isinstance(value, dict) and value:
            yield from _section(f"{name}: ", value, inner, lines, notes)
        else:
            given = lines.get(inner)
            origin = "default" if given is None else f"line {given}"
            origin += f"; {notes[inner]}" if inner in notes else ""
            yield f"{indent}    {name}: {json.dumps(value, ensure_ascii=False)},  # {origin}"
    yield indent + ("}," if path else "}")


def _described(config: Config, path: Path | None, lines: Mapping[_Path, int]) -> dict[str, Any]:
    """Return what `--json` prints of a valid configuration."""
    plain = _plain_config(config)
    leaves = dict(_leaves(plain, ()))
    return {
        "file": None if path is None else str(path),
        "valid": True,
        "warnings": list(config.warnings),
        "configuration": _without_none(plain),
        "lines": {dotted(leaf): lines[leaf] for leaf in leaves if leaf in lines},
        "defaults": [dotted(leaf) for leaf, value in leaves.items() if leaf not in lines and value is not None],
        "unset": {dotted(leaf): _notes(config).get(leaf, "none") for leaf, value in leaves.items() if value is None},
    }


def _print_json(value: Mapping[str, Any]) -> None:
    print(json_text(value, indent=4))


# ---- a configuration as JSON -------------------------------------------------------------------


def _plain_config(config: Config) -> dict[str, Any]:
    """Return all keys as the file spells them, with their values as in JSON; None: no value."""
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        if field.name in ("source", "warnings"):
            continue
        value = getattr(config, field.name)
        if field.name == "pools":
            value = {pool.name: _plain_pool(pool) for pool in config.pools}
        plain[spelled(field.name)] = _plain(value)
    return plain


def _plain_pool(pool: PoolConfig) -> dict[str, Any]:
    plain: dict[str, Any] = _plain(pool)
    del plain["Name"]
    plain["Environment"] = dict(pool.environment)
    return plain


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {spelled(field.name): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _leaves(value: Mapping[str, Any], path: _Path) -> Iterator[tuple[_Path, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, (*path, key))
        else:
            yield (*path, key), inner


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(inner) if isinstance(inner, dict) else inner for key, inner in value.items() if inner is not None
    }


# ---- what holds where nothing is given ---------------------------------------------------------


def _notes(config: Config) -> dict[_Path, str]:
    """Say, for each key without a value, what holds on this machine; and what some values do."""
    plain = _plain_config(config)
    notes: dict[_Path, str] = {(part, key): say(config) for (part, key), say in _LEFT_OUT.items() if plain[part][key] is None}
    program, why = choose_kernel(os.environ, sys.platform)
    kernel = f"{shown(program) if program else 'the embedded kernel'}: {why}"
    for pool in config.pools:
        if pool.kernel_path is None:
            notes["Pools", pool.name, "KernelPath"] = f"left out; here {kernel}"
        for field in dataclasses.fields(pool):
            if getattr(pool, field.name) is None and hasattr(config.limits, field.name):
                notes["Pools", pool.name, spelled(field.name)] = "left out; that of Limits"
        notes |= _times(pool, config.limits, pool, ("Pools", pool.name))
    return notes | _times(PoolConfig(""), config.limits, config.limits, ("Limits",))


def _times(pool: PoolConfig, limits: LimitsConfig, holder: PoolConfig | LimitsConfig, path: _Path) -> dict[_Path, str]:
    """Say what each time for sessions in `holder` does, at `path` of the file."""
    notes = {}
    timeouts = timeouts_of(pool, limits)
    for name, key in TIMES.items():
        seconds, given = getattr(timeouts, name), getattr(holder, key) is not None
        if not seconds:
            does = "no session is ended for that"
        else:
            does = f"a session that is over it ends{'' if name in timeouts.ends else ' only when its place is needed'}"
        left_out = "left out; " if getattr(limits, key) is None or holder is limits else "left out; that of Limits, "
        notes[*path, spelled(key)] = does if given else f"{left_out}{f'{seconds:g} s: ' if seconds else ''}{does}"
    return notes


def _endpoint(config: Config) -> str:
    return f"left out; a socket that is named for the port for clients, by default {shown(bus_endpoint())}"


def _journal(config: Config) -> str:
    return f"left out; a file in {shown(str(state_directory()))}, named for the endpoint"


def _memory(config: Config) -> str:
    limit = settled(config.limits).kernel_memory
    return f"left out; three quarters of what this machine has, here {amount(limit)} ({limit})" if limit else "left out; here no limit"


_LEFT_OUT: dict[tuple[str, str], Callable[[Config], str]] = {
    ("Access", "Token"): lambda config: f"left out; {shown(str(TokenFile().path))}",
    ("Bus", "Endpoint"): _endpoint,
    ("Bus", "Journal"): _journal,
    ("Bus", "Keys"): lambda config: f"left out; {shown(str(default_folder()))}",
    ("Bus", "BrokerKey"): lambda config: "left out; the only key that is allowed on this machine",
    ("Bus", "Name"): lambda config: f"left out; the machine's name, here {shown(socket.gethostname())}",
    ("Discovery", "Interface"): lambda config: "left out; all interfaces",
    ("Limits", "KernelMemory"): _memory,
}
