"""docs/status.md and docs/status.schema.json agree with the code."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest
from schemas import faults

from kernelbus.bus.protocol import reports
from kernelbus.bus.protocol.histogram import BOUNDS, Histogram
from kernelbus.bus.protocol.reports import Counted, PoolFigures, Status
from kernelbus.bus.protocol.schema import dump, json_schema
from kernelbus.shell.defaults import STATUS_PARTS
from kernelbus.shell.operations.status import PARTS, to_json
from kernelbus.shell.operations.tables import COLUMNS

DOCS = Path(__file__).resolve().parents[4] / "docs"
PAGE = (DOCS / "status.md").read_text()
SCHEMA = json.loads((DOCS / "status.schema.json").read_text())
KINDS = [getattr(reports, name) for name in reports.__all__]
ROWS = {
    "pools": reports.PoolStatus,
    "kernels": reports.KernelStatus,
    "sessions": reports.KernelStatus,
    "hosts": reports.HostStatus,
    "links": reports.LinkStatus,
    "frontends": reports.FrontendStatus,
}


@pytest.mark.parametrize("kind", [*KINDS, Histogram], ids=lambda kind: kind.__name__)
def test_the_page_names_every_field(kind: type[reports.Message]) -> None:
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        assert f"`{field.name}`" in PAGE, f"{kind.__name__}.{field.name}"


@pytest.mark.parametrize("part", COLUMNS)
def test_every_field_is_a_column_and_the_page_has_its_meaning(part: str) -> None:
    assert {column.name for column in COLUMNS[part]} == {field.name for field in dataclasses.fields(ROWS[part])}
    section = PAGE.split(f"\n## {part}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{column.name}` | {column.heading} | {column.meaning} |" for column in COLUMNS[part]]


def test_the_page_names_the_buckets() -> None:
    assert ", ".join(f"{bound:g}" for bound in BOUNDS) in " ".join(PAGE.split())


def test_the_schema_is_the_one_on_the_bus() -> None:
    assert json_schema(Status) == SCHEMA


def test_the_command_line_offers_the_tables_there_are() -> None:
    assert PARTS == tuple(COLUMNS) == STATUS_PARTS


def test_a_status_is_as_the_schema_says() -> None:
    rows = {part: [] if part == "sessions" else [_example(kind)] for part, kind in ROWS.items()}
    del rows["sessions"]
    figures = [PoolFigures("Main", 1, 2, 3)]
    status = Status(1, "alpha", "0.1.0", "degraded", ["a problem"], 12.5, 3, figures=figures, refused=[Counted("no-host", 2)], **rows)
    content = json.loads(json.dumps(to_json(status, None)))
    assert faults(SCHEMA, content) == []
    assert content == dump(status)


def test_what_is_not_as_the_schema_says_is_found() -> None:
    content = dump(Status(1, "alpha", "0.1.0", "healthy", [], 12.5, 3, pools=[_example(reports.PoolStatus)]))
    assert faults(SCHEMA, content) == []
    for path, value in [("health", 7), ("up", -1.0), ("pools", {}), ("attachments", True)]:
        assert faults(SCHEMA, {**content, path: value}), path
    broken = copy.deepcopy(content)
    del broken["pools"][0]["longest"]
    assert faults(SCHEMA, broken) == ["$.pools[0]: longest is missing"]


def _example(kind: type) -> object:
    values = {str: "text", "str": "text", "int": 3, "float": 1.5, "bool": True, "list[str]": ["a"]}
    values["list[GrantStatus]"] = [reports.GrantStatus("10.0.0.1", 1e9, "me@here")]
    return kind(**{field.name: values[field.type] for field in dataclasses.fields(kind)})
