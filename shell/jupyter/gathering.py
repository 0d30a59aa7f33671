"""Printed text in few messages. Sans-IO.

Jupyter Server drops the outputs of a kernel that sends more than 1000 messages a second. So the
first text goes at once, and what follows it within :data:`GATHER_SECONDS` goes together.
"""

from __future__ import annotations

__all__ = ["GATHER_SECONDS", "Gathering"]

#: How long text waits for more.
GATHER_SECONDS = 0.03
#: Text of so many characters waits no longer.
_LARGE = 100_000


class Gathering:
    """Gathers the texts for the streams of one cell.

    Attributes:
        waits: whether there is text.
    """

    def __init__(self) -> None:
        self._name = ""
        self._texts: list[str] = []
        self._length = 0
        self._taken_at = float("-inf")

    @property
    def waits(self) -> bool:
        return bool(self._texts)

    def add(self, name: str, text: str, now: float) -> list[tuple[str, str]]:
        """Take a text for a stream; return what goes at once: names and texts."""
        due = self.take(now) if self._texts and name != self._name else []
        self._name = name
        self._texts.append(text)
        self._length += len(text)
        if due or (now - self._taken_at < GATHER_SECONDS and self._length < _LARGE):
            return due
        return self.take(now)

    def take(self, now: float) -> list[tuple[str, str]]:
        """Return what waits, which goes now."""
        texts, self._texts, self._length = self._texts, [], 0
        if not texts:
            return []
        self._taken_at = now
        return [(self._name, "".join(texts))]
