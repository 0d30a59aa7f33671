"""Turn session records into the rows of the journal and back.

Rules of this module: no I/O. A row has a checksum in its second column, over all its other values,
so a row that was changed on the disk is known even where the database around it is whole. Layout 1
had no checksums. Its rows are still read, if every value is of its column's kind.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Sequence

from kernelbus.bus.broker.sessions import AWAITED, TRANSITIONS, SessionRecord

__all__ = ["COLUMNS", "record_of", "row_of"]

_FIELDS = dataclasses.fields(SessionRecord)

#: The columns of the journal's table. A later layout may add columns at the end, and no others.
COLUMNS = (_FIELDS[0].name, "sum", *(field.name for field in _FIELDS[1:]))

#: What SQLite takes as an integer.
_LARGEST = 2**63 - 1

_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "float": (float, int), "int": (int,)}

_STATES = TRANSITIONS.keys() - {None, AWAITED}


def row_of(record: SessionRecord) -> tuple[object, ...]:
    """Return the row of `record`, in the order of :data:`COLUMNS`.

    What SQLite cannot hold (half a surrogate pair, a larger integer, a number that is none) is
    replaced by what is nearest.
    """
    kernel, *rest = (_storable(value) for value in dataclasses.astuple(record))
    return (kernel, _sum(kernel, rest), *rest)


def record_of(row: Sequence[object]) -> SessionRecord | None:
    """Return the record of a row, or None for a row that is damaged, or no row of a journal.

    Args:
        row: the values of a row, of layout 1, of this layout, or of a later one.
    """
    if len(row) > len(_FIELDS) and isinstance(row[1], int):
        kernel, checksum, *rest = row
        if checksum != _sum(kernel, rest):
            return None
    else:
        kernel, *rest = row if row else [None]
        if len(rest) + 1 != len(_FIELDS):
            return None
    values = [kernel, *rest[: len(_FIELDS) - 1]]
    if len(values) != len(_FIELDS):
        return None
    for field, value in zip(_FIELDS, values, strict=True):
        if not isinstance(value, _KINDS[str(field.type)]):
            return None
    record = SessionRecord(*values)  # type: ignore[arg-type]  # checked in the loop
    return record if record.kernel and record.state in _STATES | {AWAITED} else None


def _storable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, int):
        return max(-_LARGEST, min(value, _LARGEST))
    return value


def _sum(kernel: object, rest: Sequence[object]) -> int:
    text = json.dumps([kernel, *(value.hex() if isinstance(value, bytes) else value for value in rest)], default=repr)
    return zlib.crc32(text.encode())
