"""Read the rows out of a SQLite file that SQLite itself refuses.

Rules of this module: bytes in, rows out; no I/O. :func:`rows` looks at each page of the file by
itself and follows no tree, so damage costs the rows that it is in and no others. Whoever calls it
has to tell rows that were damaged from whole ones. It reads tables WITHOUT ROWID, whose rows are
the cells of index pages; the format is described in https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["rows"]

#: The page size of the journals that are written.
_PAGE = 4096
_SIZES = frozenset(1 << power for power in range(9, 17))
#: A row larger than this is taken for damage. Fields that parts send are shorter.
_LARGEST_ROW = 1 << 20

_INTERIOR, _LEAF = 2, 10
#: Bytes of the integers of each serial type, and the two types that are constants.
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_CONSTANTS = {8: 0, 9: 1}


class _Damaged(Exception):
    """A cell or a page is not what it should be."""


def rows(database: bytes, log: bytes = b"") -> Iterator[list[object] | None]:
    """Read the rows in a database file.

    Args:
        database: the bytes of the file.
        log: the bytes of its write-ahead log, if there is one.

    Yields:
        The values of each row; None for one that is there and cannot be read. A row may come more
        than once, and may be one that was deleted.
    """
    (size,) = struct.unpack_from(">H", database.ljust(18, b"\0"), 16)
    size = 65536 if size == 1 else size
    # A damaged header names a wrong size, and pages read at a wrong size hold no whole rows.
    for each in dict.fromkeys([size, _PAGE] if size in _SIZES else [_PAGE]):
        pages = {number + 1: database[at : at + each] for number, at in enumerate(range(0, len(database), each))}
        pages.update(_logged(log, each))
        for number, page in pages.items():
            yield from _cells(page, number == 1, pages, each)


def _logged(log: bytes, size: int) -> dict[int, bytes]:
    """Return the pages in a write-ahead log that belong to finished transactions."""
    pages: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    salts = log[16:24]
    for at in range(32, len(log) - 24 - size + 1, 24 + size):
        number, committed = struct.unpack_from(">II", log, at)
        if log[at + 8 : at + 16] != salts:
            break  # of an earlier use of the file
        open_[number] = log[at + 24 : at + 24 + size]
        if committed:
            pages.update(open_)
            open_.clear()
    return pages


def _cells(page: bytes, first: bool, pages: dict[int, bytes], size: int) -> Iterator[list[object] | None]:
    start = 100 if first else 0
    if len(page) < start + 12 or page[start] not in (_INTERIOR, _LEAF):
        return
    interior = page[start] == _INTERIOR
    (count,) = struct.unpack_from(">H", page, start + 3)
    begin = start + (12 if interior else 8)
    for index in range(min(count, (len(page) - begin) // 2)):
        (at,) = struct.unpack_from(">H", page, begin + 2 * index)
        try:
            yield _values(_payload(page, at + (4 if interior else 0), pages, size))
        except (_Damaged, IndexError, struct.error, UnicodeDecodeError):
            yield None


def _payload(page: bytes, at: int, pages: dict[int, bytes], size: int) -> bytes:
    """Return the bytes of a row, of which the last may be on overflow pages."""
    length, at = _varint(page, at)
    if length > _LARGEST_ROW:
        raise _Damaged
    most = (size - 12) * 64 // 255 - 23
    if length <= most:
        return _taken(page, at, length)
    least = (size - 12) * 32 // 255 - 23
    local = least + (length - least) % (size - 4)
    local = local if local <= most else least
    payload = bytearray(_taken(page, at, local))
    (following,) = struct.unpack_from(">I", page, at + local)
    while len(payload) < length:
        overflow = pages.get(following, b"")
        payload += _taken(overflow, 4, min(size - 4, length - len(payload)))
        (following,) = struct.unpack_from(">I", overflow)
    return bytes(payload)


def _values(payload: bytes) -> list[object]:
    """Return the values of a row."""
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    values: list[object] = []
    for kind in types:
        if kind in _INTEGERS:
            length = _INTEGERS[kind]
            values.append(int.from_bytes(_taken(payload, at, length), "big", signed=True))
        elif kind == 7:
            length = 8
            values += struct.unpack_from(">d", payload, at)
        elif kind >= 12:
            length = (kind - 12) // 2
            data = _taken(payload, at, length)
            values.append(data.decode() if kind % 2 else data)
        else:
            length = 0
            values.append(_CONSTANTS.get(kind))
        at += length
    return values


def _taken(data: bytes, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) != length:
        raise _Damaged
    return part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9
