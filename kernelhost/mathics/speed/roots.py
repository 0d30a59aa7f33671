"""Roots of rational numbers in the form that the language has them: ``1/Sqrt[2]``, ``Sqrt[2/3]``.

SymPy and Mathics3 have no root below the bar: ``Sqrt[2]/2``. Here the square roots in a product are
one root, of a number whose square factors stand before it; and what stands before it has no factor
in common with the root that could be within it. No evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import sympy
from mathics.core.atoms import Complex, Integer, Number, Rational
from mathics.core.expression import Expression
from mathics.core.systemsymbols import SymbolPower, SymbolTimes

__all__ = ["install_roots", "power_of", "with_roots"]

#: Larger numbers are left as they are: their factors may take long.
_LARGEST: Final = 10**30
_HALF: Final = Rational(1, 2)
#: Positive constants that stand within a root beside numbers.
_CONSTANTS: Final = frozenset(f"System`{name}" for name in ("Pi", "EulerGamma", "GoldenRatio", "Catalan", "Khinchin", "Glaisher"))
#: Whether products are put in this form: powers must stay in it.
_on: list[bool] = []
#: The radicand of a square root: a rational number, and the powers of constants.
_Radicand = tuple[Fraction, dict[Any, int]]


def _exact(number: Any) -> Fraction | None:
    """Return the value of an integer or a rational number."""
    if isinstance(number, Integer):
        return Fraction(int(number.value))
    if isinstance(number, Rational):
        return Fraction(int(number.value.p), int(number.value.q))
    return None


def _number(value: Fraction) -> Any:
    return Integer(value.numerator) if value.denominator == 1 else Rational(value.numerator, value.denominator)


def _square_free(number: int) -> tuple[int, int]:
    """Return ``a`` and ``b`` with ``number == a*a*b``, where no square divides ``b``."""
    outside = inside = 1
    for prime, count in sympy.factorint(number).items():
        outside *= int(prime) ** (count // 2)
        inside *= int(prime) ** (count % 2)
    return outside, inside


def _small(value: Fraction) -> bool:
    return 0 < value.numerator < _LARGEST and value.denominator < _LARGEST


def _radicand(expr: Any) -> _Radicand | None:
    """Return the parts of a positive number that is made of a rational one and constants."""
    value, powers = Fraction(1), dict[Any, int]()
    for factor in expr.elements if expr.has_form("Times", None) else (expr,):
        base, degree = factor, 1
        if factor.has_form("Power", 2) and isinstance(factor.elements[1], Integer) and abs(factor.elements[1].value) == 1:
            base, degree = factor.elements[0], int(factor.elements[1].value)
        number = _exact(base)
        if number is not None and number > 0:
            value *= number**degree
        elif base.get_name() in _CONSTANTS:
            powers[base] = powers.get(base, 0) + degree
        else:
            return None
    return (value, powers) if _small(value) else None


def _root(outside: Fraction, radicand: Fraction, powers: dict[Any, int]) -> tuple[Fraction, list[Any]]:
    """Return ``outside*Sqrt[radicand*powers]`` as a number and powers, one of them at most a root.
    """
    over, above = _square_free(radicand.numerator)
    under, below = _square_free(radicand.denominator)
    outside *= Fraction(over, under)
    common = math.gcd(outside.numerator, below)
    outside, above, below = outside / common, above * common, below // common
    common = math.gcd(outside.denominator, above)
    outside, above, below = outside * common, above // common, below * common
    whole = [_power(each, int(degree / 2)) for each, degree in powers.items() if abs(degree) > 1]
    over_bar = [each for each, degree in powers.items() if degree % 2 and degree > 0]
    under_bar = [each for each, degree in powers.items() if degree % 2 and degree < 0]
    if above == 1 and not over_bar:
        if below == 1 and not under_bar:
            return outside, whole
        return outside, [*whole, Expression(SymbolPower, _times(Integer(below), under_bar), Rational(-1, 2))]
    inverses = [Expression(SymbolPower, each, Integer(-1)) for each in under_bar]
    base = _times(_number(Fraction(above, below)), [*over_bar, *inverses])
    return outside, [*whole, Expression(SymbolPower, base, _HALF)]


def _times(number: Any, factors: Sequence[Any]) -> Any:
    given = [*([] if isinstance(number, Integer) and number.value == 1 else [number]), *factors]
    return given[0] if len(given) == 1 else Expression(SymbolTimes, *given)


def _power(base: Any, degree: int) -> Any:
    return base if degree == 1 else Expression(SymbolPower, base, Integer(degree))


def power_of(base: Any, exponent: Any) -> Any | None:
    """Return a power of a positive rational number, None to leave it to others.

    The power itself means that it stays as it is.
    """
    if not isinstance(exponent, Rational):
        return None
    degree = _exact(exponent)
    assert degree is not None
    if abs(degree) == Fraction(1, 2) and base.has_form("Times", None):
        parts = _radicand(base)
        if parts is None:
            return None
        sign = 1 if degree > 0 else -1
        return _product(*_root(Fraction(1), parts[0]**sign, {each: sign * power for each, power in parts[1].items()}))
    value = _exact(base)
    if value is None or not _small(value) or value == 1:
        return None
    if degree.denominator == 2 and (degree < 0 or value.denominator > 1):
        whole = int(degree - Fraction(math.copysign(1, degree)) / 2)
        number, root = _root(value**whole, value if degree > 0 else 1 / value, {})
        return _product(number, root)
    if value.denominator == 1 and -1 < degree < 0:
        # As the root of the same degree above the bar, which is not taken apart here.
        parts = sympy.Pow(int(value), sympy.Rational(-degree.numerator, degree.denominator)).as_coeff_Mul()
        if parts[0] == 1 and parts[1] == sympy.Pow(int(value), sympy.Rational(-degree.numerator, degree.denominator), evaluate=False):
            return Expression(SymbolPower, base, exponent)
    return None


def _product(number: Fraction, factors: Sequence[Any]) -> Any:
    if number == 1 and len(factors) == 1:
        return factors[0]
    return Expression(SymbolTimes, _number(number), *factors) if factors else _number(number)


def _content(number: Any) -> tuple[Fraction, Any] | None:
    """Return a positive rational factor of an exact number, and the rest; None for inexact ones."""
    value = _exact(number)
    if value is not None:
        return (abs(value), Integer(1 if value > 0 else -1)) if value else None
    if not isinstance(number, Complex):
        return None
    real, imaginary = _exact(number.real), _exact(number.imag)
    if real is None or imaginary is None:
        return None
    over = math.gcd(real.numerator * imaginary.denominator, imaginary.numerator * real.denominator)
    content = Fraction(over, real.denominator * imaginary.denominator)
    return content, Complex(_number(real / content), _number(imaginary / content))


def with_roots(elements: Sequence[Any]) -> list[Any] | None:
    """Return the factors of a product with its roots in the language's form.

    Returns:
        The factors, a number first if there is one; None: they are in that form, or have no roots.
    """
    if not _on:
        return None
    halves: dict[int, _Radicand] = {}
    for at, each in enumerate(elements):
        if each.has_form("Power", 2) and isinstance(each.elements[1], Rational) and abs(each.elements[1].value) == sympy.Rational(1, 2):
            found = _radicand(each.elements[0])
            if found is not None:
                sign = 1 if each.elements[1].value > 0 else -1
                halves[at] = found[0] ** sign, {name: sign * power for name, power in found[1].items()}
    first = elements[0]
    content, rest = _content(first) or (Fraction(1), None)
    if rest is None and isinstance(first, Number):
        return None  # it is inexact
    offset = 1 if rest is not None else 0
    factors = list(elements[offset:])
    changed = False
    radicand, powers = Fraction(1), dict[Any, int]()
    for value, names in halves.values():
        radicand *= value
        for name, power in names.items():
            powers[name] = powers.get(name, 0) + power
    if radicand != 1 and _small(radicand):
        outside, made = _root(content, radicand, powers)
        before = [elements[at] for at in halves]
        if outside != content or len(made) != len(before) or not all(one.sameQ(two) for one, two in zip(made, before, strict=True)):
            content, changed = outside, True
            factors = [*made, *(each for at, each in enumerate(factors, offset) if at not in halves)]
    for at, each in enumerate(factors):
        # A root of another degree takes up what is its whole base.
        if each.has_form("Power", 2) and isinstance(each.elements[1], Rational) and abs(each.elements[1].value) != sympy.Rational(1, 2):
            base, degree = _exact(each.elements[0]), _exact(each.elements[1])
            if base is None or degree is None or base.denominator != 1 or base <= 1 or abs(degree) >= 1:
                continue
            if degree > 0 and content.denominator % base.numerator == 0:
                content, degree, changed = content * base, degree - 1, True
            elif degree < 0 and content.numerator % base.numerator == 0:
                content, degree, changed = content / base, degree + 1, True
            else:
                continue
            factors[at] = Expression(SymbolPower, each.elements[0], _number(degree))
    if not changed:
        return None
    number = _scaled(content, rest)
    return factors if isinstance(number, Integer) and number.value == 1 else [number, *factors]


def _scaled(content: Fraction, rest: Any) -> Any:
    """Return the product of a rational number and an exact number."""
    if rest is None:
        return _number(content)
    if isinstance(rest, Integer):
        return _number(content * int(rest.value))
    real, imaginary = _exact(rest.real), _exact(rest.imag)
    assert real is not None and imaginary is not None
    return Complex(_number(content * real), _number(content * imaginary))


def install_roots() -> None:
    """Put products in this form from now on: powers are kept in it by :func:`power_of`."""
    _on[:] = [True]
