"""Commands of the admin shell that show something once."""

from __future__ import annotations

import argparse
import time
from typing import Any

from cmd2 import CommandSet, with_argparser

from kernelbus.bus.protocol.reports import KernelStatus, PoolFigures, Status, Story
from kernelbus.bus.protocol.schema import dump
from kernelbus.shell.admin.commands import CommandShell, everything
from kernelbus.shell.admin.parsing import Parser, add_json, parser
from kernelbus.shell.admin.targets import Found, called
from kernelbus.shell.operations.status import lines_of, rows_of, to_json
from kernelbus.shell.operations.tables import (
    COLUMNS,
    FRONTENDS,
    HOSTS,
    KERNELS,
    LINKS,
    NEVER,
    POOLS,
    printable,
    records,
    table,
)
from kernelbus.shell.operations.version import version

__all__ = ["CATEGORY", "Looking"]

CATEGORY = "See how it stands"


def _status_parser() -> Parser:
    made = parser("Show how everything stands: health, pools, hosts, frontends.", "status", "status --json > status.json")
    add_json(made)
    made.add_argument("--wide", action="store_true", help="with every column, and whole ids")
    return made


def _table_parser(part: str, description: str, *examples: str) -> Parser:
    made = parser(description, *examples)
    add_json(made)
    made.add_argument("--wide", action="store_true", help="with every column, and whole ids")
    if part == "sessions":
        made.add_argument("--over", action="store_true", help="with those that are over")
    columns = [column for column in COLUMNS[part] if column.rank != NEVER]
    longest = max(len(column.heading) for column in columns)
    made.add_argument_group("columns", "\n".join(f"{column.heading:{longest}}  {column.meaning}" for column in columns))
    return made


def _pools_parser() -> Parser:
    return _table_parser("pools", "List the pools: kernels of one kind, over all hosts.", "pools", "pools --json", "pools | grep Main")


def _kernels_parser() -> Parser:
    return _table_parser("kernels", "List the kernels that there are.", "kernels", "kernels --wide", "kernels | grep busy")


def _sessions_parser() -> Parser:
    return _table_parser("sessions", "List the sessions: kernels that have had a client.", "sessions", "sessions --over")


def _hosts_parser() -> Parser:
    return _table_parser("hosts", "List the kernel hosts, lost ones included.", "hosts", "hosts --wide")


def _links_parser() -> Parser:
    return _table_parser("links", "List the clients' links.", "links", "links > links.txt")


def _frontends_parser() -> Parser:
    return _table_parser("frontends", "List the frontends, to which clients connect.", "frontends")


def _show_parser() -> Parser:
    made = parser(
        "Show all that is known of what is called ID: a kernel or session (an id, or three or more of its first characters) with what has "
        "happened to it, a pool, a host, a frontend, or a link by its client's address.",
        "show h3-Yc0Pq",
        "show Main",
        "show 10.0.0.5:53211",
    )
    add_json(made)
    made.add_argument("id", metavar="ID", help="what is to be shown", choices_provider=everything)
    return made


def _version_parser() -> Parser:
    made = parser("Show the versions of this shell and of the broker.", "version")
    add_json(made)
    return made


class Looking(CommandSet[CommandShell]):
    """Commands that show something once."""

    DEFAULT_CATEGORY = CATEGORY

    @with_argparser(_status_parser)
    def do_status(self, args: argparse.Namespace) -> None:
        """Show how everything stands."""
        shell = self._cmd
        status = shell.client.status(links=args.json)
        if args.json:
            shell.print_json(to_json(status, None))
        else:
            room, bold = shell.room()
            shell.print_lines(lines_of(status, None, room=room, bold=bold, wide=args.wide))

    @with_argparser(_pools_parser)
    def do_pools(self, args: argparse.Namespace) -> None:
        """List the pools."""
        self._table("pools", args)

    @with_argparser(_kernels_parser)
    def do_kernels(self, args: argparse.Namespace) -> None:
        """List the kernels."""
        self._table("kernels", args)

    @with_argparser(_sessions_parser)
    def do_sessions(self, args: argparse.Namespace) -> None:
        """List the sessions."""
        self._table("sessions", args)

    @with_argparser(_hosts_parser)
    def do_hosts(self, args: argparse.Namespace) -> None:
        """List the kernel hosts."""
        self._table("hosts", args)

    @with_argparser(_links_parser)
    def do_links(self, args: argparse.Namespace) -> None:
        """List the clients' links."""
        self._table("links", args)

    @with_argparser(_frontends_parser)
    def do_frontends(self, args: argparse.Namespace) -> None:
        """List the frontends."""
        self._table("frontends", args)

    def _table(self, part: str, args: argparse.Namespace) -> None:
        shell = self._cmd
        status = shell.client.status(links=part == "links", over=getattr(args, "over", False))
        if args.json:
            shell.print_json(to_json(status, part))
            return
        room, bold = shell.room()
        rows = rows_of(status, part)
        shell.print_lines(table(COLUMNS[part], rows, room=room, bold=bold, wide=args.wide) if rows else [f"no {part}"])

    @with_argparser(_show_parser)
    def do_show(self, args: argparse.Namespace) -> None:
        """Show all that is known of a kernel, session, pool, host, link or frontend."""
        shell = self._cmd
        status = shell.client.status(links=True, over=True)
        found = called(status, args.id)
        stories = {kernel.kernel: shell.client.story(kernel.kernel) for kernel in found.kernels}
        if args.json:
            shell.print_json(_as_json(found, stories))
        else:
            room, bold = shell.room()
            shell.print_lines(_lines(status, found, stories, room, bold))

    @with_argparser(_version_parser)
    def do_version(self, args: argparse.Namespace) -> None:
        """Show the versions of this shell and of the broker."""
        shell = self._cmd
        status = shell.client.status()
        told = {"shell": version(), "broker": status.version, "name": status.broker, "endpoint": shell.client.endpoint}
        if args.json:
            shell.print_json(told)
            return
        broker = f"{printable(status.broker)} at {shell.client.endpoint}"
        shell.print_lines([f"kernelbus {told['shell']}; broker {broker}: {printable(status.version)}"])


def _as_json(found: Found, stories: dict[str, Story]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kernels": [{**dump(kernel), "story": dump(stories[kernel.kernel])["events"]} for kernel in found.kernels],
        "pools": [dump(pool) for pool in found.pools],
        "hosts": [dump(host) for host in found.hosts],
        "links": [dump(link) for link in found.links],
        "frontends": [dump(frontend) for frontend in found.frontends],
    }
    return {kind: rows for kind, rows in told.items() if rows}


def _lines(status: Status, found: Found, stories: dict[str, Story], room: int | None, bold: bool) -> list[str]:
    lines: list[str] = []

    def kernels(where: str, name: str) -> None:
        rows = [kernel for kernel in rows_of(status, "kernels") if getattr(kernel, where) == name]
        if rows:
            lines.extend(["", *table(KERNELS, rows, room=room, bold=bold)])

    def begin() -> None:
        if lines:
            lines.append("")

    for kernel in found.kernels:
        begin()
        lines += [*records(KERNELS, kernel), *_story(kernel, stories[kernel.kernel])]
    for pool in found.pools:
        begin()
        lines += [*records(POOLS, pool), *(line for figures in status.figures if figures.pool == pool.pool for line in _figures(figures))]
        kernels("pool", pool.pool)
    for host in found.hosts:
        begin()
        lines += records(HOSTS, host)
        kernels("host", host.name)
    for frontend in found.frontends:
        begin()
        lines += records(FRONTENDS, frontend)
        links = [link for link in status.links if link.frontend == frontend.name]
        lines += ["", *table(LINKS, links, room=room, bold=bold)] if links else []
    for link in found.links:
        begin()
        lines += records(LINKS, link)
    return lines


def _story(kernel: KernelStatus, story: Story) -> list[str]:
    if not story.events:
        return []
    told = [f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(event.at))}  {printable(event.text)}" for event in story.events]
    return ["", *told]


def _figures(figures: PoolFigures) -> list[str]:
    return [f"Since its hosts began: {figures.started} kernels started, {figures.failed} failed to, {figures.died} died"]
