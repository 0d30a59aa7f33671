"""The counts of a frontend's links."""

from __future__ import annotations

from dataclasses import dataclass

from kernelbus.bus.protocol.reports import FrontendReport
from kernelbus.frontend.census import Census


@dataclass
class Link:
    bytes_in: int
    bytes_out: int


def test_a_new_frontend_has_counted_nothing() -> None:
    assert Census(5.0).report([], 5.0) == FrontendReport(0, "", 0.0, 0, 0, 0, 0, 0)


def test_open_links_are_counted_with_their_bytes() -> None:
    census = Census(5.0)
    census.port, census.interface, census.accepted, census.refused = 31415, "127.0.0.1", 2, 1
    report = census.report(iter([Link(3, 40), Link(5, 60)]), 7.5)
    assert report == FrontendReport(31415, "127.0.0.1", 2.5, 2, 2, 1, 8, 100)


def test_bytes_of_a_link_that_has_ended_stay_counted() -> None:
    census = Census(0.0)
    ended, open_ = Link(3, 40), Link(5, 60)
    before = census.report([ended, open_], 1.0)
    census.gone(ended)
    after = census.report([open_], 2.0)
    assert (after.links, after.bytes_in, after.bytes_out) == (1, before.bytes_in, before.bytes_out)
    census.gone(open_)
    assert census.report([], 3.0).bytes_out == before.bytes_out
