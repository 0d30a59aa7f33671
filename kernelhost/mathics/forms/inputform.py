"""Print expressions in InputForm as the Wolfram Language does: ``x^3 + 3*x^2*y + 3*x*y^2 + y^3``.

Mathics3's own InputForm uses Unicode operators, puts spaces where the language has none, and is
recursive. This printer uses a stack of its own, so that an expression may be of any depth. What it
prints reads back as the same expression. It applies a user's rules for ``Format[..., InputForm]``,
and evaluates nothing else.

A *shape* is what one level of an expression looks like: its precedence, and pieces of text between
operands, each with the precedence that it needs to go without parentheses.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

from mathics.core.atoms import (
    ByteArray,
    Complex,
    Integer,
    MachineReal,
    NumericArray,
    PrecisionReal,
    Rational,
    String,
)
from mathics.core.element import BoxElementMixin
from mathics.core.expression import Expression
from mathics.core.symbols import Atom, Symbol

from kernelbus.kernelhost.mathics.forms.arithmetic import (
    inverse,
    is_call,
    is_negative,
    is_number,
    is_rule,
    is_zero,
    negated,
    product,
    quotient,
    without_minus,
)
from kernelbus.kernelhost.mathics.forms.described import described
from kernelbus.kernelhost.mathics.forms.operators import ATOM, CALL, DIVIDE, INFIX, MINUS, PLUS, POWER, TIMES
from kernelbus.kernelhost.mathics.forms.pixels import pixel_type
from kernelbus.kernelhost.mathics.forms.precision import real_text
from kernelbus.kernelhost.mathics.forms.reals import float_text

__all__ = ["input_form", "string_text"]

_SYSTEM = "System`"

#: A piece is text, or an operand with the least precedence that needs no parentheses.
_Operand = tuple[Any, int]
_Piece = str | _Operand
_Shape = tuple[int, list[_Piece]]

_PREFIX = {
    "Not": ("!", 230),
    "Minus": ("-", MINUS),
    "PreIncrement": ("++", 660),
    "PreDecrement": ("--", 660),
}
_POSTFIX = {
    "Function": (" & ", 90),
    "Repeated": ("..", 170),
    "RepeatedNull": ("...", 170),
    "Factorial": ("!", 610),
    "Factorial2": ("!!", 610),
    "Increment": ("++", 660),
    "Decrement": ("--", 660),
    "Unset": (" =. ", 40),
}
_BLANKS = {"System`Blank": "_", "System`BlankSequence": "__", "System`BlankNullSequence": "___"}

_ESCAPES = {i: f"\\.{i:02x}" for i in range(32)} | {127: "\\.7f"}
_ESCAPES |= {ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r", ord("\b"): "\\b", ord("\f"): "\\f"}
_ESCAPES |= {ord('"'): '\\"', ord("\\"): "\\\\"}


def string_text(value: str) -> str:
    """Return a string in quotation marks; escape quotes, backslashes and control characters only.
    """
    return '"' + value.translate(_ESCAPES) + '"'


def input_form(expr: Any, evaluation: Any = None) -> str:
    """Return a Mathics3 expression as InputForm text.

    Args:
        expr: a Mathics3 element.
        evaluation: the running evaluation. It determines which contexts are left out and which
            Format rules apply. Without one, System` and Global` are left out and no rule applies.
    """
    return _Printer(evaluation).text(expr)


#: Images of more numbers are not written.
_MOST_PIXELS: Final = 50_000
_NUMBERS: Final = {"Bit": "UnsignedInteger8", "Byte": "UnsignedInteger8", "Bit16": "UnsignedInteger16", "Real32": "Real32"}


def _image_text(image: Any) -> str | None:
    """Return a small image with its pixels, None for others."""
    pixels = getattr(image, "pixels", None)
    if pixels is None or pixels.size > _MOST_PIXELS:
        return None
    single = pixels.ndim == 3 and pixels.shape[2] == 1
    kind = pixel_type(pixels) or "Real32"
    values = (pixels[:, :, 0] if single else pixels).astype(float if kind == "Real32" else int).tolist()
    space = "Automatic" if single else string_text(image.color_space)
    array = f"NumericArray[{_nested(values)}, {string_text(_NUMBERS[kind])}]"
    return f"Image[{array}, {string_text(kind)}, ColorSpace -> {space}, Interleaving -> {'None' if single else 'True'}]"


class _Printer:
    """Print one expression; cache the names that are shortened."""

    def __init__(self, evaluation: Any) -> None:
        self._evaluation = evaluation
        self._names: dict[str, str] = {}

    def text(self, expr: Any) -> str:
        out: list[str] = []
        stack: list[_Piece] = [(expr, 0)]
        while stack:
            piece = stack.pop()
            if isinstance(piece, str):
                out.append(piece)
                continue
            operand, least = piece
            precedence, pieces = self._shape(operand)
            if precedence < least:
                out.append("(")
                stack.append(")")
            stack.extend(reversed(pieces))
        return "".join(out)

    # -- atoms -----------------------------------------

    def _shape(self, expr: Any) -> _Shape:
        if isinstance(expr, Symbol):
            return ATOM, [self._name(expr.name)]
        if isinstance(expr, Expression):
            return self._compound(self._formatted(expr))
        if isinstance(expr, String):
            return ATOM, [string_text(expr.value)]
        if isinstance(expr, Integer):
            return _signed(str(expr.value))
        if isinstance(expr, MachineReal):
            return _signed(float_text(float(expr.value)))
        if isinstance(expr, PrecisionReal):
            return _signed(real_text(expr))
        if isinstance(expr, Rational):
            return DIVIDE if expr.value > 0 else TIMES, [f"{expr.value.p}/{expr.value.q}"]
        if isinstance(expr, Complex):
            return _complex(expr)
        return self._other(expr)

    def _other(self, expr: Any) -> _Shape:
        if isinstance(expr, ByteArray):
            return ATOM, [f'ByteArray["{base64.b64encode(expr.value).decode()}"]']
        if isinstance(expr, NumericArray):
            return ATOM, [f"NumericArray[{_nested(expr.value.tolist())}, {string_text(expr._type_name)}]"]
        if isinstance(expr, BoxElementMixin):
            return self._shape_of_boxes(expr)
        if expr.get_head_name() == "System`Image" and (shown := _image_text(expr)) is not None:
            return ATOM, [shown]
        if isinstance(expr, Atom):
            return ATOM, [f"{self._name(expr.get_head_name())}[{string_text(type(expr).__name__)}]"]
        return ATOM, [str(expr)]

    def _shape_of_boxes(self, boxes: Any) -> _Shape:
        expression = boxes.to_expression()
        return self._compound(expression) if isinstance(expression, Expression) else self._shape(expression)

    def _name(self, name: str) -> str:
        short = self._names.get(name)
        if short is None:
            if self._evaluation is not None:
                short = self._evaluation.definitions.shorten_name(name)
            else:
                short = name.removeprefix(_SYSTEM).removeprefix("Global`")
            self._names[name] = short
        return short

    def _formatted(self, expr: Any) -> Any:
        """Return the expression with a user's Format rule for InputForm applied, if there is one.
        """
        if self._evaluation is None:
            return expr
        definition = self._evaluation.definitions.user.get(expr.get_lookup_name())
        if definition is None or not definition.formatvalues.get("System`InputForm"):
            return expr
        for rule in definition.formatvalues["System`InputForm"]:
            result = rule.apply(expr, self._evaluation)
            if result is not None and not result.sameQ(expr):
                return result.evaluate(self._evaluation)
        return expr

    # -- expressions with a head -----------------------------------------

    def _compound(self, expr: Any) -> _Shape:
        if not isinstance(expr, Expression):
            return self._shape(expr)
        head, elements = expr.head, expr.elements
        if isinstance(head, Symbol) and head.name.startswith(_SYSTEM):
            text = described(expr, self._evaluation)
            if text is not None:
                return 0, [text]
            shape = _system_shape(head.name[len(_SYSTEM) :], elements)
            if shape is not None:
                return shape
        pieces: list[_Piece] = [(head, CALL), "["]
        _join(pieces, elements, ", ")
        pieces.append("]")
        return CALL, pieces


def _signed(text: str) -> _Shape:
    return (TIMES if text.startswith("-") else ATOM), [text]


def _nested(value: Any) -> str:
    """Return nested Python lists of numbers as InputForm; recursive to the depth of an array."""
    if isinstance(value, list):
        return "{" + ", ".join(map(_nested, value)) + "}"
    if isinstance(value, complex):
        return f"{float_text(value.real)} + {float_text(value.imag)}*I"
    return float_text(value) if isinstance(value, float) else str(value)


def _join(pieces: list[_Piece], elements: Sequence[Any], comma: str, least: int = 0) -> None:
    for index, element in enumerate(elements):
        if index:
            pieces.append(comma)
        pieces.append((element, least))


_ONE, _HALF = Integer(1), Rational(1, 2)
_NULL = Symbol("System`Null")


def _complex(expr: Any) -> _Shape:
    real, imag = expr.real, expr.imag
    if is_zero(real):
        return _imaginary_shape(imag)
    if is_negative(imag):
        return PLUS, [(real, 0), " - ", *_imaginary_shape(negated(imag))[1]]
    return PLUS, [(real, 0), " + ", *_imaginary_shape(imag)[1]]


def _imaginary_shape(number: Any) -> _Shape:
    """Return the shape of ``number*I``: ``I``, ``-I``, ``2*I``, ``I/2``, ``(3*I)/2``, ``-1/2*I``.
    """
    if isinstance(number, Rational):
        over, under = number.value.p, number.value.q
        if over == 1:
            return DIVIDE, [f"I/{under}"]
        return (TIMES, [f"-1/{under}*I"]) if over == -1 else (DIVIDE, [f"({over}*I)/{under}"])
    if isinstance(number, Integer) and abs(number.value) == 1:
        return (ATOM, ["I"]) if number.value == 1 else (TIMES, ["-I"])
    return TIMES, [(number, 0), "*I"]


# -- sums, products and powers -----------------------------------------


def _plus(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) < 2:
        return None
    pieces: list[_Piece] = [(elements[0], PLUS + 1)]
    for term in elements[1:]:
        positive = without_minus(term)
        if positive is None:
            pieces += [" + ", (term, PLUS + 1)]
        else:
            pieces += [" - ", (positive, PLUS + 1)]
    return PLUS, pieces


def _times(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) < 2:
        return None
    first = elements[0]
    if isinstance(first, Integer) and first.value == -1:
        return MINUS, ["-", (product(elements[1:]), MINUS)]
    if isinstance(first, Rational) and first.value.p == -1:
        factors = _inverted_alone(elements[1:])
        return TIMES, [f"-1/{first.value.q}*", (product(factors), TIMES + 1)]
    over, under = quotient(elements)
    return DIVIDE if under else TIMES, _quotient(over, under)


def _inverted_alone(factors: Sequence[Any]) -> Sequence[Any]:
    """Return the factors of ``-1/2*1/x^2``, where a single negative power is written as a quotient.
    """
    if len(factors) == 1 and inverse(factors[0]) is not None:
        return (_ONE, factors[0])
    return factors


def _quotient(over: list[Any], under: list[Any]) -> list[_Piece]:
    if not under:
        return _factors(over)
    pieces: list[_Piece] = []
    if not over:
        pieces.append("1")
    elif len(over) == 1:
        pieces.append((over[0], 0 if is_number(over[0]) else DIVIDE))
    else:
        pieces += ["(", *_factors(over), ")"]
    pieces.append("/")
    if len(under) == 1:
        pieces.append((under[0], DIVIDE + 1))
    else:
        pieces += ["(", *_factors(under), ")"]
    return pieces


def _factors(factors: Sequence[Any]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for index, factor in enumerate(factors):
        if index:
            pieces.append("*")
        bare = not index and isinstance(factor, (Integer, MachineReal, PrecisionReal))
        pieces.append((factor, 0 if bare else MINUS + 1))
    return pieces


def _power(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) != 2:
        return None
    base, exponent = elements
    if isinstance(exponent, Rational) and exponent.value.q == 2 and abs(exponent.value.p) == 1:
        pieces: list[_Piece] = ["Sqrt[", (base, 0), "]"]
        return (CALL, pieces) if exponent.value.p == 1 else (DIVIDE, ["1/", *pieces])
    return POWER, [(base, POWER + 1), "^", (exponent, POWER)]


# -- other heads with a notation of their own -----------------------------------------


def _list(elements: Sequence[Any]) -> _Shape:
    pieces: list[_Piece] = ["{"]
    _join(pieces, elements, ", ")
    pieces.append("}")
    return ATOM, pieces


def _association(elements: Sequence[Any]) -> _Shape | None:
    if not all(map(is_rule, elements)):
        return None
    pieces: list[_Piece] = ["<|"]
    _join(pieces, elements, ", ")
    pieces.append("|>")
    return ATOM, pieces


def _infinity(elements: Sequence[Any]) -> _Shape | None:
    if not elements:
        return ATOM, ["ComplexInfinity"]
    if len(elements) == 1 and isinstance(elements[0], Integer) and abs(elements[0].value) == 1:
        return (ATOM, ["Infinity"]) if elements[0].value == 1 else (TIMES, ["-Infinity"])
    return None


def _blank(name: str) -> Callable[[Sequence[Any]], _Shape | None]:
    mark = _BLANKS[_SYSTEM + name]

    def shape(elements: Sequence[Any]) -> _Shape | None:
        if not elements:
            return 730, [mark]
        if len(elements) == 1 and isinstance(elements[0], Symbol):
            return 730, [mark, (elements[0], 0)]
        return None

    return shape


def _is_blank(expr: Any) -> bool:
    if not isinstance(expr, Expression) or not isinstance(expr.head, Symbol) or expr.head.name not in _BLANKS:
        return False
    return not expr.elements or (len(expr.elements) == 1 and isinstance(expr.elements[0], Symbol))


def _pattern(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) != 2 or not isinstance(elements[0], Symbol):
        return None
    name, pattern = elements
    if _is_blank(pattern):
        return 730, [(name, 0), (pattern, 0)]
    return 150, [(name, 0), ":", (pattern, 151)]


def _optional(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) == 1 and (_is_blank(elements[0]) or is_call(elements[0], "System`Pattern", 2)):
        return 730, [(elements[0], 730), "."]
    if len(elements) == 2 and (_is_blank(elements[0]) or is_call(elements[0], "System`Pattern", 2)):
        return 140, [(elements[0], 141), ":", (elements[1], 141)]
    return None


def _pattern_test(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) != 2:
        return None
    pattern, test = elements
    least = ATOM if is_call(pattern, "System`Pattern") else 681
    return 680, [(pattern, least), "?", (test, 681)]


def _slot(mark: str) -> Callable[[Sequence[Any]], _Shape | None]:
    def shape(elements: Sequence[Any]) -> _Shape | None:
        if len(elements) != 1:
            return None
        slot = elements[0]
        if isinstance(slot, Integer) and slot.value >= 0:
            return ATOM, [f"{mark}{slot.value}"]
        if mark == "#" and isinstance(slot, String) and slot.value.isalnum() and slot.value[0].isalpha():
            return ATOM, [mark + slot.value]
        return None

    return shape


def _out(elements: Sequence[Any]) -> _Shape | None:
    if not elements:
        return ATOM, ["%"]
    if len(elements) == 1 and isinstance(elements[0], Integer) and elements[0].value > 0:
        return ATOM, [f"%{elements[0].value}"]
    return None


def _part(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) < 2:
        return None
    pieces: list[_Piece] = [(elements[0], CALL), "[["]
    _join(pieces, elements[1:], ",")
    pieces.append("]]")
    return CALL, pieces


def _message_name(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) != 2 or not isinstance(elements[0], Symbol) or not isinstance(elements[1], String):
        return None
    if not elements[1].value.isidentifier():
        return None
    return 750, [(elements[0], 0), "::", elements[1].value]


def _tag_set(text: str) -> Callable[[Sequence[Any]], _Shape | None]:
    def shape(elements: Sequence[Any]) -> _Shape | None:
        if len(elements) != 3:
            return None
        return 40, [(elements[0], 41), " /: ", (elements[1], 41), text, (elements[2], 40)]

    return shape


def _compound_expression(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) < 2:
        return None
    pieces: list[_Piece] = []
    for index, element in enumerate(elements):
        if index:
            pieces.append("; ")
        if not (index == len(elements) - 1 and element is _NULL):
            pieces.append((element, 11))
    return 10, pieces


def _apply(elements: Sequence[Any]) -> _Shape | None:
    if len(elements) == 3 and is_call(elements[2], "System`List", 1):
        level = elements[2].elements[0]
        if isinstance(level, Integer) and level.value == 1:
            return 620, [(elements[0], 621), " @@@ ", (elements[1], 620)]
    return _infix("Apply", elements)


def _infix(name: str, elements: Sequence[Any]) -> _Shape | None:
    operator = INFIX[name]
    if not operator.takes(len(elements)):
        return None
    pieces: list[_Piece] = []
    for index, element in enumerate(elements):
        if index:
            pieces.append(operator.text)
        pieces.append((element, operator.least(index, len(elements))))
    return operator.precedence, pieces


def _prefix(name: str, elements: Sequence[Any]) -> _Shape | None:
    text, precedence = _PREFIX[name]
    return (precedence, [text, (elements[0], precedence)]) if len(elements) == 1 else None


def _postfix(name: str, elements: Sequence[Any]) -> _Shape | None:
    text, precedence = _POSTFIX[name]
    if len(elements) != 1:
        return None
    operand = elements[0]
    least = precedence
    if name in ("Repeated", "RepeatedNull") and (_is_blank(operand) or is_call(operand, "System`Pattern")):
        # ``_..`` would be read as an optional blank and a dot.
        least = ATOM
    return precedence, [(operand, least + 1 if name.startswith("Factorial") else least), text]


_SHAPES: dict[str, Callable[[Sequence[Any]], _Shape | None]] = {
    "List": _list,
    "Association": _association,
    "Plus": _plus,
    "Times": _times,
    "Power": _power,
    "DirectedInfinity": _infinity,
    "Blank": _blank("Blank"),
    "BlankSequence": _blank("BlankSequence"),
    "BlankNullSequence": _blank("BlankNullSequence"),
    "Pattern": _pattern,
    "Optional": _optional,
    "PatternTest": _pattern_test,
    "Slot": _slot("#"),
    "SlotSequence": _slot("##"),
    "Out": _out,
    "Part": _part,
    "MessageName": _message_name,
    "TagSet": _tag_set(" = "),
    "TagSetDelayed": _tag_set(" := "),
    "CompoundExpression": _compound_expression,
    "Apply": _apply,
}


def _system_shape(name: str, elements: Sequence[Any]) -> _Shape | None:
    """Return the shape of an expression whose head has a notation, None to write ``f[x, y]``."""
    special = _SHAPES.get(name)
    if special is not None:
        return special(elements)
    if name in INFIX:
        return _infix(name, elements)
    if name in _PREFIX:
        return _prefix(name, elements)
    if name in _POSTFIX:
        return _postfix(name, elements)
    return None
