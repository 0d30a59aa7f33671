"""Write and read JSON: the formats ``JSON``, ``RawJSON`` and ``ExpressionJSON``.

=============== ======================== ==========================================================
JSON            RawJSON, JSON as read    written from
=============== ======================== ==========================================================
object          association; in ``JSON`` an association whose keys are strings; in ``JSON`` also a
                a list of rules          list of rules
array           list                     list
string          string                   string; in ``JSON`` also a symbol, by its name
number          integer, machine real    integer, machine real; in ``JSON`` any real number
true false null ``True False Null``      the same; in ``JSON`` also ``Missing[...]`` as null
=============== ======================== ==========================================================

``ExpressionJSON`` holds any expression: ``["f", 1, "'text'"]`` is ``f[1, "text"]``. Text is
indented by tabs unless ``"Compact" -> True``. No I/O, no evaluation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolNull, SymbolTrue

from kernelbus.kernelhost.mathics.forms.precision import machine_real, real_number, real_text
from kernelbus.kernelhost.mathics.forms.reals import parse_real

__all__ = ["JSONError", "read_json", "write_json"]

_SYSTEM = "System`"
_ASSOCIATION, _RULE = Symbol("System`Association"), Symbol("System`Rule")
_WORDS = {SymbolTrue.name: "true", SymbolFalse.name: "false", SymbolNull.name: "null"}
#: How deeply arrays and objects may be nested: the reader of Python's library is recursive.
_DEEPEST = 500


class JSONError(ValueError):
    """Say that a text is not JSON, or that a value cannot be written so."""


# -- writing -----------------------------------------


def write_json(expr: Any, form: str, *, compact: bool = False) -> str:
    """Return an expression as JSON text in one of the three formats.

    Raises:
        JSONError: the expression, or a part of it, has no form there.
    """
    value = {"RawJSON": _raw, "JSON": _loose, "ExpressionJSON": _structure}[form]
    out: list[str] = []
    _write(expr, value, "" if compact else "\n", out)
    return "".join(out)


def _write(expr: Any, convert: Callable[[Any], Any], line: str, out: list[str], depth: int = 0) -> None:
    """Write a value and what is in it; ``line`` begins a line at this depth."""
    if depth > _DEEPEST:
        raise JSONError(f"it is nested more than {_DEEPEST} deep")
    value = convert(expr)
    if isinstance(value, str):
        out.append(value)
        return
    inner = line and line + "\t"
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    out.append(opening)
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    first = True
    for key, item in items:
        out.append(inner if first else "," + inner)
        first = False
        if key is not None:
            out.append(_quoted(key) + ":")
        _write(item, convert, inner, out, depth + 1)
    if not first:
        out.append(line)
    out.append(closing)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _real(value: float) -> str:
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent)}"


def _object(rules: Any) -> dict[str, Any] | None:
    """Return the pairs of rules whose left sides are strings, None for others."""
    found: dict[str, Any] = {}
    for rule in rules:
        if not rule.has_form(("Rule", "RuleDelayed"), 2) or not isinstance(rule.elements[0], String):
            return None
        found[rule.elements[0].value] = rule.elements[1]
    return found


def _raw(expr: Any) -> Any:
    if isinstance(expr, String):
        return _quoted(expr.value)
    if isinstance(expr, Integer):
        return str(expr.value)
    if isinstance(expr, MachineReal):
        return _real(float(expr.value))
    if isinstance(expr, Symbol) and expr.name in _WORDS:
        return _WORDS[expr.name]
    if expr.has_form("Association", None):
        pairs = _object(expr.elements)
        if pairs is not None:
            return pairs
    elif expr.has_form("List", None):
        return expr.elements
    raise JSONError("a part of it is no list, association with strings as keys, string, number, True, False or Null")


def _loose(expr: Any) -> Any:
    if expr.has_form("List", None) and expr.elements:
        pairs = _object(expr.elements)
        if pairs is not None:
            return pairs
    if isinstance(expr, (PrecisionReal, Rational)):
        value = float(expr.value)
        if math.isfinite(value):
            return _real(value)
    if isinstance(expr, Symbol) and expr.name not in _WORDS:
        return _quoted(expr.name.rpartition("`")[2])
    if expr.has_form("Missing", None):
        return "null"
    return _raw(expr)


def _structure(expr: Any) -> Any:
    if isinstance(expr, Symbol):
        return _WORDS.get(expr.name) or _quoted(expr.name.removeprefix(_SYSTEM))
    if isinstance(expr, String):
        return _quoted(f"'{expr.value}'")
    if isinstance(expr, Integer):
        return str(expr.value)
    if isinstance(expr, MachineReal):
        return _real(float(expr.value))
    if isinstance(expr, PrecisionReal):
        return (Symbol("System`Real"), String(real_text(expr)))
    if isinstance(expr, Rational):
        return (Symbol("System`Rational"), expr.numerator(), expr.denominator())
    if isinstance(expr, Complex):
        return (Symbol("System`Complex"), expr.real, expr.imag)
    if isinstance(expr, Expression):
        return (expr.head, *expr.elements)
    raise JSONError(f"{expr.get_head_name()} has no form in ExpressionJSON")


# -- reading -----------------------------------------


def read_json(text: str, form: str) -> Any:
    """Return the expression of a JSON text in one of the three formats, unevaluated.

    Raises:
        JSONError: the text is not JSON.
    """
    try:
        value = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise JSONError(f"{error.msg}, at character {error.pos + 1}") from error
    except RecursionError as error:
        raise JSONError("it is nested too deeply") from error
    return _expression(value) if form == "ExpressionJSON" else _value(value, form == "RawJSON")


class _Pairs(list[Any]):
    """Hold the members of an object, in order."""


def _integer(text: str) -> Any:
    return Integer(int(text))


def _number(text: str) -> Any:
    value = float(text)
    if math.isfinite(value):
        return machine_real(value)
    return real_number(parse_real(text.lower().replace("e+", "*^").replace("e", "*^")))


def _constant(text: str) -> Any:
    raise JSONError(f"{text} is no value")


def _value(value: Any, associations: bool) -> Any:
    if isinstance(value, _Pairs):
        rules = [Expression(_RULE, String(key), _value(item, associations)) for key, item in value]
        if not associations:
            return ListExpression(*rules)
        last = {rule.elements[0].value: rule for rule in rules}
        return Expression(_ASSOCIATION, *last.values())
    if isinstance(value, list):
        return ListExpression(*(_value(item, associations) for item in value))
    if isinstance(value, str):
        return String(value)
    return _word(value)


def _word(value: Any) -> Any:
    if value is None:
        return SymbolNull
    if isinstance(value, bool):
        return SymbolTrue if value else SymbolFalse
    return value


def _expression(value: Any) -> Any:
    if isinstance(value, list) and value and not isinstance(value, _Pairs):
        head, *elements = map(_expression, value)
        if isinstance(head, Symbol):
            if head.name == "System`Rational" and len(elements) == 2 and all(isinstance(e, Integer) for e in elements):
                return Rational(elements[0].value, elements[1].value)
            if head.name == "System`Real" and len(elements) == 1 and isinstance(elements[0], String):
                return real_number(parse_real(elements[0].value))
            if head.name == "System`List":
                return ListExpression(*elements)
        return Expression(head, *elements)
    if isinstance(value, str):
        if len(value) >= 2 and value[0] == value[-1] == "'":
            return String(value[1:-1])
        return Symbol(value if "`" in value else _SYSTEM + value)
    if isinstance(value, (list, dict)):
        raise JSONError("an object or an empty array is no expression")
    return _word(value)
