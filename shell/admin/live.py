"""Commands of the admin shell that run until they are stopped: `watch`, `top`, `trace`."""

from __future__ import annotations

import argparse
import os
import select
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from cmd2 import Choices, CommandSet, with_argparser

from kernelbus.bus.protocol.orders import Traced, TraceEvent
from kernelbus.bus.protocol.reports import KernelStatus, Status
from kernelbus.bus.protocol.schema import dump
from kernelbus.shell.admin.commands import CommandShell, kernels
from kernelbus.shell.admin.parsing import Parser, add_json, parser, positive, seconds
from kernelbus.shell.operations.status import CLEAR, rows_of
from kernelbus.shell.operations.tables import KERNELS, Column, printable, size, table

__all__ = ["CATEGORY", "Live", "Share", "shares"]

CATEGORY = "Follow it"

#: The commands that `watch` runs: those that change nothing.
WATCHABLE = ("status", "pools", "kernels", "sessions", "hosts", "links", "frontends", "show", "version")


# ---- waiting for time to pass, or for a key ----------------------------------------------------


@contextmanager
def keys(stream: TextIO) -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits so many seconds and returns whether q was pressed meanwhile.

    Without a terminal the function only waits. In the block the terminal passes keys one by one.
    """
    try:
        import termios
        import tty

        descriptor = stream.fileno()
        before = termios.tcgetattr(descriptor)
    except (ImportError, OSError, ValueError, termios.error):
        yield _sleep
        return

    def wait(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            pressed = os.read(descriptor, 64)
            if not pressed or b"q" in pressed.lower():
                return True
        return False

    tty.setcbreak(descriptor)
    try:
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


# ---- who uses the processors -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A kernel, and the share of a processor that it has used between two statuses.

    Attributes:
        share: 1 for one processor, 1.5 for one and a half.
        cpu: processor time that the kernel has used in all, in seconds.
        memory: resident bytes.
    """

    kernel: str
    pool: str
    host: str
    state: str
    share: float
    cpu: float
    memory: int
    client: str


def shares(before: Status, after: Status, seconds: float) -> list[Share]:
    """Return the share of each kernel between two statuses, the largest first.

    Args:
        before, after: the two statuses.
        seconds: the time between them.
    """
    used = {kernel.kernel: kernel.cpu for kernel in before.kernels}
    found = []
    for kernel in rows_of(after, "kernels"):
        assert isinstance(kernel, KernelStatus)
        share = max(0.0, kernel.cpu - used.get(kernel.kernel, 0.0 if kernel.created < seconds else kernel.cpu)) / seconds
        found.append(Share(kernel.kernel, kernel.pool, kernel.host, kernel.state, share, kernel.cpu, kernel.memory, kernel.client))
    return sorted(found, key=lambda row: (-row.share, -row.cpu, row.kernel))


_BY_NAME = {column.name: column for column in KERNELS}
TOP = (
    _BY_NAME["kernel"],
    Column("share", "CPU%", "Processor time in the last seconds, 100 for one processor.", lambda share: f"{100 * share:.0f}", 0, True),
    *(_BY_NAME[name] for name in ("cpu", "memory", "state", "pool", "host", "client")),
)


# ---- the commands ------------------------------------------------------------------------------


def _watchable(shell: CommandShell) -> Choices:
    return Choices.from_values(WATCHABLE)


def _watch_parser() -> Parser:
    made = parser(
        "Show something again and again, until Ctrl-C or q. What can be watched: " + ", ".join(WATCHABLE) + ".",
        "watch kernels",
        "watch -n 10 pools",
        "watch show Main",
    )
    made.add_argument("-n", "--seconds", metavar="SECONDS", type=seconds, default=2.0, help="between two times (%(default)s)")
    made.add_argument("--count", metavar="N", type=positive, help="so many times (until it is left)")
    made.add_argument("command", metavar="COMMAND", help="what is to be shown", choices_provider=_watchable)
    made.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="its arguments")
    return made


def _top_parser() -> Parser:
    made = parser(
        "Show which kernels use the processors, and how much, until Ctrl-C or q. Who uses most comes first.", "top", "top --count 1 --json"
    )
    made.add_argument("-n", "--seconds", metavar="SECONDS", type=seconds, default=3.0, help="between two times (%(default)s)")
    made.add_argument("--count", metavar="N", type=positive, help="so many times (until it is left; once, where there is no terminal)")
    add_json(made)
    return made


def _trace_parser() -> Parser:
    made = parser(
        "Show what passes to and from a kernel as it passes: time, direction, head and size, never contents. Until Ctrl-C or q.",
        "trace h3-Yc0Pq",
        "trace h3-Yc0Pq --seconds 10 --json > packets.jsonl",
    )
    made.add_argument("id", metavar="ID", help="the kernel", choices_provider=kernels)
    made.add_argument("--count", metavar="N", type=positive, help="so many packets at the most")
    made.add_argument("--seconds", metavar="SECONDS", type=seconds, help="for so long")
    add_json(made)
    return made


class Live(CommandSet[CommandShell]):
    """Commands that run until they are stopped."""

    DEFAULT_CATEGORY = CATEGORY

    @with_argparser(_watch_parser)
    def do_watch(self, args: argparse.Namespace) -> None:
        """Show something again and again."""
        shell = self._cmd
        if args.command not in WATCHABLE:
            shell.fail(f"{printable(args.command)} cannot be watched; what can: {', '.join(WATCHABLE)}")
            return
        line = shlex.join([args.command, *args.arguments])

        def draw(number: int, terminal: bool) -> None:
            if terminal:
                self._clear()
                shell.poutput(f"{time.strftime('%H:%M:%S')}  {line}, every {args.seconds:g} s; q or Ctrl-C ends\n")
            elif number:
                shell.poutput("")
            # Not as a typed line: cmd2 resets the terminal after each, and keys would no longer
            # come one by one.
            shell.onecmd(line, add_to_history=False)

        self._again(args.seconds, args.count, draw)

    @with_argparser(_top_parser)
    def do_top(self, args: argparse.Namespace) -> None:
        """Show which kernels use the processors."""
        shell = self._cmd
        before, at = shell.client.status(), time.monotonic()

        def draw(number: int, terminal: bool) -> None:
            nonlocal before, at
            after, now = shell.client.status(), time.monotonic()
            rows = shares(before, after, max(now - at, 0.001))
            before, at = after, now
            if args.json:
                shell.print_json([_as_json(row) for row in rows], compact=True)
                return
            room, bold = shell.room()
            lines = table(TOP, rows, room=room, bold=bold)
            if terminal:
                total = sum(row.share for row in rows)
                lines = [f"{time.strftime('%H:%M:%S')}  {len(rows)} kernels use {100 * total:.0f} %; q or Ctrl-C ends", "", *lines]
                lines = lines[: shutil.get_terminal_size().lines - 1]
                self._clear()
            elif number:
                lines = ["", *lines]
            shell.print_lines(lines)

        count = args.count if args.count or self._terminal() else 1
        self._again(args.seconds, count, draw, at_once=False)

    @with_argparser(_trace_parser)
    def do_trace(self, args: argparse.Namespace) -> None:
        """Show what passes to and from a kernel."""
        left = args.count
        deadline = None if args.seconds is None else time.monotonic() + args.seconds
        trace = self._cmd.client.trace(args.id, wait=0.2)
        try:
            with keys(sys.stdin) if self._terminal() else _waiting() as wait:
                for traced in trace:
                    for event in traced.events if traced is not None else ():
                        self._tell(traced, event, args.json)
                        left = None if left is None else left - 1
                        if left == 0:
                            return
                    if traced is not None and traced.missed:
                        self._tell(traced, None, args.json)
                    if (deadline is not None and time.monotonic() >= deadline) or wait(0):
                        return
        except KeyboardInterrupt:
            self._left()
        finally:
            trace.close()

    def _tell(self, traced: Traced | None, event: TraceEvent | None, as_json: bool) -> None:
        """Show a packet; without one, the number of packets that were not reported."""
        shell = self._cmd
        assert traced is not None
        if as_json:
            shell.print_json({"kernel": traced.kernel, **(dump(event) if event else {"missed": traced.missed})}, compact=True)
        else:
            shell.print_lines([_packet(event) if event else f"... {traced.missed} more, which were too many to be shown"])

    def _clear(self) -> None:
        # Not by poutput, which removes every escape sequence but colours.
        self._cmd.stdout.write(CLEAR)
        self._cmd.stdout.flush()

    def _terminal(self) -> bool:
        return self._cmd.interactive and self._cmd.room()[0] is not None

    def _left(self) -> None:
        """Stop the command on Ctrl-C; without a person, stop the whole shell."""
        if not self._cmd.interactive:
            raise KeyboardInterrupt

    def _again(self, pause: float, count: int | None, draw: Callable[[int, bool], None], at_once: bool = True) -> None:
        terminal = self._terminal()
        number = 0
        try:
            with keys(sys.stdin) if terminal else _waiting() as wait:
                while True:
                    if (number or not at_once) and wait(pause):
                        break
                    draw(number, terminal)
                    number += 1
                    if number == count:
                        break
        except KeyboardInterrupt:
            self._left()


@contextmanager
def _waiting() -> Iterator[Callable[[float], bool]]:
    yield _sleep


def _packet(event: TraceEvent) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(event.at)) + f".{int(event.at * 1000) % 1000:03d}"
    return f"{clock}  {event.direction:4}  {printable(event.head):24}  {size(event.size)}"


def _as_json(row: Share) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Share.__dataclass_fields__}
