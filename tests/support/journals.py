"""Journals of brokers, and the ways in which they are damaged."""

from __future__ import annotations

import random
from pathlib import Path

from kernelbus.bus.broker.journal import Journal
from kernelbus.bus.broker.sessions import SessionRecord


def record(kernel: str, changed: float = 1.5, **more: object) -> SessionRecord:
    return SessionRecord(kernel, "P", "host", "h", "attached", 0.0, changed, **more)  # type: ignore[arg-type]


def many_records(number: int) -> list[SessionRecord]:
    """Return records that fill several pages; some need pages of their own."""
    texts = ("", "it ended", "x" * 1500, "é" * 4000)
    return [record(f"{index:032x}", 1.5 + index, text=texts[index % 4] if index % 7 == 0 else "", attachments=1) for index in range(number)]


def written(path: Path, records: list[SessionRecord]) -> Path:
    """Write a journal, as a broker leaves it at an orderly end."""
    journal = Journal(path, 0.0)
    journal.write({each.kernel: each for each in records})
    journal.close()
    return path


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Damage a file as disks, file systems and people do."""
    kind = chance.choice(("bits", "zeros", "noise", "cut", "front", "shifted", "page"))
    at = chance.randrange(len(data))
    size = chance.choice((1, 16, 512, 4096, 3 * 4096))
    if kind == "bits":
        found = bytearray(data)
        for _ in range(chance.choice((1, 5, 50))):
            found[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(found)
    if kind == "zeros":
        return data[:at] + bytes(size) + data[at + size :]
    if kind == "noise":
        return data[:at] + chance.randbytes(size) + data[at + size :]
    if kind == "cut":
        return data[:at]
    if kind == "front":
        return chance.randbytes(size) + data[size:]
    if kind == "shifted":
        return data[:at] + chance.randbytes(chance.randrange(1, 100)) + data[at:]
    page, other = (chance.randrange(len(data) // 4096) * 4096 for _ in range(2))
    return data[:page] + data[other : other + 4096] + data[page + 4096 :]
