"""The tables of the status: names and meanings of their columns, and how they fit a terminal.

Each column is defined once, here: the tables, the help of the admin shell and docs/status.md are
made from it. A table that is too wide for its terminal loses its least important columns, and then
the ends of its longest texts. No I/O.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernelbus.bus.protocol.reports import GrantStatus

__all__ = [
    "COLUMNS",
    "FRONTENDS",
    "HOSTS",
    "KERNELS",
    "LINKS",
    "NAMES",
    "NEVER",
    "POOLS",
    "SESSIONS",
    "SHORT_ID",
    "Column",
    "counted",
    "duration",
    "fit",
    "granted",
    "printable",
    "records",
    "size",
    "table",
    "width",
]

#: The rank of columns that only JSON, `show` and `--wide` have.
NEVER = 99

#: Characters of an id that tables show; the bus finds an id by its beginning.
SHORT_ID = 8

#: Columns of the terminal between two columns of a table, and the least that a cut text keeps.
_GAP = 2
_SHORTEST = 16


# ---- values for people -------------------------------------------------------------------------


def printable(value: object) -> str:
    """Return a text on one line, without characters that move a terminal's cursor.

    Clients choose some of these texts.
    """
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def duration(seconds: float) -> str:
    """Return a length of time with two or three digits: 0.4 s, 12 s, 3 min, 2.5 h, 4.2 d."""
    if seconds < 0.05:
        return "0 s"
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    amount, unit = (seconds / 3600, "h") if seconds < 48 * 3600 else (seconds / 86400, "d")
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def size(count: int) -> str:
    """Return a number of bytes with two or three digits: 812 B, 1.5 KiB, 12 MiB."""
    if count < 1000:
        return f"{count} B"
    amount, names = count / 1024, ["TiB", "GiB", "MiB", "KiB"]
    while amount >= 999.5 and len(names) > 1:
        amount /= 1024
        names.pop()
    return f"{amount:.1f} {names[-1]}" if amount < 9.95 else f"{amount:.0f} {names[-1]}"


def counted(count: int, what: str) -> str:
    """Return a count of things: 1 kernel, 2 kernels."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def granted(values: Iterable[GrantStatus]) -> str:
    """Return for each grant its network and its end."""
    return printable(", ".join(f"{grant.network} until {datetime.fromtimestamp(grant.until):%d %b %H:%M}" for grant in values))


def _memory(count: int) -> str:
    return size(count) if count else ""


def _spent(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _no(value: bool) -> str:
    return "" if value else "no"


def _id(text: str) -> str:
    return printable(text[:SHORT_ID])


def _number(value: int) -> str:
    return str(value) if value else ""


def _names(values: Sequence[str]) -> str:
    return printable(", ".join(values))


def _load(value: float) -> str:
    return f"{value:.2f}" if value else ""


# ---- the columns -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: what the schema of the status calls it.
        heading: the text above it.
        meaning: what it says, in one sentence.
        show: makes the text for people from a value.
        rank: how soon a narrow terminal loses it: 0 never, the larger the sooner; NEVER: no table
            has it unless it is asked for.
        right: whether it is aligned to the right.
        of: makes the text from the whole row instead; None: the value alone is shown.
    """

    name: str
    heading: str
    meaning: str
    show: Callable[[Any], str] = printable
    rank: int = 0
    right: bool = False
    of: Callable[[Any], str] | None = None

    def text(self, row: object) -> str:
        """Return the text of a row's cell."""
        return self.of(row) if self.of is not None else self.show(getattr(row, self.name))


def _count(name: str, heading: str, meaning: str, rank: int = 0) -> Column:
    return Column(name, heading, meaning, str, rank, True)


def _bytes(name: str, heading: str, meaning: str, rank: int = 0) -> Column:
    return Column(name, heading, meaning, size, rank, True)


def _time(name: str, heading: str, meaning: str, rank: int = 0) -> Column:
    return Column(name, heading, meaning, duration, rank, True)


def _pool_state(pool: Any) -> str:
    return "at its maximum" if pool.state == "serving" and pool.at_maximum else printable(pool.state)


def _doing(kernel: Any) -> str:
    return "asks" if kernel.asking else "busy" if kernel.busy else ""


POOLS = (
    Column("pool", "POOL", "The pool's name."),
    Column(
        "state",
        "STATE",
        "serving; paused: who wants a kernel waits; draining: who wants one is refused. Tables say `at its maximum` for a serving pool "
        "that is.",
        of=_pool_state,
    ),
    _count("ready", "READY", "Kernels that are ready for a client and have had none."),
    _count("starting", "STARTING", "Kernels that are being started.", 5),
    _count("attached", "ATTACHED", "Kernels that have a client.", 2),
    _count("busy", "BUSY", "Kernels that evaluate, with a client or without.", 3),
    _count("detached", "DETACHED", "Kernels that are kept although their client has left.", 4),
    _count("detached_busy", "DET.BUSY", "Kernels without a client that evaluate.", NEVER),
    Column("at_maximum", "AT MAXIMUM", "Whether no kernel can be handed out unless a session ends.", _yes, NEVER),
    _count("waiting", "WAITING", "Requests for a kernel that have not been answered yet.", 1),
    _time("longest", "LONGEST", "How long the request that waits longest has waited: the figure to raise an alarm on."),
    _count("minimum", "MIN", "Ready kernels that are kept in advance, over all hosts.", 6),
    _count("maximum", "MAX", "The most kernels there may be, detached ones included, over all hosts.", 6),
    _count("hosts", "HOSTS", "Hosts that have the pool.", 8),
    Column("default", "DEFAULT", "Whether a client that names no pool has a kernel of this one.", _yes, 7),
    Column("parallel", "PARALLEL", "Whether its kernels are started as parallel subkernels.", _yes, NEVER),
    Column(
        "parallel_default",
        "PARALLEL DEFAULT",
        "Whether a client that asks for a parallel kernel and names no pool has one of this.",
        _yes,
        NEVER,
    ),
    Column("limited", "LIMITED", "Why there may be fewer kernels than configured at present (the licence); empty: as many.", rank=NEVER),
    Column("failing", "FAILING", "Why its kernels do not start at present; empty: they do.", rank=NEVER),
)

_KERNEL = Column("kernel", "KERNEL", "The kernel's id. Who knows all of it can have the kernel, so tables show its beginning.", _id)
_POOL = Column("pool", "POOL", "The pool that it is of.", rank=2)
_HOST = Column("host", "HOST", "The name of the host that it runs on.", rank=6)
_STATE = Column(
    "state",
    "STATE",
    "starting, ready (for a first client), attached, detached, ending; awaited: its host has not come back after the broker's restart; "
    "ended; lost, with its host.",
)
_BUSY = Column(
    "busy", "BUSY", "Whether it evaluates, with a client or without. Tables say `asks` when it waits for an answer.", rank=1, of=_doing
)
_ASKING = Column("asking", "ASKS", "Whether its evaluation waits for the client's answer to a question.", _yes, NEVER)
_SINCE = _time("since", "SINCE", "How long it has been in this state.", 3)
_CREATED = _time("created", "AGE", "How long ago it came to be.", 9)
_CLIENT = Column("client", "CLIENT", "The address of the client that is attached; empty: none.", rank=4)
_PROMPT = Column("prompt", "PROMPT", "Its prompt, for the next input.", lambda text: printable(text).strip(), 10)
_EVALUATIONS = _count("evaluations", "EVALS", "Evaluations that it has finished.", 8)
_TEXT = Column("text", "TEXT", "How it ended, where it has.", rank=NEVER)
_CPU = Column("cpu", "CPU", "Processor time that it has used.", _spent, 3, True)
_MEMORY = Column("memory", "MEMORY", "Memory that its process has resident.", _memory, 3, True)
_IDLE = Column("idle", "IDLE", "How long ago it evaluated last, or was ready; 0 while it evaluates.", _spent, 5, True)
_PID = Column("pid", "PID", "The id of its process on its host.", _number, 7, True)
_PROFILE = Column("profile", "PROFILE", "What its client calls the session.", rank=7)
_ATTACHMENTS = _count("attachments", "CLIENTS", "How many clients it has had, one after the other; 0: it is no session yet.", 11)
_IN = _bytes("bytes_in", "IN", "What it has been sent.", 12)
_OUT = _bytes("bytes_out", "OUT", "What it has sent.", 12)
_KEEP = Column("keep", "KEEP", "Whether it is kept when its client leaves.", _no, 13)
_ENDS_IN = Column("ends_in", "ENDS IN", "In how many seconds it is killed, unless it obeys an abort; 0: it is not.", _spent, NEVER, True)
_SAFE = Column(
    "safe", "SAFE", "For how many seconds its session is safe without a client, idle, if one can come back to it; 0: always.",
    _spent, NEVER, True,
)  # fmt: skip
_SAFE_BUSY = Column("safe_busy", "SAFE BUSY", "The same while it evaluates.", _spent, NEVER, True)
_SAFE_ENDS = Column(
    "safe_ends", "ENDS", "Whether it ends after SAFE in any case, and not only for a client that needs its place.",
    _yes, NEVER,
)  # fmt: skip
_SAFE_BUSY_ENDS = Column("safe_busy_ends", "ENDS BUSY", "The same after SAFE BUSY.", _yes, NEVER)
_SAFETY = (_SAFE, _SAFE_BUSY, _SAFE_ENDS, _SAFE_BUSY_ENDS)


def _hidden(column: Column) -> Column:
    return Column(column.name, column.heading, column.meaning, column.show, NEVER, column.right)


KERNELS = (
    _KERNEL, _POOL, _HOST, _STATE, _BUSY, _SINCE, _PID, _CPU, _MEMORY, _IDLE, _CREATED, _EVALUATIONS, _CLIENT,
    *(_hidden(column) for column in (_PROFILE, _PROMPT, _ATTACHMENTS, _IN, _OUT, _KEEP, _ASKING, _ENDS_IN, *_SAFETY, _TEXT)),
)  # fmt: skip

SESSIONS = (
    _KERNEL, _POOL, _HOST, _STATE, _BUSY, _SINCE, _CLIENT, _PROFILE, _PROMPT, _EVALUATIONS, _IDLE, _IN, _OUT, _KEEP,
    Column(_TEXT.name, _TEXT.heading, _TEXT.meaning, rank=1),
    *(_hidden(column) for column in (_CREATED, _ATTACHMENTS, _PID, _CPU, _MEMORY, _ASKING, _ENDS_IN, *_SAFETY)),
)  # fmt: skip

HOSTS = (
    Column("name", "HOST", "The host's name: its machine's."),
    Column("id", "ID", "The beginning of its id, which is new for each process; it names the host where two have one name.", rank=7),
    Column("state", "STATE", "up; draining: it starts no kernels, and ends when its sessions have; suspect: it is silent; lost."),
    Column("version", "VERSION", "Its version of kernelbus.", rank=8),
    _time("silent", "SILENT", "How long ago it was heard.", 6),
    Column("pools", "POOLS", "Its pools.", _names, 5),
    _count("kernels", "KERNELS", "Its kernels.", 1),
    _count("sessions", "SESSIONS", "Those that have had a client.", 1),
    Column("load", "LOAD", "Its machine's load in the last minute; 0: not known.", _load, 2, True),
    _count("cores", "CORES", "Its machine's processors.", 4),
    Column("free", "FREE", "Its machine's memory that is free.", _memory, 2, True),
    Column("memory", "MEMORY", "Its machine's memory.", _memory, 3, True),
    _time("up", "UP", "How long ago it was started.", 3),
    Column("system", "SYSTEM", "Its operating system and processor architecture.", rank=NEVER),
    Column("python", "PYTHON", "Its version of Python.", rank=NEVER),
    Column("embedded", "EMBEDDED", "What its embedded kernel is; empty: it has none.", rank=NEVER),
    Column("separate", "SEPARATE", "Whether it is a process of its own, which can end alone, and no part of kernelbus serve.", _yes, NEVER),
    Column("text", "TEXT", "What became of it, where it is lost.", rank=9),
)  # fmt: skip

LINKS = (
    Column("client", "CLIENT", "The client's address and port."),
    Column("frontend", "FRONTEND", "The name of the frontend that it is connected to.", rank=3),
    Column(
        "state",
        "STATE",
        "greeting; alone: no kernel is attached; opening: it waits for one; attached; parting: it lets its kernel go; closing; ended.",
    ),
    Column("kernel", "KERNEL", "The id of its kernel; empty: none.", _id, 1),
    Column("pool", "POOL", "Its kernel's pool, or the one for whose kernel it waits.", rank=2),
    _time("since", "SINCE", "How long ago it connected.", 4),
    _bytes("bytes_in", "IN", "What the client has sent.", 5),
    _bytes("bytes_out", "OUT", "What the client has been sent.", 5),
)

FRONTENDS = (
    Column("name", "FRONTEND", "The frontend's name: its machine's."),
    Column("id", "ID", "The beginning of its id, which is new for each process.", rank=7),
    Column("state", "STATE", "up; suspect: it is silent."),
    Column("version", "VERSION", "Its version of kernelbus.", rank=8),
    _time("silent", "SILENT", "How long ago it was heard.", 6),
    Column("interface", "INTERFACE", "The address that it listens on; empty: all of its machine.", rank=4),
    Column("port", "PORT", "The port that it listens on.", _number, 1, True),
    _count("links", "LINKS", "Clients' links that are open now.", 1),
    _count("accepted", "ACCEPTED", "Links that it has taken since it was started.", 3),
    _count("refused", "REFUSED", "Links that it has refused since then.", 3),
    _bytes("bytes_in", "IN", "What its clients have sent since then.", 5),
    _bytes("bytes_out", "OUT", "What they have been sent since then.", 5),
    _time("up", "UP", "How long ago it was started.", 2),
    Column("access", "ACCESS", "Who may use the server.", rank=NEVER),
    Column("grants", "GRANTS", "The networks that need no token for a time.", granted, NEVER),
)

#: The columns of each table, by its name.
COLUMNS: dict[str, tuple[Column, ...]] = {
    "pools": POOLS,
    "kernels": KERNELS,
    "sessions": SESSIONS,
    "hosts": HOSTS,
    "links": LINKS,
    "frontends": FRONTENDS,
}

#: What one row of each table is called.
NAMES = {name: name.removesuffix("s") for name in COLUMNS}


# ---- making tables -----------------------------------------------------------------------------


def width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    kept, taken = "", 0
    for character in text:
        taken += width(character)
        if taken > columns - 1:
            break
        kept += character
    return kept + "…"


def _pad(text: str, columns: int, right: bool) -> str:
    space = " " * (columns - width(text))
    return space + text if right else text + space


def fit(columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int | None) -> list[tuple[int, int]]:
    """Choose the columns that fit into `room` columns of a terminal (None: any number).

    Args:
        columns: the columns of the table.
        cells: the texts of each row, for all of `columns`.
        room: the columns of the terminal.

    Returns:
        The index and the width of each chosen column.
    """
    widths = {
        index: max([width(column.heading), *(width(row[index]) for row in cells)])
        for index, column in enumerate(columns)
        # An empty column says nothing, unless it is one that people always look for.
        if column.rank == 0 or not cells or any(row[index] for row in cells)
    }

    def least(index: int) -> int:
        return widths[index] if columns[index].right else min(widths[index], _SHORTEST)

    if room is None:
        return sorted(widths.items())
    while sum(map(least, widths)) + _GAP * (len(widths) - 1) > room:
        last = max(widths, key=lambda index: (columns[index].rank, index))
        if columns[last].rank == 0:
            break
        del widths[last]
    while (over := sum(widths.values()) + _GAP * (len(widths) - 1) - room) > 0:
        longest = max(widths, key=lambda index: (widths[index] > least(index), widths[index]))
        if widths[longest] <= least(longest):
            break
        widths[longest] = max(least(longest), widths[longest] - over)
    return sorted(widths.items())


def table(
    columns: Iterable[Column], rows: Iterable[object], *, room: int | None = None, wide: bool = False, bold: bool = False
) -> list[str]:
    """Return the lines of a table.

    Args:
        columns: the columns of the table.
        rows: messages of the status that have the columns' fields.
        room: columns of the terminal; None: there is none, and nothing is left out or cut.
        wide: show every column, and whole ids.
        bold: whether the headings are bold, by a terminal's escape sequences.
    """
    chosen = [column for column in columns if wide or column.rank != NEVER]
    cells = [[_shown(column, row, wide) for column in chosen] for row in rows]
    fitted = fit(chosen, cells, None if wide else room)
    lines = [[_pad(_cut(text[index], most), most, chosen[index].right) for index, most in fitted] for text in cells]
    heading = (" " * _GAP).join(_pad(_cut(chosen[index].heading, most), most, chosen[index].right) for index, most in fitted).rstrip()
    return [f"\x1b[1m{heading}\x1b[0m" if bold else heading, *((" " * _GAP).join(line).rstrip() for line in lines)]


def records(columns: Iterable[Column], row: object) -> list[str]:
    """Return everything that is known of one thing, a line each."""
    shown = [(column.heading.capitalize(), _shown(column, row, True)) for column in columns]
    longest = max(width(heading) for heading, _ in shown)
    return [f"{_pad(heading, longest, False)}  {text}" for heading, text in shown if text]


def _shown(column: Column, row: object, whole: bool) -> str:
    return printable(getattr(row, column.name)) if whole and column.show is _id else column.text(row)
