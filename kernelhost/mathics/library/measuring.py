"""Quantities with the units of :mod:`kernelbus.kernelhost.mathics.library.units`.

The second engine is asked first; these functions have what it leaves: units that it does not know,
units and numbers in a text, angles, mixed units, ``UnitSimplify``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.library.units import DIMENSIONS, Measure, Product, measure, parse, simpler
from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["combined", "install_measuring", "of_angle", "read_text", "spelled"]

_NUMBERS: Final = (Complex, Integer, MachineReal, PrecisionReal, Rational)
_NUMBER: Final = re.compile(r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?\.\d+)\s*(.*)", re.DOTALL)
_PI: Final = Symbol("System`Pi")
_TRIGONOMETRIC: Final = ("Sin", "Cos", "Tan", "Cot", "Sec", "Csc")


def _fraction(value: Fraction) -> Any:
    return Integer(value.numerator) if value.denominator == 1 else Rational(value.numerator, value.denominator)


def product_of(unit: Any) -> Product | None:
    """Return a unit as a product of names, None if it is none."""
    if isinstance(unit, String):
        return {unit.value: Fraction(1)} if measure({unit.value: Fraction(1)}) is not None else parse(unit.value)
    if unit.has_form("Power", 2):
        base, power = product_of(unit.elements[0]), unit.elements[1]
        if base is None or not isinstance(power, (Integer, Rational)):
            return None
        exponent = Fraction(str(power.value))
        return {name: each * exponent for name, each in base.items()}
    if unit.has_form("Times", None):
        found: Product = {}
        for factor in unit.elements:
            part = product_of(factor)
            if part is None:
                return None
            for name, power in part.items():
                found[name] = found.get(name, Fraction(0)) + power
        return {name: power for name, power in found.items() if power}
    return None


def spelled(unit: Product) -> Any:
    """Return a product of names as a unit of the language."""
    parts = [String(name) if power == 1 else call("Power", String(name), _fraction(power)) for name, power in sorted(unit.items())]
    if not parts:
        return String("DimensionlessUnit")
    return parts[0] if len(parts) == 1 else call("Times", *parts)


def _pair(expr: Any) -> tuple[Any, Product] | None:
    """Return the magnitude and the unit of a quantity."""
    if not expr.has_form("Quantity", 2):
        return None
    unit = product_of(expr.elements[1])
    return None if unit is None or measure(unit) is None else (expr.elements[0], unit)


def _scaled(magnitude: Any, one: Measure, other: Measure, evaluation: Any) -> Any:
    """Return a number of units as a number of other units with the same dimensions."""
    factors = [magnitude]
    if one.size != other.size:
        factors.append(_fraction(one.size / other.size))
    if one.pi != other.pi:
        factors.append(call("Power", _PI, Integer(one.pi - other.pi)))
    return call("Times", *factors).evaluate(evaluation) if len(factors) > 1 else magnitude


def _quantity(magnitude: Any, unit: Product, evaluation: Any) -> Any:
    return call("Quantity", magnitude, spelled(unit)).evaluate(evaluation)


def read_text(text: str) -> tuple[Any, Product] | None:
    """Return the number and the unit of a text as ``5 km``; the number is 1 if there is none."""
    found = _NUMBER.fullmatch(text)
    number, rest = (found[1], found[2]) if found is not None else ("1", text)
    unit = parse(rest) if rest.strip() else None
    if unit is None:
        return None
    return (Integer(int(number)) if re.fullmatch(r"[-+]?\d+", number) else MachineReal(float(number))), unit


def _convert(expression: Any, evaluation: Any) -> Any:
    """``UnitConvert[q]``, ``UnitConvert[q, unit]``, to a mixed unit too."""
    elements = expression.elements
    pair = _pair(elements[0]) if 1 <= len(elements) <= 2 else None
    if pair is None:
        return None
    magnitude, unit = pair
    one = measure(unit)
    assert one is not None
    if len(elements) == 1:
        target: Product | None = dict(one.dimensions)
    elif elements[1].has_form("MixedUnit", 1) and elements[1].elements[0].has_form("List", None):
        return _mixed(magnitude, one, list(elements[1].elements[0].elements), evaluation)
    else:
        wanted = elements[1].elements[1] if elements[1].has_form("Quantity", 2) else elements[1]
        target = product_of(wanted)
    other = None if target is None else measure(target)
    if target is None or other is None:
        return None
    if one.dimensions != other.dimensions:
        evaluation.message("Quantity", "compat", spelled(unit), spelled(target))
        return Symbol("System`$Failed")
    return _quantity(_scaled(magnitude, one, other, evaluation), target, evaluation)


def _mixed(magnitude: Any, one: Measure, names: list[Any], evaluation: Any) -> Any:
    """Return whole numbers of larger units, and what is left of the smallest."""
    units = [product_of(name) for name in names]
    measures = [None if unit is None else measure(unit) for unit in units]
    if not measures or any(each is None or each.dimensions != one.dimensions or each.pi != one.pi for each in measures):
        return None
    left, values = magnitude, []
    size = one
    for index, each in enumerate(measures):
        assert each is not None
        value = _scaled(left, size, each, evaluation)
        if index < len(measures) - 1:
            whole = call("IntegerPart", value).evaluate(evaluation)
            left, size = call("Subtract", value, whole).evaluate(evaluation), each
            value = whole
        values.append(value)
    return call("Quantity", call("MixedMagnitude", ListExpression(*values)), call("MixedUnit", ListExpression(*names)))


def _measure_of(expr: Any) -> Measure | None:
    unit = product_of(expr.elements[1] if expr.has_form("Quantity", 2) else expr)
    return None if unit is None else measure(unit)


def _compatible(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) < 2:
        return None
    found = [_measure_of(each) for each in expression.elements]
    if None in found:
        return None
    return SymbolTrue if len({each.dimensions for each in found if each is not None}) == 1 else SymbolFalse


def _known(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1:
        return None
    unit = expression.elements[0]
    return SymbolTrue if (product_of(unit) if not isinstance(unit, String) else measure({unit.value: Fraction(1)})) is not None else None


def _dimensions(expression: Any, evaluation: Any) -> Any:
    found = _measure_of(expression.elements[0]) if len(expression.elements) == 1 else None
    if found is None:
        return None
    named = sorted((DIMENSIONS[name], power) for name, power in found.dimensions)
    return ListExpression(*(ListExpression(String(name), _fraction(power)) for name, power in named))


def _simplify(expression: Any, evaluation: Any) -> Any:
    """``UnitSimplify[q]``: the quantity in one unit, if there is one."""
    pair = _pair(expression.elements[0]) if len(expression.elements) == 1 else None
    if pair is None:
        return None
    magnitude, unit = pair
    found = simpler(unit)
    if found is None:
        return expression.elements[0]
    single, factor = found
    scaled = call("Times", magnitude, _fraction(factor)).evaluate(evaluation)
    return _quantity(scaled, single, evaluation) if single else scaled


def of_angle(expression: Any, evaluation: Any) -> Any:
    """Return a trigonometric function of an angle."""
    if len(expression.elements) != 1 or expression.get_head_name().removeprefix("System`") not in _TRIGONOMETRIC:
        return None
    pair = _pair(expression.elements[0])
    if pair is None:
        return None
    found, radians = measure(pair[1]), measure({"Radians": Fraction(1)})
    if found is None or radians is None or found.dimensions != radians.dimensions:
        return None
    return Expression(expression.head, _scaled(pair[0], found, radians, evaluation))


def combined(expression: Any, evaluation: Any) -> Any:
    """Return a sum or a comparison of quantities with compatible units that the engine leaves.

    A sum has the smallest of the units.
    """
    name = expression.get_head_name().removeprefix("System`")
    pairs = [_pair(each) for each in expression.elements]
    if len(pairs) < 2 or None in pairs or name not in (
        "Plus", "Equal", "Unequal", "Less", "LessEqual", "Greater", "GreaterEqual", "Max", "Min",
    ):  # fmt: skip
        return None
    known = [(magnitude, unit, found) for magnitude, unit in filter(None, pairs) if (found := measure(unit)) is not None]
    if len({found.dimensions for _, _, found in known}) != 1:
        return None
    _, smallest, target = min(known, key=lambda each: float(each[2].size) * 3.141592653589793 ** each[2].pi)
    numbers = [_scaled(magnitude, found, target, evaluation) for magnitude, _, found in known]
    value = call(name, *numbers).evaluate(evaluation)
    if name in ("Plus", "Max", "Min"):
        return _quantity(value, smallest, evaluation)
    return value if value in (SymbolTrue, SymbolFalse) else None


def install_measuring(definitions: Any, after: Callable[[Any, Any], Any]) -> None:
    """Define the functions of units.

    Args:
        definitions: the definitions to change.
        after: returns the engine's value of an expression, None for none; it is asked first.
    """

    def second(own: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def apply(expression: Any, evaluation: Any) -> Any:
            found = after(expression, evaluation)
            return own(expression, evaluation) if found is None else found

        return apply

    define(definitions, "UnitConvert", second(_convert))
    define(definitions, "UnitDimensions", second(_dimensions))
    define(definitions, "UnitSimplify", _simplify)
    for name, own in (("CompatibleUnitQ", _compatible), ("KnownUnitQ", _known)):

        def either(expression: Any, evaluation: Any, own: Callable[[Any, Any], Any] = own) -> Any:
            return own(expression, evaluation) or after(expression, evaluation)

        define(definitions, name, either)
    add_message(definitions, "Quantity", "compat", "`1` and `2` are incompatible units.")
