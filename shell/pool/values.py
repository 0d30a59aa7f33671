"""Python values for expressions, beyond those of `wstp.expr`, in both directions. No I/O.

docs/python.md has the table of them. The rarer types are in ``numbers``, ``dates``, ``frames`` and
``images``, the expressions that can be shown in ``picture``. A program can add types of its own
(:func:`register_converter`). The arguments of functions that stand for no Python value stay
expressions: f[True] is one.

Nothing here is recursive, since expressions may be nested as deeply as memory allows.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence, Set
from fractions import Fraction
from typing import Any, Final

import numpy as np

from kernelbus.shell.commands import name_of
from kernelbus.shell.pool import dates, frames, images, numbers
from kernelbus.shell.pool.picture import PICTURES, Draw, Picture
from wstp import BigReal, Expr, Function, Symbol

__all__ = ["code_to_expr", "register_converter", "to_expr", "to_python"]

_CONSTANTS: Final = {
    "True": True,
    "False": False,
    "Null": None,
    "Indeterminate": math.nan,
    "Infinity": math.inf,
}
#: What is an element of a list as it is, whatever its value.
_PLAIN: Final = frozenset((int, str, bool, Symbol, type(None), bytes))
_NUMBERS: Final = frozenset((*_PLAIN, float))
_ATOMS: Final = frozenset((*_PLAIN, BigReal))
# How often a value may be replaced by another before it counts as one that never arrives.
_CONVERSIONS: Final = 100

_converters: dict[type, Callable[[Any], object]] = {}
_readers: dict[str, Callable[..., Any]] = {}


def register_converter(
    kind: type, to_expr: Callable[[Any], object], *, head: str | None = None, from_expr: Callable[..., Any] | None = None
) -> None:
    """Say how values of a type travel to kernels, and perhaps how they come back.

    It holds for the whole program, for all sessions and pools, and goes before what this package
    does with the type. Subclasses are included, unless they have a converter of their own.

    Args:
        kind: the type.
        to_expr: returns what travels in the place of a value: an expression of `wstp`, or anything
            else that can travel.
        head: the name of a function, without its context System`, whose expressions come back as
            such values.
        from_expr: called with the arguments of such an expression, as Python values; returns the
            value. If it raises TypeError or ValueError, the expression stays as it is.

    Raises:
        TypeError: `kind` is no type, or one that travels as it is; or only one of `head` and
            `from_expr` is given.

    >>> import uuid
    >>> register_converter(uuid.UUID, str)
    >>> to_expr([uuid.UUID(int=1)])
    ['00000000-0000-0000-0000-000000000001']
    """
    if not isinstance(kind, type):
        raise TypeError(f"a converter is for a type, not for {kind!r}")
    if kind in _ATOMS or kind in (object, float, Function):
        raise TypeError(f"{_type_name(kind)} travels as it is, without a converter")
    if (head is None) != (from_expr is None):
        raise TypeError("head and from_expr go together: expressions with this head come back by that function")
    _converters[kind] = to_expr
    if head is not None and from_expr is not None:
        _readers[head.removeprefix("System`")] = from_expr


def code_to_expr(code: object) -> Expr:
    """Return the expression that evaluates `code`: text is read by the kernel as its input is.

    Raises:
        TypeError: it holds a value that cannot travel.
    """
    return Symbol("ToExpression")(code) if isinstance(code, str) else to_expr(code)


# ---- to the kernel -----------------------------------------------------------------------------


def to_expr(value: object, name: str = "the value") -> Expr:
    """Return the value with everything that `wstp` does not know made into expressions.

    Args:
        value: the value.
        name: what it is called in an error.

    Raises:
        TypeError: it holds a value that cannot travel, or holds itself; the text says where.
    """
    if type(value) in _ATOMS:
        return value
    made: list[Expr] = []
    # Nodes still to be converted; or with the number of their parts, to be made of these. The
    # second is the node as it was found, which is alive as long as it is here.
    pending: list[tuple[int, object, Expr]] = [(-1, value, None)]
    inside: set[int] = set()
    while pending:
        count, found, node = pending.pop()
        if count >= 0:
            inside.discard(id(found))
            start = len(made) - count
            made[start:] = [_whole_out(node, made[start:])]
            continue
        try:
            node = _standard(found)
        except _CannotTravel as error:
            raise TypeError(_where(name, pending) + str(error)) from error.__cause__
        parts = _parts_out(node)
        if parts is None:
            made.append(node)
            continue
        if id(found) in inside:
            raise TypeError(_where(name, pending) + "holds itself, and cannot travel to a kernel")
        inside.add(id(found))
        pending.append((len(parts), found, node))
        pending.extend((-1, part, None) for part in reversed(parts))
    return made[0]


class _CannotTravel(Exception):
    """A value that stands for no expression; the text says what it is, and what to do."""


def _standard(value: object) -> Expr:
    """Return a value of the kinds that `wstp` puts, or of those that `_parts_out` takes apart."""
    node: Any = value
    for _ in range(_CONVERSIONS):
        kind = type(node)
        if _converters and (converter := _converter_of(kind)) is not None:
            try:
                node = converter(node)
            except Exception as error:
                raise _CannotTravel(f"is of type {_type_name(kind)}, whose converter failed: {type(error).__name__}: {error}") from error
            continue
        if kind in _ATOMS or kind in (list, tuple, dict, Function):
            return node
        if kind is float:
            return node if math.isfinite(node) else numbers.not_finite(node)
        try:
            replaced = _rarer(node)
        except TypeError as error:
            raise _CannotTravel(f"is of type {_type_name(kind)}, and cannot travel to a kernel: {error}") from None
        if replaced is node:
            return node
        node = replaced
    raise _CannotTravel(f"is of type {_type_name(type(value))}, whose converter gives one again and again")


def _converter_of(kind: type) -> Callable[[Any], object] | None:
    for base in kind.__mro__:
        if base in _converters:
            return _converters[base]
    return None


def _rarer(node: Any) -> Any:
    """Return what travels in the place of a value, itself if it is ready.

    Raises:
        _CannotTravel: nothing does.
    """
    if isinstance(node, np.ndarray | np.generic):
        return numbers.from_numpy(node)
    if isinstance(node, enum.Enum):
        return node.value
    if isinstance(node, Function):
        return Function(node.head, *node.args)
    if isinstance(node, bool | int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    if isinstance(node, str):
        return str(node)
    if isinstance(node, bytes | bytearray | memoryview):
        return bytes(node)
    if isinstance(node, Fraction):
        return Symbol("Rational")(node.numerator, node.denominator) if node.denominator != 1 else node.numerator
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
    for others in (numbers.outward, dates.outward, frames.outward, images.outward):
        replaced = others(node)
        if replaced is not None:
            return replaced
    if isinstance(node, os.PathLike):
        return os.fspath(node)
    if isinstance(node, Mapping):
        return dict(node.items())
    if isinstance(node, Set):
        return _ordered(node)
    if isinstance(node, list):
        return list(node)
    if isinstance(node, tuple):
        return tuple(node)
    if isinstance(node, Sequence):
        return list(node)
    shown = "" if " at 0x" in repr(node) else f"{node!r:.60}"
    named = f" ({shown})" if shown else ""
    kind = _type_name(type(node))
    raise _CannotTravel(
        f"is of type {kind}{named}, which cannot travel to a kernel; say how it does with kernelbus.register_converter({kind}, function)"
    )


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _ordered(values: Set[Any]) -> list[Any]:
    """Return the elements of a set, in order if they have one: equal sets are equal lists."""
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _parts_out(node: Expr) -> Sequence[Expr] | None:
    if isinstance(node, list | tuple):
        kinds = set(map(type, node))
        if _PLAIN.issuperset(kinds):
            return None
        if kinds == {float}:
            return None if math.isfinite(sum(node)) else node
        ready = _NUMBERS.issuperset(kinds) and all(math.isfinite(part) for part in node if type(part) is float)
        return None if ready else node
    if isinstance(node, Function):
        return (node.head, *node.args)
    if isinstance(node, dict):
        return [part for item in node.items() for part in item]
    return None


def _whole_out(node: Expr, made: list[Expr]) -> Expr:
    if isinstance(node, Function):
        return Function(made[0], *made[1:])
    if isinstance(node, dict):
        return Symbol("Association")(*map(Symbol("Rule"), made[::2], made[1::2]))
    return made


def _where(name: str, pending: list[tuple[int, object, Expr]]) -> str:
    """Say where in a value the part is that was just taken from `pending`."""
    path, opened = "", [position for position, (count, *_) in enumerate(pending) if count >= 0]
    for position, following in itertools.pairwise([*opened, len(pending)]):
        count, found, node = pending[position]
        # Those of its parts that are still to come stand between it and the next open node.
        path += _step(found, node, count - (following - position))
    return f"{name}, at {path}, " if path else f"{name} "


def _step(found: object, node: Expr, index: int) -> str:
    if isinstance(node, dict):
        key = list(node)[index // 2]
        if index % 2 == 0:
            return f" key {key!r:.40}"
        return f".{key}" if dataclasses.is_dataclass(found) else f"[{key!r:.40}]"
    if isinstance(node, Function):
        return ".head" if index == 0 else f"[{index - 1}]"
    return f"[{index}]"


# ---- from the kernel ---------------------------------------------------------------------------


def to_python(expr: Expr, draw: Draw | None = None) -> Any:
    """Return the Python value of an expression; without one, the expression itself.

    Args:
        expr: the expression.
        draw: draws the pictures in it, when they are looked at.
    """
    made: list[Any] = []
    pending: list[tuple[int, Expr]] = [(-1, expr)]
    while pending:
        count, node = pending.pop()
        if count >= 0:
            start = len(made) - count
            made[start:] = [_whole_in(node, made[start:])]
            continue
        parts = _parts_in(node)
        if parts is None:
            made.append(_leaf_in(node, draw))
        else:
            pending.append((len(parts), node))
            pending.extend((-1, part) for part in reversed(parts))
    return made[0]


def _parts_in(node: Expr) -> Sequence[Expr] | None:
    if isinstance(node, list):
        return node
    if isinstance(node, Function):
        name = name_of(node.head)
        if name == "Association":
            rules = node.args
            if all(isinstance(rule, Function) and name_of(rule.head) == "Rule" and len(rule.args) == 2 for rule in rules):
                return [part for rule in rules for part in rule.args]
        elif name in _readers or (name == "Dataset" and node.args and frames.wanted()):
            return node.args
    return None


def _leaf_in(node: Expr, draw: Draw | None) -> Any:
    if isinstance(node, Symbol):
        return _CONSTANTS.get(name_of(node), node)
    if isinstance(node, BigReal):
        return numbers.decimal_of(node)
    if isinstance(node, Function):
        name = name_of(node.head)
        if name in PICTURES and node.args:
            return Picture(node, draw)
        for others in (numbers.inward, dates.inward):
            found = others(name, node.args)
            if found is not None:
                return found
    return node


def _whole_in(node: Expr, made: list[Any]) -> Any:
    if isinstance(node, list):
        return made
    name = name_of(node.head)
    try:
        if name in _readers:
            return _readers[name](*made)
        if name == "Dataset":
            table = frames.inward(made[0], to_python)
            return node if table is None else table
        mapping = dict(zip(made[::2], made[1::2], strict=True))
    except (TypeError, ValueError):
        return node  # a key that a dict cannot have, such as a list; or what a reader refuses
    return mapping if 2 * len(mapping) == len(made) else node  # 1 and 1. are one key in Python
