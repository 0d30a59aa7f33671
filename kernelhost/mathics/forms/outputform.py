"""Print expressions in OutputForm, in two dimensions, as Wolfram kernels do.

An expression becomes a :class:`~kernelbus.kernelhost.mathics.forms.layout.Box`: lines of text, one
of which is the baseline on which boxes stand side by side. Exponents are on the line above the
baseline, quotients over and under a bar; within an exponent a quotient is on one line, ``x /2``. An
expression with no notation and no known layout here becomes a box of Mathics3's text on one line.
For a whole expression that is too large, too deep or too wide for the page, :func:`output_form`
returns None, and the caller shows Mathics3's text on one line, ``x ^ 2``. Messages, and what
``Write`` writes, are always in that form. A single line that is wider than the page is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from mathics.core.atoms import Complex, Integer, MachineReal, PrecisionReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol
from mathics.format.form.outputform import EXPR_TO_OUTPUTFORM_TEXT_MAP, render_output_form

from kernelbus.kernelhost.mathics.forms import layout
from kernelbus.kernelhost.mathics.forms.arithmetic import (
    is_call,
    is_negative,
    is_number,
    is_rule,
    negated,
    product,
    quotient,
    without_minus,
)
from kernelbus.kernelhost.mathics.forms.described import described
from kernelbus.kernelhost.mathics.forms.layout import Box
from kernelbus.kernelhost.mathics.forms.numberforms import NUMBER_FORMS, Style, in_base, style_of
from kernelbus.kernelhost.mathics.forms.operators import ATOM, CALL, DIVIDE, INFIX, MINUS, PLUS, POWER, TIMES
from kernelbus.kernelhost.mathics.forms.reals import float_text
from kernelbus.kernelhost.mathics.forms.tabular import grid, table

__all__ = ["PAGE_WIDTH", "broken", "broken_box", "output_form", "page_width"]

#: The main loop's page width, characters, as in Wolfram kernels.
PAGE_WIDTH: Final = 78

#: Where the language keeps the width that ``SetOptions[$Output, PageWidth -> n]`` sets.
_WIDTH = "kernelbus`pagewidth"

#: What stands before a line that goes on with the one before.
_CONTINUED = ">    "

#: The ends of operators behind which lines in two dimensions are broken.
_BREAKS = frozenset("+-=<>|&~/@:≤≥≠")

#: The most parts and the deepest nesting of an expression that is laid out.
_MAXIMUM_PARTS = 3000
_MAXIMUM_DEPTH = 200

#: ``Short`` shows expressions of so many elements whole.
_FEW = 3

_SYSTEM = "System`"

#: The least precedence of what is compared, to go without parentheses.
_COMPARED: Final = 291

#: The heads whose infix operator is written here; Mathics3 writes the others.
_INFIX = frozenset(
    {
        "Set",
        "Rule",
        "RuleDelayed",
        "Condition",
        "Alternatives",
        "Or",
        "And",
        "SameQ",
        "UnsameQ",
        "Equal",
        "Unequal",
        "Less",
        "LessEqual",
        "Greater",
        "GreaterEqual",
        "Dot",
        "CompoundExpression",
        "SetDelayed",
        "ReplaceAll",
        "ReplaceRepeated",
        "TwoWayRule",
        "Map",
        "Apply",
        "Composition",
        "RightComposition",
        "NonCommutativeMultiply",
    }
)

_SELF_CONTAINED = re.compile(r"#?[\w$`']*(\[.*\])?|\{.*\}|<\|.*\|>", re.DOTALL)


#: Where a word begins in the name of a unit.
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_POWERS = {1: "", 2: " squared", 3: " cubed"}


def _unit_words(unit: Any, single: bool) -> str | None:
    """Return the words of a unit: names, products, powers and quotients of these; None for others.
    """
    over: list[str] = []
    under: list[str] = []
    for factor in unit.elements if is_call(unit, "System`Times") else (unit,):
        name, power = factor, 1
        while is_call(name, "System`Power", 2) and isinstance(name.elements[1], Integer):
            name, power = name.elements[0], power * int(name.elements[1].value)
        if not isinstance(name, String) or abs(power) not in _POWERS:
            return None
        words = _WORD.sub(" ", name.value).lower()
        shown = words.removesuffix("s") if (single or power < 0) and words not in ("celsius", "siemens") else words
        (over if power > 0 else under).append(shown + _POWERS[abs(power)])
    return " per ".join(filter(None, (" ".join(over), *under)))


class _NoLayoutError(Exception):
    """Say that the whole expression must be shown on one line."""


def page_width(evaluation: Any) -> int | None:
    """Return the most characters in a line of standard output; None for any number."""
    rules = evaluation.definitions.get_ownvalues(_WIDTH)
    width = getattr(rules[0].replace, "value", None) if rules else PAGE_WIDTH
    return width if isinstance(width, int) and width > 0 else None


def output_form(expr: Any, evaluation: Any, page_width: int | None = None) -> str | None:
    """Return a Mathics3 expression as OutputForm text, None if Mathics3's own one line is better.

    Raises only what interrupts an evaluation.

    Args:
        expr: a Mathics3 element.
        evaluation: the running evaluation. It determines which contexts are left out and which
            Format rules apply.
        page_width: the most characters in a line; None for any number.

    Returns:
        The lines, joined by newlines.
    """
    if isinstance(expr, String):
        return None
    text = described(expr, evaluation)
    if text is not None:
        return text
    printer = _Printer(evaluation)
    try:
        box = printer.box(expr)
    except (_NoLayoutError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        line = printer.plain(expr) if printer.overfull else None
        return line if line is None or page_width is None else broken(line, page_width)
    if page_width is not None and box.width > page_width:
        return broken_box(box, page_width) if len(box.lines) > 1 else broken(box.lines[0], page_width)
    return "\n".join(box.lines)


def broken(text: str, page_width: int) -> str:
    """Break a line that is wider than the page behind commas and spaces, as Wolfram kernels do.

    The lines that follow begin behind a mark. A word that is wider than the page is not broken.
    """
    lines = []
    begin, width = 0, page_width
    while len(text) - begin > width:
        at = text.rfind(" ", begin + 1, begin + width + 1)
        if at < 0:
            at = text.find(" ", begin + width)
            if at < 0:
                break
        lines.append(text[begin : at + 1])
        begin = at + 1
        width = page_width - len(_CONTINUED)
    return f"\n \n{_CONTINUED}".join([*lines, text[begin:]])


def broken_box(box: Box, page_width: int) -> str | None:
    """Break what is wider than the page behind commas and operators, through all of its lines.

    Nothing is cut: on a column where one line breaks, all others are blank. A part that is wider
    than the page and has no such column is not broken; None if nothing can be.
    """
    rows = [line.ljust(box.width) for line in box.lines]
    base = rows[box.base]

    def free(column: int) -> bool:
        return all(row[column] == " " for row in rows if row is not base)

    def ends(at: int) -> bool:
        if base[at + 1] != " " or not free(at + 1):
            return False
        # The bar of a fraction looks like a minus, but has something above it.
        return base[at] == "," or (base[at] in _BREAKS and free(at) and base[at - 1] in _BREAKS | {" "})

    ends_at = [at + 2 for at in range(1, box.width - 1) if ends(at)]
    begin, width, parts = 0, page_width, []
    while box.width - begin > width:
        behind = [end for end in ends_at if end > begin]
        if not behind:
            break
        end = max((end for end in behind if end - 1 - begin <= width), default=behind[0])
        parts.append((begin, end))
        begin, width = end, page_width - len(_CONTINUED)
    if not parts:
        return None
    shown = []
    for first, last in [*parts, (begin, box.width)]:
        mark = _CONTINUED if first else ""
        lines = [
            (mark if row is base else " " * len(mark)) + (row[first:last] if row is base and last < box.width else row[first:last].rstrip())
            for row in rows
        ]
        filled = [index for index, line in enumerate(lines) if line.strip()]
        shown.append("\n".join(line if line.strip() else "" for line in lines[filled[0] : filled[-1] + 1]))
    return "\n \n".join(shown)


# -- expressions -----------------------------------------


class _Printer:
    """Lay out one expression.

    In its methods, ``inline`` means: on an exponent's line, where quotients have no bar.
    """

    def __init__(self, evaluation: Any) -> None:
        self._evaluation = evaluation
        self._parts = 0
        self._depth = 0
        self._style: Style | None = None
        self._special: dict[str, Callable[[Sequence[Any], bool], Box | None]] = {
            "List": lambda elements, inline: layout.listed("{", self._all(elements, inline), "}"),
            "Association": self._association,
            "Plus": self._plus,
            "Times": self._times,
            "Power": self._power,
            "Not": self._not,
            "Inequality": self._inequality,
            "SparseArray": self._sparse,
            "Quantity": self._quantity,
            "Factorial": self._factorial,
            "Function": self._function,
            "Row": self._row,
            "Subscript": self._subscript,
            "Superscript": self._superscript,
            "DirectedInfinity": self._infinity,
            "HoldForm": self._inside,
            "OutputForm": self._inside,
            "Grid": lambda elements, inline: grid(elements, partial(self.box, inline=inline)),
            "MatrixForm": lambda elements, inline: table(elements, partial(self.box, inline=inline), matrix=True),
            "TableForm": lambda elements, inline: table(elements, partial(self.box, inline=inline)),
            "Column": self._column,
            "Short": self._short,
            "Skeleton": self._skeleton,
            "BaseForm": self._based,
            "ColumnForm": self._column,
            "Defer": self._inside,
            "PatternTest": self._test,
            "Postfix": lambda elements, inline: self._applied(elements, inline, postfix=True),
            "Prefix": lambda elements, inline: self._applied(elements, inline, postfix=False),
            **{name: partial(self._numbers, name) for name in NUMBER_FORMS},
        }

    def box(self, expr: Any, inline: bool = False) -> Box:
        """Return an expression's box.

        Raises:
            _NoLayoutError: the expression is too large, or has text of several lines in it.
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

    @property
    def overfull(self) -> bool:
        """Whether there were too many parts to lay out."""
        return self._parts > _MAXIMUM_PARTS

    def plain(self, expr: Any) -> str | None:
        """Return a list, and the lists in it, in one line, their elements as Mathics3 writes them.

        Mathics3's own way takes a time that grows with the square of a list's length. None: it is
        no list, or a text in it has several lines.
        """
        if not isinstance(expr, ListExpression) or self._has_format("System`List"):
            return None
        names: dict[str, str] = {}

        def text(element: Any) -> str:
            if isinstance(element, ListExpression):
                return f"{{{', '.join(map(text, element.elements))}}}"
            if isinstance(element, Integer):
                return str(element.value)
            if isinstance(element, MachineReal):
                return float_text(float(f"{element.value:.6g}")).replace("*^", "\N{MULTIPLICATION SIGN}10^")
            if isinstance(element, Rational):
                return f"{element.value.p} / {element.value.q}"
            if isinstance(element, String) and not ("\n" in element.value or "\t" in element.value):
                return str(element.value)
            if isinstance(element, Symbol):
                name = element.name
                if name not in names:
                    names[name] = self._theirs(element).lines[0]
                return names[name]
            return self._theirs(element).lines[0]

        try:
            return text(expr)
        except (_NoLayoutError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return None

    def _all(self, elements: Sequence[Any], inline: bool) -> list[Box]:
        return [self.box(element, inline) for element in elements]

    def _theirs(self, expr: Any) -> Box:
        """Return Mathics3's text as a box."""
        text = render_output_form(expr, self._evaluation)
        if "\n" in text or "\t" in text:
            raise _NoLayoutError
        return layout.text(text, ATOM if isinstance(expr, (Symbol, String)) or _SELF_CONTAINED.fullmatch(text) else 0)

    def _atom(self, expr: Any, inline: bool) -> Box:
        if self._style is not None and not inline and (found := self._in_style(expr)) is not None:
            return found
        if isinstance(expr, Integer):
            return layout.text(str(expr.value), TIMES if expr.value < 0 else ATOM)
        if isinstance(expr, Rational):
            if expr.value < 0 and not inline:
                return layout.row([layout.text("-"), layout.enclosed(self._atom(negated(expr), inline))], TIMES)
            over, under = layout.text(str(expr.value.p)), layout.text(str(expr.value.q))
            return self._quotient(over, under, inline)
        if isinstance(expr, MachineReal):
            return self._real(float(expr.value))
        if isinstance(expr, Complex):
            return self._complex(expr, inline)
        if isinstance(expr, PrecisionReal):
            mantissa, _, exponent = render_output_form(expr, self._evaluation).partition("\N{MULTIPLICATION SIGN}10^")
            precedence = TIMES if expr.value < 0 else ATOM
            if exponent:
                return layout.raised(layout.text(f"{mantissa} 10"), layout.text(exponent), TIMES)
            return layout.text(mantissa, precedence)
        if is_number(expr):
            return layout.text(render_output_form(expr, self._evaluation), TIMES if expr.value < 0 else ATOM)
        return self._theirs(expr)

    def _real(self, value: float) -> Box:
        """Return a machine number with six digits, and its power of ten raised."""
        mantissa, _, exponent = float_text(float(f"{value:.6g}")).partition("*^")
        precedence = TIMES if value < 0 else ATOM
        if not exponent:
            return layout.text(mantissa, precedence)
        return layout.raised(layout.text(f"{mantissa} 10"), layout.text(exponent), TIMES)

    def _complex(self, expr: Any, inline: bool) -> Box:
        real, imaginary = expr.real, expr.imag
        if isinstance(real, Integer) and real.value == 0:
            return self._imaginary(imaginary, inline)
        minus = is_negative(imaginary)
        part = self._imaginary(negated(imaginary) if minus else imaginary, inline)
        return layout.row([self.box(real, inline), layout.text(" - " if minus else " + "), part], PLUS)

    def _imaginary(self, number: Any, inline: bool) -> Box:
        if isinstance(number, Rational):
            over = self._imaginary(Integer(int(number.value.p)), inline)
            return self._quotient(over, layout.text(str(number.value.q)), inline)
        if isinstance(number, Integer) and abs(number.value) == 1:
            return layout.text("I") if number.value == 1 else layout.text("-I", TIMES)
        return layout.row([self.box(number, inline), layout.text(" I")], TIMES)

    # -- with a head -----------------------------------------

    def _compound(self, expr: Any, inline: bool) -> Box:
        head, elements = expr.head, expr.elements
        name = expr.get_lookup_name()
        text = described(expr, self._evaluation)
        if text is not None:
            lines = text.split("\n")
            return Box(tuple(lines), max(map(len, lines)), 0)
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
        """Return what a user's Format rule makes of an expression; None if there is no such rule.
        """
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
        """Tell whether Mathics3 has a Format rule of its own for a head."""
        builtin = self._evaluation.definitions.builtin.get(name)
        return builtin is not None and any(builtin.formatvalues.values())

    def _call(self, expr: Any, inline: bool) -> Box:
        head = layout.least(self.box(expr.head, inline), CALL)
        return layout.row([head, layout.listed("[", self._all(expr.elements, inline), "]")], CALL)

    def _inside(self, elements: Sequence[Any], inline: bool) -> Box | None:
        return self.box(elements[0], inline) if len(elements) == 1 else None

    def _association(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if not all(map(is_rule, elements)):
            return None
        return layout.listed("<|", self._all(elements, inline), "|>")

    def _infix(self, name: str, elements: Sequence[Any], inline: bool) -> Box | None:
        operator = INFIX[name] if name in _INFIX else None
        if operator is None or not operator.takes(len(elements)):
            return None
        boxes = [
            layout.least(self.box(element, inline), operator.least(index, len(elements)))
            for index, element in enumerate(elements)
        ]
        return layout.row(layout.between(boxes, operator.text), operator.precedence)

    def _quantity(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return a quantity in words, ``3 meters per second``."""
        if len(elements) != 2:
            return None
        words = _unit_words(elements[1], is_number(elements[0]) and elements[0].value == 1)
        return None if words is None else layout.row([self.box(elements[0], inline), layout.text(f" {words}")], TIMES)

    def _sparse(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return a sparse array as the number of its elements and its dimensions."""
        if len(elements) != 4 or not is_call(elements[3], "System`List", 3):
            return None
        count = layout.text(f"<{len(elements[3].elements[2].get_elements())}>")
        return layout.row([layout.text("SparseArray"), layout.listed("[", [count, self.box(elements[1], inline)], "]")], CALL)

    def _inequality(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return a chain of different comparisons, ``1 < x <= 3``."""
        operators = [INFIX.get(each.get_name().removeprefix(_SYSTEM)) for each in elements[1::2]]
        if len(elements) < _FEW or len(elements) % 2 == 0:
            return None
        parts = [layout.least(self.box(elements[0], inline), _COMPARED)]
        for operator, element in zip(operators, elements[2::2], strict=True):
            if operator is None or operator.precedence != _COMPARED - 1:
                return None
            parts += [layout.text(operator.text), layout.least(self.box(element, inline), _COMPARED)]
        return layout.row(parts, _COMPARED - 1)

    def _not(self, elements: Sequence[Any], inline: bool) -> Box | None:
        return layout.row([layout.text("!"), layout.least(self.box(elements[0], inline), 230)], 230) if len(elements) == 1 else None

    def _factorial(self, elements: Sequence[Any], inline: bool) -> Box | None:
        return layout.row([layout.least(self.box(elements[0], inline), 611), layout.text("!")], 610) if len(elements) == 1 else None

    def _function(self, elements: Sequence[Any], inline: bool) -> Box | None:
        return layout.row([layout.least(self.box(elements[0], inline), 90), layout.text(" & ")], 90) if len(elements) == 1 else None

    def _row(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if not 1 <= len(elements) <= 2 or not is_call(elements[0], "System`List"):
            return None
        boxes = self._all(elements[0].elements, inline)
        if len(elements) == 1:
            return boxes[0] if len(boxes) == 1 else layout.row(boxes)
        separator = self.box(elements[1], inline)
        return layout.row(part for index, box in enumerate(boxes) for part in ((separator, box) if index else (box,)))

    def _subscript(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) != 2:
            return None
        base, below = layout.least(self.box(elements[0], inline), CALL), self.box(elements[1], True)
        return layout.row([base, Box(below.lines, below.width, -1)])

    def _superscript(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) != 2:
            return None
        return layout.raised(layout.least(self.box(elements[0], inline), POWER + 1), self.box(elements[1], True))

    def _infinity(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if not elements:
            return layout.text("ComplexInfinity")
        if len(elements) == 1 and isinstance(elements[0], Integer) and abs(elements[0].value) == 1:
            return layout.text("Infinity") if elements[0].value == 1 else layout.text("-Infinity", TIMES)
        return None

    def _column(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return elements below one another, to the left, in the middle or to the right."""
        if not 1 <= len(elements) <= 2 or not is_call(elements[0], "System`List") or not elements[0].elements:
            return None
        place = elements[1].get_name() if len(elements) == 2 else "System`Left"
        align = {"System`Left": str.ljust, "System`Center": str.center, "System`Right": str.rjust}.get(place)
        if align is None:
            return None
        boxes = self._all(elements[0].elements, inline)
        width = max(box.width for box in boxes)
        return Box(tuple(align(line, width).rstrip() for box in boxes for line in box.lines), width, 0)

    def _skeleton(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) != 1 or not isinstance(elements[0], Integer):
            return None
        return layout.text(f"<<{elements[0].value}>>")

    def _short(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return as many of an expression's first and last elements as fit into a line or more."""
        if not 1 <= len(elements) <= 2 or (len(elements) == 2 and not isinstance(elements[1], Integer)):
            return None
        room = PAGE_WIDTH * (elements[1].value if len(elements) == 2 else 1)
        expr = elements[0]
        if not isinstance(expr, Expression) or len(expr.elements) <= _FEW:
            return self.box(expr, inline)
        taken = self._that_fit(expr, room, inline)
        count = len(expr.elements)
        if taken >= count:
            return self.box(expr, inline)
        front = max((taken + 1) // 2, 1)
        back = taken - front if taken > front else 1
        skeleton = Expression(Symbol("System`Skeleton"), Integer(count - front - back))
        shown = (*expr.elements[:front], skeleton, *expr.elements[count - back :])
        return self.box(ListExpression(*shown) if is_call(expr, "System`List") else Expression(expr.head, *shown), inline)

    def _that_fit(self, expr: Any, room: int, inline: bool) -> int:
        """Return how many elements, from both ends by turns, fit beside the mark for the others."""
        count = len(expr.elements)
        used = 2 + len("<<>>") + len(str(count)) + 2
        for taken in range(count):
            element = expr.elements[taken // 2 if taken % 2 == 0 else count - 1 - taken // 2]
            used += self.box(element, inline).width + 2
            if used > room:
                return taken
        return count

    def _numbers(self, name: str, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return an expression with the numbers in it written in a form of numbers."""
        style = style_of(name, elements[1:]) if elements else None
        if style is None:
            return None
        before, self._style = self._style, style
        try:
            return self.box(elements[0], inline)
        finally:
            self._style = before

    def _in_style(self, number: Any) -> Box | None:
        """Return a number as the form around it writes it, None if it leaves it as it is."""
        found = None if self._style is None else self._style.written(number)
        if found is None:
            return None
        precedence = TIMES if number.value < 0 or found.exponent else ATOM
        if not found.exponent:
            return layout.text(found.mantissa, precedence)
        return layout.raised(layout.text(f"{found.mantissa}{found.multiplier}10"), layout.text(found.exponent), precedence)

    def _based(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return the numbers of a list in a base, which is below each."""
        if len(elements) != 2 or not isinstance(elements[1], Integer):
            return None
        if is_call(elements[0], "System`List"):
            boxes = [self._based((each, elements[1]), inline) or self.box(each, inline) for each in elements[0].elements]
            return layout.listed("{", boxes, "}")
        text = in_base(elements[0], int(elements[1].value))
        if text is None:
            return self.box(elements[0], inline)
        below = layout.text(str(elements[1].value))
        return layout.row([layout.text(text), Box(below.lines, below.width, -1)])

    def _applied(self, elements: Sequence[Any], inline: bool, *, postfix: bool) -> Box | None:
        """Return a call of one argument as ``f @ x`` or ``x // f``, or with another operator."""
        if not 1 <= len(elements) <= 2 or not isinstance(elements[0], Expression) or len(elements[0].elements) != 1:
            return None
        argument = self.box(elements[0].elements[0], inline)
        if len(elements) == 2:
            operator = self.box(elements[1], inline)
            return layout.row([argument, operator] if postfix else [operator, argument])
        head = self.box(elements[0].head, inline)
        return layout.row([argument, layout.text(" // "), head] if postfix else [head, layout.text(" @ "), argument])

    def _test(self, elements: Sequence[Any], inline: bool) -> Box | None:
        """Return a pattern with its test, ``x_?EvenQ``."""
        if len(elements) != 2:
            return None
        pattern = self.box(elements[0], inline)
        return layout.row([pattern, layout.text("?"), layout.least(self.box(elements[1], inline), 680)], 680)

    # -- sums, products and powers -----------------------------------------

    def _plus(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) < 2:
            return None
        parts = [layout.least(self.box(elements[0], inline), PLUS + 1)]
        for term in elements[1:]:
            positive = without_minus(term)
            parts.append(layout.text(" + " if positive is None else " - "))
            parts.append(layout.least(self.box(term if positive is None else positive, inline), PLUS + 1))
        return layout.row(parts, PLUS)

    def _times(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) < 2:
            return None
        first = elements[0]
        if isinstance(first, Integer) and first.value == -1:
            rest = self.box(product(elements[1:]), inline)
            return layout.row([layout.text("-"), layout.least(rest, MINUS)], MINUS)
        over, under = quotient(elements)
        if not under:
            return self._factors(over, inline)
        top = self.box(product(over), inline) if over else layout.text("1")
        return self._quotient(top, self.box(product(under), inline), inline)

    def _factors(self, factors: Sequence[Any], inline: bool) -> Box:
        boxes = []
        for index, factor in enumerate(factors):
            box = self.box(factor, inline)
            # A leading number needs no parentheses, nor does I/2.
            bare = not index and (is_number(factor) or (isinstance(factor, Complex) and factor.real.is_zero))
            boxes.append(box if bare else layout.least(box, MINUS + 1))
        return layout.row(layout.between(boxes, " "), TIMES)

    def _quotient(self, over: Box, under: Box, inline: bool) -> Box:
        if not inline:
            return layout.fraction(over, under)
        numerator = over if over.width and over.lines[over.base].lstrip("-").isdecimal() else layout.least(over, MINUS)
        return layout.row([numerator, layout.text("/"), layout.least(under, DIVIDE + 1)], DIVIDE)

    def _power(self, elements: Sequence[Any], inline: bool) -> Box | None:
        if len(elements) != 2:
            return None
        base, exponent = elements
        if isinstance(exponent, Rational) and exponent.value.q == 2 and abs(exponent.value.p) == 1:
            root = layout.row([layout.text("Sqrt"), layout.listed("[", [self.box(base, inline)], "]")], CALL)
            return root if exponent.value.p == 1 else self._quotient(layout.text("1"), root, inline)
        if isinstance(exponent, Integer) and exponent.value == -1:
            return self._quotient(layout.text("1"), self.box(base, inline), inline)
        return layout.raised(layout.least(self.box(base, inline), POWER + 1), self.box(exponent, True))
