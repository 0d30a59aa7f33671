"""Read and write XLSX workbooks: tables of numbers, texts, truth values and dates.

A workbook is a ZIP file of XML parts (ECMA-376). What is read are the values of cells, not their
formulas and formats; what is written are values. No Mathics3 here: a sheet is a list of rows of
Python values.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

__all__ = ["Cell", "Sheet", "WorkbookError", "read_workbook", "write_workbook"]

Cell = float | str | bool | datetime | None
Sheet = list[list[Cell]]

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
#: The most bytes of a part when it is unpacked, and the most cells of a sheet.
_MOST_BYTES: Final = 200_000_000
_MOST_CELLS: Final = 5_000_000
_FIRST_DAY: Final = datetime(1899, 12, 30)
_DATES: Final = frozenset((*range(14, 23), *range(45, 48)))


class WorkbookError(ValueError):
    """Say why bytes are no workbook."""


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element | None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > _MOST_BYTES:
        raise WorkbookError(f"its part {name} has {info.file_size} bytes")
    data = archive.read(info)
    if b"<!DOCTYPE" in data[:2000]:
        raise WorkbookError(f"its part {name} has a document type")
    return ElementTree.fromstring(data)


def _texts(archive: zipfile.ZipFile) -> list[str]:
    root = _part(archive, "xl/sharedStrings.xml")
    if root is None:
        return []
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in root.findall(f"{_MAIN}si")]


def _date_styles(archive: zipfile.ZipFile) -> set[int]:
    """Return the numbers of the cell styles that show dates."""
    root = _part(archive, "xl/styles.xml")
    if root is None:
        return set()
    own = {
        int(each.get("numFmtId", "0"))
        for each in root.iter(f"{_MAIN}numFmt")
        if re.search(r"[dmyhs]", re.sub(r'"[^"]*"|\[[^\]]*\]', "", each.get("formatCode", "")), re.IGNORECASE)
    }
    formats = root.find(f"{_MAIN}cellXfs")
    found = [] if formats is None else [int(each.get("numFmtId", "0")) for each in formats]
    return {index for index, number in enumerate(found) if number in _DATES or number in own}


def _column(reference: str) -> int:
    """Return the number of a column, ``0`` for ``A``."""
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - 64
    return number - 1


def _value(cell: ElementTree.Element, texts: Sequence[str], dates: set[int]) -> Cell:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{_MAIN}t"))
    shown = cell.find(f"{_MAIN}v")
    text = "" if shown is None else shown.text or ""
    if kind == "s":
        return texts[int(text)]
    if kind == "b":
        return text == "1"
    if kind in ("str", "e"):
        return text
    if not text:
        return None
    number = float(text)
    return _FIRST_DAY + timedelta(days=number) if int(cell.get("s", "0")) in dates else number


def _sheet(root: ElementTree.Element, texts: Sequence[str], dates: set[int]) -> Sheet:
    rows: dict[int, dict[int, Cell]] = {}
    width = height = 0
    for position, row in enumerate(root.iter(f"{_MAIN}row")):
        number = int(row.get("r", str(position + 1))) - 1
        for place, cell in enumerate(row.findall(f"{_MAIN}c")):
            column = _column(cell.get("r", "")) if cell.get("r") else place
            value = _value(cell, texts, dates)
            if value is not None:
                rows.setdefault(number, {})[column] = value
                width, height = max(width, column + 1), max(height, number + 1)
    if width * height > _MOST_CELLS:
        raise WorkbookError(f"a sheet has {width * height} cells")
    return [[rows.get(number, {}).get(column, "") for column in range(width)] for number in range(height)]


def read_workbook(data: bytes) -> list[tuple[str, Sheet]]:
    """Return the sheets of a workbook, with their names; an empty cell is an empty text.

    Raises:
        WorkbookError: it is none, or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            book, relations = _part(archive, "xl/workbook.xml"), _part(archive, "xl/_rels/workbook.xml.rels")
            if book is None or relations is None:
                raise WorkbookError("it has no workbook")
            targets = {each.get("Id", ""): each.get("Target", "") for each in relations}
            texts, dates = _texts(archive), _date_styles(archive)
            found = []
            for entry in book.iter(f"{_MAIN}sheet"):
                target = targets.get(entry.get(_RELATION, ""), "")
                root = _part(archive, target.lstrip("/") if target.startswith("/") else f"xl/{target}")
                found.append((entry.get("name", ""), [] if root is None else _sheet(root, texts, dates)))
            return found
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, OverflowError) as error:
        raise WorkbookError(f"it is no XLSX file ({error})") from error


def _name(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def _cell(value: Cell, reference: str) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{reference}" s="1"><v>{(value - _FIRST_DAY) / timedelta(days=1)!r}</v></c>'
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{reference}"><v>{value!r}</v></c>'


_TYPES: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SPACE: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#: Two styles of cells: as usual, and dates.
_STYLES: Final = (
    f"<styleSheet {_SPACE}><fonts count=\"1\"><font/></fonts><fills count=\"1\"><fill/></fills><borders count=\"1\"><border/></borders>"
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def write_workbook(sheets: Sequence[tuple[str, Sheet]]) -> bytes:
    """Return the workbook of sheets with their names."""
    parts = {"xl/styles.xml": _STYLES}
    listed, relations, types = [], [], []
    for number, (name, rows) in enumerate(sheets, 1):
        lines = []
        for row_number, row in enumerate(rows, 1):
            cells = "".join(_cell(value, f"{_name(column)}{row_number}") for column, value in enumerate(row))
            lines.append(f'<row r="{row_number}">{cells}</row>')
        parts[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {_SPACE}><sheetData>{''.join(lines)}</sheetData></worksheet>"
        listed.append(f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="r{number}"/>')
        relations.append(f'<Relationship Id="r{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>')
        types.append(f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_TYPES}.worksheet+xml"/>')
    relations.append(f'<Relationship Id="styles" Type="{_OFFICE}/styles" Target="styles.xml"/>')
    parts["xl/workbook.xml"] = f'<workbook {_SPACE} xmlns:r="{_OFFICE}"><sheets>{"".join(listed)}</sheets></workbook>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(relations)}</Relationships>'
    parts["_rels/.rels"] = (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="book" Type="{_OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>'
    )
    types.append(f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>')
    types.append(f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>')
    types.append('<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>')
    types.append('<Default Extension="xml" ContentType="application/xml"/>')
    parts["[Content_Types].xml"] = f'<Types xmlns="{_PACKAGE}/content-types">{"".join(types)}</Types>'
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(parts.items()):
            archive.writestr(zipfile.ZipInfo(name), _HEAD + text, zipfile.ZIP_DEFLATED)
    return written.getvalue()
