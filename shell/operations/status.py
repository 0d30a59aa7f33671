"""`kernelbus status`: how everything stands, for people, and as JSON for programs (docs/STATUS.md
is its specification).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

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
    printable,
    table,
)

__all__ = ["CLEAR", "PARTS", "forgive_encoding", "lines_of", "rows_of", "run_status", "to_json", "view"]

#: What may be asked for alone.
PARTS = tuple(COLUMNS)

HEALTHY_STATUS, DEGRADED_STATUS, UNREACHABLE_STATUS = 0, 1, 2

#: The states of sessions whose kernels are not there.
_AWAY = ("awaited", "ended", "lost")

#: Empties a terminal.
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def run_status(options: argparse.Namespace) -> int:
    """Ask and tell once, or again and again; returns the exit status."""
    forgive_encoding()
    try:
        client = admin_client(options, options.timeout)
    except BusError as error:
        print(f"kernelbus status: {error}", file=sys.stderr)
        return UNREACHABLE_STATUS
    with client:
        if options.watch is not None:
            _watch(client, options)
        try:
            return _once(client, options)
        except BusError as error:
            print(f"kernelbus status: {error}", file=sys.stderr)
            return UNREACHABLE_STATUS


def _once(client: AdminClient, options: argparse.Namespace) -> int:
    status = _ask(client, options)
    if options.json:
        print(json.dumps(to_json(status, options.part), indent=2))
    else:
        room, bold = view(sys.stdout)
        print("\n".join(lines_of(status, options.part, room=room, bold=bold, wide=options.wide)))
    return HEALTHY_STATUS if status.health == HEALTHY else DEGRADED_STATUS


def _watch(client: AdminClient, options: argparse.Namespace) -> None:
    while True:
        room, bold = view(sys.stdout)
        try:
            status = _ask(client, options)
            text = (
                json.dumps(to_json(status, options.part), separators=(",", ":"))
                if options.json
                else "\n".join(lines_of(status, options.part, room=room, bold=bold, wide=options.wide))
            )
        except BrokerUnreachable as error:
            if sys.stdout.isatty() and not options.json:
                text = f"{error}; trying on"
            else:
                print(f"kernelbus status: {error}; trying on", file=sys.stderr, flush=True)
                text = ""
        if sys.stdout.isatty() and not options.json:
            text = f"{CLEAR}{time.strftime('%H:%M:%S')}, every {options.watch:g} s; Ctrl-C ends\n\n{text}"
        elif text and not options.json:
            text += "\n"
        if text:
            print(text, flush=True)
        time.sleep(options.watch)


def _ask(client: AdminClient, options: argparse.Namespace) -> Status:
    return client.status(links=options.part == "links" or (options.json and options.part is None), over=options.over)


def forgive_encoding() -> None:
    """Have standard output show what its encoding has not in another way: that is no reason to show
    nothing.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def view(stream: TextIO) -> tuple[int | None, bool]:
    """Give how many columns there are to write to (None: it is no terminal), and whether bold
    letters are wanted.
    """
    if not stream.isatty():
        return None, False
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return shutil.get_terminal_size().columns, not plain


# ---- what is told ----------------------------------------------------------------------------------------------


def rows_of(status: Status, part: str) -> Sequence[Message]:
    """Give what a part of the status is about."""
    match part:
        case "kernels":
            return [kernel for kernel in status.kernels if kernel.state not in _AWAY]
        case "sessions":
            return [kernel for kernel in status.kernels if _is_session(kernel)]
    rows: Sequence[Message] = getattr(status, part)
    return rows


def _is_session(kernel: KernelStatus) -> bool:
    return kernel.attachments > 0 or kernel.state in _AWAY


def to_json(status: Status, part: str | None) -> Any:
    """Give the status, or the list that a part of it is, as JSON has it."""
    return dump(status) if part is None else [dump(row) for row in rows_of(status, part)]


def lines_of(status: Status, part: str | None, *, room: int | None, bold: bool, wide: bool = False) -> list[str]:
    """Give the status, or a part of it, as lines for people.

    Args:
        room: columns of the terminal; None: there is none.
        bold: whether headings are bold.
        wide: with all columns, and whole ids.
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
    sessions = rows_of(status, "sessions")
    clients = sum(1 for kernel in status.kernels if kernel.client)
    counts = [
        counted(len(rows_of(status, "kernels")), "kernel"),
        f"{counted(len(sessions), 'session')}, {clients} of them with a client",
        counted(sum(frontend.links for frontend in status.frontends), "link"),
    ]
    longest = max((pool.longest for pool in status.pools), default=0.0)
    waiting = sum(pool.waiting for pool in status.pools)
    lines += ["", f"{'; '.join(counts)}; {counted(waiting, 'request')} waiting, the longest for {duration(longest)}"]
    return lines
