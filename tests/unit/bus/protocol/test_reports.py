"""Reports and statuses: which of them travel, and which fields a reader may do without."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbus.bus.protocol import reports
from kernelbus.bus.protocol.reports import (
    FrontendReport,
    FrontendStatus,
    HostReport,
    HostStatus,
    PoolFigures,
    Status,
    StatusRequest,
)
from kernelbus.bus.protocol.schema import Message, registered

INSIDE_OTHERS = {"Counted", "FrontendStatus", "GrantStatus", "HostStatus", "KernelStatus", "LinkStatus", "PoolStatus", "StoryEvent"}


def test_every_report_is_registered_but_those_inside_others() -> None:
    assert {name for name in reports.__all__ if registered(name) is None} == INSIDE_OTHERS


@pytest.mark.parametrize(("report", "status"), [(HostReport, HostStatus), (FrontendReport, FrontendStatus)])
def test_a_status_has_what_its_part_reports(report: type[Message], status: type[Message]) -> None:
    shown = {field.name: field for field in dataclasses.fields(status)}  # type: ignore[arg-type]
    reported = {field.name for field in dataclasses.fields(report)} - {"draining"}  # type: ignore[arg-type]
    assert reported <= shown.keys(), "`draining` is shown as the state"
    required = dataclasses.MISSING
    left_out = [shown[name] for name in reported if (shown[name].default, shown[name].default_factory) == (required, required)]
    assert left_out == [], "a part may not have reported yet"


def test_a_plain_request_asks_for_neither_links_nor_the_past() -> None:
    request = StatusRequest(1)
    assert (request.links, request.over, request.brief) == (False, False, False)


def test_two_reports_never_share_a_list() -> None:
    one, two = (Status(1, "b", "1", "healthy", [], 0.0, 0) for _ in range(2))
    assert one.hosts is not two.hosts
    assert PoolFigures("P").starts.counts is not PoolFigures("P").starts.counts
