"""Write and read expressions as WXF, the binary format that the Wolfram Language documents.

WXF is ``8:``, or ``8C:`` and a zlib stream, and then one expression: a byte that says what it is,
and its content. Counts and lengths are numbers of 7 bits a byte, the lowest first, with the
eighth bit where more follow.

====== =============================== =================================================
byte   what                            content
====== =============================== =================================================
``f``  an expression with a head       count of arguments, head, arguments
``s``  a symbol                        length, name (of ``System` `` without context)
``S``  a string                        length, UTF-8
``B``  a byte array                    length, bytes
``C j i L`` an integer of 1, 2, 4, 8 bytes little-endian, signed
``r``  a machine real                  8 bytes, little-endian
``I``  an integer                      length, decimal digits
``R``  a real of arbitrary precision   length, InputForm
``A``  an association                  count; for each rule ``-`` or ``:``, key, value
C1     a packed array                  type, rank, dimensions, numbers
C2     a numeric array                 the same
====== =============================== =================================================

Both directions keep a stack of their own. Lists are written element by element, never as packed
arrays, so that every program reads them back as lists. No I/O, no evaluation. (The library
``wolframclient`` knows the format as well. It makes Python values of it, where a kernel needs
expressions, and requires half a dozen packages for HTTP; so the format is written here.)
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
from mathics.core.atoms import (
    ByteArray,
    Complex,
    Integer,
    MachineReal,
    NumericArray,
    PrecisionReal,
    Rational,
    String,
)
from mathics.core.element import BoxElementMixin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.forms.precision import complex_number, machine_real, real_number, real_text
from kernelbus.kernelhost.mathics.forms.reals import parse_real

__all__ = ["WXFError", "read_wxf", "write_wxf"]

_SYSTEM = "System`"
_RULES: Final = {b"-"[0]: Symbol("System`Rule"), b":"[0]: Symbol("System`RuleDelayed")}
_MARKS: Final = {"System`Rule": b"-", "System`RuleDelayed": b":"}
_ASSOCIATION = Symbol("System`Association")
_INTEGERS: Final = ((b"C", "<b", 7), (b"j", "<h", 15), (b"i", "<i", 31), (b"L", "<q", 63))
_BY_MARK: Final = {mark[0]: struct.Struct(code) for mark, code, _ in _INTEGERS}
_REAL: Final = struct.Struct("<d")
#: The element type of an array, by its byte.
_TYPES: Final = {
    0x00: "<i1", 0x01: "<i2", 0x02: "<i4", 0x03: "<i8", 0x10: "<u1", 0x11: "<u2", 0x12: "<u4", 0x13: "<u8",
    0x22: "<f4", 0x23: "<f8", 0x33: "<c8", 0x34: "<c16",
}  # fmt: skip
_CODES: Final = {np.dtype(name): code for code, name in _TYPES.items()}
#: The longest count, bytes: 63 bits.
_LONGEST_COUNT = 9


class WXFError(ValueError):
    """Say that bytes are not WXF, or that a value cannot be written so."""


# -- writing -----------------------------------------


def write_wxf(expr: Any, *, compress: bool = False) -> bytes:
    """Return an expression as WXF.

    Raises:
        WXFError: the expression holds something that has no form there.
    """
    out: list[bytes] = []
    stack: list[Any] = [expr]
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            out.append(item)
        elif isinstance(item, Expression):
            _open(item, out, stack)
        else:
            out.append(_atom(item, stack))
    body = b"".join(out)
    return b"8C:" + zlib.compress(body) if compress else b"8:" + body


def _open(expr: Any, out: list[bytes], stack: list[Any]) -> None:
    elements = expr.elements
    if expr.head is _ASSOCIATION and all(e.has_form(("Rule", "RuleDelayed"), 2) for e in elements):
        out.append(b"A" + _count(len(elements)))
        for rule in reversed(elements):
            stack += [rule.elements[1], rule.elements[0], _MARKS[rule.get_head_name()]]
        return
    out.append(b"f" + _count(len(elements)))
    stack.extend(reversed(elements))
    stack.append(expr.head)


def _atom(item: Any, stack: list[Any]) -> bytes:
    if isinstance(item, Symbol):
        return _text(b"s", item.name.removeprefix(_SYSTEM))
    if isinstance(item, String):
        return _text(b"S", item.value)
    if isinstance(item, Integer):
        return _integer(item.value)
    if isinstance(item, MachineReal):
        return b"r" + _REAL.pack(float(item.value))
    if isinstance(item, PrecisionReal):
        return _text(b"R", real_text(item))
    if isinstance(item, (Rational, Complex)):
        parts = (item.numerator(), item.denominator()) if isinstance(item, Rational) else (item.real, item.imag)
        stack.extend(reversed(parts))
        return b"f" + _count(2) + _text(b"s", "Rational" if isinstance(item, Rational) else "Complex")
    if isinstance(item, ByteArray):
        return b"B" + _count(len(item.value)) + bytes(item.value)
    if isinstance(item, NumericArray):
        return _numeric(item.value)
    if isinstance(item, BoxElementMixin):
        stack.append(item.to_expression())
        return b""
    raise WXFError(f"{item.get_head_name()} has no form in WXF")


def _text(mark: bytes, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return mark + _count(len(data)) + data


def _integer(value: int) -> bytes:
    for mark, code, bits in _INTEGERS:
        if -(1 << bits) <= value < 1 << bits:
            return mark + struct.pack(code, value)
    return _text(b"I", str(value))


def _numeric(array: Any) -> bytes:
    data = np.ascontiguousarray(array)
    data = data.astype(data.dtype.newbyteorder("<"))
    code = _CODES.get(data.dtype)
    if code is None:
        raise WXFError(f"an array of {data.dtype} has no form in WXF")
    return b"\xc2" + bytes((code,)) + _count(data.ndim) + b"".join(map(_count, data.shape)) + data.tobytes()


def _count(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# -- reading -----------------------------------------


def read_wxf(data: bytes) -> Any:
    """Return the expression in WXF bytes, unevaluated.

    Raises:
        WXFError: the bytes are not WXF, or there are too few or too many of them.
    """
    header, separator, body = data.partition(b":")
    if not separator or header not in (b"8", b"8C"):
        raise WXFError("the bytes do not begin as WXF does")
    if header == b"8C":
        try:
            body = zlib.decompress(body)
        except zlib.error as error:
            raise WXFError(f"the compressed bytes cannot be read: {error}") from error
    reader = _Reader(body)
    try:
        expr = reader.expression()
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise WXFError("the bytes end too early, or hold text that is not UTF-8") from error
    if reader.at != len(body):
        raise WXFError(f"{len(body) - reader.at} bytes are left behind the expression")
    return expr


class _Reader:
    """Read one expression.

    A frame is the mark of what is read, how many parts it needs, and the parts so far.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def expression(self) -> Any:
        frames: list[tuple[Any, int, list[Any]]] = []
        while True:
            frame = self._opened()
            if frame is not None:
                frames.append(frame)
                if frame[1]:
                    continue
                value = _closed(frames.pop())
            else:
                value = self._value
            while True:
                if not frames:
                    return value
                mark, needed, parts = frames[-1]
                parts.append(value)
                if len(parts) < needed:
                    break
                value = _closed(frames.pop())
            if mark == "A" and len(parts) % 3 == 0:
                self._rule_mark(parts)

    def _rule_mark(self, parts: list[Any]) -> None:
        head = _RULES.get(self._data[self.at])
        if head is None:
            raise WXFError(f"byte {self.at}: a rule of an association is expected")
        self.at += 1
        parts.append(head)

    def _opened(self) -> tuple[Any, int, list[Any]] | None:
        """Read a mark: return the frame of what has parts, or set the value of what has none."""
        mark = self._data[self.at]
        self.at += 1
        if mark == b"f"[0]:
            return "f", self._length(1) + 1, []
        if mark == b"A"[0]:
            count = self._length(3)
            frame: tuple[Any, int, list[Any]] = ("A", 3 * count, [])
            if count:
                self._rule_mark(frame[2])
            return frame
        self._value = self._leaf(mark)
        return None

    def _leaf(self, mark: int) -> Any:
        if (number := _BY_MARK.get(mark)) is not None:
            (value,) = number.unpack(self._bytes(number.size))
            return Integer(value)
        if mark == b"r"[0]:
            (real,) = _REAL.unpack(self._bytes(8))
            return _machine(real)
        if mark in (0xC1, 0xC2):
            return self._array(mark)
        if mark == b"B"[0]:
            return ByteArray(self._bytes(self._length(1)))
        if mark not in b"sSIR":
            raise WXFError(f"byte {self.at - 1}: {mark:#04x} begins no expression")
        text = self._bytes(self._length(1)).decode("utf-8", "surrogatepass")
        if mark == b"S"[0]:
            return String(text)
        if mark == b"s"[0]:
            return Symbol(text if "`" in text else _SYSTEM + text)
        try:
            return Integer(int(text)) if mark == b"I"[0] else real_number(parse_real(text))
        except ValueError as error:
            raise WXFError(f"{text[:40]} is not a number") from error

    def _array(self, mark: int) -> Any:
        code = _TYPES.get(self._data[self.at])
        self.at += 1
        if code is None:
            raise WXFError(f"byte {self.at - 1}: not a type of an array")
        shape = [self._length(0) for _ in range(self._length(1))]
        size = np.dtype(code).itemsize
        for length in shape:
            size *= length
        array = np.frombuffer(self._bytes(size), dtype=code).reshape(shape)
        return NumericArray(array.copy()) if mark == 0xC2 else _lists(array.tolist())

    def _length(self, each: int) -> int:
        """Read a count of things that take at least ``each`` bytes each."""
        value = 0
        for index in range(_LONGEST_COUNT):
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if value * each > len(self._data) - self.at + 1:
                    raise WXFError(f"byte {self.at}: a count is larger than what follows")
                return value
        raise WXFError(f"byte {self.at}: a count is too large")

    def _bytes(self, size: int) -> bytes:
        data = self._data[self.at : self.at + size]
        if len(data) < size:
            raise IndexError
        self.at += size
        return data


def _closed(frame: tuple[Any, int, list[Any]]) -> Any:
    mark, _, parts = frame
    if mark == "A":
        rules = (Expression(*parts[i : i + 3]) for i in range(0, len(parts), 3))
        return Expression(_ASSOCIATION, *rules)
    head, *elements = parts
    if isinstance(head, Symbol):
        number = _number(head.name, elements)
        if number is not None:
            return number
        if head.name == "System`List":
            return ListExpression(*elements)
    return Expression(head, *elements)


def _number(name: str, parts: list[Any]) -> Any | None:
    """Return the number that a head and two parts stand for, None if they stand for none."""
    if len(parts) != 2:
        return None
    if name == "System`Rational" and all(isinstance(p, Integer) for p in parts) and parts[1].value:
        return Rational(parts[0].value, parts[1].value)
    if name == "System`Complex" and all(isinstance(p, (Integer, Rational, MachineReal, PrecisionReal)) for p in parts):
        return complex_number(*parts)
    return None


def _machine(value: float) -> Any:
    if value != value:
        return Symbol("System`Indeterminate")
    if value in (float("inf"), float("-inf")):
        return Expression(Symbol("System`DirectedInfinity"), Integer(1 if value > 0 else -1))
    return machine_real(value)


def _lists(value: Any) -> Any:
    """Return nested Python lists of numbers as lists; recursive to the depth of an array."""
    if isinstance(value, list):
        return ListExpression(*map(_lists, value))
    if isinstance(value, complex):
        return complex_number(_machine(value.real), _machine(value.imag))
    return Integer(value) if isinstance(value, int) else _machine(value)
