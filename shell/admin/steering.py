"""Commands of the admin shell that change something, by orders to the broker.

An order carries the name or id as it was typed: the broker decides what it means, and refuses what
it does not know. Only a command that has to ask first finds its target in a status itself.
"""

from __future__ import annotations

import argparse
from typing import Any

from cmd2 import CommandSet, with_argparser

from kernelbus.bus.client import OrderRefused
from kernelbus.bus.protocol.orders import (
    Answer,
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
)
from kernelbus.bus.protocol.schema import dump
from kernelbus.shell.admin.commands import CommandShell, hosts, kernels, pools, sessions
from kernelbus.shell.admin.parsing import Parser, add_json, parser
from kernelbus.shell.admin.targets import (
    closing_kernel,
    closing_session,
    draining_host,
    draining_pool,
    evicting_host,
    host_of,
    kernel_of,
    pool_of,
    session_of,
)
from kernelbus.shell.operations.tables import printable

__all__ = ["CATEGORY", "LEVELS", "Steering"]

CATEGORY = "Steer it"

#: Levels of the log, by name and by WSTPServer's number.
LEVELS = ("error", "debug", "trace", "1", "2", "3")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of kernels")
    return int(text)


class _Actions:
    """The parser of a command that has actions, as in `kernel abort ID`."""

    def __init__(self, description: str, *examples: str) -> None:
        self.parser = parser(description, *examples)
        self._actions = self.parser.add_subparsers(metavar="ACTION", dest="action", required=True)

    def add(self, name: str, told: str, *examples: str, ends: bool = False) -> Parser:
        """Add an action; `ends`: it may end work, so it has `--yes` and asks without it."""
        made = parser(told[:1].upper() + told[1:] + ".", *examples)
        # cmd2's parsers take more than strings for these, which argparse's types do not allow.
        told_at_length: dict[str, Any] = {"description": made.description, "epilog": made.epilog, "formatter_class": made.formatter_class}
        action: Parser = self._actions.add_parser(name, help=told, allow_abbrev=False, **told_at_length)
        add_json(action)
        if ends:
            action.add_argument("-y", "--yes", action="store_true", help="do not ask")
        return action


def _kernel_parser() -> Parser:
    actions = _Actions(
        "Do something to a kernel; ID is its id, or three or more of its first characters.", "kernel abort h3-Yc0Pq", "kernel start Main"
    )
    told = "start one more kernel in a pool, beside those it keeps ready"
    start = actions.add("start", told, "kernel start Main", "kernel start Main --host alpha")
    start.add_argument("pool", metavar="POOL", help="the pool", choices_provider=pools)
    start.add_argument("--host", metavar="NAME", default="", help="where (where there is most room)", choices_provider=hosts)
    for name, told, ends in (
        ("restart", "end a kernel, and start another in its pool", True),
        ("abort", "abort what a kernel evaluates; one that does not obey is killed", False),
        ("interrupt", "interrupt what a kernel evaluates: it asks its client what is to become of it", False),
        ("close", "end a kernel; its client is told", True),
    ):
        action = actions.add(name, told, f"kernel {name} h3-Yc0Pq", ends=ends)
        action.add_argument("id", metavar="ID", help="the kernel", choices_provider=kernels)
    return actions.parser


def _session_parser() -> Parser:
    actions = _Actions(
        "Do something to a session; ID is its kernel's id, or its beginning.", "session detach h3-Yc0Pq", "session close h3-Yc0Pq --yes"
    )
    for name, told, ends in (
        ("detach", "take a kernel from its client, and keep it", False),
        ("close", "end a session and its kernel; one whose host is not there is forgotten", True),
    ):
        action = actions.add(name, told, f"session {name} h3-Yc0Pq", ends=ends)
        action.add_argument("id", metavar="ID", help="the session", choices_provider=sessions)
    return actions.parser


def _pool_parser() -> Parser:
    actions = _Actions(
        "Change how a pool is run, on all its hosts, until it is changed again.", "pool resize Main --maximum 16", "pool pause Main"
    )
    told = "keep another number of kernels ready, or allow another number in all; on each host"
    resize = actions.add("resize", told, "pool resize Main --minimum 4", "pool resize Main --minimum 0 --maximum 2")
    resize.add_argument("--minimum", metavar="N", type=_count, help="ready kernels kept in advance")
    resize.add_argument("--maximum", metavar="N", type=_count, help="the most kernels there may be")
    pause = actions.add("pause", "hand no kernels out; who wants one waits", "pool pause Main")
    resume = actions.add("resume", "hand kernels out again", "pool resume Main")
    drain = actions.add("drain", "refuse who wants a kernel, and keep none ready; sessions go on", "pool drain Main", ends=True)
    for action in (resize, pause, resume, drain):
        action.add_argument("name", metavar="NAME", help="the pool", choices_provider=pools)
    return actions.parser


def _host_parser() -> Parser:
    actions = _Actions("Change what a host does; NAME is its name, or the beginning of its id.", "host drain alpha", "host evict beta")
    for name, told, ends in (
        ("drain", "have it start no more kernels; it ends when its sessions have", True),
        ("resume", "undo a drain", False),
        ("evict", "end its kernels and the host; if it cannot be reached, give it up", True),
    ):
        action = actions.add(name, told, f"host {name} alpha", ends=ends)
        action.add_argument("name", metavar="NAME", help="the host", choices_provider=hosts)
    return actions.parser


def _reload_parser() -> Parser:
    told = "Have every part read its configuration file again. No session is dropped; what has changed is said, and what needs a restart."
    made = parser(told, "reload")
    add_json(made)
    return made


def _level_parser() -> Parser:
    made = parser("Have every part log at this level from now on, until it is restarted.", "log-level debug", "log-level 1")
    made.add_argument("level", metavar="LEVEL", choices=LEVELS, help="error, debug or trace, or 1, 2 or 3")
    add_json(made)
    return made


class Steering(CommandSet[CommandShell]):
    """Commands that change something."""

    DEFAULT_CATEGORY = CATEGORY

    @with_argparser(_kernel_parser)
    def do_kernel(self, args: argparse.Namespace) -> None:
        """Start, restart, abort, interrupt or close a kernel."""
        if args.action == "start":
            self.order(StartOrder(0, "", args.pool, args.host), as_json=args.json)
            return
        kernel = args.id
        if args.action in ("restart", "close"):
            found = kernel_of(self._cmd.client.status(), args.id)
            kernel = found.kernel
            self._cmd.confirm(closing_kernel(found), "End it?" if args.action == "close" else "Restart it?", yes=args.yes)
        self.order(KernelOrder(0, "", kernel, args.action), as_json=args.json)

    @with_argparser(_session_parser)
    def do_session(self, args: argparse.Namespace) -> None:
        """Detach or close a session."""
        session = args.id
        if args.action == "close":
            found = session_of(self._cmd.client.status(), args.id)
            session = found.kernel
            self._cmd.confirm(closing_session(found), "End it?", yes=args.yes)
        self.order(SessionOrder(0, "", session, args.action), as_json=args.json)

    @with_argparser(_pool_parser)
    def do_pool(self, args: argparse.Namespace) -> None:
        """Resize, pause, resume or drain a pool."""
        if args.action == "drain":
            self._cmd.confirm(draining_pool(pool_of(self._cmd.client.status(), args.name)), "Drain it?", yes=args.yes)
        sizes = {"minimum": args.minimum, "maximum": args.maximum} if args.action == "resize" else {}
        self.order(PoolOrder(0, "", args.name, args.action, **sizes), as_json=args.json)

    @with_argparser(_host_parser)
    def do_host(self, args: argparse.Namespace) -> None:
        """Drain, resume or evict a host."""
        shell = self._cmd
        if args.action != "resume":
            status = shell.client.status()
            host = host_of(status, args.name)
            if args.action == "drain":
                shell.confirm(draining_host(host), "Drain it?", yes=args.yes)
            else:
                shell.confirm(evicting_host(status, host), "Evict it?", yes=args.yes)
        self.order(HostOrder(0, "", args.name, args.action), as_json=args.json)

    @with_argparser(_reload_parser)
    def do_reload(self, args: argparse.Namespace) -> None:
        """Have every part read its configuration again."""
        self.order(ReloadOrder(0, ""), as_json=args.json, unchanged="nothing has changed")

    def order(self, order: Order, *, as_json: bool, unchanged: str = "done") -> None:
        """Give an order, and show the answer.

        Args:
            order: what is to be done.
            as_json: print the answer as JSON.
            unchanged: what to print for a part that has carried the order out and says nothing.
        """
        shell = self._cmd
        try:
            answer = shell.client.order(order)
        except OrderRefused as error:
            answer = error.answer
        finally:
            shell.names.forget()
        if as_json:
            shell.print_json(dump(answer))
            shell.outcome = int(not answer.ok)
            return
        done, failed = _told(answer, unchanged)
        if done:
            shell.print_lines(done)
        for line in failed:
            shell.fail(line)


def _told(answer: Answer, unchanged: str) -> tuple[list[str], list[str]]:
    """Return the lines about what was done, and those about what was not."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    lines[answer.ok] += [printable(line) for line in answer.lines]
    for part in answer.parts:
        said = part.lines or [unchanged if part.ok else part.code]
        lines[part.ok] += [printable(f"{part.part}: {line}") for line in said]
    if not lines[answer.ok]:
        lines[answer.ok].append(unchanged if answer.ok else answer.code or "it was refused")
    return lines[True], lines[False]


def _log_level(commands: Steering, args: argparse.Namespace) -> None:
    """Set the level of every part's log."""
    commands.order(LogLevelOrder(0, "", args.level), as_json=args.json, unchanged=f"logs at level {args.level}")


# The command's name has a hyphen, which a method in a class body cannot have.
_log_level.__name__ = "do_log-level"
setattr(Steering, _log_level.__name__, with_argparser(_level_parser)(_log_level))
