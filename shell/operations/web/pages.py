"""Write the pages as HTML: everything that is there at this moment. No I/O, no clock.

The script in `static` keeps a page up to date: it fills the same cells from the same figures, by
the names that the headings carry (`data-name`, `data-show`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from kernelbus.bus.protocol.orders import TraceEvent
from kernelbus.bus.protocol.reports import HostStatus, KernelStatus, PoolStatus, Status, StoryEvent
from kernelbus.shell.operations.status import rows_of
from kernelbus.shell.operations.tables import COLUMNS, NEVER, SESSIONS, Column, counted, duration, printable
from kernelbus.shell.operations.web.history import History, rates
from kernelbus.shell.operations.web.selection import FILTERED, Selected, select

__all__ = ["error_page", "kind_of", "server_page", "session_page", "spark", "totals"]

#: Seconds that a sparkline shows at least.
_SHORTEST = 60.0

_TITLES = {
    "pools": "Pools",
    "sessions": "Sessions",
    "kernels": "Kernels",
    "links": "Links",
    "hosts": "Hosts",
    "frontends": "Frontends",
}

#: The charts in the rows of tables: their headings and names by the table.
_CHARTS = {"pools": (("Evaluations", "evaluations"), ("Waiting time", "longest")), "hosts": (("Load", "load"),)}


def kind_of(column: Column) -> str:
    """Return how the script writes a column's values: the name of what writes them here."""
    made = column.of or column.show
    name = made.__name__.strip("_<>")
    return {"lambda": "stripped"}.get(name, name)


# ---- sparklines --------------------------------------------------------------------------------


def spark(times: Sequence[float], values: Sequence[float | None], most: float, label: str, size: tuple[int, int] = (240, 44)) -> str:
    """Return a sparkline as SVG.

    Args:
        times: when each value was measured.
        values: the values; None: a gap.
        most: the least value that the height stands for.
        label: what it shows, for who does not see it.
        size: its width and height.
    """
    wide, high = size
    top = max([most, *(value for value in values if value is not None)])
    span = max(_SHORTEST, times[-1] - times[0]) if times else _SHORTEST
    runs: list[list[tuple[float, float]]] = []
    joined = False
    for at, value in zip(times, values, strict=True):
        if value is None:
            joined = False
            continue
        point = wide - (times[-1] - at) / span * wide, 1 + (high - 2) * (1 - value / top)
        if joined:
            runs[-1].append(point)
        else:
            runs.append([point])
        joined = True
    line = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs)
    area = "".join(
        f"M{run[0][0]:.1f} {high}L" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) + f"L{run[-1][0]:.1f} {high}Z" for run in runs
    )
    return (
        f'<svg class="spark" viewBox="0 0 {wide} {high}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'<path class="area" d="{area}"/><path class="line" d="{line}"/></svg>'
    )


_SMALL = (96, 20)


@dataclass(frozen=True, slots=True)
class _Tile:
    """A figure with its sparkline."""

    name: str
    title: str
    value: str
    told: str
    values: Sequence[float | None]
    most: float


def _last(values: Sequence[float | None]) -> float:
    return next((value for value in reversed(values) if value is not None), 0.0)


def amount(value: float) -> str:
    """Return a rate with two or three digits."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def _tiles(status: Status, history: History) -> list[_Tile]:
    done = history.series("evaluations")
    each_second = rates(history.times, done)
    busy, kernels = history.series("busy"), history.series("kernels")
    host = max(status.hosts, key=lambda host: host.load / max(1, host.cores), default=None)
    return [
        _Tile("evaluations", "Evaluations", amount(_last(each_second)), f"a second; {_last(done):.0f} in all", each_second, 1.0),
        _Tile("longest", "Waiting time", duration(status.longest), _waits(status), history.series("longest"), 1.0),
        _Tile(
            "busy",
            "Busy kernels",
            str(sum(pool.busy for pool in status.pools)),
            f"of {counted(sum(host.kernels for host in status.hosts), 'kernel')}",
            busy,
            max([1.0, *(value for value in kernels if value is not None)]),
        ),
        _Tile("load", "Load", f"{host.load:.2f}" if host else "0.00", _loaded(host), history.series("load"), 1.0),
    ]


def _waits(status: Status) -> str:
    return f"{counted(status.waiting, 'request')} waiting" if status.waiting else "nobody waits"


def _loaded(host: HostStatus | None) -> str:
    return f"on {printable(host.name)}, of {counted(host.cores, 'core')}" if host else "no host"


def _period(history: History) -> str:
    length = history.times[-1] - history.times[0] if history.times else 0.0
    return f"last {duration(max(_SHORTEST, length))}"


# ---- tables ------------------------------------------------------------------------------------


def _columns(part: str) -> list[Column]:
    return [column for column in COLUMNS[part] if column.rank != NEVER]


def _key(part: str, row: Any) -> str:
    """Return what tells a row from the others of its table."""
    match part:
        case "pools":
            return str(row.pool)
        case "links":
            return f"{row.frontend} {row.client}"
        case "hosts" | "frontends":
            return str(row.id)
    return str(row.kernel)


def _table(part: str, rows: Sequence[Any], history: History, root: str) -> str:
    columns = _columns(part)
    texts = [[column.text(row) for column in columns] for row in rows]
    # An empty column says nothing, unless it is one that people always look for.
    hidden = [column.rank > 0 and bool(rows) and not any(row[index] for row in texts) for index, column in enumerate(columns)]
    heads = [
        f'<th scope="col" class="{_classes(column)}" data-name="{column.name}" data-show="{kind_of(column)}" '
        f'title="{escape(column.meaning)}"{" hidden" if gone else ""}>{escape(_heading(column))}</th>'
        for column, gone in zip(columns, hidden, strict=True)
    ]
    heads += [f'<th scope="col" class="chart" data-chart="{name}">{title}</th>' for title, name in _CHARTS.get(part, ())]
    lines = []
    for row, cells in zip(rows, texts, strict=True):
        made = [
            f'<td class="{_classes(column)}"{_marked(column, text)}{" hidden" if gone else ""}>{_cell(column, text, root)}</td>'
            for column, text, gone in zip(columns, cells, hidden, strict=True)
        ]
        made += [f'<td class="chart">{_chart(row, name, history)}</td>' for _, name in _CHARTS.get(part, ())]
        lines.append(f'<tr data-key="{escape(_key(part, row))}">{"".join(made)}</tr>')
    return (
        f'<div class="scroll" role="region" aria-label="{_TITLES[part]}" tabindex="0"><table data-part="{part}">'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _heading(column: Column) -> str:
    return column.heading if column.heading in ("ID", "PID", "CPU") else column.heading.capitalize()


def _classes(column: Column) -> str:
    return f"r{column.rank} n" if column.right else f"r{column.rank}"


def _marked(column: Column, text: str) -> str:
    return f' data-value="{escape(text)}"' if column.name == "state" or kind_of(column) == "doing" else ""


def _cell(column: Column, text: str, root: str) -> str:
    if column.name == "kernel" and text:
        return f'<a href="{root}session/{escape(text)}">{escape(text)}</a>'
    return escape(text)


def _chart(row: PoolStatus | HostStatus, name: str, history: History) -> str:
    if isinstance(row, HostStatus):
        return spark(history.times, history.series(name, host=row.id), max(1.0, row.cores), f"load of {printable(row.name)}", _SMALL)
    values = history.series(name, pool=row.pool)
    if name == "evaluations":
        return spark(history.times, rates(history.times, values), 1.0, f"evaluations a second of {printable(row.pool)}", _SMALL)
    return spark(history.times, values, 1.0, f"waiting time of {printable(row.pool)}", _SMALL)


def shown_of(found: Selected) -> str:
    """Say how many of the rows of a table are shown."""
    told = f"{found.matching} of {found.all} match" if found.matching < found.all else str(found.all)
    return f"{told}; the newest {len(found.rows)} are shown" if len(found.rows) < found.matching else told


def totals(status: Status, found: dict[str, Selected]) -> str:
    """Return what there is in all, in words."""
    clients = sum(1 for kernel in status.kernels if kernel.client)
    return (
        f"{counted(found['kernels'].all, 'kernel')}; {counted(found['sessions'].all, 'session')}, {clients} with a client; "
        f"{counted(sum(frontend.links for frontend in status.frontends), 'link')}"
    )


def _moment(at: float) -> str:
    """Return a moment, in seconds since 1970, as this machine's clock has it."""
    return f'<time data-at="{at:.3f}">{datetime.fromtimestamp(at):%d %b %H:%M:%S}</time>'


# ---- pages -------------------------------------------------------------------------------------


def _page(title: str, page: str, root: str, body: str, version: str = "", again: str = "plain") -> str:
    """Return a page.

    Args:
        again: whether it is loaded again every few seconds: `plain`, without the script.
    """
    refresh = '<meta http-equiv="refresh" content="5">'
    refreshes = {"plain": f"<noscript>{refresh}</noscript>", "always": refresh, "never": ""}
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · kernelbus</title>"
        f'<link rel="stylesheet" href="{root}style.css"><link rel="icon" type="image/svg+xml" href="{root}icon.svg">'
        f'<script src="{root}page.js" defer></script>'
        f"{refreshes[again]}</head>\n"
        f'<body data-page="{page}" data-root="{root}" data-version="{escape(version)}">'
        f'<a class="skip" href="#main">Skip to what is shown</a>{body}</body></html>\n'
    )


def _header(status: Status, told: str, root: str, links: Iterable[str]) -> str:
    parts = "".join(f'<a href="#{part}">{_TITLES[part]}</a>' for part in links)
    nav = f'<nav aria-label="Tables">{parts}</nav>' if parts else ""
    return (
        f'<header><div class="top"><h1><a href="{root or "./"}"><img src="{root}icon.svg" alt="" width="28" height="28">kernelbus</a> '
        f'<span id="broker">{escape(printable(status.broker))}</span></h1>'
        f'<p id="health" data-value="{escape(status.health)}">{escape(status.health)}</p>'
        f'<p class="facts"><span id="totals">{escape(told)}</span> <span>up <span id="up">{duration(status.up)}</span>, '
        f'version <span id="version">{escape(printable(status.version))}</span></span></p></div>'
        f'{nav}</header><p id="notice" role="status" hidden></p>'
    )


def _problems(status: Status) -> str:
    lines = "".join(f"<li>{escape(printable(problem))}</li>" for problem in status.problems)
    return f'<ul id="problems" aria-label="Problems"{"" if lines else " hidden"}>{lines}</ul>'


def server_page(status: Status, history: History, *, words: str = "", over: bool = False, limit: int) -> str:
    """Return the page of the server.

    Args:
        status: its status, with whole ids of kernels; they are cut here.
        history: what was lately.
        words: the filter of the long tables.
        over: whether the sessions that are over are among the status's.
        limit: the most rows of each long table.
    """
    found = select(status, words, limit)
    tiles = "".join(
        f'<figure class="tile" id="tile-{tile.name}"><figcaption>{tile.title}</figcaption>'
        f'<p><strong>{escape(tile.value)}</strong> <span class="told">{escape(tile.told)}</span></p>'
        f"{spark(history.times, tile.values, tile.most, tile.title)}</figure>"
        for tile in _tiles(status, history)
    )
    parts = list(_TITLES)
    sections = []
    for part in parts:
        rows = found[part].rows if part in FILTERED else rows_of(status, part)
        count = shown_of(found[part]) if part in FILTERED else str(len(rows))
        sections.append(
            f'<section id="{part}"><h2>{_TITLES[part]} <span class="count">{escape(count)}</span></h2>'
            f'{_table(part, rows, history, "")}<p class="none"{" hidden" if rows else ""}>None.</p></section>'
        )
    search = (
        f'<form id="filter" method="get" role="search"><label>Filter <input type="search" name="match" value="{escape(words)}" '
        'placeholder="state, pool, client, id ..." autocomplete="off"></label> '
        f'<label><input type="checkbox" name="over" value="1"{" checked" if over else ""}> with sessions that are over</label> '
        "<noscript><button>Show</button></noscript></form>"
    )
    sections.insert(1, search)
    accesses = dict.fromkeys(printable(frontend.access) for frontend in status.frontends if frontend.access)
    body = (
        f'{_header(status, totals(status, found), "", parts)}<main id="main">{_problems(status)}'
        f'<div class="tiles">{tiles}</div><p class="period" id="period">{_period(history)}</p>{"".join(sections)}</main>'
        f'<footer><p id="access">{escape("; ".join(accesses))}</p>'
        '<p><a href="api/v1/status">this as JSON</a></p></footer>'
    )
    return _page(printable(status.broker), "server", "", body, status.version)


def session_page(
    status: Status,
    kernel: str,
    row: KernelStatus | None,
    events: Sequence[StoryEvent],
    packets: Sequence[TraceEvent] | None,
    trouble: str = "",
) -> str:
    """Return the page of a session, or of a kernel that is none yet.

    Args:
        status: the server's status.
        kernel: the beginning of its kernel's id.
        row: what is known of it; None: no more than its story.
        events: its story.
        packets: its trace; None: it is not asked for.
        trouble: why there is no trace.
    """
    root = "../"
    facts = "".join(
        f'<div data-name="{column.name}" data-show="{kind_of(column)}" title="{escape(column.meaning)}"{"" if text else " hidden"}>'
        f"<dt>{escape(_heading(column))}</dt><dd{_marked(column, text)}>{escape(text)}</dd></div>"
        for column in SESSIONS
        for text in [column.text(row) if row is not None else ""]
    )
    story = "".join(f'<li>{_moment(event.at)} {escape(printable(event.text))}</li>' for event in events)
    if packets is None:
        trace = '<p><a class="button" href="?trace=1#trace">Show what passes to and from it</a></p>'
    else:
        lines = "".join(
            f'<tr><td>{_moment(packet.at)}</td><td>{packet.direction}</td>'
            f'<td>{escape(printable(packet.head))}</td><td class="n">{packet.size}</td></tr>'
            for packet in reversed(packets)
        )
        trace = (
            f'<p><a class="button" href="{escape(kernel)}">Stop</a> <span id="trace-told">{escape(printable(trouble))}</span></p>'
            '<div class="scroll" role="region" aria-label="Trace" tabindex="0"><table id="packets"><thead><tr>'
            '<th scope="col">Time</th><th scope="col">Direction</th><th scope="col">Head</th><th scope="col" class="n">Bytes</th>'
            f"</tr></thead><tbody>{lines}</tbody></table></div>"
        )
    told = totals(status, select(status, limit=0))
    body = (
        f'{_header(status, told, root, ())}<main id="main">{_problems(status)}<p><a href="{root}">All of the server</a></p>'
        f'<h2 id="session" data-kernel="{escape(kernel)}">{"Session" if row is None or row.attachments else "Kernel"} {escape(kernel)}</h2>'
        f'<dl id="facts">{facts}</dl><section><h2>Story</h2><ol id="story">{story}</ol></section>'
        f'<section id="trace" data-on="{"" if packets is None else "1"}"><h2>Trace</h2>'
        f"<p>Time, direction, head and size of each packet, and never its contents.</p>{trace}</section></main>"
    )
    return _page(f"{kernel} on {printable(status.broker)}", "session", root, body, status.version)


def error_page(status: str, text: str, root: str) -> str:
    """Return the page that says why there is none."""
    code, _, name = status.partition(" ")
    body = (
        f'<header><div class="top"><h1><a href="{root or "./"}"><img src="{root}icon.svg" alt="" width="28" height="28">kernelbus</a></h1>'
        f'</div></header><main id="main"><h2>{code} {escape(name)}</h2><p id="error">{escape(printable(text))}</p>'
        f'<p><a href="{root or "./"}">All of the server</a></p></main>'
    )
    # A broker that is busy may answer in a while.
    return _page(name, "error", root, body, again="always" if code == "503" else "never")
