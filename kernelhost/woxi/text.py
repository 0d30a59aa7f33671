"""Write expressions as text that Woxi reads. Sans-IO, and without recursion."""

from __future__ import annotations

import base64
import math
import struct
from typing import Final, TypeGuard

import numpy as np

from wstp import BigReal, Expr, Function, Symbol

__all__ = ["code_of", "string"]

#: Arrays with more numbers travel as WXF: Woxi takes seconds to read long lists as text.
_LONG: Final = 200


class _Piece(str):
    """Text that is written as it is."""


def string(text: str) -> str:
    """Return a string of the language."""
    # Woxi takes a backslash before the end of a line for a continued line, also in strings.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def code_of(expr: Expr) -> str:
    """Return the text of an expression.

    Raises:
        ValueError: it holds a value that has no text.
    """
    pieces: list[str] = []
    waiting: list[object] = [expr]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, Function):
            item = _without_options(item)
            waiting += reversed([item.head, *_enclosed("[", item.args, "]")])
        elif isinstance(item, list | tuple):
            waiting += reversed([*_enclosed("{", item, "}")])
        elif isinstance(item, dict):
            rules: list[object] = []
            for key, value in item.items():
                rules += [_Piece(", " if rules else ""), key, _Piece(" -> "), value]
            waiting += reversed([_Piece("<|"), *rules, _Piece("|>")])
        else:
            pieces.append(_atom(item))
    return "".join(pieces)


def _without_options(call: Function) -> Function:
    """Return a call of ``ToString`` without options, which Woxi does not take.

    J/Link and .NET/Link ask for a result in a form by the options FormatType and PageWidth.
    """
    if _name(call.head) != "ToString" or not call.args:
        return call
    options = {_name(rule.args[0]): rule.args[1] for rule in call.args[1:] if _is_rule(rule)}
    forms = [item for item in call.args[1:] if not _is_rule(item)] or [options[name] for name in ("FormatType",) if name in options]
    return Function(call.head, call.args[0], *forms) if options else call


def _is_rule(item: object) -> TypeGuard[Function]:
    return isinstance(item, Function) and _name(item.head) in ("Rule", "RuleDelayed") and len(item.args) == 2


def _name(item: object) -> str:
    return item.name.removeprefix("System`") if isinstance(item, Symbol) else ""


def _enclosed(before: str, items: object, behind: str) -> list[object]:
    parted = [part for item in items for part in (_Piece(", "), item)]  # type: ignore[attr-defined]
    return [_Piece(before), *parted[1:], _Piece(behind)]


def _atom(value: object) -> str:
    match value:
        case Symbol():
            return value.name.removeprefix("System`").removeprefix("Global`")
        case np.generic():
            return _atom(value.item())
        case str():
            return string(value)
        case bool() | None:
            return "Null" if value is None else str(value)
        case int():
            return f"({value})" if value < 0 else str(value)
        case float():
            return _real(value)
        case complex():
            return f"Complex[{_real(value.real)}, {_real(value.imag)}]"
        case BigReal():
            return f"({value.text})"
        case bytes() | bytearray():
            return f"ByteArray[{string(base64.b64encode(value).decode())}]"
        case np.ndarray():
            return _array(value)
    raise ValueError(f"{type(value).__name__} has no text")


def _real(value: float) -> str:
    if math.isnan(value):
        return "Indeterminate"
    if math.isinf(value):
        return "Infinity" if value > 0 else "(-Infinity)"
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix("0") if mantissa.endswith(".0") else mantissa
    mantissa += "" if "." in mantissa else "."
    text = f"{mantissa}*^{int(exponent)}" if exponent else mantissa
    return f"({text})" if value < 0 else text


def _array(array: np.ndarray) -> str:
    if array.size <= _LONG or array.dtype.kind not in "iuf":
        return code_of(array.tolist())
    encoded = base64.b64encode(b"8:" + _wxf_list(array)).decode()
    return f"BinaryDeserialize[BaseDecode[{string(encoded)}]]"


def _wxf_list(array: np.ndarray) -> bytes:
    """Return an array as WXF lists of numbers; packed arrays are not known to Woxi."""
    head = b"f" + _length(len(array)) + b"s\x04List"
    if array.ndim > 1:
        return head + b"".join(_wxf_list(row) for row in array)
    if array.dtype.kind == "f":
        return head + b"".join(b"r" + struct.pack("<d", number) for number in array.tolist())
    return head + b"".join(_integer(number) for number in array.tolist())


def _integer(number: int) -> bytes:
    if -(2**63) <= number < 2**63:
        return b"L" + struct.pack("<q", number)
    digits = str(number).encode()
    return b"I" + _length(len(digits)) + digits


def _length(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(0x80 | (number & 0x7F))
        number >>= 7
    made.append(number)
    return bytes(made)
