"""`kernelbus status`: the status of a server as tables, or as JSON (docs/status.md specifies both).

It loads none of the libraries of the admin shell.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TextIO

from kernelbus.bus.broker.status import HEALTHY
from kernelbus.bus.client import AdminClient, BrokerUnreachable
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.reports import KernelStatus, Status
from kernelbus.bus.protocol.schema import Message, dump
from kernelbus.shell.operations import tables
from kernelbus.shell.operations.adminclient import admin_client
from kernelbus.shell.operations.tables import (
    COLUMNS,
    FRONTENDS,
    HOSTS,
    POOLS,
    counted,
    duration,
    granted,
    printable,
    table,
)
from kernelbus.shell.terminal import complain

__all__ = ["CLEAR", "IDLERS", "PARTS", "forgive_encoding", "lines_of", "rows_of", "run_status", "to_json", "view"]

#: The parts that can be shown alone.
PARTS = tuple(COLUMNS)

#: Those of which one may ask for what has been idle for a time.
IDLERS = ("sessions", "kernels")

HEALTHY_STATUS, DEGRADED_STATUS, UNREACHABLE_STATUS = 0, 1, 2

#: The states of sessions whose kernels are gone, or are awaited.
_AWAY = ("awaited", "ended", "lost")

#: The escape sequence that clears a terminal.
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@dataclass(frozen=True, slots=True)
class _Selection:
    """What of the status is wanted, and in which form."""

    part: str | None
    as_json: bool
    wide: bool
    over: bool
    idle: float

    def ask(self, client: AdminClient) -> Status:
        links = self.part == "links" or (self.as_json and self.part is None)
        status = client.status(links=links, over=self.over)
        return status if not self.idle else replace(status, kernels=[kernel for kernel in status.kernels if _idle_for(kernel, self.idle)])

    def text(self, status: Status, *, compact: bool = False) -> str:
        if self.as_json:
            value = to_json(status, self.part)
            return json.dumps(value, separators=(",", ":")) if compact else json.dumps(value, indent=2)
        room, bold = view(sys.stdout)
        return "\n".join(lines_of(status, self.part, room=room, bold=bold, wide=self.wide))


def run_status(
    part: str | None = None,
    *,
    bus: str | None = None,
    configuration_file: str | None = None,
    timeout: float = 5.0,
    watch: float | None = None,
    as_json: bool = False,
    wide: bool = False,
    over: bool = False,
    idle: float = 0.0,
) -> int:
    """Show the status once, or every `watch` seconds until interrupted; return the exit status.

    Args:
        part: the table to show, one of :data:`PARTS`; None: the overview.
        bus, configuration_file, timeout: as for :func:`admin_client`.
        watch: seconds between two times; None: show it once.
        as_json: print JSON.
        wide: show every column, and whole ids.
        over: include the sessions that are over.
        idle: of :data:`IDLERS`, show only those that have been idle for as many seconds.

    Returns:
        0: healthy; 1: degraded; 2: no answer from a broker.
    """
    forgive_encoding()
    selection = _Selection(part, as_json, wide, over, idle)
    try:
        client = admin_client(bus, configuration_file, timeout)
    except BusError as error:
        complain("kernelbus status", error)
        return UNREACHABLE_STATUS
    with client:
        if watch is not None:
            _watch(client, selection, watch)
        try:
            status = selection.ask(client)
        except BusError as error:
            complain("kernelbus status", error)
            return UNREACHABLE_STATUS
        print(selection.text(status))
        return HEALTHY_STATUS if status.health == HEALTHY else DEGRADED_STATUS


def _watch(client: AdminClient, selection: _Selection, seconds: float) -> NoReturn:
    while True:
        drawn = sys.stdout.isatty() and not selection.as_json
        try:
            text = selection.text(selection.ask(client), compact=True)
        except BrokerUnreachable as error:
            if drawn:
                text = f"{error}; trying again"
            else:
                complain("kernelbus status", f"{error}; trying again")
                text = ""
        if drawn:
            text = f"{CLEAR}{time.strftime('%H:%M:%S')}, every {seconds:g} s; Ctrl-C ends\n\n{text}"
        elif text and not selection.as_json:
            text += "\n"
        if text:
            print(text, flush=True)
        time.sleep(seconds)


def forgive_encoding() -> None:
    """Have standard output escape characters that its encoding lacks, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def view(stream: TextIO) -> tuple[int | None, bool]:
    """Return how many columns `stream` has (None: it is not a terminal), and whether bold works."""
    if not stream.isatty():
        return None, False
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return shutil.get_terminal_size().columns, not plain


# ---- what is told ------------------------------------------------------------------------------


def rows_of(status: Status, part: str) -> Sequence[Message]:
    """Return the rows of a part of the status."""
    match part:
        case "kernels":
            return [kernel for kernel in status.kernels if kernel.state not in _AWAY]
        case "sessions":
            return [kernel for kernel in status.kernels if _is_session(kernel)]
    rows: Sequence[Message] = getattr(status, part)
    return rows


def _opened(status: Status) -> dict[str, list[str]]:
    """Return the frontends by the line that says who may use them."""
    found: dict[str, list[str]] = {}
    for frontend in status.frontends:
        if frontend.access:
            more = f"; granted to {granted(frontend.grants)}" if frontend.grants else ""
            found.setdefault(frontend.access + more, []).append(printable(frontend.name))
    return {printable(line): names for line, names in found.items()}


def _is_session(kernel: KernelStatus) -> bool:
    return kernel.attachments > 0 or kernel.state in _AWAY


def _idle_for(kernel: KernelStatus, seconds: float) -> bool:
    """Tell whether a kernel is there, with a client or without, and has been idle for as long."""
    return kernel.state not in _AWAY and not kernel.busy and kernel.idle >= seconds


def to_json(status: Status, part: str | None) -> Any:
    """Return the status, or the list of one of its parts, as JSON has it."""
    return dump(status) if part is None else [dump(row) for row in rows_of(status, part)]


def lines_of(status: Status, part: str | None, *, room: int | None, bold: bool, wide: bool = False) -> list[str]:
    """Return the status, or a part of it, as lines for people.

    Args:
        status: the status.
        part: one of :data:`PARTS`; None: the overview.
        room: columns of the terminal; None: there is none.
        bold: whether headings are bold.
        wide: show all columns, and whole ids.
    """
    if part is not None:
        return table(COLUMNS[part], rows_of(status, part), room=room, bold=bold, wide=wide)
    lines = [f"Broker {printable(status.broker)} (kernelbus {printable(status.version)}) is {status.health}; up {duration(status.up)}"]
    lines += [f"  {printable(problem)}" for problem in status.problems]
    shown: list[tuple[tuple[tables.Column, ...], Sequence[Message]]] = [
        (POOLS, status.pools),
        (HOSTS, status.hosts),
        (FRONTENDS, status.frontends),
    ]
    for columns, rows in shown:
        if rows:
            lines += ["", *table(columns, rows, room=room, bold=bold, wide=wide)]
    for line, names in _opened(status).items():
        lines += ["", f"{', '.join(names)}: {line}"]
    sessions = rows_of(status, "sessions")
    clients = sum(1 for kernel in status.kernels if kernel.client)
    counts = [
        counted(len(rows_of(status, "kernels")), "kernel"),
        f"{counted(len(sessions), 'session')}, {clients} of them with a client",
        counted(sum(frontend.links for frontend in status.frontends), "link"),
    ]
    waiting = f"{counted(status.waiting, 'request')} waiting, the longest for {duration(status.longest)}"
    lines += ["", f"{'; '.join(counts)}; {waiting}"]
    return lines
