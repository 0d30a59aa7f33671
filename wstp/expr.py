"""Expressions as Python values.

| expression | put | get |
|---|---|---|
| integer | `int` (any size) | `int` |
| machine real | `float` | `float` |
| arbitrary-precision real | `BigReal` | `BigReal` |
| string | `str` | `str` |
| symbol | `Symbol`; `True`, `False`, `None` for True, False, Null | `Symbol` |
| `List[...]` | `list`, `tuple` | `list` |
| packed list or array | `numpy.ndarray` | `numpy.ndarray` |
| `ByteArray` | `bytes` | `bytes` |
| `Complex[re, im]` | `complex` | `Function` (`numpy.ndarray` in arrays) |
| `Association[...]` | `dict` | `Function` |
| any other | `Function` | `Function` |

Nothing here is recursive: an expression may be nested as deep as memory allows. No I/O.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["BigReal", "Expr", "Function", "Symbol", "same"]

# Any value of the table above. A recursive alias would say more than mypy can check.
Expr: TypeAlias = Any

_REPR_SIZE: Final = 10_000
_NUMBER: Final = re.compile(
    r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:`(?:`?-?[0-9]*(?:\.[0-9]*)?)?)?(?:\*\^-?[0-9]+)?"
)
_EXPONENT: Final = re.compile(r"\*\^\+(?=[0-9])")
# A real as the C library passes it on: C's form, and what it leaves of a precision after it.
_C_NUMBER: Final = re.compile(r"\+?(-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]\+?(-?)0*([0-9]+))?(?![ -~])")
_MARK: Final = re.compile(r"``?(?:[0-9]*\.?[0-9]*)\Z")


class Symbol:
    """A symbol; to call it makes a function.

    >>> Symbol("Plus")(2, Symbol("Global`x"))
    Symbol('Plus')(2, Symbol('Global`x'))
    >>> Symbol("x").name
    'x'
    """

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        """Make the symbol `name`, with or without a context (``Global`x``).

        Raises:
            TypeError: the name is no text.
            ValueError: the name is empty.
        """
        if not isinstance(name, str):
            raise TypeError(f"a symbol's name is a text, not {type(name).__name__}")
        if not name:
            raise ValueError("a symbol's name is not empty")
        object.__setattr__(self, "name", name)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("symbols cannot be changed")

    def __delattr__(self, key: str) -> None:
        raise AttributeError("symbols cannot be changed")

    def __call__(self, *args: Expr) -> Function:
        return make_function(self, args)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Symbol):
            return self.name == other.name
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.name) ^ 0x53594D42

    def __repr__(self) -> str:
        return f"Symbol({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[type[Symbol], tuple[str]]:
        return Symbol, (self.name,)

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbol:
        return self


class BigReal:
    """A real that no machine number holds, as its text in InputForm.

    >>> real = BigReal("1.5`20.*^-1000")
    >>> real.text, float(real)
    ('1.5`20.*^-1000', 0.0)

    Attributes:
        text: the number in InputForm, without a plus sign.
    """

    __slots__ = ("text",)
    text: str

    def __init__(self, text: str) -> None:
        """Make the real.

        Raises:
            ValueError: the text is not a real in InputForm.
        """
        found = _input_form(text)
        if found is None:
            raise ValueError(f"not a real in InputForm: {text[:60]!r}")
        object.__setattr__(self, "text", found)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("reals cannot be changed")

    def __delattr__(self, key: str) -> None:
        raise AttributeError("reals cannot be changed")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BigReal):
            return self.text == other.text
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.text) ^ 0x4252

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 400 else f"{self.text[:200]}...{self.text[-100:]}"
        return f"BigReal({text!r})"

    def __float__(self) -> float:
        """Return the nearest machine number; infinity or 0. when it is out of range."""
        mantissa, _, exponent = self.text.partition("*^")
        return float(f"{mantissa.partition('`')[0]}e{exponent or 0}")

    def __reduce__(self) -> tuple[type[BigReal], tuple[str]]:
        return BigReal, (self.text,)


def _input_form(text: str) -> str | None:
    """Return a number in InputForm without its plus signs; None when the text is no such number."""
    if _NUMBER.fullmatch(text):
        return text
    if "+" in text:
        plain = _EXPONENT.sub("*^", text.removeprefix("+"))
        if _NUMBER.fullmatch(plain):
            return plain
    return None


def real_text(text: str, cut: bool = False) -> str | None:
    r"""Return a number in InputForm; the text may be that or C's form. None when it is neither.

    A program that puts a real as text may write it as `printf` does. The C library passes
    `1.5*^400` on as `1.5e400`, and a precision behind a zero character: ``1.5`20.*^3`` as
    ``1.5e3\0`20.`` (docs/protocol.md has all forms). Where the program's text did not end with a
    zero, the characters behind the number may be any others; then the precision is that of the
    digits.

    Args:
        text: the text on the wire.
        cut: whether the library cuts the last character off a precision without an exponent, as it
            does in UTF-8, UTF-16 and UTF-32. There a precision of a tenth of the digits or less is
            taken for a number whose last digit was cut off, and the digits count.

    >>> real_text("1.5e3\0`20."), real_text("1.5*^+3"), real_text("1.5E-07"), real_text("12x")
    ('1.5`20.*^3', '1.5*^3', '1.5*^-7', None)
    """
    found = _input_form(text)
    if found is not None:
        return found
    match = _C_NUMBER.match(text)
    if match is None:
        return None
    mantissa, sign, exponent = match.groups()
    mark = ""
    if match.end() < len(text):
        marked = _MARK.search(text, match.end(), len(text.rstrip("\0")))
        mark = marked.group() if marked else ""
        if cut and exponent is None and (digits := mark.strip("`")).isdigit():
            written = len(mantissa.replace(".", "").lstrip("-0"))
            if "``" not in mark and 10 * int(digits) <= written:
                mark = f"`{written}."
    return f"{mantissa}{mark}*^{sign}{exponent}" if exponent else f"{mantissa}{mark}"


class Function:
    """An expression head[args...]; it cannot be changed.

    Equality is that of expressions, so f[1] and f[1.] differ.

    >>> call = Function("Plus", 2, Function("Times", 3, 4))
    >>> call.head, call.args
    (Symbol('Plus'), (2, Symbol('Times')(3, 4)))
    >>> call[1], len(call), call == Symbol("Plus")(2, Symbol("Times")(3, 4))
    (Symbol('Times')(3, 4), 2, True)
    """

    __slots__ = ("args", "head")
    head: Expr
    args: tuple[Expr, ...]

    def __new__(cls, head: Expr, *args: Expr) -> Function:
        """Make head[args...]; a text for the head stands for the symbol of that name."""
        return make_function(Symbol(head) if isinstance(head, str) else head, args)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("functions cannot be changed")

    def __delattr__(self, key: str) -> None:
        raise AttributeError("functions cannot be changed")

    def __call__(self, *args: Expr) -> Function:
        return make_function(self, args)

    def __len__(self) -> int:
        return len(self.args)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> Expr:
        return self.args[index]

    def __iter__(self) -> Iterator[Expr]:
        return iter(self.args)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Function):
            return _equal(self, other, exact=False)
        return NotImplemented

    def __hash__(self) -> int:
        return _hash(self)

    def __repr__(self) -> str:
        return _repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Function, (self.head, *self.args)

    def __copy__(self) -> Function:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Function:
        copied = _copy(self)
        assert isinstance(copied, Function)
        return copied


_new_object = object.__new__
_set_head = Function.__dict__["head"].__set__
_set_args = Function.__dict__["args"].__set__


def make_function(head: Expr, args: tuple[Expr, ...]) -> Function:
    """Return head[args...] quickly, without a check of either."""
    function = _new_object(Function)
    _set_head(function, head)
    _set_args(function, args)
    return function


def _children(value: Expr) -> tuple[Expr, ...] | list[Expr] | None:
    """Return the parts of an inner node, a function's head first; None for a leaf."""
    if isinstance(value, Function):
        return (value.head, *value.args)
    if isinstance(value, (list, tuple)):
        return value
    return None


def _kind(value: Expr) -> object:
    """Return the kind of a node; nodes of different kinds differ, whatever they contain."""
    if isinstance(value, Function):
        return Function
    if isinstance(value, (list, tuple)):
        return list
    if isinstance(value, (bool, np.bool_)):
        return bool
    if isinstance(value, (int, np.integer)):
        return int
    if isinstance(value, (float, np.floating)):
        return float
    return type(value)


def _leaves_equal(left: Expr, right: Expr, exact: bool) -> bool:
    if left is right:
        return True
    if isinstance(left, np.ndarray):
        if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
            return False
        if exact:
            return left.dtype.itemsize == right.dtype.itemsize and bool(
                np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()
            )
        with np.errstate(invalid="ignore"):  # a peer can send any bits, signalling NaNs too
            return bool(np.array_equal(left, right))
    if exact and isinstance(left, (float, np.floating)):
        if left != left:
            return bool(right != right)
        return bool(left == right) and np.signbit(left) == np.signbit(right)
    return bool(left == right)


def _equal(left: Expr, right: Expr, *, exact: bool) -> bool:
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if one is other:
            continue
        if _kind(one) != _kind(other):
            return False
        these, those = _children(one), _children(other)
        if these is None or those is None:
            if not _leaves_equal(one, other, exact):
                return False
        elif len(these) != len(those):
            return False
        else:
            pending.extend(zip(these, those, strict=True))
    return True


def same(left: Expr, right: Expr) -> bool:
    """Tell whether two values stand for the same expression, bit by bit.

    Two NaNs are the same, 0. and -0. are not. Python's own `==` recurses into nested lists; this
    function does not.

    >>> same([1, float("nan")], (1, float("nan"))), same(0.0, -0.0), same(1, 1.0)
    (True, False, False)
    """
    return _equal(left, right, exact=True)


def _hash(value: Expr) -> int:
    # A running hash over the nodes in one fixed order is as good as a tree of hashes, and it needs
    # no stack of results.
    result = 0x345678
    pending = [value]
    while pending:
        node = pending.pop()
        children = _children(node)
        if children is not None:
            part = hash((isinstance(node, Function), len(children)))
            pending.extend(children)
        elif isinstance(node, np.ndarray):
            part = hash((node.shape, node.dtype.kind, hash(node.flat[0].item()) if node.size else 0))
        elif isinstance(node, (dict, set)):
            part = len(node)
        else:
            part = hash(node)
        result = (result * 1_000_003 ^ part) & 0xFFFF_FFFF_FFFF_FFFF
    return hash(result)


def _leaf_repr(node: Expr) -> str:
    if isinstance(node, (str, bytes)) and len(node) > 400:
        return f"{node[:200]!r}...({len(node)})"
    if isinstance(node, np.ndarray) and node.size > 100:
        return f"<array {'x'.join(map(str, node.shape))} {node.dtype}>"
    if isinstance(node, int) and not isinstance(node, bool) and node.bit_length() > 2000:
        return f"<integer of {node.bit_length()} bits>"
    return repr(node)


def _repr(value: Expr) -> str:
    """Show an expression in at most about 10 000 characters, whatever its size and depth."""
    parts: list[str] = []
    size = 0
    pending: list[tuple[bool, Expr]] = [(False, value)]  # (ready text, node or text)
    while pending:
        ready, node = pending.pop()
        if ready:
            text = node
        elif isinstance(node, (Function, list, tuple)):
            function = node if isinstance(node, Function) else None
            items: tuple[Expr, ...] | list[Expr] = node.args if isinstance(node, Function) else node
            pending.append((True, ")" if function else "]"))
            shown = items[:1000]
            if len(shown) < len(items):
                pending.append((True, f", ...({len(items)})"))
            for at in range(len(shown) - 1, -1, -1):
                pending.append((False, shown[at]))
                if at:
                    pending.append((True, ", "))
            pending.append((True, "(" if function else "["))
            if function:
                pending.append((False, function.head))
            continue
        else:
            text = _leaf_repr(node)
        parts.append(text)
        size += len(text)
        if size > _REPR_SIZE:
            parts.append("...")
            break
    return "".join(parts)


def _copy(value: Expr) -> Expr:
    """Copy a tree; rebuild functions too, because the lists and arrays in them can change."""
    results: list[Expr] = []
    pending: list[tuple[bool, Expr]] = [(False, value)]
    while pending:
        visited, node = pending.pop()
        children = _children(node)
        if children is None:
            results.append(copy.deepcopy(node))
        elif not visited:
            pending.append((True, node))
            pending.extend((False, child) for child in reversed(children))
        else:
            start = len(results) - len(children)
            made = results[start:]
            del results[start:]
            if isinstance(node, Function):
                results.append(make_function(made[0], tuple(made[1:])))
            else:
                results.append(made if isinstance(node, list) else tuple(made))
    return results[0]
