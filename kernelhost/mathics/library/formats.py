"""Import and export what Mathics3 cannot, or does wrong: JSON, WXF, tables, bytes.

``Import``, ``ImportString``, ``ImportByteArray``, ``Export``, ``ExportString`` and
``ExportByteArray`` look here first, by the name of the format that they are given, or for a file by
its extension; a format that is not here is Mathics3's.

======================= ============================================================
format                  read and written by
======================= ============================================================
JSON, RawJSON, ExpressionJSON :mod:`kernelbus.kernelhost.mathics.library.jsontext`
WXF                     :mod:`kernelbus.kernelhost.mathics.library.wxf`
CSV, TSV, Table         :mod:`kernelbus.kernelhost.mathics.library.tables`
Byte, Binary            the bytes, as a list of integers
Text, String            text in UTF-8; a list is written one element a line
List                    lines; those that look like numbers are numbers
Base64                  bytes, as text
XLSX                    :mod:`kernelbus.kernelhost.mathics.library.workbooks`
XML                     :mod:`kernelbus.kernelhost.mathics.library.xmltext`
======================= ============================================================

The functions for byte arrays that Mathics3 lacks are here, too: ``BinarySerialize``,
``BinaryDeserialize``, ``ByteArrayQ``, ``ByteArrayToString``, ``StringToByteArray``, ``BaseEncode``,
``BaseDecode``, ``ReadByteArray``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from mathics.core.atoms import ByteArray, Integer, MachineReal, String
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.rules import RuleApplicationFailed
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.library.images import IMAGE_FORMATS, read_image
from kernelbus.kernelhost.mathics.library.jsontext import JSONError, read_json, write_json
from kernelbus.kernelhost.mathics.library.tables import SEPARATORS, associations, read_table, write_table
from kernelbus.kernelhost.mathics.library.workbooks import (
    Cell,
    Sheet,
    WorkbookError,
    read_workbook,
    write_workbook,
)
from kernelbus.kernelhost.mathics.library.wxf import WXFError, read_wxf, write_wxf
from kernelbus.kernelhost.mathics.library.xmltext import XMLError, read_xml, write_xml

__all__ = ["BUILTINS", "FormatError", "mend_formats", "prefer_formats"]

_FAILED = Symbol("System`$Failed")
_RULES = ("Rule", "RuleDelayed")


class FormatError(ValueError):
    """Say that data cannot be imported, or an expression cannot be exported."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hold what is asked of a format.

    Attributes:
        form: the name of the format.
        elements: which parts of the data are wanted; empty for the usual one.
        options: the options, by their names without context.
        evaluation: the running evaluation.
    """

    form: str
    elements: tuple[Any, ...]
    options: dict[str, Any]
    evaluation: Any

    def true(self, name: str, default: bool = False) -> bool:
        """Return the value of an option that is true or false."""
        value = self.options.get(name)
        return default if value is None else value is SymbolTrue

    def number(self, *names: str) -> int:
        """Return the value of the first of these options that is given and a number, else 0."""
        return next((value.value for name in names if isinstance(value := self.options.get(name), Integer)), 0)


@dataclass(frozen=True, slots=True)
class Format:
    """Read and write one format.

    Attributes:
        read: makes an expression of bytes.
        write: makes bytes of an expression.
        binary: whether the bytes are no text.
        extensions: the extensions of its files.
        elements: the parts of the data that can be asked for.
    """

    read: Callable[[bytes, Request], Any]
    write: Callable[[Any, Request], bytes]
    binary: bool = False
    extensions: tuple[str, ...] = ()
    elements: tuple[str, ...] = ("Data",)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_json(data: bytes, request: Request) -> Any:
    if request.elements not in ((), ("Data",)):
        raise FormatError(f"{request.elements[0]} is no element of {request.form}")
    return read_json(_text(data), request.form)


def _write_json(expr: Any, request: Request) -> bytes:
    compact = request.options.get("Compact")
    return write_json(expr, request.form, compact=compact is SymbolTrue or isinstance(compact, Integer)).encode()


def _read_wxf(data: bytes, request: Request) -> Any:
    return read_wxf(data)


def _write_wxf(expr: Any, request: Request) -> bytes:
    return write_wxf(expr, compress=_for_size(request.options))


def _for_size(options: dict[str, Any]) -> bool:
    goal = options.get("PerformanceGoal")
    return isinstance(goal, String) and goal.value == "Size"


def _separator(request: Request) -> str | None:
    given = request.options.get("FieldSeparators")
    if given is not None and given.has_form("List", None) and given.elements:
        given = given.elements[0]
    return given.value if isinstance(given, String) and given.value else SEPARATORS[request.form]


def _read_table(data: bytes, request: Request) -> Any:
    what = request.elements[0] if request.elements else "Data"
    header = request.number("HeaderLines")
    rows = read_table(
        _text(data),
        _separator(request),
        numeric=request.true("Numeric", True) and what != "RawData",
        skip=request.number("SkipLines"),
        empty=request.options.get("EmptyField"),
    )
    if request.true("IgnoreEmptyLines"):
        rows = [row for row in rows if row]
    if what == "Dataset":
        return Expression(Symbol("System`Dataset"), associations(rows))
    listed = ListExpression(*(ListExpression(*row) for row in rows[header:]))
    if what in ("Data", "RawData"):
        return _part(listed, request.elements[1:])
    if what == "Grid":
        return Expression(Symbol("System`Grid"), listed)
    if what == "Dimensions":
        return ListExpression(Integer(len(rows)), Integer(max(map(len, rows), default=0)))
    raise FormatError(f"{what} is no element of {request.form}")


def _part(value: Any, places: tuple[Any, ...]) -> Any:
    """Return a part of a list: ``{"CSV", "Data", 2}`` asks for the second row."""
    for place in places:
        if not isinstance(place, int) or not value.has_form("List", None) or not 0 < abs(place) <= len(value.elements):
            raise FormatError(f"there is no element {place}")
        value = value.elements[place - 1 if place > 0 else place]
    return value


def _write_table(expr: Any, request: Request) -> bytes:
    return write_table(expr, _separator(request), lambda value: input_form(value, request.evaluation)).encode()


def _read_bytes(data: bytes, request: Request) -> Any:
    return ListExpression(*map(Integer, data))


def _write_bytes(expr: Any, request: Request) -> bytes:
    return _bytes_of(expr)


def _bytes_of(expr: Any) -> bytes:
    """Return the bytes of a byte array, or of a list of integers.

    Raises:
        FormatError: it is neither.
    """
    if isinstance(expr, ByteArray):
        return bytes(expr.value)
    values = [item.value for item in expr.elements if isinstance(item, Integer)] if expr.has_form("List", None) else None
    if values is None or len(values) != len(expr.elements) or any(not 0 <= value <= 255 for value in values):
        raise FormatError("it is neither a byte array nor a list of integers from 0 to 255")
    return bytes(values)


def _read_string(data: bytes, request: Request) -> Any:
    text = _text(data)
    what = request.elements[0] if request.elements else "Plaintext"
    if what == "Lines":
        return _part(ListExpression(*map(String, text.splitlines())), request.elements[1:])
    if what == "Words":
        return _part(ListExpression(*map(String, text.split())), request.elements[1:])
    if what not in ("Data", "Plaintext", "String"):
        raise FormatError(f"{what} is no element of {request.form}")
    return String(text)


def _read_list(data: bytes, request: Request) -> Any:
    rows = read_table(_text(data), "\n\n", numeric=request.true("Numeric", True))
    return ListExpression(*(row[0] for row in rows if row))


def _read_base64(data: bytes, request: Request) -> Any:
    try:
        return String(_text(base64.b64decode(b"".join(data.split()), validate=True)))
    except binascii.Error as error:
        raise FormatError("it is not Base64") from error


def _write_base64(expr: Any, request: Request) -> bytes:
    return base64.b64encode(bytes(expr.value) if isinstance(expr, ByteArray) else _write_string(expr, request))


def _write_string(expr: Any, request: Request) -> bytes:
    if expr.has_form("List", None):
        return "\n".join(_shown(item, request) for item in expr.elements).encode()
    return _shown(expr, request).encode()


def _of_cell(value: Cell) -> Any:
    """Return the value of a cell as an expression: numbers are reals, as in Wolfram kernels."""
    if isinstance(value, bool):
        return SymbolTrue if value else SymbolFalse
    if isinstance(value, datetime):
        day = (value.year, value.month, value.day)
        if value.time() == datetime.min.time():
            return Expression(Symbol("System`DateObject"), ListExpression(*map(Integer, day)), String("Day"))
        numbers = (*map(Integer, (*day, value.hour, value.minute)), MachineReal(value.second + value.microsecond / 1e6))
        instant = (String("Instant"), String("Gregorian"), Symbol("System`$TimeZone"))
        return Expression(Symbol("System`DateObject"), ListExpression(*numbers), *instant)
    return MachineReal(value) if isinstance(value, (int, float)) else String(value or "")


def _read_workbook(data: bytes, request: Request) -> Any:
    sheets = read_workbook(data)
    what = request.elements[0] if request.elements else "Data"
    if what == "Sheets" and len(request.elements) == 1:
        return ListExpression(*(String(name) for name, _ in sheets))
    if what not in ("Data", "Sheets"):
        raise FormatError(f"{what} is no element of {request.form}")
    places = list(request.elements[1:])
    if places and isinstance(places[0], str):
        names = [name for name, _ in sheets]
        if places[0] not in names:
            raise FormatError(f"there is no sheet {places[0]}")
        places[0] = names.index(places[0]) + 1
    listed = [ListExpression(*(ListExpression(*map(_of_cell, row)) for row in rows)) for _, rows in sheets]
    return _part(ListExpression(*listed), tuple(places))


def _cell(expr: Any, request: Request) -> Cell:
    if isinstance(expr, String):
        return str(expr.value)
    if isinstance(expr, Integer):
        return int(expr.value) if abs(expr.value) < 2**53 else float(expr.value)
    if expr is SymbolTrue or expr is SymbolFalse:
        return expr is SymbolTrue
    if expr.get_name() in ("System`Null", "System`None") or expr.has_form("Missing", None):
        return None
    if expr.has_form("DateObject", None) and expr.elements[0].has_form("List", None):
        numbers = [each.value for each in expr.elements[0].elements if isinstance(each, (Integer, MachineReal))]
        if 3 <= len(numbers) == len(expr.elements[0].elements):
            year, month, day, hour, minute, second = [*map(int, numbers), 0, 0, 0][:6]
            return datetime(year, month, day, hour, minute, second)
    number = expr.round_to_float(request.evaluation)
    return input_form(expr, request.evaluation) if number is None else float(number)


def _sheet(expr: Any, request: Request) -> Sheet:
    rows = expr.elements if expr.has_form("List", None) else (expr,)
    return [[_cell(each, request) for each in (row.elements if row.has_form("List", None) else (row,))] for row in rows]


def _write_workbook(expr: Any, request: Request) -> bytes:
    rules = [expr] if expr.has_form("Rule", 2) else expr.elements if expr.has_form(("List", "Association"), None) else ()
    if rules and all(each.has_form("Rule", 2) and isinstance(each.elements[0], String) for each in rules):
        if len(rules) == 1 and rules[0].elements[0].value == "Sheets":
            return _write_workbook(rules[0].elements[1], request)
        return write_workbook([(each.elements[0].value, _sheet(each.elements[1], request)) for each in rules])
    several = expr.has_form("List", None) and expr.elements and all(
        each.has_form("List", None) and each.elements and all(row.has_form("List", None) for row in each.elements) for each in expr.elements
    )
    sheets = expr.elements if several else (expr,)
    return write_workbook([(f"Sheet{number}", _sheet(each, request)) for number, each in enumerate(sheets, 1)])


def _read_xml(data: bytes, request: Request) -> Any:
    if request.elements not in ((), ("XMLObject",)):
        raise FormatError(f"{request.elements[0]} is no element of {request.form}")
    return read_xml(data)


def _write_xml(expr: Any, request: Request) -> bytes:
    return write_xml(expr).encode()


def _shown(expr: Any, request: Request) -> str:
    return str(expr.value) if isinstance(expr, String) else input_form(expr, request.evaluation)


_PARTS = ("Data", "Dataset", "Dimensions", "Grid", "RawData")
_BYTES = Format(_read_bytes, _write_bytes, binary=True)
_STRING = Format(_read_string, _write_string, elements=("Data", "Lines", "Plaintext", "String", "Words"))

#: The formats, by name.
FORMATS: dict[str, Format] = {
    "JSON": Format(_read_json, _write_json, extensions=("json",)),
    "RawJSON": Format(_read_json, _write_json),
    "ExpressionJSON": Format(_read_json, _write_json),
    "WXF": Format(_read_wxf, _write_wxf, binary=True, extensions=("wxf",)),
    "CSV": Format(_read_table, _write_table, extensions=("csv",), elements=_PARTS),
    "TSV": Format(_read_table, _write_table, extensions=("tsv",), elements=_PARTS),
    "Table": Format(_read_table, _write_table, extensions=("dat",), elements=_PARTS),
    "Byte": _BYTES,
    "Binary": _BYTES,
    "String": _STRING,
    "Text": _STRING,
    "List": Format(_read_list, _write_string),
    "Base64": Format(_read_base64, _write_base64),
    "XLSX": Format(_read_workbook, _write_workbook, binary=True, extensions=("xlsx",), elements=("Data", "Sheets")),
    "XML": Format(_read_xml, _write_xml, extensions=("xml",), elements=("XMLObject",)),
}


# -- importing and exporting -----------------------------------------


def _options(arguments: Any) -> dict[str, Any]:
    return {_name(rule.elements[0]): rule.elements[1] for rule in arguments if rule.has_form(_RULES, 2)}


def _name(expr: Any) -> str:
    return str(expr.get_string_value() or expr.get_name().rpartition("`")[2])


def _wanted(arguments: list[Any], default: str | None = None) -> tuple[str, tuple[Any, ...]] | None:
    """Return the format and the elements that arguments name, None if the format is not known.

    The arguments are what stands behind the data and before the options: nothing, a name, or a list
    of names and numbers.
    """
    if len(arguments) > 1:
        return None
    given = list(arguments[0].elements) if arguments and arguments[0].has_form("List", None) else arguments
    names = [item.value if isinstance(item, (String, Integer)) else None for item in given]
    if None in names:
        return None
    form = names.pop(0) if names and names[0] in FORMATS else default
    known = FORMATS.get(form or "")
    if form is None or known is None or (form is default and names and names[0] not in known.elements):
        return None
    return form, tuple(names)


def _by_extension(file: str) -> str | None:
    extension = file.rpartition(".")[2].lower()
    return next((name for name, form in FORMATS.items() if extension in form.extensions), None)


def _split(sequence: Any) -> tuple[list[Any], dict[str, Any]]:
    given = list(sequence.get_sequence())
    plain = [item for item in given if not item.has_form(_RULES, 2)]
    return plain, _options(given)


def _read(function: str, data: bytes, request: Request) -> Any:
    try:
        return FORMATS[request.form].read(data, request)
    except (FormatError, JSONError, WXFError, WorkbookError, XMLError) as error:
        request.evaluation.message(function, "fmterr", request.form, String(str(error)))
        return _FAILED


def _written(function: str, expr: Any, request: Request) -> bytes | None:
    if request.elements[:1] not in ((), FORMATS[request.form].elements[:1]):
        request.evaluation.message(function, "noelem", ListExpression(*map(String, map(str, request.elements))), request.form)
        return None
    try:
        return FORMATS[request.form].write(expr, request)
    except (FormatError, JSONError, WXFError, WorkbookError, XMLError) as error:
        request.evaluation.message(function, "fmtexp", request.form, String(str(error)))
        return None


_MESSAGES = {
    "fmterr": "Cannot import data as `1` format: `2`.",
    "fmtexp": "The expression cannot be exported as `1` format: `2`.",
}


def mend_formats() -> None:
    """Have Mathics3's functions know these formats; call this before definitions are made."""
    from mathics.builtin.files_io import importexport

    for kind in (importexport.Import, importexport.ImportString, importexport.Export, importexport.ExportString):
        kind.messages = {**kind.messages, **_MESSAGES}

    def import_string(self: Any, data: Any, rest: Any, evaluation: Any) -> Any:
        arguments, options = _split(rest)
        wanted = _wanted(arguments)
        if wanted is None:
            raise RuleApplicationFailed
        # A string of characters up to 255 can hold any bytes; other text is UTF-8.
        binary = FORMATS[wanted[0]].binary
        content = data.value.encode("latin-1" if binary else "utf-8", "replace" if binary else "surrogatepass")
        return _read("ImportString", content, Request(*wanted, options, evaluation))

    def import_file(self: Any, file: Any, rest: Any, evaluation: Any) -> Any:
        arguments, options = _split(rest)
        wanted = _wanted(arguments, _by_extension(file.value))
        if wanted is None or file.value.startswith("!") or "://" in file.value:
            raise RuleApplicationFailed
        found = Expression(Symbol("System`FindFile"), file).evaluate(evaluation)
        if not isinstance(found, String):
            evaluation.message("Import", "nffil")
            return _FAILED
        return _read("Import", Path(found.value).read_bytes(), Request(*wanted, options, evaluation))

    def export_string(self: Any, expr: Any, rest: Any, evaluation: Any) -> Any:
        arguments, options = _split(rest)
        wanted = _wanted(arguments)
        if wanted is None:
            raise RuleApplicationFailed
        data = _written("ExportString", expr, Request(*wanted, options, evaluation))
        if data is None:
            return _FAILED
        return String(data.decode("latin-1" if FORMATS[wanted[0]].binary else "utf-8"))

    def export_file(self: Any, file: Any, expr: Any, rest: Any, evaluation: Any) -> Any:
        arguments, options = _split(rest)
        wanted = _wanted(arguments, _by_extension(file.value))
        if wanted is None:
            raise RuleApplicationFailed
        data = _written("Export", expr, Request(*wanted, options, evaluation))
        if data is None:
            return _FAILED
        try:
            Path(file.value).expanduser().write_bytes(data)
        except OSError as error:
            if isinstance(error, PermissionError) and not error.filename:
                raise
            evaluation.message("General", "noopen", file)
            return _FAILED
        return file

    import_string.__doc__ = "ImportString[data_String, rest___]"
    import_file.__doc__ = "Import[file_String, rest___]"
    export_string.__doc__ = "ExportString[expr_, rest___]"
    export_file.__doc__ = "Export[file_String, expr_, rest___]"
    importexport.ImportString.eval_0, importexport.Import.eval_0 = import_string, import_file
    importexport.ExportString.eval_0, importexport.Export.eval_0 = export_string, export_file


def prefer_formats(definitions: Any) -> None:
    """Let these formats come before Mathics3's; call this when definitions have been made."""
    for name in ("Import", "ImportString", "Export", "ExportString"):
        rules = definitions.builtin[f"System`{name}"].downvalues
        rules.sort(key=lambda rule: getattr(getattr(rule, "function", None), "__module__", "") != __name__)


# -- byte arrays -----------------------------------------


class ExportByteArray(Builtin):
    """``ExportByteArray[expr, "format"]``."""

    messages: ClassVar[dict[str, str]] = {**_MESSAGES, "noelem": "`1` is not a valid set of export elements for the `2` format."}
    summary_text = "export to a byte array"

    def eval(self, expr: Any, rest: Any, evaluation: Any) -> Any:
        "ExportByteArray[expr_, rest___]"
        arguments, options = _split(rest)
        wanted = _wanted(arguments)
        if wanted is None:
            text = Expression(Symbol("System`ExportString"), expr, *rest.get_sequence()).evaluate(evaluation)
            return ByteArray(text.value.encode("latin-1", "replace")) if isinstance(text, String) else _FAILED
        data = _written("ExportByteArray", expr, Request(*wanted, options, evaluation))
        return _FAILED if data is None else ByteArray(data)


class ImportByteArray(Builtin):
    """``ImportByteArray[bytes, "format"]``."""

    messages: ClassVar[dict[str, str]] = _MESSAGES
    summary_text = "import from a byte array"

    def eval(self, data: Any, rest: Any, evaluation: Any) -> Any:
        "ImportByteArray[data_ByteArray, rest___]"
        arguments, options = _split(rest)
        wanted = _wanted(arguments)
        if wanted is None and len(arguments) == 1 and arguments[0].get_string_value() in IMAGE_FORMATS:
            image = read_image(bytes(data.value))
            if image is None:
                evaluation.message("ImportByteArray", "fmterr", arguments[0], String("the bytes are no image"))
            return _FAILED if image is None else image
        if wanted is None:
            text = String(bytes(data.value).decode("latin-1"))
            return Expression(Symbol("System`ImportString"), text, *rest.get_sequence())
        return _read("ImportByteArray", bytes(data.value), Request(*wanted, options, evaluation))


class BinarySerialize(Builtin):
    """``BinarySerialize[expr]``: an expression as WXF, in a byte array."""

    messages: ClassVar[dict[str, str]] = {"wxf": "The expression cannot be serialized: `1`."}
    summary_text = "serialize an expression as WXF"

    def eval(self, expr: Any, rest: Any, evaluation: Any) -> Any:
        "BinarySerialize[expr_, rest___?OptionQ]"
        try:
            return ByteArray(write_wxf(expr, compress=_for_size(_options(rest.get_sequence()))))
        except WXFError as error:
            evaluation.message("BinarySerialize", "wxf", String(str(error)))
            return _FAILED


class BinaryDeserialize(Builtin):
    """``BinaryDeserialize[bytes]``, ``BinaryDeserialize[bytes, h]``: the expression of WXF."""

    messages: ClassVar[dict[str, str]] = {"wxf": "The bytes cannot be deserialized: `1`."}
    summary_text = "read an expression from WXF"

    def eval(self, data: Any, evaluation: Any) -> Any:
        "BinaryDeserialize[data_ByteArray]"
        return self._read(data, evaluation)

    def eval_wrapped(self, data: Any, head: Any, evaluation: Any) -> Any:
        "BinaryDeserialize[data_ByteArray, head_]"
        found = self._read(data, evaluation)
        return found if found is _FAILED else Expression(head, found)

    def _read(self, data: Any, evaluation: Any) -> Any:
        try:
            return read_wxf(bytes(data.value))
        except WXFError as error:
            evaluation.message("BinaryDeserialize", "wxf", String(str(error)))
            return _FAILED


class ByteArrayQ(Builtin):
    """Tell whether an expression is a byte array."""

    summary_text = "tell whether an expression is a byte array"

    def eval(self, expr: Any, evaluation: Any) -> Any:
        "ByteArrayQ[expr_]"
        return SymbolTrue if isinstance(expr, ByteArray) else SymbolFalse


class _Size(Builtin):
    """``kernelbus`size[bytes]``: the length of a byte array."""

    name = "size"
    context = "kernelbus`"
    summary_text = "length of a byte array"

    def eval(self, data: Any, evaluation: Any) -> Any:
        "kernelbus`size[data_ByteArray]"
        return Integer(len(data.value))


_ENCODINGS = {"utf8": "utf-8", "utf-8": "utf-8", "iso8859-1": "latin-1", "ascii": "ascii", "unicode": "utf-8"}


class ByteArrayToString(Builtin):
    """``ByteArrayToString[bytes]``, with an encoding as a second argument; UTF-8 by default."""

    messages: ClassVar[dict[str, str]] = {"enc": "The bytes are not text in `1`."}
    rules: ClassVar[dict[str, str]] = {"ByteArrayToString[x_]": 'ByteArrayToString[x, "UTF-8"]'}
    summary_text = "text of a byte array"

    def eval(self, data: Any, encoding: Any, evaluation: Any) -> Any:
        "ByteArrayToString[data_ByteArray, encoding_String]"
        try:
            return String(bytes(data.value).decode(_ENCODINGS.get(encoding.value.lower(), encoding.value)))
        except (UnicodeDecodeError, LookupError):
            evaluation.message("ByteArrayToString", "enc", encoding)
            return _FAILED


class StringToByteArray(Builtin):
    """``StringToByteArray["text"]``, with an encoding as a second argument; UTF-8 by default."""

    messages: ClassVar[dict[str, str]] = {"enc": "The text cannot be written in `1`."}
    rules: ClassVar[dict[str, str]] = {"StringToByteArray[x_]": 'StringToByteArray[x, "UTF-8"]'}
    summary_text = "bytes of a text"

    def eval(self, text: Any, encoding: Any, evaluation: Any) -> Any:
        "StringToByteArray[text_String, encoding_String]"
        try:
            return ByteArray(text.value.encode(_ENCODINGS.get(encoding.value.lower(), encoding.value)))
        except (UnicodeEncodeError, LookupError):
            evaluation.message("StringToByteArray", "enc", encoding)
            return _FAILED


_BASES: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "Base64": (base64.b64encode, lambda text: base64.b64decode(text, validate=True)),
    "Base32": (base64.b32encode, base64.b32decode),
    "Base16": (base64.b16encode, lambda text: base64.b16decode(text, casefold=True)),
    "Base85": (base64.b85encode, base64.b85decode),
}


class BaseEncode(Builtin):
    """``BaseEncode[bytes]``, with an encoding as a second argument; Base64 by default."""

    rules: ClassVar[dict[str, str]] = {"BaseEncode[x_]": 'BaseEncode[x, "Base64"]'}
    summary_text = "text that encodes bytes"

    def eval(self, data: Any, base: Any, evaluation: Any) -> Any:
        "BaseEncode[data_ByteArray, base_String]"
        known = _BASES.get(base.value)
        return None if known is None else String(known[0](bytes(data.value)).decode())


class BaseDecode(Builtin):
    """``BaseDecode["text"]``, with an encoding as a second argument; Base64 by default."""

    messages: ClassVar[dict[str, str]] = {"dec": "The text is not encoded in `1`."}
    rules: ClassVar[dict[str, str]] = {"BaseDecode[x_]": 'BaseDecode[x, "Base64"]'}
    summary_text = "bytes that a text encodes"

    def eval(self, text: Any, base: Any, evaluation: Any) -> Any:
        "BaseDecode[text_String, base_String]"
        known = _BASES.get(base.value)
        if known is None:
            return None
        try:
            return ByteArray(known[1]("".join(text.value.split()).encode()))
        except (ValueError, binascii.Error):
            evaluation.message("BaseDecode", "dec", base)
            return _FAILED


class ReadByteArray(Builtin):
    """``ReadByteArray["file"]``: the bytes of a file."""

    summary_text = "bytes of a file"

    def eval(self, file: Any, evaluation: Any) -> Any:
        "ReadByteArray[file_String]"
        found = Expression(Symbol("System`FindFile"), file).evaluate(evaluation)
        if not isinstance(found, String):
            evaluation.message("General", "noopen", file)
            return _FAILED
        return ByteArray(Path(found.value).read_bytes())


#: What is to be defined.
BUILTINS = (
    ExportByteArray, ImportByteArray, BinarySerialize, BinaryDeserialize, ByteArrayQ, ByteArrayToString, StringToByteArray, BaseEncode,
    BaseDecode, ReadByteArray, _Size,
)  # fmt: skip
