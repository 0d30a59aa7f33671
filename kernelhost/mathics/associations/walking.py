"""Let what descends into expressions pass through associations: to their values, with their keys.

``Map``, ``MapIndexed``, ``Apply``, ``Scan``, ``Cases``, ``Count``, ``Position``, ``Level`` and
others share Mathics3's function ``walk_levels``. ``DeleteCases`` has one of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mathics.core.expression import Expression
from mathics.core.symbols import Atom, Symbol

from kernelbus.kernelhost.mathics.associations.expression import AssociationExpression, rule

__all__ = ["correct_walking"]

_KEY = Symbol("System`Key")


def _identity(expr: Any) -> Any:
    return expr


def correct_walking() -> None:
    """Change the functions in all modules of Mathics3 that have them."""
    from mathics.eval import parts

    is_in_level, theirs, their_delete = parts.is_in_level, parts.walk_levels, parts.deletecases_with_levelspec

    def walk_levels(
        expr: Any,
        start: int = 1,
        stop: int | None = None,
        current: int = 0,
        heads: bool = False,
        callback: Callable[..., Any] = _identity,
        include_pos: bool = False,
        cur_pos: list[Any] = [],  # noqa: B006 - never changed, and theirs has it
    ) -> tuple[Any, int]:
        if type(expr) is not AssociationExpression:
            return theirs(expr, start, stop, current, heads, callback, include_pos, cur_pos)
        depth = 0
        changed = False
        rules = []
        for each in expr.elements:
            key, value = each.elements
            position = [*cur_pos, Expression(_KEY, key)]
            new, below = walk_levels(value, start, stop, current + 1, heads, callback, include_pos, position)
            depth = max(below + 1, depth)
            changed = changed or new is not value
            rules.append(rule(key, new))
        result = Expression(expr.head, *rules) if changed else expr
        if is_in_level(current, depth, start, stop):
            result = callback(result, cur_pos) if include_pos else callback(result)
        return result, depth

    def delete_cases(expr: Any, pattern: Any, evaluation: Any, levelspec: Any = 1, n: int = -1) -> Any:
        if type(expr) is not AssociationExpression:
            return their_delete(expr, pattern, evaluation, levelspec, n)
        low, high = (1, levelspec) if isinstance(levelspec, int) else levelspec
        match = parts.Matcher(pattern, evaluation).match
        kept = []
        for each in expr.elements:
            key, value = each.elements
            if n and low <= 1 and match(value, evaluation):
                n -= 1
                continue
            if n and not isinstance(value, Atom) and (not high or high > 1):
                inner = delete_cases(value, pattern, evaluation, (max(low - 1, 1), high and high - 1), n)
                each = each if inner is value else rule(key, inner.evaluate(evaluation))
            kept.append(each)
        return AssociationExpression(kept)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("mathics."):
            if getattr(module, "walk_levels", None) is theirs:
                module.walk_levels = walk_levels  # type: ignore[attr-defined]
            if getattr(module, "deletecases_with_levelspec", None) is their_delete:
                module.deletecases_with_levelspec = delete_cases  # type: ignore[attr-defined]
