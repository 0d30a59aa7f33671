"""What a frontend counts of its links, for the status. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kernelbus.bus.protocol.reports import FrontendReport

__all__ = ["Census", "CountedLink"]


class CountedLink(Protocol):
    """A link, as far as it is counted. Bytes are of tokens, from and to its client."""

    @property
    def bytes_in(self) -> int:
        """From its client."""

    @property
    def bytes_out(self) -> int:
        """To its client."""


class Census:
    """A frontend's counts since it began.

    Attributes:
        accepted: links that were let in; refused: that were not.
    """

    def __init__(self, now: float) -> None:
        self.port = 0
        self.interface = ""
        self.accepted = 0
        self.refused = 0
        self._began = now
        self._bytes_in = 0
        self._bytes_out = 0

    def gone(self, link: CountedLink) -> None:
        """A link has ended."""
        self._bytes_in += link.bytes_in
        self._bytes_out += link.bytes_out

    def report(self, links: Iterable[CountedLink], now: float) -> FrontendReport:
        """Give the counts, with the links that are open."""
        links = list(links)
        return FrontendReport(
            self.port,
            self.interface,
            now - self._began,
            len(links),
            self.accepted,
            self.refused,
            self._bytes_in + sum(link.bytes_in for link in links),
            self._bytes_out + sum(link.bytes_out for link in links),
        )
