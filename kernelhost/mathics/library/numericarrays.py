"""Numeric arrays: make them, and compute with them.

Mathics3 has the atom, and no function that makes or takes one. Here ``NumericArray[...]`` makes it,
and functions of lists and matrices take it as the lists that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from mathics.core.atoms import ByteArray, Integer, NumericArray, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.forms.convert import ConversionError, from_mathics, to_mathics
from kernelbus.kernelhost.mathics.native import define, define_up
from wstp import Function
from wstp import Symbol as Name

__all__ = ["install_numeric_arrays", "numbers_of"]

#: The functions that take a numeric array as the lists that it stands for.
_TAKE_LISTS: Final = frozenset(
    f"System`{name}"
    for name in """
    Normal Total Mean Median Max Min MinMax Variance StandardDeviation Quantile Accumulate Differences Ratios Norm Normalize
    Dot Cross Transpose ConjugateTranspose Tr Det Inverse PseudoInverse MatrixRank MatrixPower LinearSolve LeastSquares NullSpace
    RowReduce Eigenvalues Eigenvectors Eigensystem SingularValueDecomposition QRDecomposition Outer Inner KroneckerProduct
    Part First Last Rest Most Take Drop Extract Append Prepend Join Flatten Partition Reverse RotateLeft RotateRight Riffle
    Map MapIndexed MapThread Scan Apply Fold FoldList Table Select Cases Count Position MemberQ Sort SortBy Ordering Union
    DeleteDuplicates Tally Counts GroupBy ArrayFlatten ArrayReshape ArrayPad PadLeft PadRight Clip Rescale Standardize
    Plus Times Power Subtract Divide Minus Abs Sign Sqrt Exp Log Log2 Log10 Sin Cos Tan ArcSin ArcCos ArcTan Sinh Cosh Tanh
    Round Floor Ceiling IntegerPart FractionalPart Mod Quotient Re Im Arg Conjugate N Chop UnitStep
    Fourier InverseFourier ListConvolve ListCorrelate Interpolation Fit FindFit LinearModelFit Covariance Correlation
    ListPlot ListLinePlot ListLogPlot ListLogLogPlot ListPlot3D ListDensityPlot ListContourPlot BarChart PieChart Histogram
    ArrayPlot MatrixPlot MatrixForm TableForm Histogram3D BoxWhiskerChart BinCounts HistogramList
    """.split()  # noqa: SIM905 - a list of so many words is easier to read so
)

#: What the shape of an array tells without its numbers.
_OF_SHAPE: Final[dict[str, Callable[[tuple[int, ...]], Any]]] = {
    "System`Length": lambda shape: Integer(shape[0]),
    "System`Dimensions": lambda shape: ListExpression(*map(Integer, shape)),
    "System`ArrayDepth": lambda shape: Integer(len(shape)),
}

#: The element types, by the names that the language has for them.
_TYPES: Final = {
    "Integer8": "i1", "Integer16": "i2", "Integer32": "i4", "Integer64": "i8", "UnsignedInteger8": "u1", "UnsignedInteger16": "u2",
    "UnsignedInteger32": "u4", "UnsignedInteger64": "u8", "Real32": "f4", "Real64": "f8", "ComplexReal32": "c8", "ComplexReal64": "c16",
    "Byte": "u1",
}  # fmt: skip


def install_numeric_arrays(definitions: Any) -> None:
    """Define the functions of numeric arrays."""
    # Definitions are found by full names; with the short one that Mathics3 gives it, no definition
    # of the atom's head is.
    NumericArray.class_head_name = "System`NumericArray"
    define(definitions, "NumericArray", _make)
    define(definitions, "NumericArrayQ", lambda call, _: _truth(call, NumericArray))
    define(definitions, "NumericArrayType", _type)
    define_up(definitions, "NumericArray", _as_lists)


def _truth(call: Any, kind: type) -> Any:
    if len(call.elements) != 1:
        return None
    return SymbolTrue if isinstance(call.elements[0], kind) else SymbolFalse


def _type(call: Any, evaluation: Any) -> Any:
    array = call.elements[0] if len(call.elements) == 1 else None
    return String(array._type_name) if isinstance(array, NumericArray) else None


def _as_lists(call: Any, evaluation: Any) -> Any:
    """Return a call with lists for numeric arrays, if its function takes lists."""
    name = call.get_head_name()
    if name in _OF_SHAPE and len(call.elements) == 1:
        return _OF_SHAPE[name](call.elements[0].value.shape)
    if name not in _TAKE_LISTS:
        return None
    elements = [to_mathics(each.value, evaluation.definitions) if isinstance(each, NumericArray) else each for each in call.elements]
    if name == "System`Normal":
        return elements[0] if len(elements) == 1 else None
    return Expression(call.head, *elements)


def _make(call: Any, evaluation: Any) -> Any:
    """Make the array of ``NumericArray[data]``, or of data, a type, and maybe a method."""
    if not 1 <= len(call.elements) <= 3:
        return None
    array = numbers_of(call.elements[0], evaluation)
    if array is None or not array.ndim or not array.size:
        return None
    code = array.dtype.str[1:] if len(call.elements) == 1 else _TYPES.get(call.elements[1].get_string_value() or "")
    if code is None or code not in _TYPES.values():
        return None
    if array.dtype.kind == "c" and code[0] != "c":
        return None
    if array.dtype.kind in "iu" and code[0] in "iu":
        limits = np.iinfo(code)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            return None
    elif array.dtype.kind == "f" and code[0] in "iu":
        rounded = np.rint(array)
        limits = np.iinfo(code)
        if not (np.isfinite(array).all() and rounded.min() >= limits.min and rounded.max() <= limits.max):
            return None
        array = rounded
    return NumericArray(array.astype(code))


def numbers_of(data: Any, evaluation: Any) -> np.ndarray | None:
    """Return the numbers of nested lists, a byte array or a numeric array; None: of no others."""
    if isinstance(data, NumericArray):
        return data.value
    if isinstance(data, ByteArray):
        return np.frombuffer(bytes(data.value), np.uint8)
    if not isinstance(data, ListExpression):
        return None
    try:
        made = np.asarray(_plain(from_mathics(data, evaluation.definitions)))
    except (ConversionError, ValueError, TypeError, OverflowError):
        return None
    return made if made.dtype.kind in "iufc" else None


def _plain(value: Any) -> Any:
    """Return nested lists with numbers of Python for those of `wstp`.

    Raises:
        TypeError: something in them is no number.
    """
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Function) and isinstance(value.head, Name) and len(value.args) == 2:
        first, second = value.args
        if value.head.name == "Rational":
            return first / second
        if value.head.name == "Complex":
            return complex(_plain(first), _plain(second))
    if not isinstance(value, int | float | complex | np.ndarray):
        raise TypeError("not a number")
    return value
