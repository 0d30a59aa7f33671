"""Python values for expressions, beyond those of `wstp.expr`, in both directions. No I/O.

| expression | put | got |
|---|---|---|
| `True`, `False`, `Null` | `True`, `False`, `None` | the same |
| `Rational[n, d]` | `fractions.Fraction` | `fractions.Fraction` |
| `Complex[re, im]` | `complex` | `complex`, if that holds both parts exactly |
| `Association[...]` | `dict` | `dict`, if its keys can be keys of one |
| `List[...]` | `list`, `tuple`, `range`, `numpy.ndarray` | `list`; `numpy.ndarray` if packed |

Everything else is as in the table of `wstp.expr`. The arguments of other functions than these stay
expressions: f[True] is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from kernelbus.shell.commands import name_of
from wstp import Expr, Function, Symbol

__all__ = ["code_to_expr", "to_expr", "to_python"]

_CONSTANTS: Final = {"True": True, "False": False, "Null": None}
_PLAIN: Final = frozenset((int, float, str, bool, Symbol, type(None)))


def code_to_expr(code: str | Expr) -> Expr:
    """Return the expression that evaluates `code`: text is read by the kernel as its input is."""
    return Symbol("ToExpression")(code) if isinstance(code, str) else to_expr(code)


def to_expr(value: object) -> Expr:
    """Return the value with everything that `wstp` does not know made into expressions."""
    return _rebuild(value, _inner_out, _leaf_out, _whole_out)


def to_python(expr: Expr) -> Expr:
    """Return the Python value of an expression; without one, the expression itself."""
    return _rebuild(expr, _inner_in, _leaf_in, _whole_in)


def _rebuild(root, inner, leaf, whole):  # type: ignore[no-untyped-def]  # three callables over Any: types would say nothing
    """Rebuild a tree from its leaves upwards.

    Without recursion, since expressions may be nested as deeply as memory allows.
    """
    made: list[Expr] = []
    pending: list[tuple[int, Expr]] = [(-1, root)]
    while pending:
        count, node = pending.pop()
        if count >= 0:
            start = len(made) - count
            made[start:] = [whole(node, made[start:])]
            continue
        children = inner(node)
        if children is None:
            made.append(leaf(node))
        else:
            pending.append((len(children), node))
            pending.extend((-1, child) for child in reversed(children))
    return made[0]


# ---- to the kernel -----------------------------------------------------------------------------


def _inner_out(node: Expr) -> Sequence[Expr] | None:
    if isinstance(node, list | tuple) and type(node) in (list, tuple):
        return None if _PLAIN.issuperset(map(type, node)) else node
    if isinstance(node, Function):
        return (node.head, *node.args)
    if isinstance(node, dict):
        return [part for item in node.items() for part in item]
    return None


def _leaf_out(node: Expr) -> Expr:
    if isinstance(node, Fraction):
        return Symbol("Rational")(node.numerator, node.denominator) if node.denominator != 1 else node.numerator
    return list(node) if isinstance(node, range) else node


def _whole_out(node: Expr, made: list[Expr]) -> Expr:
    if isinstance(node, Function):
        return Function(made[0], *made[1:])
    if isinstance(node, dict):
        return Symbol("Association")(*map(Symbol("Rule"), made[::2], made[1::2]))
    return made


# ---- from the kernel ---------------------------------------------------------------------------


def _inner_in(node: Expr) -> Sequence[Expr] | None:
    if isinstance(node, list):
        return node
    if isinstance(node, Function) and name_of(node.head) == "Association":
        rules = node.args
        if all(isinstance(rule, Function) and name_of(rule.head) == "Rule" and len(rule.args) == 2 for rule in rules):
            return [part for rule in rules for part in rule.args]
    return None


def _leaf_in(node: Expr) -> Expr:
    if isinstance(node, Symbol):
        return _CONSTANTS.get(name_of(node), node)
    if isinstance(node, Function) and len(node.args) == 2:
        first, second = node.args
        match name_of(node.head):
            case "Rational" if type(first) is int and type(second) is int and second > 0:
                return Fraction(first, second)
            case "Complex" if type(first) in (int, float) and type(second) in (int, float):
                try:
                    value = complex(first, second)
                except OverflowError:
                    return node
                exact = all(type(part) is float or int(held) == part for part, held in ((first, value.real), (second, value.imag)))
                return value if exact else node
    return node


def _whole_in(node: Expr, made: list[Expr]) -> Expr:
    if isinstance(node, list):
        return made
    try:
        mapping = dict(zip(made[::2], made[1::2], strict=True))
    except TypeError:
        return node  # a key that a dict cannot have, such as a list
    return mapping if 2 * len(mapping) == len(made) else node  # 1 and 1. are one key in Python
