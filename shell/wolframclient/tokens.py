"""Expressions of `wstp` as the tokens of WXF, which wolframclient's consumers read. No I/O.

A consumer, wolframclient's or a program's own, takes tokens from an iterator. These are made from
the expression that came over the link, so that no bytes are written only to be read again; whoever
wants the bytes gets them from the same tokens.

A link names the symbols that a kernel's `$ContextPath` reaches without their contexts, where WXF
has them. `unqualified` lists such names, and the kernel is asked for their contexts.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from wolframclient.deserializers.wxf.wxfparser import WXFToken
from wolframclient.serializers.wxfencoder.constants import ARRAY_TYPES, WXF_CONSTANTS

from wstp import BigReal, Expr, Function, Symbol
from wstp.numbers import int_to_decimal

__all__ = ["SYSTEM", "tokens", "unqualified", "write_wxf"]

#: Names of ``System` `` that are met often: nobody needs to ask for their context.
SYSTEM: Final = frozenset(
    (
        "List", "Rule", "RuleDelayed", "Association", "True", "False", "Null", "None", "Automatic",
        "Rational", "Complex", "DirectedInfinity", "Indeterminate", "Plus", "Times", "Power", "$Failed",
        "$Aborted", "NumericArray", "DateObject", "Quantity", "Image", "Dataset", "Missing", "Failure",
        "Hold", "HoldForm", "MessageName", "Pi", "E", "I",
    )
)  # fmt: skip

_SYSTEM = "System`"
_RULES: Final = {"Rule": WXF_CONSTANTS.Rule, "RuleDelayed": WXF_CONSTANTS.RuleDelayed}
_INTEGERS: Final = (
    (7, WXF_CONSTANTS.Integer8),
    (15, WXF_CONSTANTS.Integer16),
    (31, WXF_CONSTANTS.Integer32),
    (63, WXF_CONSTANTS.Integer64),
)
_BYTES: Final = {
    WXF_CONSTANTS.Integer8: 1,
    WXF_CONSTANTS.Integer16: 2,
    WXF_CONSTANTS.Integer32: 4,
    WXF_CONSTANTS.Integer64: 8,
}
_PACKED: Final = {
    "i1": ARRAY_TYPES.Integer8,
    "i2": ARRAY_TYPES.Integer16,
    "i4": ARRAY_TYPES.Integer32,
    "i8": ARRAY_TYPES.Integer64,
    "f4": ARRAY_TYPES.Real32,
    "f8": ARRAY_TYPES.Real64,
    "c8": ARRAY_TYPES.ComplexReal32,
    "c16": ARRAY_TYPES.ComplexReal64,
}
_NUMERIC: Final = _PACKED | {
    "u1": ARRAY_TYPES.UnsignedInteger8,
    "u2": ARRAY_TYPES.UnsignedInteger16,
    "u4": ARRAY_TYPES.UnsignedInteger32,
    "u8": ARRAY_TYPES.UnsignedInteger64,
}
#: The element types by the names that NumericArray has for them.
_NAMED: Final = {
    "Integer8": "i1", "Integer16": "i2", "Integer32": "i4", "Integer64": "i8", "UnsignedInteger8": "u1", "UnsignedInteger16": "u2",
    "UnsignedInteger32": "u4", "UnsignedInteger64": "u8", "Real32": "f4", "Real64": "f8", "ComplexReal32": "c8", "ComplexReal64": "c16",
}  # fmt: skip


def unqualified(root: Expr, known: Container[str]) -> set[str]:
    """Return the names of symbols that have no context, without those in `known`."""
    found: set[str] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind is list:
            pending += node
        elif kind is Function:
            pending.append(node.head)
            pending += node.args
        elif kind is Symbol and "`" not in node.name and node.name not in known:
            found.add(node.name)
    return found


def tokens(root: Expr, contexts: Mapping[str, str] | None = None) -> Iterator[WXFToken]:
    """Give the tokens of an expression, in the order of WXF.

    Args:
        root: the expression.
        contexts: the contexts of symbols that are named without one. What is not in it is of
            ``System` ``, as in WXF.

    Raises:
        TypeError: the expression holds what no kernel sends.
    """
    contexts = {} if contexts is None else contexts
    # Without recursion: expressions may be nested as deep as memory allows. Tokens that stand
    # between parts wait on the stack with them.
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is WXFToken:
            yield node
        elif kind is int:
            yield _integer(node)
        elif kind is str:
            yield _token(WXF_CONSTANTS.String, node, len(node))
        elif kind is float:
            yield _token(WXF_CONSTANTS.Real64, node)
        elif kind is Symbol:
            yield _symbol(node.name, contexts)
        elif kind is list:
            yield _token(WXF_CONSTANTS.Function, None, len(node))
            yield _symbol("List", contexts)
            stack.extend(reversed(node))
        elif kind is Function:
            first = _opened(node, stack)
            if first is not None:
                yield first
        elif isinstance(node, np.ndarray):
            if node.size and node.ndim:
                yield _array(node, WXF_CONSTANTS.PackedArray)
            else:
                stack.append(node.tolist())  # an array without elements has no form in WXF
        elif kind is bytes:
            yield _token(WXF_CONSTANTS.BinaryString, node, len(node))
        elif kind is BigReal:
            yield _token(WXF_CONSTANTS.BigReal, node.text, len(node.text))
        else:
            raise TypeError(f"a {kind.__name__} stands for no expression")


def _token(kind: bytes, data: Any, length: int | None = None) -> WXFToken:
    token = WXFToken(kind)
    token.data, token.length, token.array_type = data, length, None
    return token


def _integer(value: int) -> WXFToken:
    for bits, kind in _INTEGERS:
        if -(1 << bits) <= value < 1 << bits:
            return _token(kind, value)
    text = int_to_decimal(value)
    # Python's int() refuses more digits than these; a consumer may as well be given the number.
    return _token(WXF_CONSTANTS.BigInteger, text if len(text) <= 4300 else value, len(text))


def _symbol(name: str, contexts: Mapping[str, str]) -> WXFToken:
    if "`" not in name:
        name = contexts.get(name, _SYSTEM) + name
    name = name.removeprefix(_SYSTEM) if name.count("`") == 1 else name
    return _token(WXF_CONSTANTS.Symbol, name, len(name))


def _name(node: Expr) -> str:
    return node.name.removeprefix(_SYSTEM) if type(node) is Symbol else ""


def _opened(node: Function, stack: list[Any]) -> WXFToken | None:
    """Put the parts of a function on the stack, and return the token before them.

    None: the function is another token, which is on the stack.
    """
    name, args = _name(node.head), node.args
    if name == "Association" and all(type(rule) is Function and len(rule.args) == 2 and _name(rule.head) in _RULES for rule in args):
        for rule in reversed(args):
            stack += (rule.args[1], rule.args[0], _token(_RULES[_name(rule.head)], None))
        return _token(WXF_CONSTANTS.Association, None, len(args))
    if name == "NumericArray" and len(args) == 2 and (array := _numeric(*args)) is not None:
        stack.append(_array(array, WXF_CONSTANTS.NumericArray))
        return None
    stack.extend(reversed(args))
    stack.append(node.head)
    return _token(WXF_CONSTANTS.Function, None, len(args))


def _numeric(values: Expr, named: Expr) -> np.ndarray | None:
    """Return the array of a NumericArray; None: it is not one that WXF can hold."""
    dtype = _NAMED.get(named if isinstance(named, str) else _name(named))
    if dtype is None or not isinstance(values, list | np.ndarray):
        return None
    try:
        array = np.asarray(_numbers(values) if isinstance(values, list) else values).astype(dtype, copy=False)
    except (TypeError, ValueError, OverflowError):
        return None
    return array if array.size else None


def _numbers(values: list[Any]) -> list[Any]:
    """Return nested lists with complex numbers for functions Complex[re, im]."""
    return [
        _numbers(value)
        if type(value) is list
        else complex(*value.args)
        if type(value) is Function and _name(value.head) == "Complex"
        else value
        for value in values
    ]


def _array(array: np.ndarray, kind: bytes) -> WXFToken:
    codes = _PACKED if kind == WXF_CONSTANTS.PackedArray else _NUMERIC
    code = f"{array.dtype.kind}{array.dtype.itemsize}"
    if code not in codes:
        # Unsigned numbers and booleans have no packed arrays, nor has anything wider than these.
        code = {"f": "f8", "c": "c16"}.get(array.dtype.kind, "i8")
    data = np.ascontiguousarray(array, dtype=f"<{code}")
    token = WXFToken(kind)
    token.array_type, token.dimensions = codes[code], list(data.shape)
    token.data = data.reshape(-1).view(np.uint8).data
    return token


def write_wxf(stream: Iterable[WXFToken]) -> bytes:
    """Return the WXF of tokens."""
    out: list[Any] = [b"8:"]
    for token in stream:
        kind, data = token.wxf_type, token.data
        out.append(kind)
        if kind in _BYTES:
            out.append(data.to_bytes(_BYTES[kind], "little", signed=True))
        elif kind == WXF_CONSTANTS.Real64:
            out.append(struct.pack("<d", data))
        elif kind in (WXF_CONSTANTS.Function, WXF_CONSTANTS.Association):
            out.append(_count(token.length))
        elif token.array_type is not None:
            out += [token.array_type, _count(len(token.dimensions)), *map(_count, token.dimensions), data]
        elif data is not None:
            if isinstance(data, int):
                data = int_to_decimal(data)
            if isinstance(data, str):
                data = data.encode("utf-8", "surrogatepass")
            out += [_count(len(data)), data]
    return b"".join(out)


def _count(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
