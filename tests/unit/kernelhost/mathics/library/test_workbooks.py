"""XLSX workbooks."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import pytest

from kernelbus.kernelhost.mathics.library import workbooks
from kernelbus.kernelhost.mathics.library.workbooks import WorkbookError, read_workbook, write_workbook

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def test_what_is_written_is_read() -> None:
    day = datetime(2022, 3, 4)
    sheets = [("first", [[1.0, "a<b", True], [-2.5e10, "", day]]), ("second & last", [["x"]])]
    assert read_workbook(write_workbook(sheets)) == sheets


def test_holes_and_shared_texts() -> None:
    parts = dict(_parts(write_workbook([("s", [[1]])])))
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}"><si><t>one</t></si><si><r><t>tw</t></r><r><t>o</t></r></si></sst>'
    cells = '<c r="AB3" t="s"><v>1</v></c><c r="A3" t="s"><v>0</v></c><c r="B3" t="e"><v>#N/A</v></c><c r="C3"/>'
    parts["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{_MAIN}"><sheetData><row r="3">{cells}</row></sheetData></worksheet>'
    ((name, rows),) = read_workbook(_packed(parts))
    assert name == "s"
    assert rows[:2] == [[""] * 28, [""] * 28]
    assert rows[2] == ["one", "#N/A", *[""] * 25, "two"]


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04broken"])
def test_what_is_no_workbook(data: bytes) -> None:
    with pytest.raises(WorkbookError):
        read_workbook(data)


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = dict(_parts(write_workbook([("s", [[1]])])))
    with pytest.raises(WorkbookError, match="document type"):
        read_workbook(_packed({**parts, "xl/workbook.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"}))
    with pytest.raises(WorkbookError, match="no workbook"):
        read_workbook(_packed({"a": "b"}))
    monkeypatch.setattr(workbooks, "_MOST_CELLS", 3)
    with pytest.raises(WorkbookError, match="4 cells"):
        read_workbook(write_workbook([("s", [[1, 2], [3, 4]])]))


def _parts(data: bytes) -> list[tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name).decode()) for name in archive.namelist()]


def _packed(parts: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return written.getvalue()
