"""Functions of files and streams that Mathics3 lacks or has in part.

``ReadString``, ``ReadList`` with ``RecordLists``, ``BinaryReadList`` and ``BinaryWrite`` of files
by name, and the parts of names of files.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from mathics.core.atoms import Complex, Integer, MachineReal, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["base_name", "folder_name", "install_filing"]

_FAILED, _END = Symbol("System`$Failed"), Symbol("System`EndOfFile")
_RULES: Final = ("Rule", "RuleDelayed")


def folder_name(file: str, levels: int = 1) -> str:
    """Return the folder that a file is in, with its slash; the folder of that for two levels."""
    name = file
    for _ in range(levels):
        name = name.rstrip("/") if len(name) > 1 else name
        name = name[: name.rfind("/") + 1]
    return name


def base_name(file: str) -> str:
    """Return the name of a file without its folder and its last extension."""
    name = file.rstrip("/").rpartition("/")[2]
    stem, point, _ = name.rpartition(".")
    return stem if point and stem else name


def _of_text(work: Callable[[str], str]) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        text = expression.elements[0].get_string_value() if len(expression.elements) == 1 else None
        return None if text is None else String(work(text))

    return apply


def _directory_name(expression: Any, evaluation: Any) -> Any:
    elements = expression.elements
    text = elements[0].get_string_value() if 1 <= len(elements) <= 2 else None
    levels = elements[1].value if len(elements) == 2 and isinstance(elements[1], Integer) else 1
    return None if text is None or levels < 1 else String(folder_name(text, levels))


def _options(expression: Any) -> tuple[list[Any], dict[str, Any]]:
    plain = [each for each in expression.elements if not each.has_form(_RULES, 2)]
    rules = [each for each in expression.elements if each.has_form(_RULES, 2)]
    return plain, {(rule.elements[0].get_string_value() or rule.elements[0].get_name()).removeprefix("System`"): rule for rule in rules}


def _read_list(expression: Any, evaluation: Any) -> Any:
    """``ReadList[file, types, RecordLists -> True]``: a list for each line."""
    plain, options = _options(expression)
    wanted = options.pop("RecordLists", None)
    if wanted is None:
        return _with_listed_separators(expression, plain, options)
    if len(plain) < 2:
        return None
    rest = list(options.values())
    if wanted.elements[1] is not SymbolTrue:
        return Expression(expression.head, *plain, *rest)
    own = [rule for name, rule in options.items() if name in ("RecordSeparators", "NullRecords")]
    records = call("ReadList", plain[0], Symbol("System`Record"), *own).evaluate(evaluation)
    if not records.has_form("List", None):
        return records
    found = []
    for record in records.elements:
        stream = call("StringToStream", record).evaluate(evaluation)
        found.append(call("ReadList", stream, *plain[1:], *rest).evaluate(evaluation))
        call("Close", stream).evaluate(evaluation)
    return ListExpression(*found)


def _with_listed_separators(expression: Any, plain: list[Any], options: dict[str, Any]) -> Any:
    """Return a call in which each option for separators is a list; None if it is so already."""
    single = [name for name, rule in options.items() if name.endswith("Separators") and isinstance(rule.elements[1], String)]
    if not single:
        return None
    rules = [call("Rule", rule.elements[0], ListExpression(rule.elements[1])) if name in single else rule for name, rule in options.items()]
    return Expression(expression.head, *plain, *rules)


def _found(name: str, evaluation: Any) -> Path | None:
    """Return the path of a file that is found, None after a message."""
    found = call("FindFile", String(name)).evaluate(evaluation)
    if isinstance(found, String):
        return Path(found.value)
    evaluation.message("General", "noopen", String(name))
    return None


def _read_string(expression: Any, evaluation: Any) -> Any:
    """``ReadString[file]``, ``ReadString[stream]``, up to a text that ends it."""
    from mathics.core.streams import stream_manager

    elements = expression.elements
    until = elements[1].get_string_value() if len(elements) == 2 else None
    if not 1 <= len(elements) <= 2 or (len(elements) == 2 and until is None and elements[1].get_name() != "System`EndOfFile"):
        return None
    source = elements[0]
    if isinstance(source, String):
        path = _found(source.value, evaluation)
        if path is None:
            return _FAILED
        text = path.read_bytes().decode("utf-8", "replace")
        return _END if not text else String(text.partition(until)[0] if until else text)
    if not source.has_form("InputStream", 2) or not isinstance(source.elements[1], Integer):
        return None
    stream = stream_manager.lookup_stream(int(source.elements[1].value))
    if stream is None or stream.io is None:
        return None
    read: Any = ""
    if not until:
        read = stream.io.read()
    else:
        while not read.endswith(until):
            more = stream.io.read(1)
            if not more:
                break
            read += more
        read = read.removesuffix(until)
    read = read.decode("utf-8", "replace") if isinstance(read, bytes) else read
    return String(read) if read else _END


#: The types of binary data, as numpy names them.
_TYPES: Final = {
    "Byte": "u1", "Character8": "u1", "Integer8": "i1", "Integer16": "i2", "Integer32": "i4", "Integer64": "i8", "UnsignedInteger8": "u1",
    "UnsignedInteger16": "u2", "UnsignedInteger32": "u4", "UnsignedInteger64": "u8", "Real32": "f4", "Real64": "f8", "Complex64": "c8",
    "Complex128": "c16",
}  # fmt: skip


def _type(name: str, options: dict[str, Any]) -> np.dtype[Any]:
    ordering = options.get("ByteOrdering")
    given = ordering.elements[1].value if ordering is not None and isinstance(ordering.elements[1], Integer) else None
    big = given == 1 if given is not None else sys.byteorder == "big"
    return np.dtype(_TYPES[name]).newbyteorder(">" if big else "<")


def _value(item: Any) -> Any:
    if isinstance(item, complex):
        return Complex(MachineReal(item.real), MachineReal(item.imag))
    return MachineReal(item) if isinstance(item, float) else Integer(item)


def _binary_read_list(expression: Any, evaluation: Any) -> Any:
    """``BinaryReadList[file, type, n]``."""
    plain, options = _options(expression)
    name = plain[0].get_string_value() if 1 <= len(plain) <= 3 else None
    kind = plain[1].get_string_value() if len(plain) > 1 else "Byte"
    if name is None or kind not in _TYPES:
        return None
    path = _found(name, evaluation)
    if path is None:
        return _FAILED
    data, form = path.read_bytes(), _type(kind, options)
    values = np.frombuffer(data[: len(data) // form.itemsize * form.itemsize], form).tolist()
    if len(plain) == 3 and isinstance(plain[2], Integer):
        values = values[: plain[2].value]
    if kind == "Character8":
        return ListExpression(*(String(chr(value)) for value in values))
    return ListExpression(*map(_value, values))


def _numbers(expr: Any) -> list[Any] | None:
    items = expr.elements if expr.has_form("List", None) else (expr,)
    found: list[Any] = []
    for item in items:
        if isinstance(item, String):
            found += map(ord, item.value)
        elif isinstance(item, Complex):
            found.append(complex(float(item.real.value), float(item.imag.value)))
        elif isinstance(item, (Integer, MachineReal)):
            found.append(item.value)
        else:
            return None
    return found


def _binary_write(expression: Any, evaluation: Any) -> Any:
    """``BinaryWrite[file, data, type]``: write to the end of a file that is opened for it."""
    plain, options = _options(expression)
    name = plain[0].get_string_value() if 2 <= len(plain) <= 3 else None
    kind = plain[2].get_string_value() if len(plain) == 3 else "Byte"
    values = None if name is None else _numbers(plain[1])
    if name is None or values is None or kind not in _TYPES:
        return None
    try:
        data = np.array(values, dtype=_type(kind, options)).tobytes()
    except (OverflowError, TypeError):
        return None
    written = _WRITTEN.setdefault(name, itertools.count())
    with Path(name).open("ab" if next(written) else "wb") as file:
        file.write(data)
    return plain[0]


#: The files that ``BinaryWrite`` has opened by name: what is written first replaces what was there.
_WRITTEN: dict[str, itertools.count[int]] = {}


def _close(expression: Any, evaluation: Any) -> Any:
    name = expression.elements[0].get_string_value() if len(expression.elements) == 1 else None
    return None if name is None or _WRITTEN.pop(name, None) is None else expression.elements[0]


def _write_line(expression: Any, evaluation: Any) -> Any:
    """``WriteLine[stream, text]``."""
    elements = expression.elements
    if len(elements) != 2:
        return None
    text = elements[1] if isinstance(elements[1], String) else call("ToString", elements[1])
    return call("WriteString", elements[0], text, String("\n"))


def _split_name(expression: Any, evaluation: Any) -> Any:
    """``FileNameSplit[file]``: the root is an empty name."""
    text = expression.elements[0].get_string_value() if len(expression.elements) == 1 else None
    if text is None or not text.startswith("/"):
        return None
    return ListExpression(String(""), *(String(part) for part in text.split("/") if part))


def _placed(work: Callable[[Path, Path], object]) -> Callable[[Any, Any], Any]:
    """Return a function that copies or renames a file: ``f[from, to, OverwriteTarget -> True]``."""

    def apply(expression: Any, evaluation: Any) -> Any:
        plain, options = _options(expression)
        names = [each.get_string_value() for each in plain]
        if len(names) != 2 or None in names or options.keys() - {"OverwriteTarget", "CreateIntermediateDirectories"}:
            return None
        name = expression.get_head_name()
        source, target = (Path(str(each)).expanduser() for each in names)
        if target.is_dir() and not source.is_dir():
            target = target / source.name
        over = options.get("OverwriteTarget")
        if not source.exists():
            evaluation.message(name, "fdnfnd", plain[0])
        elif target.exists() and (over is None or over.elements[1] is not SymbolTrue):
            evaluation.message(name, "eexist", plain[1])
        else:
            try:
                work(source, target)
                return String(str(target.resolve()))
            except OSError as error:
                evaluation.message(name, "failed", plain[0], String(error.strerror or str(error)))
        return _FAILED

    return apply


def _delete(expression: Any, evaluation: Any) -> Any:
    """``DeleteFile[file]``, ``DeleteFile[{file, ...}]``."""
    if len(expression.elements) != 1:
        return None
    given = expression.elements[0]
    items = given.elements if given.has_form("List", None) else (given,)
    names = [each.get_string_value() for each in items]
    if None in names:
        return None
    for item, name in zip(items, names, strict=True):
        path = Path(str(name)).expanduser()
        if not path.is_file() and not path.is_symlink():
            evaluation.message("DeleteFile", "fdnfnd", item)
            return _FAILED
        try:
            path.unlink()
        except OSError as error:
            evaluation.message("DeleteFile", "failed", item, String(error.strerror or str(error)))
            return _FAILED
    return SymbolNull


def _keep_no_input_file(definitions: Any) -> None:
    """Have ``$InputFileName`` be empty again after ``Get``, and now.

    Mathics3 makes an absolute path of the empty name that was there before: the current folder.
    What it reads itself while it is loaded is no file of the session.
    """
    absolute = definitions.set_inputfile

    def set_inputfile(path: str) -> None:
        absolute(path)
        if not path:
            definitions.inputfile = ""

    definitions.set_inputfile = set_inputfile
    set_inputfile("")


def install_filing(definitions: Any) -> None:
    """Define the functions."""
    _keep_no_input_file(definitions)
    for name, function in (
        ("ReadList", _read_list),
        ("ReadString", _read_string),
        ("BinaryReadList", _binary_read_list),
        ("BinaryWrite", _binary_write),
        ("Close", _close),
        ("WriteLine", _write_line),
        ("CopyFile", _placed(shutil.copyfile)),
        ("DeleteFile", _delete),
        ("DirectoryName", _directory_name),
        ("FileNameSplit", _split_name),
        ("RenameFile", _placed(lambda source, target: source.replace(target))),
        ("FileBaseName", _of_text(base_name)),
    ):
        define(definitions, name, function)
    for name in ("CopyFile", "DeleteFile", "RenameFile"):
        add_message(definitions, name, "fdnfnd", "Directory or file `1` not found.")
        add_message(definitions, name, "eexist", "`1` already exists.")
        add_message(definitions, name, "failed", "`1` cannot be used: `2`.")
