"""Decide which lines of a log are repetitions: a flood of events is no flood of lines.

No I/O and no clock. The same line about the same address is written once. While more like it come,
one line in each interval says how many. One address has few different lines in an interval too,
since who floods can choose what the lines say.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["INTERVAL", "More", "Repeats"]

#: The seconds between two lines that say how many more there were.
INTERVAL = 5.0
#: The lines of one kind in an interval: about one address, and about none.
_ABOUT_ONE, _ABOUT_NONE = 1, 20
#: The different lines about one address in an interval.
_KINDS = 20
#: The kinds that are known at once; those beyond count as one.
_MOST = 4096


class More(NamedTuple):
    """So many lines of a kind were left out since the last that was written.

    `kind` is that of :meth:`Repeats.admit`, or "" if lines of many kinds were left out.
    """

    kind: Hashable
    address: str
    left_out: int


@dataclass(slots=True)
class _Kind:
    began: float
    written: int = 0
    left_out: int = 0


class Repeats:
    """What has been written lately.

    Args:
        interval: see :data:`INTERVAL`.
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        self.interval = interval
        self._kinds: dict[tuple[Hashable, str], _Kind] = {}
        self._addresses: dict[str, int] = {}

    def admit(self, kind: Hashable, address: str, now: float) -> bool:
        """Return whether to write a line of `kind` about `address` ("": none) at `now`."""
        key: tuple[Hashable, str] = (kind, address)
        if key not in self._kinds:
            if len(self._kinds) >= _MOST:
                key = ("", "")
            elif address and (kinds := self._addresses.get(address, 0)) >= _KINDS:
                key = ("", address)
            elif address:
                self._addresses[address] = kinds + 1
        known = self._kinds.setdefault(key, _Kind(now))
        if key[0] != "" and known.written < (_ABOUT_ONE if address else _ABOUT_NONE):
            known.written += 1
            return True
        known.left_out += 1
        return False

    def due(self, now: float, everything: bool = False) -> list[More]:
        """Return what is to be said about lines that were left out, and forget what is over.

        Args:
            everything: also what is not due yet, since nothing will be said later.
        """
        said = []
        for key, known in list(self._kinds.items()):
            if now - known.began < self.interval and not everything:
                continue
            if known.left_out:
                said.append(More(*key, known.left_out))
                known.began, known.left_out = now, 0
            else:
                del self._kinds[key]
                address = key[1]
                if key[0] != "" and address in self._addresses:
                    self._addresses[address] -= 1
                    if not self._addresses[address]:
                        del self._addresses[address]
        return said

    @property
    def waits(self) -> bool:
        """Whether :meth:`due` has something to say, now or later."""
        return any(known.left_out for known in self._kinds.values())
