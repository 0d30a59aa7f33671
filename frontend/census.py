"""The counts of a frontend's links, for the status. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kernelbus.bus.protocol.reports import FrontendReport

__all__ = ["Census", "CountedLink"]


class CountedLink(Protocol):
    """The counts of one link, in token bytes."""

    @property
    def bytes_in(self) -> int:
        """Bytes that came from the client."""

    @property
    def bytes_out(self) -> int:
        """Bytes given to the client."""


class Census:
    """A frontend's counts since it began; they never fall.

    Attributes:
        accepted: number of links that were accepted.
        refused: number of links that were refused, and of connections that were.
        access: who may use the server, in one line.
    """

    def __init__(self, now: float) -> None:
        self.port = 0
        self.interface = ""
        self.access = ""
        self.accepted = 0
        self.refused = 0
        self._began = now
        self._bytes_in = 0
        self._bytes_out = 0

    def gone(self, link: CountedLink) -> None:
        """Add the bytes of a link that has ended."""
        self._bytes_in += link.bytes_in
        self._bytes_out += link.bytes_out

    def report(self, links: Iterable[CountedLink], now: float) -> FrontendReport:
        """Return the counts, with those of the open `links`; `now` is on the clock of the start."""
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
            self.access,
        )
