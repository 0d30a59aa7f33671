"""Which rows of a status are shown: those that a filter finds, and so many at most. No I/O.

A filter sees what the tables show, so that nobody finds by it how the id of a kernel goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kernelbus.bus.protocol.reports import KernelStatus, LinkStatus, Status
from kernelbus.bus.protocol.schema import Message, dump
from kernelbus.shell.operations.status import rows_of
from kernelbus.shell.operations.tables import COLUMNS, NEVER, SHORT_ID

__all__ = ["FILTERED", "ROWS", "Selected", "content", "find", "select"]

#: The tables that are filtered and limited, since they may have thousands of rows.
FILTERED = ("sessions", "kernels", "links")

#: How many rows of each of them a page shows.
ROWS = 100


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of a table that are shown.

    Attributes:
        rows: they, the newest first.
        matching: how many the filter finds.
        all: how many there are.
    """

    rows: Sequence[Message]
    matching: int
    all: int


def select(status: Status, words: str = "", limit: int | None = None) -> dict[str, Selected]:
    """Return the rows of each of the :data:`FILTERED` tables, with the beginnings of ids alone.

    Args:
        words: each of them has to be in one of a row's texts; case does not count.
        limit: the most rows of each table; None: all.
    """
    wanted, found = words.casefold().split(), {}
    for part in FILTERED:
        rows = rows_of(status, part)
        texts = [column for column in COLUMNS[part] if not column.right and (column.rank != NEVER or column.name in ("profile", "text"))]
        matching = [row for row in rows if _matches(wanted, [column.text(row) for column in texts])] if wanted else list(rows)
        matching.sort(key=_age)
        found[part] = Selected([_cut(row) for row in matching[:limit]], len(matching), len(rows))
    return found


def _cut(row: Message) -> Message:
    return replace(row, kernel=row.kernel[:SHORT_ID]) if isinstance(row, KernelStatus | LinkStatus) else row


def _matches(wanted: Sequence[str], texts: Sequence[str]) -> bool:
    folded = [text.casefold() for text in texts]
    return all(any(word in text for text in folded) for word in wanted)


def _age(row: Any) -> float:
    age: float = row.created if isinstance(row, KernelStatus) else row.since
    return age


def content(status: Status, words: str = "", limit: int | None = None) -> dict[str, Any]:
    """Return a status as JSON values, with the beginnings of ids alone (docs/web.md)."""
    found = select(status, words, limit)
    kernels = {row.kernel: row for part in ("sessions", "kernels") for row in found[part].rows if isinstance(row, KernelStatus)}
    links = [row for row in found["links"].rows if isinstance(row, LinkStatus)]
    counts: dict[str, Any] = {part: {"all": each.all, "matching": each.matching, "shown": len(each.rows)} for part, each in found.items()}
    counts["clients"] = sum(1 for kernel in status.kernels if kernel.client)
    return {**dump(replace(status, kernels=sorted(kernels.values(), key=_age), links=links)), "counts": counts}


def find(status: Status, kernel: str) -> KernelStatus | None:
    """Return the kernel whose id begins with `kernel`; None: there is none, or there are more."""
    found = [row for row in status.kernels if row.kernel.startswith(kernel[:SHORT_ID])]
    return replace(found[0], kernel=found[0].kernel[:SHORT_ID]) if len(found) == 1 else None
