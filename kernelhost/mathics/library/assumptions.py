"""Use assumptions where the language does: ``Simplify``, ``Refine``, ``Integrate``, ``Limit``.

A call's assumptions are those it is given, as an argument or by its option ``Assumptions``, and
those of ``$Assumptions``, which ``Assuming`` sets. Mathics3 gives them to SymPy nowhere, and the
second engine sees no ``$Assumptions``. Here the call is written with all its assumptions for the
engine; SymPy gets symbols that are positive, negative, real or integer as assumed; Mathics3 is
asked last, with ``$Assumptions`` set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sympy
from mathics.builtin.scoping import dynamic_scoping
from mathics.core.atoms import Integer, Number
from mathics.core.convert.sympy import from_sympy
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.engine.delegation import Delegate
from kernelbus.kernelhost.mathics.engine.process import is_installed
from kernelbus.kernelhost.mathics.library.inequalities import comparisons
from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["install_assumptions", "refinements"]

_RULES = ("System`Rule", "System`RuleDelayed")
_ASSUMPTIONS = "System`$Assumptions"
_OPTION = "System`Assumptions"
_CHAINS = ("System`Less", "System`LessEqual", "System`Greater", "System`GreaterEqual", "System`Inequality")

#: What SymPy calls the members of a domain.
_DOMAINS: Final[dict[str, dict[str, bool]]] = {
    "Integers": {"integer": True},
    "Rationals": {"rational": True},
    "Reals": {"real": True},
    "Primes": {"integer": True, "positive": True},
    "PositiveIntegers": {"integer": True, "positive": True},
    "NegativeIntegers": {"integer": True, "negative": True},
    "NonNegativeIntegers": {"integer": True, "nonnegative": True},
    "NonPositiveIntegers": {"integer": True, "nonpositive": True},
    "PositiveReals": {"positive": True},
    "NegativeReals": {"negative": True},
    "NonNegativeReals": {"nonnegative": True},
    "NonPositiveReals": {"nonpositive": True},
}
#: What a comparison with a number says of a symbol: (operator, sign of the number) to SymPy's name.
_SIGNS: Final = {
    **{("Greater", sign): "positive" for sign in (0, 1)},
    ("GreaterEqual", 1): "positive",
    ("GreaterEqual", 0): "nonnegative",
    **{("Less", sign): "negative" for sign in (0, -1)},
    ("LessEqual", -1): "negative",
    ("LessEqual", 0): "nonpositive",
}
_TURNED = {"Less": "Greater", "LessEqual": "GreaterEqual", "Greater": "Less", "GreaterEqual": "LessEqual", "Equal": "Equal"}
#: SymPy may take long over larger expressions.
_MOST_LEAVES: Final = 200

#: Whether a call is being answered by Mathics3, which asks for the simpler values of its parts.
_inside: list[str] = []


def _split(assumption: Any) -> Iterator[Any]:
    """Yield the single assumptions of a conjunction, a list, or a chain of comparisons."""
    waiting = [assumption]
    while waiting:
        each = waiting.pop()
        if each.has_form(("And", "List"), None):
            waiting += reversed(each.elements)
        elif each.get_head_name() in _CHAINS and len(each.elements) > 2:
            waiting += reversed(list(comparisons(each)))
        elif each is not SymbolTrue:
            yield each


def _signed(symbol: Any, operator: str, bound: Any) -> dict[str, bool]:
    """Return what ``symbol operator bound`` says of the symbol."""
    if not isinstance(symbol, Symbol):
        return {}
    found = {"real": True}
    if operator == "Unequal":
        return {"nonzero": True} if isinstance(bound, Integer) and bound.value == 0 else {}
    if isinstance(bound, Number):
        value = bound.to_sympy()
        sign = int(sympy.sign(value)) if value.is_real else None
        name = _SIGNS.get((operator, sign)) if sign is not None else None
        if name is not None:
            found[name] = True
    return found


def refinements(assumptions: Sequence[Any]) -> dict[Any, dict[str, bool]]:
    """Return what single assumptions say of symbols, in SymPy's terms."""
    found: dict[Any, dict[str, bool]] = {}

    def add(symbol: Any, facts: dict[str, bool]) -> None:
        if facts and isinstance(symbol, Symbol):
            found.setdefault(symbol, {}).update(facts)

    for each in assumptions:
        name = each.get_head_name().removeprefix("System`")
        if name in ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "Unequal") and len(each.elements) == 2:
            left, right = each.elements
            add(left, _signed(left, name, right))
            add(right, _signed(right, _TURNED.get(name, name), left))
        elif name == "Element" and len(each.elements) == 2:
            what, domain = each.elements
            members = what.elements if what.has_form(("List", "Alternatives"), None) else (what,)
            for member in members:
                add(member, _DOMAINS.get(domain.get_name().removeprefix("System`"), {}))
    return found


def _current(evaluation: Any) -> Any:
    """Return the value of ``$Assumptions``."""
    return Symbol(_ASSUMPTIONS).evaluate(evaluation)


def _parsed(expression: Any, plain: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Return a call's arguments, its assumptions, and its other options.

    Args:
        expression: the call.
        plain: how many of the arguments are none of the assumptions; 0 for all.
    """
    arguments: list[Any] = []
    assumed: list[Any] = []
    options: list[Any] = []
    for at, each in enumerate(expression.elements):
        if at and each.get_head_name() in _RULES and len(each.elements) == 2 and isinstance(each.elements[0], Symbol):
            name = each.elements[0].name
            if name == _OPTION:
                if each.elements[1].get_name() != _ASSUMPTIONS:
                    assumed.append(each.elements[1])
                continue
            if plain != 0 or name.startswith("System`"):
                # Limit[f, x -> 0] has a rule that is no option.
                options.append(each)
                continue
        if plain and len(arguments) >= plain:
            assumed.append(each)
        else:
            arguments.append(each)
    return arguments, assumed, options


def _leaves(expr: Any) -> int:
    count, waiting = 0, [expr]
    while waiting:
        each = waiting.pop()
        count += 1
        waiting += each.get_elements() if isinstance(each, Expression) else ()
    return count


def _has(expr: Any, name: str) -> bool:
    """Tell whether an expression has a call of a function of the language in it."""
    waiting = [expr]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Expression):
            if each.get_head_name() == f"System`{name}":
                return True
            waiting += each.elements
    return False


def _with_sympy(work: Callable[..., Any], arguments: Sequence[Any], facts: dict[Any, dict[str, bool]]) -> Any | None:
    """Have SymPy work on arguments whose symbols are as assumed; None if it cannot.

    The variables of ranges and limits are not as assumed: they take all values.
    """
    bound = [each.elements[0] for each in arguments[1:] if each.has_form(("List", "Rule"), None)] + list(arguments[1:])
    facts = {symbol: known for symbol, known in facts.items() if symbol not in bound}
    if not facts or sum(map(_leaves, arguments)) > _MOST_LEAVES:
        return None
    try:
        symbols = {symbol.to_sympy(): sympy.Dummy(symbol.name, **known) for symbol, known in facts.items()}
        given = [_for_sympy(arguments[0], symbols)]
        for each in arguments[1:]:
            parts = each.elements if each.has_form(("List", "Rule"), None) else None
            given.append(tuple(_for_sympy(part, symbols) for part in parts) if parts else _for_sympy(each, symbols))
        found = work(*given)
        if not isinstance(found, sympy.Basic) or found.has(sympy.Piecewise, sympy.Integral, sympy.Limit, sympy.AccumBounds, sympy.nan):
            return None
        return from_sympy(found.xreplace({dummy: symbol for symbol, dummy in symbols.items()}))
    except (sympy.SympifyError, ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError, RecursionError):
        return None


def _for_sympy(expr: Any, symbols: dict[Any, Any]) -> Any:
    """Return an expression for SymPy, with its symbols as assumed.

    Raises:
        ValueError: SymPy has no such thing.
    """
    found = expr.to_sympy()
    if not isinstance(found, sympy.Basic):
        raise ValueError(expr)
    return found.subs(symbols)


class _Assumed:
    """Answer calls of one function that has assumptions.

    Args:
        name: the function.
        plain: how many arguments are none of the assumptions; 0 for all.
        delegate: asks the engine; None where it is not installed.
        work: what SymPy does with the arguments; None for nothing.
    """

    def __init__(self, name: str, plain: int, delegate: Delegate | None, work: Callable[..., Any] | None) -> None:
        self._name = name
        self._plain = plain
        self._delegate = delegate
        self._work = work
        # The engine knows of no assumptions in limits, and says what is wrong without them.
        self._sympy_first = name == "Limit"

    def __call__(self, expression: Any, evaluation: Any) -> Any:
        if self._name in _inside or not expression.elements:
            return None
        arguments, given, options = _parsed(expression, self._plain)
        assumed: list[Any] = []
        for each in _split(ListExpression(*given, _current(evaluation))):
            if not any(each.sameQ(known) for known in assumed):
                assumed.append(each)
        if not assumed or SymbolFalse in assumed or any(each.has_form("List", None) for each in arguments[:1]):
            return None
        whole = assumed[0] if len(assumed) == 1 else call("And", *assumed)
        # Within, the assumptions are those of the call alone.
        return self._answer(arguments, options, assumed, whole, evaluation)

    def _answer(self, arguments: list[Any], options: list[Any], assumed: list[Any], whole: Any, evaluation: Any) -> Any:
        found: list[Any] = []
        if self._delegate is not None and not self._sympy_first:
            found += self._by_engine(arguments, options, whole, evaluation)
        if self._work is not None and not options and not any(map(self._decided, found)):
            answer = _with_sympy(self._work, arguments, refinements(assumed))
            found += [answer.evaluate(evaluation)] if answer is not None else []
        if self._delegate is not None and self._sympy_first and not found:
            found += self._by_engine(arguments, options, whole, evaluation)
        changed = [each for each in found if not each.sameQ(arguments[0])]
        return min(changed or found, key=_leaves) if found else self._by_theirs(arguments, options, assumed, evaluation)

    def _by_engine(self, arguments: list[Any], options: list[Any], whole: Any, evaluation: Any) -> list[Any]:
        told = (whole,) if self._plain else (call("Rule", Symbol(_OPTION), whole),)
        assert self._delegate is not None
        answer = self._delegate.value(call(self._name, *arguments, *told, *options), evaluation, quiet=True)
        return [] if answer is None or any(_has(answer, name) for name in {self._name, "Limit", "Integrate"}) else [answer]

    def _decided(self, answer: Any) -> bool:
        """Tell whether an answer needs no other beside it."""
        return not self._plain or answer in (SymbolTrue, SymbolFalse) or not isinstance(answer, Expression)

    def _by_theirs(self, arguments: list[Any], options: list[Any], assumed: list[Any], evaluation: Any) -> Any:
        _inside.append(self._name)
        try:
            again = call(self._name, *arguments, *options)
            found = dynamic_scoping(again.evaluate, {_ASSUMPTIONS: ListExpression(*assumed)}, evaluation)
        finally:
            _inside.pop()
        return found


def _simplify(expr: Any) -> Any:
    found = sympy.simplify(expr)
    return sympy.expand_log(found) if found.has(sympy.log) else found


def _refine(expr: Any) -> Any:
    return expr.doit() if hasattr(expr, "doit") else expr


def _limit(function: Any, at: tuple[Any, Any]) -> Any:
    return sympy.limit(function, *at)


def install_assumptions(definitions: Any) -> None:
    """Have the functions use assumptions; call this when the engine's functions are installed."""
    delegate = Delegate() if is_installed() else None
    for name, plain, work in (
        ("Simplify", 1, _simplify),
        ("FullSimplify", 1, _simplify),
        ("Refine", 1, _refine),
        ("FunctionExpand", 1, None),
        ("PiecewiseExpand", 1, None),
        ("Integrate", 0, sympy.integrate),
        ("Limit", 0, _limit),
    ):
        define(definitions, name, _Assumed(name, plain, delegate, work))
