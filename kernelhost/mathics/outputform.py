"""Print expressions in OutputForm, in two dimensions, as Wolfram kernels print them.

An expression becomes a :class:`_Box`: lines of text, one of them the baseline, on which boxes are put side by side. Exponents
stand on the line above the baseline, quotients over and under a bar; within an exponent a quotient stays on its line, ``x /2``.
What has no notation here, and no layout that is known, keeps Mathics3's text on one line, as a box that is not
looked into. What is too large, too deep or too wide for the page has none here: :func:`output_form` returns None, and the caller
shows Mathics3's text on one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mathics.core.atoms import Complex, Integer, MachineReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol
from mathics.format.form.outputform import EXPR_TO_OUTPUTFORM_TEXT_MAP, render_output_form

from kernelhost.mathics.arithmetic import (
    inverse,
    is_call,
    is_negative,
    is_number,
    negated,
    product,
    without_minus,
)
from kernelhost.mathics.reals import float_text

__all__ = ["PAGE_WIDTH", "output_form"]

#: Characters in a line of what the main loop shows, as kernels have it.
PAGE_WIDTH: Final = 78

#: An expression with more parts, or nested deeper, is shown on one line.
_MAXIMUM_PARTS = 3000
_MAXIMUM_DEPTH = 200

_SYSTEM = "System`"
_ATOM = 1000
_CALL = 670
_POWER = 590
_MINUS = 480
_DIVIDE = 470
_TIMES = 400
_PLUS = 310

# name: (text, precedence, how operands of the same precedence group)
_INFIX: dict[str, tuple[str, int, str]] = {
    "Set": (" = ", 40, "right"),
    "Rule": (" -> ", 120, "right"),
    "RuleDelayed": (" :> ", 120, "right"),
    "Condition": (" /; ", 130, "left"),
    "Alternatives": (" | ", 160, "flat"),
    "Or": (" || ", 215, "flat"),
    "And": (" && ", 215, "flat"),
    "SameQ": (" === ", 290, "flat"),
    "UnsameQ": (" =!= ", 290, "flat"),
    "Equal": (" == ", 290, "flat"),
    "Unequal": (" != ", 290, "flat"),
    "Less": (" < ", 290, "flat"),
    "LessEqual": (" <= ", 290, "flat"),
    "Greater": (" > ", 290, "flat"),
    "GreaterEqual": (" >= ", 290, "flat"),
    "Dot": (" . ", 490, "flat"),
}
_BINARY = frozenset({"Set", "Rule", "RuleDelayed", "Condition"})

_SELF_CONTAINED = re.compile(r"#?[\w$`']*(\[.*\])?|\{.*\}|<\|.*\|>", re.DOTALL)


class _NoLayoutError(Exception):
    """Say that an expression is to be shown on one line as a whole."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Hold text in two dimensions: its lines, the index of the baseline, and how tightly what it shows binds.

    Lines may be shorter than ``width``; none has blanks at its end that are not part of what is shown.
    """

    lines: tuple[str, ...]
    width: int
    base: int
    precedence: int = _ATOM


def output_form(expr: Any, evaluation: Any, page_width: int | None = None) -> str | None:
    """Return a Mathics3 expression as OutputForm text, lines joined by newlines, or None where one line of Mathics3's own is better.

    Args:
        expr: a Mathics3 element.
        evaluation: the running evaluation; it says which contexts go without saying and which Format rules a user has made.
        page_width: how many characters a line may have; None for any number.

    Only what interrupts an evaluation is raised.
    """
    if isinstance(expr, String):
        return None
    try:
        box = _Printer(evaluation).box(expr)
    except (_NoLayoutError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    if len(box.lines) > 1 and page_width is not None and box.width > page_width:
        return None
    return "\n".join(box.lines)


# -- boxes -----------------------------------------


def _text(text: str, precedence: int = _ATOM) -> _Box:
    return _Box((text,), len(text), 0, precedence)


def _row(boxes: Iterable[_Box], precedence: int = _ATOM) -> _Box:
    """Put boxes side by side on their baselines."""
    parts = list(boxes)
    above = max((b.base for b in parts), default=0)
    below = max((len(b.lines) - b.base for b in parts), default=1)
    lines: list[list[str]] = [[] for _ in range(above + below)]
    filled = [0] * len(lines)
    column = 0
    for box in parts:
        for index, line in enumerate(box.lines, above - box.base):
            if line:
                lines[index] += (" " * (column - filled[index]), line)
                filled[index] = column + len(line)
        column += box.width
    return _Box(tuple(map("".join, lines)), column, above, precedence)


def _stack(boxes: Sequence[_Box], base: int, precedence: int = _ATOM) -> _Box:
    """Put boxes below each other, flush left."""
    lines = tuple(line for box in boxes for line in box.lines)
    return _Box(lines, max(box.width for box in boxes), base, precedence)


def _indented(box: _Box, columns: int) -> _Box:
    lines = tuple(" " * columns + line if line else "" for line in box.lines)
    return _Box(lines, box.width + columns, box.base, box.precedence)


def _raised(base: _Box, exponent: _Box, precedence: int = _POWER) -> _Box:
    """Put an exponent behind its base, its lowest line on the one above the base's baseline."""
    height = len(exponent.lines)
    return _row([base, _Box(exponent.lines, exponent.width, height)], precedence)


def _fraction(over: _Box, under: _Box) -> _Box:
    width = max(over.width, under.width)
    over, under = (_indented(box, (width - box.width) // 2) for box in (over, under))
    return _stack([over, _text("-" * width), under], len(over.lines), _DIVIDE)


def _enclosed(box: _Box) -> _Box:
    return _row([_text("("), box, _text(")")])


def _least(box: _Box, precedence: int) -> _Box:
    """Put a box in parentheses if it binds less than ``precedence``."""
    return box if box.precedence >= precedence else _enclosed(box)


def _listed(opening: str, boxes: Sequence[_Box], closing: str, precedence: int = _ATOM) -> _Box:
    return _row([_text(opening), *_between(boxes, ", "), _text(closing)], precedence)


def _between(boxes: Sequence[_Box], text: str) -> list[_Box]:
    separator = _text(text)
    return [part for index, box in enumerate(boxes) for part in ((separator, box) if index else (box,))]


def _cells(rows: Sequence[Sequence[_Box]]) -> _Box:
    """Return a table: columns flush left with three blanks between them, an empty line between rows."""
    widths = [max(row[column].width for row in rows) for column in range(len(rows[0]))]
    lines: list[_Box] = []
    for index, row in enumerate(rows):
        cells = [_Box(cell.lines, width + 3, cell.base) for cell, width in zip(row, widths, strict=True)]
        if index:
            lines.append(_text(""))
        lines.append(_row(cells))
    box = _stack(lines, lines[0].base)
    return _Box(box.lines, box.width - 3, box.base)


# -- expressions -----------------------------------------


class _Printer:
    """Lay one expression out. ``inline``, where it is a parameter: on an exponent's line, where quotients have no bar."""

    def __init__(self, evaluation: Any) -> None:
        self._evaluation = evaluation
        self._parts = 0
        self._depth = 0
        self._special: dict[str, Callable[[Sequence[Any], bool], _Box | None]] = {
            "List": lambda elements, inline: _listed("{", self._all(elements, inline), "}"),
            "Association": self._association,
            "Plus": self._plus,
            "Times": self._times,
            "Power": self._power,
            "Not": self._not,
            "Factorial": self._factorial,
            "Function": self._function,
            "Row": self._row,
            "Subscript": self._subscript,
            "Superscript": self._superscript,
            "DirectedInfinity": self._infinity,
            "HoldForm": self._inside,
            "OutputForm": self._inside,
            "MatrixForm": self._table,
            "TableForm": self._table,
        }

    def box(self, expr: Any, inline: bool = False) -> _Box:
        """Return an expression's box.

        Raises:
            _NoLayoutError: it is too large, or has text of several lines in it.
        """
        self._parts += 1
        if self._parts > _MAXIMUM_PARTS or self._depth > _MAXIMUM_DEPTH:
            raise _NoLayoutError
        self._depth += 1
        try:
            if isinstance(expr, Expression):
                return self._compound(expr, inline)
            return self._atom(expr, inline)
        finally:
            self._depth -= 1

    def _all(self, elements: Sequence[Any], inline: bool) -> list[_Box]:
        return [self.box(element, inline) for element in elements]

    def _theirs(self, expr: Any) -> _Box:
        """Return Mathics3's text as a box."""
        text = render_output_form(expr, self._evaluation)
        if "\n" in text or "\t" in text:
            raise _NoLayoutError
        return _text(text, _ATOM if isinstance(expr, (Symbol, String)) or _SELF_CONTAINED.fullmatch(text) else 0)

    def _atom(self, expr: Any, inline: bool) -> _Box:
        if isinstance(expr, Integer):
            return _text(str(expr.value), _TIMES if expr.value < 0 else _ATOM)
        if isinstance(expr, Rational):
            if expr.value < 0 and not inline:
                return _row([_text("-"), _enclosed(self._atom(negated(expr), inline))], _TIMES)
            over, under = _text(str(expr.value.p)), _text(str(expr.value.q))
            return self._quotient(over, under, inline)
        if isinstance(expr, MachineReal):
            return self._real(float(expr.value))
        if isinstance(expr, Complex):
            return self._complex(expr, inline)
        if is_number(expr):
            return _text(render_output_form(expr, self._evaluation), _TIMES if expr.value < 0 else _ATOM)
        return self._theirs(expr)

    def _real(self, value: float) -> _Box:
        """Return a machine number with six digits, and its power of ten raised."""
        mantissa, _, exponent = float_text(float(f"{value:.6g}")).partition("*^")
        precedence = _TIMES if value < 0 else _ATOM
        if not exponent:
            return _text(mantissa, precedence)
        return _raised(_text(f"{mantissa} 10"), _text(exponent), _TIMES)

    def _complex(self, expr: Any, inline: bool) -> _Box:
        real, imaginary = expr.real, expr.imag
        if isinstance(real, Integer) and real.value == 0:
            return self._imaginary(imaginary, inline)
        minus = is_negative(imaginary)
        part = self._imaginary(negated(imaginary) if minus else imaginary, inline)
        return _row([self.box(real, inline), _text(" - " if minus else " + "), part], _PLUS)

    def _imaginary(self, number: Any, inline: bool) -> _Box:
        if isinstance(number, Rational):
            over = self._imaginary(Integer(int(number.value.p)), inline)
            return self._quotient(over, _text(str(number.value.q)), inline)
        if isinstance(number, Integer) and abs(number.value) == 1:
            return _text("I") if number.value == 1 else _text("-I", _TIMES)
        return _row([self.box(number, inline), _text(" I")], _TIMES)

    # -- with a head -----------------------------------------

    def _compound(self, expr: Any, inline: bool) -> _Box:
        head, elements = expr.head, expr.elements
        name = expr.get_lookup_name()
        formatted = self._formatted(expr, name)
        if formatted is not None:
            return self.box(formatted, inline)
        if not isinstance(head, Symbol):
            if name in EXPR_TO_OUTPUTFORM_TEXT_MAP or self._has_format(name):
                return self._theirs(expr)
            return self._call(expr, inline)
        if name.startswith(_SYSTEM):
            short = name[len(_SYSTEM) :]
            special = self._special.get(short)
            found = special(elements, inline) if special is not None else self._infix(short, elements, inline)
            if found is not None:
                return found
        if name in EXPR_TO_OUTPUTFORM_TEXT_MAP or head in self._evaluation.definitions.outputforms or self._has_format(name):
            return self._theirs(expr)
        return self._call(expr, inline)

    def _formatted(self, expr: Any, name: str) -> Any | None:
        """Return what a user's Format rule makes of an expression, None where there is no such rule for its head."""
        definitions = self._evaluation.definitions
        user = definitions.user.get(name)
        if user is None or not any(user.formatvalues.values()):
            return None
        for rule in definitions.get_formats(name, "System`OutputForm"):
            result = rule.apply(expr, self._evaluation)
            if result is not None and not result.sameQ(expr):
                return result.evaluate(self._evaluation)
        return None

    def _has_format(self, name: str) -> bool:
        """Tell whether Mathics3 shows a head in its own way."""
        builtin = self._evaluation.definitions.builtin.get(name)
        return builtin is not None and any(builtin.formatvalues.values())

    def _call(self, expr: Any, inline: bool) -> _Box:
        head = _least(self.box(expr.head, inline), _CALL)
        return _row([head, _listed("[", self._all(expr.elements, inline), "]")], _CALL)

    def _inside(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        return self.box(elements[0], inline) if len(elements) == 1 else None

    def _association(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if not all(is_call(e, "System`Rule", 2) or is_call(e, "System`RuleDelayed", 2) for e in elements):
            return None
        return _listed("<|", self._all(elements, inline), "|>")

    def _infix(self, name: str, elements: Sequence[Any], inline: bool) -> _Box | None:
        if name not in _INFIX or len(elements) < 2 or (name in _BINARY and len(elements) > 2):
            return None
        text, precedence, grouping = _INFIX[name]
        last = len(elements) - 1
        boxes = []
        for index, element in enumerate(elements):
            same = (grouping == "left" and index == 0) or (grouping == "right" and index == last)
            boxes.append(_least(self.box(element, inline), precedence if same else precedence + 1))
        return _row(_between(boxes, text), precedence)

    def _not(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        return _row([_text("!"), _least(self.box(elements[0], inline), 230)], 230) if len(elements) == 1 else None

    def _factorial(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        return _row([_least(self.box(elements[0], inline), 611), _text("!")], 610) if len(elements) == 1 else None

    def _function(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        return _row([_least(self.box(elements[0], inline), 90), _text(" & ")], 90) if len(elements) == 1 else None

    def _row(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if not 1 <= len(elements) <= 2 or not is_call(elements[0], "System`List"):
            return None
        boxes = self._all(elements[0].elements, inline)
        if len(elements) == 1:
            return boxes[0] if len(boxes) == 1 else _row(boxes)
        separator = self.box(elements[1], inline)
        return _row(part for index, box in enumerate(boxes) for part in ((separator, box) if index else (box,)))

    def _subscript(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if len(elements) != 2:
            return None
        base, below = _least(self.box(elements[0], inline), _CALL), self.box(elements[1], True)
        return _row([base, _Box(below.lines, below.width, -1)])

    def _superscript(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if len(elements) != 2:
            return None
        return _raised(_least(self.box(elements[0], inline), _POWER + 1), self.box(elements[1], True))

    def _infinity(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if not elements:
            return _text("ComplexInfinity")
        if len(elements) == 1 and isinstance(elements[0], Integer) and abs(elements[0].value) == 1:
            return _text("Infinity") if elements[0].value == 1 else _text("-Infinity", _TIMES)
        return None

    def _table(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        """Return the table of a list or of a matrix; None for anything else, and where there are options."""
        if len(elements) != 1 or not is_call(elements[0], "System`List") or not elements[0].elements:
            return None
        rows = elements[0].elements
        if not any(is_call(row, "System`List") for row in rows):
            return _cells([[self.box(row, inline)] for row in rows])
        width = len(rows[0].get_elements())
        if not width or not all(is_call(row, "System`List", width) for row in rows):
            return None
        if all(is_call(cell, "System`List") for row in rows for cell in row.elements):
            return None
        return _cells([self._all(row.elements, inline) for row in rows])

    # -- sums, products and powers -----------------------------------------

    def _plus(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if len(elements) < 2:
            return None
        parts = [_least(self.box(elements[0], inline), _PLUS + 1)]
        for term in elements[1:]:
            positive = without_minus(term)
            parts.append(_text(" + " if positive is None else " - "))
            parts.append(_least(self.box(term if positive is None else positive, inline), _PLUS + 1))
        return _row(parts, _PLUS)

    def _times(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if len(elements) < 2:
            return None
        first = elements[0]
        if isinstance(first, Integer) and first.value == -1:
            rest = self.box(product(elements[1:]), inline)
            return _row([_text("-"), _least(rest, _MINUS)], _MINUS)
        over: list[Any] = []
        under: list[Any] = []
        factors = elements
        if isinstance(first, Rational):
            factors = elements[1:]
            if first.value.p != 1:
                over.append(Integer(int(first.value.p)))
            under.append(Integer(int(first.value.q)))
        for factor in factors:
            divisor = inverse(factor)
            if divisor is None:
                over.append(factor)
            else:
                under.append(divisor)
        if not under:
            return self._factors(over, inline)
        top = self.box(product(over), inline) if over else _text("1")
        return self._quotient(top, self.box(product(under), inline), inline)

    def _factors(self, factors: Sequence[Any], inline: bool) -> _Box:
        boxes = []
        for index, factor in enumerate(factors):
            box = self.box(factor, inline)
            # Numbers come first, I/2 too.
            bare = not index and (is_number(factor) or (isinstance(factor, Complex) and factor.real.is_zero))
            boxes.append(box if bare else _least(box, _MINUS + 1))
        return _row(_between(boxes, " "), _TIMES)

    def _quotient(self, over: _Box, under: _Box, inline: bool) -> _Box:
        if not inline:
            return _fraction(over, under)
        numerator = over if over.width and over.lines[over.base].lstrip("-").isdecimal() else _least(over, _MINUS)
        return _row([numerator, _text("/"), _least(under, _DIVIDE + 1)], _DIVIDE)

    def _power(self, elements: Sequence[Any], inline: bool) -> _Box | None:
        if len(elements) != 2:
            return None
        base, exponent = elements
        if isinstance(exponent, Rational) and exponent.value.q == 2 and abs(exponent.value.p) == 1:
            root = _row([_text("Sqrt"), _listed("[", [self.box(base, inline)], "]")], _CALL)
            return root if exponent.value.p == 1 else self._quotient(_text("1"), root, inline)
        if isinstance(exponent, Integer) and exponent.value == -1:
            return self._quotient(_text("1"), self.box(base, inline), inline)
        return _raised(_least(self.box(base, inline), _POWER + 1), self.box(exponent, True))
