"""Numbers of Python and numpy for expressions, and back. No I/O.

`Decimal` and the reals of mpmath travel with as many digits as they have. mpmath is not imported
here: only a program that has it gets its numbers.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np

from wstp import BigReal, Expr, Symbol

__all__ = ["decimal_of", "from_numpy", "inward", "not_finite", "outward"]

_REAL: Final = re.compile(r"(-?)([0-9]*)\.?([0-9]*)(?:(``?)(-?[0-9.]*))?(?:\*\^(-?[0-9]+))?")
#: The limits of Decimal's exponents on all machines; beyond them a real stays an expression.
_EXPONENT: Final = 425_000_000
_INFINITE: Final = "a complex number with an infinite part or a NaN is no number of the Wolfram Language"
_TYPES: Final = {
    **{f"Integer{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UnsignedInteger{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    "Real32": "f4",
    "Real64": "f8",
    "ComplexReal32": "c8",
    "ComplexReal64": "c16",
}


def not_finite(value: float) -> Expr:
    """Return the expression for an infinity, or for a NaN."""
    if math.isnan(value):
        return Symbol("Indeterminate")
    return Symbol("DirectedInfinity")(1 if value > 0 else -1)


def outward(value: object) -> Expr | None:
    """Return what `wstp` puts for a `Decimal`, a complex or a number of mpmath; else None."""
    if isinstance(value, Decimal):
        return _from_decimal(value)
    if isinstance(value, complex):
        if not (math.isfinite(value.real) and math.isfinite(value.imag)):
            raise TypeError(_INFINITE)
        return complex(value) if type(value) is not complex else value
    mpmath = sys.modules.get("mpmath")
    if mpmath is not None:
        if isinstance(value, mpmath.mpf):
            return _from_mpf(value, mpmath)
        if isinstance(value, mpmath.mpc):
            if not mpmath.isfinite(value):
                raise TypeError(_INFINITE)
            return Symbol("Complex")(_from_mpf(value.real, mpmath), _from_mpf(value.imag, mpmath))
    return None


def _from_decimal(value: Decimal) -> Expr:
    if value.is_nan():
        return Symbol("Indeterminate")
    if value.is_infinite():
        return not_finite(float(value))
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return BigReal(f"0``{-exponent}.")
    # d.ddd*10^n: the precision is the number of digits.
    power = exponent + len(text) - 1
    mark = f"`{len(text)}." + (f"*^{power}" if power else "")
    return BigReal(f"{'-' if sign else ''}{text[0]}.{text[1:]}{mark}")


def _from_mpf(value: Any, mpmath: Any) -> Expr:
    if not mpmath.isfinite(value):
        return not_finite(float(value))
    digits = max(mpmath.mp.dps, math.ceil(value.man.bit_length() * math.log10(2)) + 1)
    # strip_zeros: the digits are the precision.
    return _from_decimal(Decimal(mpmath.nstr(value, digits, strip_zeros=False, min_fixed=1, max_fixed=0)))


def decimal_of(real: BigReal) -> Decimal | BigReal:
    """Return a real as a `Decimal` with as many digits as its precision says.

    Digits beyond the precision are kept. A real whose exponent is too large for a `Decimal` is
    returned as it is.

    >>> decimal_of(BigReal("1.5`4.")), decimal_of(BigReal("0``2."))
    (Decimal('1.500'), Decimal('0.00'))
    """
    found = _REAL.fullmatch(real.text)
    if found is None:
        return real
    sign, whole, fraction, mark, digits, power = found.groups()
    exponent = int(power or 0)
    if abs(exponent) > _EXPONENT:
        return real
    written = (whole + fraction).lstrip("0")
    scale = exponent - len(fraction)  # the last digit's power of ten
    if mark and digits.strip("-."):
        # The power of ten of the last digit that the precision, or the accuracy, speaks for.
        places = math.ceil(float(digits))
        last = exponent - places if mark == "``" else scale + len(written) - places
        if last < scale and (written or mark == "``"):
            written, scale = written + "0" * (scale - last), last
    return Decimal(f"{sign}{written or '0'}E{scale}")


def from_numpy(value: np.ndarray[Any, Any] | np.generic) -> Any:
    """Return what travels in the place of an array or scalar of numpy; itself if it can travel."""
    if isinstance(value, np.generic):
        return _from_scalar(value)
    if value.ndim == 0:
        return value[()]
    if isinstance(value, np.ma.MaskedArray):
        return value.tolist() if np.ma.is_masked(value) else value.data
    kind = value.dtype.kind
    if kind == "f" and value.dtype.itemsize <= 8:
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(value.sum(dtype="f8")) or np.isfinite(value).all():
                return value
        return value.astype("f8").tolist()
    if kind == "c" and value.dtype.itemsize <= 16:
        if not np.isfinite(value).all():
            raise TypeError(_INFINITE)
        return value if type(value) is np.ndarray else np.asarray(value)
    if kind in "iu":
        return value if type(value) is np.ndarray else np.asarray(value)
    if kind in "mM":
        moments = _in_microseconds(value).astype(object)
        missing = np.empty((), dtype=object)
        missing[()] = Symbol("Missing")("NotAvailable")
        moments[np.isnat(value)] = missing
        _check_moments(moments.ravel())
        return moments.tolist()
    if value.dtype.names is not None:
        return [from_numpy(row) for row in value]
    if kind in "fc":
        return [from_numpy(row) for row in value]
    return value.tolist()


def _from_scalar(value: np.generic) -> Any:
    if value.dtype.names is not None:
        return {name: value[name] for name in value.dtype.names}  # type: ignore[index]
    if isinstance(value, np.longdouble):
        if not np.isfinite(value):
            return float(value)
        return Decimal(np.format_float_scientific(value, unique=True)) if float(value) != value else float(value)
    if isinstance(value, np.clongdouble):
        if not np.isfinite(value):
            raise TypeError(_INFINITE)
        return Symbol("Complex")(_number(value.real), _number(value.imag))
    if isinstance(value, np.datetime64 | np.timedelta64):
        item = _in_microseconds(value).item()
        _check_moments([item])
        return Symbol("Missing")("NotAvailable") if item is None else item
    return value.item()


def _in_microseconds(value: Any) -> Any:
    """Return dates or durations in microseconds if they are finer, as Python has nothing finer."""
    fine = np.datetime_data(value.dtype)[0] in ("ns", "ps", "fs", "as")
    return value.astype(f"{value.dtype.kind}8[us]") if fine else value


def _check_moments(moments: Sequence[Any] | np.ndarray[Any, Any]) -> None:
    # numpy gives the number of units for what Python has no date or duration of.
    if any(type(moment) is int for moment in moments):
        raise TypeError("it is no date or duration of datetime: its unit is a month or a year, or it is too far away")


def _number(value: Any) -> Expr:
    made = _from_scalar(value)
    return _from_decimal(made) if isinstance(made, Decimal) else made


def inward(name: str, args: Sequence[Expr]) -> Any:
    """Return the value of a number's expression; None if it stands for no number of Python."""
    match name, args:
        case "Rational", (int(first), int(second)) if second > 0:
            return Fraction(first, second)
        case "DirectedInfinity", (int(sign),) if abs(sign) == 1:
            return math.inf * sign
        case "Complex", (first, second):
            return _complex(first, second)
        case "NumericArray", (values, str(type_)) if type_ in _TYPES:
            try:
                return np.array(values, dtype=_TYPES[type_])
            except (TypeError, ValueError, OverflowError):
                return None
    return None


def _complex(first: Expr, second: Expr) -> Any:
    if type(first) in (int, float) and type(second) in (int, float):
        try:
            value = complex(first, second)
        except OverflowError:
            return None
        exact = all(type(part) is float or int(held) == part for part, held in ((first, value.real), (second, value.imag)))
        return value if exact else None
    mpmath = sys.modules.get("mpmath")
    if mpmath is not None and {BigReal} <= {type(first), type(second)} <= {BigReal, int, float}:
        parts = [decimal_of(part) if isinstance(part, BigReal) else Decimal(part) for part in (first, second)]
        if all(isinstance(part, Decimal) for part in parts):
            digits = max(len(part.as_tuple().digits) for part in parts if isinstance(part, Decimal))
            # Up to three digits more come of writing binary digits as decimals.
            with mpmath.workdps(mpmath.mp.dps if digits <= mpmath.mp.dps + 3 else digits):
                return mpmath.mpc(*map(str, parts))
    return None
