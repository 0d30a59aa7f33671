"""Convert expressions of ``wstp`` to those of Mathics3 and back, by value and never through text.

Both directions keep a stack of their own, so that a deep expression costs memory but no recursion.
A number costs about a microsecond. No links, no evaluation.

A list of numbers arrives as an array and becomes a list of Mathics3's number objects, one object
for each number. Numbers that arrive in bulk are made without Mathics3's tables of all numbers ever
made, which are never emptied. Making these objects, and reading each of them on the way out, bounds
the time. For a million reals, measured in the kernel alone on 2 cores, making the objects takes
0.34 s, Mathics3's evaluation of one function 0.30 s, and reading the objects 0.06 s. Through a
server they take 0.8 s in and back, and 1.5 s when other work has the cores, 23 times what the echo
kernel takes (``benchmarks/values.py``).
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from operator import attrgetter
from typing import Any

import numpy as np
import sympy
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
from mathics.core.element import BoxElementMixin, ElementsProperties
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol as MathicsSymbol
from mathics.core.symbols import SymbolFalse, SymbolList, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.forms.pixels import pixel_type
from kernelbus.kernelhost.mathics.forms.precision import complex_number, machine_real, real_number, real_text
from kernelbus.kernelhost.mathics.forms.reals import parse_real, precise_text
from wstp.expr import BigReal, Expr, Function, Symbol, make_function

__all__ = ["PACK_MINIMUM", "ConversionError", "from_mathics", "to_mathics"]

#: The least number of machine numbers that leave as one packed array; fewer leave one by one.
PACK_MINIMUM = 16

_SMALL = 1024
_SYMBOL_COMPLEX = MathicsSymbol("System`Complex")
_SYMBOL_RATIONAL = MathicsSymbol("System`Rational")
_INDETERMINATE = MathicsSymbol("System`Indeterminate")
_DIRECTED_INFINITY = MathicsSymbol("System`DirectedInfinity")
_REALS = (Integer, Rational, MachineReal, PrecisionReal)


class ConversionError(ValueError):
    """Say that a value has no counterpart on the other side."""


#: A value under conversion: its type (``list`` or ``Function``), its parts (a function's head
#: first), how many of them are done, and what those became.
_Frame = list[Any]


def _converted(
    root: Any,
    leaves: dict[type, Callable[[Any], Any]],
    open_: Callable[[Any], _Frame | tuple[Any]],
    close: Callable[[Any, list[Any]], Any],
) -> Any:
    """Convert a tree of values without recursion, and return what it becomes.

    Args:
        root: the value at the top.
        leaves: the converter of each type without parts.
        open_: given a value of another type, returns its frame, or a tuple with what it becomes.
        close: given a frame's type and its converted parts, returns what the value becomes.
    """
    result: list[Any] = []
    frames: list[_Frame] = [[None, (root,), 0, result]]
    while frames:
        frame = frames[-1]
        owner, items, done, made = frame
        count = len(items)
        while done < count:
            item = items[done]
            done += 1
            leaf = leaves.get(type(item))
            if leaf is not None:
                made.append(leaf(item))
                continue
            opened = open_(item)
            if isinstance(opened, tuple):
                made.append(opened[0])
                continue
            frame[2] = done
            frames.append(opened)
            break
        else:
            frames.pop()
            if frames:
                frames[-1][3].append(close(owner, made))
    return result[0]


# -- wstp to Mathics3 -----------------------------------------


def to_mathics(expr: Expr, definitions: Any) -> Any:
    """Return the Mathics3 expression for a ``wstp`` value.

    A symbol without a context is looked up as in input: in ``$Context`` and ``$ContextPath``. If it
    is in neither, it is a new symbol of the current context.

    Raises:
        ConversionError: no expression stands for a value of this type.
    """
    return _Inward(definitions).convert(expr)


class _Lazy:
    """Compute an attribute of a number that was made in bulk when it is first read.

    It is no data descriptor: a number that was made with the attribute has it in its own
    dictionary, which takes precedence.
    """

    def __init__(self, name: str, make: Callable[[Any], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance._value)
        return value


Integer._sympy = _Lazy("_sympy", sympy.Integer)
Integer.hash = _Lazy("hash", lambda value: hash((Integer, value)))
MachineReal.hash = _Lazy("hash", lambda value: hash((MachineReal, value)))

_new = object.__new__


def _integers(values: list[int]) -> list[Any]:
    """Return Integers for many values: small ones shared, the others not entered in the table."""
    made: list[Any] = []
    append = made.append
    for value in values:
        if -_SMALL <= value <= _SMALL:
            append(Integer(value))
        else:
            number = _new(Integer)
            number._value = value
            append(number)
    return made


def _machine_reals(values: list[float]) -> list[Any]:
    """Return MachineReals for many finite values, not entered in the table."""
    made = list(map(_new, repeat(MachineReal, len(values))))
    for number, value in zip(made, values, strict=True):
        number._value = value
    return made


def _float(value: float) -> Any:
    if math.isfinite(value):
        return machine_real(value)
    if math.isnan(value):
        return _INDETERMINATE
    return Expression(_DIRECTED_INFINITY, Integer(1 if value > 0 else -1))


def _complex(value: complex) -> Any:
    return _complex_of(_float(value.real), _float(value.imag))


def _big_real(value: BigReal) -> Any:
    try:
        parsed = parse_real(value.text)
    except ValueError:
        # The number is too large or too small to make; the language has a word for each.
        return Expression(MathicsSymbol("System`Underflow" if "*^-" in value.text else "System`Overflow"))
    return real_number(parsed)


def _array(array: np.ndarray) -> Any:
    """Return nested lists of numbers for an array of any rank; a number for rank 0."""
    if array.dtype.kind not in "iufcb":
        raise ConversionError(f"an array of {array.dtype} stands for no expression")
    if array.ndim == 0:
        return _scalars(array.reshape(1))[0]
    with _no_collection():
        return _nested(array)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Stop the garbage collector while the body runs.

    It would search a million new objects for cycles again and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _nested(array: np.ndarray) -> Any:
    """Return the nested lists for an array of rank 1 or more."""
    flat = array.reshape(-1)
    finite = array.dtype.kind in "iub" or bool(np.isfinite(flat).all())
    level: list[Any] = _scalars(flat) if finite else [_float_or_complex(v) for v in flat.tolist()]
    for axis in range(array.ndim - 1, -1, -1):
        size = array.shape[axis]
        count = math.prod(array.shape[:axis])
        if not finite:
            level = [ListExpression(*level[i * size : (i + 1) * size]) for i in range(count)]
        elif axis == array.ndim - 1:
            level = _rows(level, array.reshape(count, size))
        else:
            level = [_outer_list(level[i * size : (i + 1) * size]) for i in range(count)]
    return level[0]


def _scalars(flat: np.ndarray) -> list[Any]:
    """Return the numbers of a flat array; reals must be finite."""
    kind = flat.dtype.kind
    if kind == "f":
        return _machine_reals(flat.tolist())
    if kind == "c":
        return [_complex(v) for v in flat.tolist()]
    return _integers(flat.tolist())


def _float_or_complex(value: float | complex) -> Any:
    return _complex(value) if isinstance(value, complex) else _float(value)


def _rows(numbers: list[Any], array: np.ndarray) -> list[Any]:
    """Return a list for each row of a two-dimensional array, given its numbers in order."""
    rows: list[Any] = []
    size = array.shape[1]
    values = array.tolist()
    ordered = [size < 2] * len(array)
    if array.dtype.kind != "c" and size > 1:
        ordered = np.all(array[:, :-1] <= array[:, 1:], axis=1).tolist()
    for index, is_ordered in enumerate(ordered):
        properties = ElementsProperties(True, True, is_ordered, bool(size))
        elements = numbers[index * size : (index + 1) * size]
        rows.append(
            ListExpression(*elements, elements_properties=properties, literal_values=tuple(values[index]))
        )
    return rows


def _outer_list(rows: list[Any]) -> Any:
    """Return a list of literal lists.

    Its properties are given, because Mathics3 would otherwise look at every row to find them.
    """
    properties = ElementsProperties(elements_fully_evaluated=True, is_uniform=bool(rows))
    return ListExpression(
        *rows, elements_properties=properties, literal_values=tuple(row.value for row in rows)
    )


class _Inward:
    """Convert one expression to Mathics3's; cache the names that are looked up."""

    def __init__(self, definitions: Any) -> None:
        self._lookup = definitions.lookup_name
        self._symbols: dict[str, Any] = {}
        self._leaves: dict[type, Callable[[Any], Any]] = {
            int: Integer,
            float: _float,
            str: String,
            Symbol: self._symbol,
            BigReal: _big_real,
            bytes: ByteArray,
            bytearray: lambda value: ByteArray(bytes(value)),
            complex: _complex,
            bool: lambda value: SymbolTrue if value else SymbolFalse,
            type(None): lambda _: SymbolNull,
            np.ndarray: _array,
        }

    def convert(self, root: Expr) -> Any:
        return _converted(root, self._leaves, self._open, _close)

    def _open(self, item: Any) -> _Frame | tuple[Any]:
        if isinstance(item, (list, tuple)):
            return _numbers(item) or [list, item, 0, []]
        if isinstance(item, Function):
            return [Function, (item.head, *item.args), 0, []]
        if isinstance(item, dict):
            rules = tuple(make_function(Symbol("System`Rule"), pair) for pair in item.items())
            return [Function, (Symbol("System`Association"), *rules), 0, []]
        return (self._other(item),)

    def _other(self, item: Any) -> Any:
        for kind, leaf in self._leaves.items():
            if isinstance(item, kind):
                return leaf(item)
        if isinstance(item, np.generic):
            return self.convert(item.item())
        raise ConversionError(f"a {type(item).__name__} stands for no expression")

    def _symbol(self, symbol: Symbol) -> Any:
        name = symbol.name
        found = self._symbols.get(name)
        if found is None:
            full = name if "`" in name and not name.startswith("`") else self._lookup(name)
            found = self._symbols[name] = MathicsSymbol(full)
        return found


def _numbers(items: Sequence[Any]) -> tuple[Any] | None:
    """Return the list for many numbers of one machine type, None for any other list."""
    if len(items) >= PACK_MINIMUM and len(kinds := set(map(type, items))) == 1:
        kind = kinds.pop()
        if kind is int or (kind is float and all(map(math.isfinite, items))):
            values = list(items)
            numbers = _integers(values) if kind is int else _machine_reals(values)
            return (ListExpression(*numbers, literal_values=tuple(values)),)
    return None


def _close(owner: Any, made: list[Any]) -> Any:
    if owner is list:
        return ListExpression(*made)
    head = made[0]
    if head is SymbolList:
        return ListExpression(*made[1:])
    if len(made) == 3:
        if head is _SYMBOL_COMPLEX:
            return _complex_of(made[1], made[2])
        if head is _SYMBOL_RATIONAL and isinstance(made[1], Integer) and isinstance(made[2], Integer):
            return _rational(made[1].value, made[2].value)
    return Expression(*made)


def _complex_of(real: Any, imaginary: Any) -> Any:
    """Return the number of two parts; where one is not finite, what the language has for that.

    NaN makes it ``Indeterminate``, one infinite part an infinity in its direction, two a
    ``ComplexInfinity``.
    """
    parts = (real, imaginary)
    if all(isinstance(part, _REALS) for part in parts):
        try:
            return complex_number(real, imaginary)
        except OverflowError:
            # Mathics3 has no complex number with an exact part beyond a machine number's range.
            return Expression(_SYMBOL_COMPLEX, real, imaginary)
    if any(part is _INDETERMINATE for part in parts):
        return _INDETERMINATE
    infinite = [_is_infinite(part) for part in parts]
    if all(infinite):
        return Expression(_DIRECTED_INFINITY)
    if infinite[0] and isinstance(imaginary, _REALS):
        return real
    if infinite[1] and isinstance(real, _REALS):
        return Expression(_DIRECTED_INFINITY, Complex(Integer(0), imaginary.elements[0]))
    return Expression(_SYMBOL_COMPLEX, real, imaginary)


def _is_infinite(part: Any) -> bool:
    """Tell whether it is an infinity in the direction of the real numbers."""
    return (
        isinstance(part, Expression)
        and part.head is _DIRECTED_INFINITY
        and len(part.elements) == 1
        and isinstance(part.elements[0], Integer)
    )


def _rational(numerator: int, denominator: int) -> Any:
    if denominator == 0:
        name = "System`ComplexInfinity" if numerator else "System`Indeterminate"
        return MathicsSymbol(name)
    if numerator % denominator == 0:
        return Integer(numerator // denominator)
    return Rational(numerator, denominator)


# -- Mathics3 to wstp -----------------------------------------


def from_mathics(element: Any, definitions: Any) -> Expr:
    """Return the ``wstp`` value for a Mathics3 expression; None is Null.

    Contexts that ``$Context`` and ``$ContextPath`` imply (System` and Global` at first) are left
    out. Rectangular lists of ``PACK_MINIMUM`` or more machine integers, reals or complex numbers
    become numpy arrays.
    """
    return _Outward(definitions).convert(SymbolNull if element is None else element)


class _Outward:
    """Convert one expression of Mathics3's; cache the names that are shortened."""

    def __init__(self, definitions: Any) -> None:
        self._definitions = definitions
        self._symbols: dict[Any, Symbol] = {}
        self._leaves: dict[type, Callable[[Any], Any]] = {
            Integer: attrgetter("_value"),
            MachineReal: _machine_value,
            PrecisionReal: _precise_value,
            Rational: _rational_value,
            Complex: self._complex,
            String: attrgetter("value"),
            MathicsSymbol: self._symbol,
            ByteArray: lambda atom: bytes(atom.value),
            NumericArray: lambda atom: Function(Symbol("NumericArray"), atom.value, atom._type_name),
        }

    def convert(self, root: Any) -> Expr:
        return _settled(_converted(root, self._leaves, self._open, _gather))

    def _open(self, item: Any) -> _Frame | tuple[Any]:
        """Return a frame for an expression with elements, a tuple with the value of any other."""
        if isinstance(item, BoxElementMixin) and not isinstance(item, String):
            item = item.to_expression()
        if isinstance(item, Expression):
            elements = item.elements
            if item.head is SymbolList:
                packed = _packed(elements)
                return [list, elements, 0, []] if packed is None else (packed,)
            return [Function, (item.head, *elements), 0, []]
        return (self._other(item),)

    def _other(self, item: Any) -> Any:
        for kind, leaf in self._leaves.items():
            if isinstance(item, kind):
                return leaf(item)
        pixels = getattr(item, "pixels", None)
        if isinstance(pixels, np.ndarray):
            typed = pixel_type(pixels)  # without one they are reals
            if typed == "Bit":
                pixels = pixels.astype(np.uint8)
            return Function(Symbol("Image"), pixels) if typed is None else Function(Symbol("Image"), pixels, typed)
        if isinstance(item, Expression):
            return self.convert(item)
        # Atoms that exist only inside Mathics3 (compiled code, dispatch tables) leave as their
        # name.
        return Function(self._symbol(item.get_head()), f"-{type(item).__name__}-")

    def _symbol(self, symbol: Any) -> Symbol:
        found = self._symbols.get(symbol)
        if found is None:
            name = symbol.name
            short = self._definitions.shorten_name(name)
            # A shadowed name keeps its context, or it would come back as the other symbol.
            if "`" not in short and self._definitions.lookup_name(short) != name:
                short = name
            found = self._symbols[symbol] = Symbol(short)
        return found

    def _complex(self, number: Any) -> Function:
        leaves = self._leaves
        parts = (leaves[type(number.real)](number.real), leaves[type(number.imag)](number.imag))
        return make_function(Symbol("Complex"), parts)


def _machine_value(number: Any) -> Any:
    value = number._value
    if type(value) is float:
        return value
    # A machine number that was made from an integer of more than 53 bits holds an mpmath number.
    try:
        return float(value)
    except OverflowError:
        return BigReal(precise_text(value._mpf_, 53))


def _precise_value(number: Any) -> Any:
    value = number.value
    if not hasattr(value, "_mpf_"):
        return Symbol("Indeterminate")
    return BigReal(real_text(number))


def _rational_value(number: Any) -> Function:
    value = number.value
    return make_function(Symbol("Rational"), (int(value.p), int(value.q)))


_value_of = attrgetter("_value")


def _packed(elements: Sequence[Any]) -> np.ndarray | None:
    """Return the array for a list of numbers of one machine type, None for any other list."""
    if not elements:
        return None
    kind = type(elements[0])
    if kind is not MachineReal and kind is not Integer and kind is not Complex:
        return None
    if len(set(map(type, elements))) != 1:
        return None
    count = len(elements)
    if kind is MachineReal:
        return np.fromiter(map(_value_of, elements), np.float64, count)
    if kind is Integer:
        try:
            return np.fromiter(map(_value_of, elements), np.int64, count)
        except OverflowError:
            return None
    if all(type(e.real) is MachineReal and type(e.imag) is MachineReal for e in elements):
        return np.fromiter(map(_value_of, elements), np.complex128, count)
    return None


def _gather(owner: Any, made: list[Any]) -> Any:
    """Return the value for a list or a function, given its converted parts.

    Rows of a list that are arrays of one shape and type become one array.
    """
    if owner is Function:
        head, *arguments = map(_settled, made)
        return make_function(head, tuple(arguments))
    first = made[0] if made else None
    if isinstance(first, np.ndarray) and all(
        isinstance(row, np.ndarray) and row.shape == first.shape and row.dtype == first.dtype for row in made
    ):
        return np.stack(made)
    return [_settled(value) for value in made]


def _settled(value: Any) -> Any:
    """Return an array with fewer than ``PACK_MINIMUM`` numbers as lists, any other value as it is.
    """
    if isinstance(value, np.ndarray) and value.size < PACK_MINIMUM:
        return value.tolist()
    return value
