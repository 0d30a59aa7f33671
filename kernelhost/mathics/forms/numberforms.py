"""Write numbers as ``NumberForm``, ``ScientificForm``, ``PaddedForm`` and their like do.

:func:`style_of` reads the arguments of a form: how many digits, and its options. :meth:`Style.
written` has the text of a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

from mathics.core.atoms import Integer, MachineReal, PrecisionReal, String
from mathics.core.symbols import SymbolTrue

__all__ = ["NUMBER_FORMS", "Style", "Written", "in_base", "style_of"]

NUMBER_FORMS: Final = frozenset(
    {"AccountingForm", "DecimalForm", "EngineeringForm", "NumberForm", "PaddedForm", "PercentForm", "ScientificForm"}
)

#: Significant digits of a machine number, unless another number is asked for.
_DIGITS: Final = 6
#: Powers of ten up to this one are written without an exponent.
_PLAIN: Final = 5
_NO_BLOCKS: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Written:
    """Hold a number's text.

    Attributes:
        mantissa: its digits, with sign and padding.
        exponent: the power of ten beside them, "" for none.
        multiplier: what stands between the digits and the ten.
    """

    mantissa: str
    exponent: str = ""
    multiplier: str = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True, slots=True)
class Style:
    """Hold how a form writes numbers.

    Attributes:
        name: the form's name.
        count: how many significant digits; None: as usual.
        places: how many digits there are behind the point; None: as many as there are.
        blocks: how many digits there are in a block before the point, and behind it.
        separators: what stands between blocks before the point, and behind it.
        point: the point.
        padding: what a number is filled with on the left, and on the right; None: with nothing.
        signs: what stands around negative numbers, and before others.
        sign_first: whether padding is put between the sign and the digits.
        multiplier: what stands between the digits and the ten.
        plain: whether powers of ten are never written.
    """

    name: str
    count: int | None = None
    places: int | None = None
    blocks: tuple[int, int] = (_NO_BLOCKS, _NO_BLOCKS)
    separators: tuple[str, str] = (",", " ")
    point: str = "."
    padding: tuple[str, str] | None = None
    signs: tuple[tuple[str, str], str] = (("-", ""), "")
    sign_first: bool = False
    multiplier: str = field(default=" \N{MULTIPLICATION SIGN} ")
    plain: bool = False

    def written(self, number: Any) -> Written | None:
        """Return the text of a number; None: the form leaves what it is as it is."""
        if isinstance(number, Integer):
            if self.name in ("EngineeringForm", "ScientificForm"):
                return None
            percent = self.name == "PercentForm"
            return Written(self._composed(str(abs(number.value) * (100 if percent else 1)), None, number.value < 0) + "%" * percent)
        if isinstance(number, MachineReal):
            value, digits = Decimal(repr(float(number.value))), self.count or _DIGITS
        elif isinstance(number, PrecisionReal):
            digits = int(number.get_precision() * 0.30103 + 0.5)
            with localcontext() as context:
                context.prec = digits + 10
                value = Decimal(str(number.value.n(digits + 5)))
            digits = self.count or digits
        else:
            return None
        if not value.is_finite():
            return None
        return self._real(value, digits)

    def _real(self, value: Decimal, count: int) -> Written:
        if self.name == "PercentForm":
            with localcontext() as context:
                context.prec = len(value.as_tuple().digits) + 5
                whole, part = _parts(_rounded(value * 100, count))
            return Written(self._composed(whole, part or None, value < 0) + "%")
        if self.name in ("AccountingForm", "DecimalForm"):
            count = max(count, value.adjusted() + 1)
        rounded = _rounded(value, count)
        exponent = rounded.adjusted() if rounded else 0
        if self.name == "ScientificForm":
            shown = exponent
        elif self.name == "EngineeringForm":
            shown = exponent - exponent % 3
        elif self.plain or self.places is not None or -_PLAIN <= exponent <= _PLAIN:
            shown = 0
        else:
            shown = exponent
        if shown:
            rounded = rounded.scaleb(-shown)
        if self.places is not None:
            rounded = (value.scaleb(-shown) if not shown else rounded).quantize(Decimal(1).scaleb(-self.places), rounding=ROUND_HALF_UP)
        whole, part = _parts(rounded)
        if self.places is not None:
            fill = self.padding[1] if self.padding else "0"
            part = part.ljust(self.places, fill) if fill else part
        return Written(self._composed(whole, part, value < 0), str(shown) if shown else "", self.multiplier)

    def _composed(self, whole: str, part: str | None, negative: bool) -> str:
        """Return digits before and behind the point with sign, blocks and padding."""
        before, behind = self.signs[0] if negative else (self.signs[1], "")
        room = 0
        if self.padding is not None and self.padding[0] and self.count is not None:
            room = self.count - (self.places or 0) if part is not None and self.places is not None else self.count - len(part or "")
            blocks = (room - 1) // self.blocks[0] * len(self.separators[0]) if room > 0 else 0
            room = room + blocks + 1
        text = _blocked(whole, self.blocks[0], self.separators[0], right=True)
        fill = "" if self.padding is None else self.padding[0]
        missing = max(room - len(text) - len(before), 0)
        filled = before + fill * missing + text if self.sign_first else fill * missing + before + text
        if part is None:
            return filled + behind
        return f"{filled}{self.point}{_blocked(part, self.blocks[1], self.separators[1], right=False)}{behind}"


def _rounded(value: Decimal, count: int) -> Decimal:
    """Return a number with so many significant digits."""
    if not value:
        return value
    with localcontext() as context:
        context.prec = max(count, 1)
        context.rounding = ROUND_HALF_UP
        return +value


def _parts(value: Decimal) -> tuple[str, str]:
    """Return the digits of a number before and behind its point, without zeros at the end."""
    whole, _, part = f"{abs(value):f}".partition(".")
    return whole, part.rstrip("0")


def _blocked(digits: str, size: int, separator: str, *, right: bool) -> str:
    if len(digits) <= size or not separator:
        return digits
    first = len(digits) % size or size if right else size
    parts = [digits[:first], *(digits[at : at + size] for at in range(first, len(digits), size))]
    return separator.join(parts)


def _pair(expr: Any) -> tuple[str, str] | None:
    """Return the two strings of an option, of which a single one stands for both."""
    if isinstance(expr, String):
        return expr.value, expr.value
    if expr.has_form("List", 2) and all(isinstance(each, String) for each in expr.elements):
        return expr.elements[0].value, expr.elements[1].value
    return None


def _signs(expr: Any) -> tuple[tuple[str, str], str] | None:
    if not expr.has_form("List", 2) or not isinstance(expr.elements[1], String):
        return None
    negative = expr.elements[0]
    around = (negative.value, "") if isinstance(negative, String) else _pair(negative)
    return None if around is None else (around, expr.elements[1].value)


def _blocks(expr: Any) -> tuple[int, int] | None:
    sizes = expr.elements if expr.has_form("List", 2) else (expr, expr)
    found = [each.value if isinstance(each, Integer) and each.value > 0 else _NO_BLOCKS for each in sizes]
    return found[0], found[1]


def _changed(style: Style, option: str, value: Any) -> Style:
    """Return a style with an option; one that is not understood changes nothing."""
    match option:
        case "DigitBlock" if (found := _blocks(value)) is not None:
            return replace(style, blocks=found)
        case "NumberSeparator" if (pair := _pair(value)) is not None:
            return replace(style, separators=pair)
        case "NumberPoint" if isinstance(value, String):
            return replace(style, point=value.value)
        case "NumberPadding" if (pair := _pair(value)) is not None:
            return replace(style, padding=pair)
        case "NumberSigns" if (signs := _signs(value)) is not None:
            return replace(style, signs=signs)
        case "NumberMultiplier" if isinstance(value, String):
            return replace(style, multiplier=value.value)
        case "SignPadding":
            return replace(style, sign_first=value is SymbolTrue)
        case "ExponentFunction" if value.has_form("Function", 1) and value.elements[0].get_name() == "System`Null":
            return replace(style, plain=True)
    return style


def style_of(name: str, spec: Sequence[Any]) -> Style | None:
    """Return how a form writes numbers; None if its arguments are none of a form.

    Args:
        name: the form's name, one of :data:`NUMBER_FORMS`.
        spec: the form's arguments behind the expression.
    """
    style = Style(name)
    if name == "PaddedForm":
        style = replace(style, padding=(" ", "0"))
    elif name == "AccountingForm":
        style = replace(style, signs=(("(", ")"), ""))
    if name in ("AccountingForm", "DecimalForm", "PercentForm"):
        style = replace(style, plain=True)
    given = [each for each in spec if not each.has_form(("Rule", "RuleDelayed"), 2)]
    if len(given) > 1:
        return None
    for first in given:
        if isinstance(first, Integer) and first.value > 0:
            style = replace(style, count=int(first.value))
        elif first.has_form("List", 2) and all(isinstance(each, Integer) and each.value >= 0 for each in first.elements):
            style = replace(style, count=int(first.elements[0].value), places=int(first.elements[1].value))
        elif first.get_name() not in ("System`Automatic", "System`Infinity") and not first.has_form("DirectedInfinity", 1):
            return None
    for each in spec:
        if each.has_form(("Rule", "RuleDelayed"), 2):
            option = (each.elements[0].get_string_value() or each.elements[0].get_name()).removeprefix("System`")
            style = _changed(style, option, each.elements[1])
    return style


_FIGURES: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
#: How many significant digits a machine number has in base 2; in others, as many as are as precise.
_BITS: Final = 20


def in_base(number: Any, base: int) -> str | None:
    """Return a number's digits in a base from 2 to 36; None for what is no number with digits."""
    if not 2 <= base <= len(_FIGURES):
        return None
    if isinstance(number, Integer):
        return ("-" if number.value < 0 else "") + _figures(abs(int(number.value)), base)
    if not isinstance(number, MachineReal):
        return None
    value = float(number.value)
    digits = max(round(_BITS / (base.bit_length() - 1)), 1)
    whole = int(abs(value))
    behind = max(digits - len(_figures(whole, base)), 0)
    scaled = round(abs(value) * base**behind)
    text = _figures(scaled, base).rjust(behind + 1, "0")
    return f"{'-' if value < 0 else ''}{text[: len(text) - behind]}.{text[len(text) - behind :].rstrip('0')}"


def _figures(value: int, base: int) -> str:
    found = ""
    while value or not found:
        value, digit = divmod(value, base)
        found = _FIGURES[digit] + found
    return found
