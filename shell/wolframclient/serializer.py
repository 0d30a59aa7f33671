"""Python values as expressions of `wstp`, by the encoders of wolframclient. No I/O.

Its encoders, and those that programs register, call the methods of a serializer. This one makes
expressions where wolframclient's own ones make bytes. As in WXF, a symbol without a context is one
of ``System` ``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from wolframclient.serializers.base import FormatSerializer
from wolframclient.serializers.utils import py_encode_decimal
from wolframclient.utils.encoding import force_text

from wstp import BigReal, Expr, Function, Symbol

__all__ = ["WSTPSerializer"]

_SYSTEM = "System`"

#: The element types of packed arrays, by wolframclient's names for them; all are little-endian.
_TYPES = {
    "Integer8": "<i1",
    "Integer16": "<i2",
    "Integer32": "<i4",
    "Integer64": "<i8",
    "Real32": "<f4",
    "Real64": "<f8",
    "ComplexReal32": "<c8",
    "ComplexReal64": "<c16",
}


@lru_cache(4096)
def _symbol(name: str) -> Symbol:
    return Symbol(name if "`" in name else _SYSTEM + name)


class WSTPSerializer(FormatSerializer):
    """Make expressions of Python values.

    Args:
        options: those of wolframclient's `export`: `normalizer`, `encoder`, `object_processor`,
            `target_kernel_version`, and the properties that encoders ask for.

    >>> from wolframclient.language import wl
    >>> WSTPSerializer().export(wl.Plus(1, wl.Global.x))
    Symbol('System`Plus')(1, Symbol('Global`x'))
    """

    def export(self, data: Any, stream: Any = None) -> Expr:
        """Return the expression of a value; `stream` is of no use here.

        Raises:
            NotImplementedError: no encoder is registered for a value.
        """
        return self.encode(data)

    def generate_bytes(self, data: Any) -> Any:
        """Refuse: an expression has no bytes before it is put on a link.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a WSTPSerializer makes expressions, and no bytes: call export")

    # What encoders call, as FormatSerializer declares it.

    def serialize_function(self, head: Expr, args: Iterable[Expr], **_: Any) -> Function:
        """Return a function; `args` may be an iterator."""
        return Function(head, *args)

    def serialize_symbol(self, symbol: str | bytes) -> Symbol:
        """Return a symbol by its name."""
        return _symbol(force_text(symbol))

    def serialize_string(self, obj: str | bytes) -> str:
        """Return a text."""
        return str(force_text(obj))

    def serialize_float(self, obj: float) -> Expr:
        """Return a machine number; what is none is the symbol or function that stands for it."""
        number = float(obj)
        if math.isfinite(number):
            return number
        return _symbol("Indeterminate") if math.isnan(number) else _symbol("DirectedInfinity")(1 if number > 0 else -1)

    def serialize_decimal(self, obj: Any) -> BigReal:
        """Return a real of arbitrary precision, with as much of it as WXF gives."""
        return BigReal(py_encode_decimal(obj).decode())

    def serialize_int(self, obj: int) -> int:
        """Return an integer of any size."""
        return int(obj)

    def serialize_bytes(self, bytes: Any, as_byte_array: bool = True) -> Expr:  # wolframclient's name
        """Return a ByteArray, or a string with one character for each byte."""
        data = memoryview(bytes).tobytes()
        return data if as_byte_array else data.decode("latin-1")

    def serialize_iterable(self, iterable: Iterable[Expr], **_: Any) -> list[Expr]:
        """Return a list."""
        return list(iterable)

    def serialize_packed_array(self, data: bytes, shape: tuple[int, ...], wl_type: str) -> Expr:
        """Return a packed array.

        Raises:
            ValueError: the language has no packed arrays of the type.
        """
        if wl_type not in _TYPES:
            raise ValueError(f"Invalid PackedArray type {wl_type}")
        return np.frombuffer(data, _TYPES[wl_type]).reshape(shape)
