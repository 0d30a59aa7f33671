"""Products and powers of trigonometric functions, as Wolfram kernels write them.

``1/Cos[x]`` is ``Sec[x]``, ``Sin[x]/Cos[x]`` is ``Tan[x]``, ``Cos[x]*Tan[x]`` is ``Sin[x]``; the
same for hyperbolic functions. Mathics3 leaves the first two, and has no secant in SymPy.
Of each argument the factors are counted as powers of sine and cosine, and written with as few
functions as can be.
"""

from __future__ import annotations

from typing import Any, Final

from mathics.core.atoms import Integer
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol
from mathics.core.systemsymbols import SymbolPower, SymbolTimes

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["correct_reciprocals", "install_reciprocals"]

#: Of each function: whether it is hyperbolic, and its powers of sine and cosine.
_POWERS: Final[dict[Any, tuple[str, int, int]]] = {
    Symbol(f"System`{name}{kind}"): (kind, sine, cosine)
    for kind in ("", "h")
    for name, sine, cosine in (("Sin", 1, 0), ("Cos", 0, 1), ("Tan", 1, -1), ("Cot", -1, 1), ("Sec", 0, -1), ("Csc", -1, 0))
}


def _written(kind: str, sine: int, cosine: int) -> list[tuple[str, int]]:
    """Return the functions, and their exponents, that make powers of sine and cosine."""
    found: list[tuple[str, int]]
    if sine > 0 and cosine < 0:
        both = min(sine, -cosine)
        found = [("Tan", both), ("Sin", sine - both), ("Sec", -cosine - both)]
    elif sine < 0 < cosine:
        both = min(-sine, cosine)
        found = [("Cot", both), ("Csc", -sine - both), ("Cos", cosine - both)]
    else:
        found = [("Sin", sine) if sine >= 0 else ("Csc", -sine), ("Cos", cosine) if cosine >= 0 else ("Sec", -cosine)]
    return [(f"{name}{kind}", exponent) for name, exponent in found if exponent]


def _power(expression: Any, evaluation: Any) -> Any:
    """Return a negative power of a function as a power of its reciprocal."""
    elements = expression._elements
    if len(elements) != 2 or type(elements[1]) is not Integer or elements[1]._value >= 0:
        return None
    base = elements[0]
    if type(base) is not Expression or base._head not in _POWERS or len(base._elements) != 1:
        return None
    kind, sine, cosine = _POWERS[base._head]
    ((name, _),) = _written(kind, -sine, -cosine)
    other = call(name, *base._elements)
    return other if elements[1]._value == -1 else call("Power", other, Integer(-elements[1]._value))


def _factor(expr: Any) -> tuple[Any, int] | None:
    """Return a call of one of the functions, and the integer that it is raised to."""
    if type(expr) is not Expression:
        return None
    if expr._head in _POWERS:
        return (expr, 1) if len(expr._elements) == 1 else None
    if expr._head is SymbolPower and len(expr._elements) == 2 and type(expr._elements[1]) is Integer:
        base = expr._elements[0]
        if type(base) is Expression and base._head in _POWERS and len(base._elements) == 1:
            return base, expr._elements[1]._value
    return None


def _times(expression: Any, evaluation: Any) -> Any:
    """Return a product with the factors of the same argument joined."""
    elements = expression._elements
    groups: dict[Any, list[tuple[int, Any, int]]] = {}
    for at, each in enumerate(elements):
        factor = _factor(each)
        if factor is None:
            continue
        base, exponent = factor
        groups.setdefault((_POWERS[base._head][0], base._elements[0]), []).append((at, base._head, exponent))
    replaced: set[int] = set()
    made = []
    for (kind, argument), members in groups.items():
        if len(members) < 2:
            continue
        sine = sum(_POWERS[head][1] * exponent for _, head, exponent in members)
        cosine = sum(_POWERS[head][2] * exponent for _, head, exponent in members)
        found = [(Symbol(f"System`{name}"), exponent) for name, exponent in _written(kind, sine, cosine)]
        if {(head.name, power) for head, power in found} == {(head.name, power) for _, head, power in members}:
            continue
        replaced |= {at for at, _, _ in members}
        for head, power in found:
            function = Expression(head, argument)
            made.append(function if power == 1 else call("Power", function, Integer(power)))
    if not replaced:
        return None
    return Expression(SymbolTimes, *(each for place, each in enumerate(elements) if place not in replaced), *made)


def correct_reciprocals() -> None:
    """Have secants be secants in SymPy, too; call this before definitions are made."""
    from mathics.builtin.numbers.hyperbolic import Sech
    from mathics.builtin.numbers.trig import Csc, Sec

    for kind in (Sec, Csc, Sech):
        if "to_sympy" in vars(kind):
            del kind.to_sympy


def install_reciprocals(definitions: Any) -> None:
    """Give powers and products these values."""
    define(definitions, "Power", _power)
    define(definitions, "Times", _times)
