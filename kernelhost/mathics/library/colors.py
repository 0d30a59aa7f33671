"""Colours: their names, their spaces, and the lists of colours that plots take.

Colours are converted between grey, red, green and blue, hue, and print colours here; other spaces
are Mathics3's.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from mathics.core.atoms import Integer, MachineReal, Rational, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import NativeRule, call, define, definition_of

__all__ = ["converted", "install_colors"]

#: Colours whose values are not those of Mathics3: an integer is exact.
_NAMED: Final[dict[str, tuple[float, ...]]] = {
    "LightBlue": (0.87, 0.94, 1), "LightBrown": (0.94, 0.91, 0.88), "LightCyan": (0.9, 1, 1), "LightGreen": (0.88, 1, 0.88),
    "LightMagenta": (1, 0.9, 1), "LightOrange": (1, 0.9, 0.8), "LightPink": (1, 0.925, 0.925), "LightPurple": (0.94, 0.88, 0.94),
    "LightRed": (1, 0.85, 0.85), "LightYellow": (1, 1, 0.85), "Pink": (1, 0.5, 0.5),
}  # fmt: skip
#: The colours of plots, ``ColorData[97]``.
_PLOTS: Final = (
    (0.368417, 0.506779, 0.709798), (0.880722, 0.611041, 0.142051), (0.560181, 0.691569, 0.194885), (0.922526, 0.385626, 0.209179),
    (0.528488, 0.470624, 0.701351), (0.772079, 0.431554, 0.102387), (0.363898, 0.618501, 0.782349), (1, 0.75, 0),
    (0.647624, 0.37816, 0.614037), (0.571589, 0.586483, 0.0), (0.915, 0.3325, 0.2125), (0.400822, 0.522007, 0.85),
    (0.972829, 0.621644, 0.073362), (0.736783, 0.358, 0.503027), (0.280264, 0.715, 0.429209),
)  # fmt: skip
_HEADS: Final = {"RGBColor": "RGB", "GrayLevel": "Grayscale", "Hue": "HSB", "CMYKColor": "CMYK"}
_SPACES: Final = {"RGB": "RGBColor", "Grayscale": "GrayLevel", "Graylevel": "GrayLevel", "HSB": "Hue", "Hue": "Hue", "CMYK": "CMYKColor"}
_CHANNELS: Final = {"RGBColor": 3, "GrayLevel": 1, "Hue": 3, "CMYKColor": 4}


def _number(value: float) -> Any:
    return Integer(value) if isinstance(value, int) else MachineReal(float(value))


def _color(head: str, values: Sequence[float]) -> Any:
    return call(head, *map(_number, values))


def _red_green_blue(head: str, values: Sequence[float]) -> tuple[float, float, float]:
    if head == "GrayLevel":
        return values[0], values[0], values[0]
    if head == "Hue":
        hue, saturation, brightness = (*values, 1.0, 1.0)[:3] if len(values) < 3 else values[:3]
        return colorsys.hsv_to_rgb(hue % 1.0 if hue != 1 else 1.0, saturation, brightness)
    if head == "CMYKColor":
        cyan, magenta, yellow, black = values
        return (1 - cyan) * (1 - black), (1 - magenta) * (1 - black), (1 - yellow) * (1 - black)
    return values[0], values[1], values[2]


def converted(head: str, values: Sequence[float], target: str) -> tuple[float, ...]:
    """Return the channels of a colour in another space.

    Args:
        head: ``RGBColor``, ``GrayLevel``, ``Hue`` or ``CMYKColor``.
        values: its channels, without opacity.
        target: the head for the other space.
    """
    if head == target:
        return tuple(map(float, values))
    red, green, blue = map(float, _red_green_blue(head, values))
    if target == "GrayLevel":
        return (values[0],) if head == "GrayLevel" else (round(0.299 * red + 0.587 * green + 0.114 * blue, 15),)
    if target == "Hue":
        return colorsys.rgb_to_hsv(red, green, blue)
    if target == "CMYKColor":
        black = 1 - max(red, green, blue)
        rest = 1 - black
        return (0.0, 0.0, 0.0, 1.0) if not rest else ((rest - red) / rest, (rest - green) / rest, (rest - blue) / rest, black)
    return red, green, blue


def _parts(expr: Any) -> tuple[str, list[float], list[float]] | None:
    """Return the head, the channels and the opacity of a colour, None if it is none."""
    head = expr.get_head_name().removeprefix("System`")
    if head not in _HEADS:
        return None
    values = [float(each.value) if isinstance(each, (Integer, MachineReal, Rational)) else None for each in expr.elements]
    if not values or None in values:
        return None
    known = [each for each in values if each is not None]
    count = _CHANNELS[head] if head != "Hue" or len(known) >= 3 else len(known)
    return (head, known[:count], known[count:]) if len(known) >= count else None


def _convert(expression: Any, evaluation: Any) -> Any:
    """``ColorConvert[colour, space]``; a list of colours has each converted."""
    if len(expression.elements) != 2:
        return None
    color, space = expression.elements
    if color.has_form("List", None):
        return ListExpression(*(Expression(expression.head, each, space) for each in color.elements))
    parts, target = _parts(color), _SPACES.get(space.get_string_value() or "")
    if parts is None or target is None:
        return None
    head, values, opacity = parts
    return color if head == target else _color(target, [*converted(head, values, target), *opacity])


_HEX: Final = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")


def _of_text(expression: Any, evaluation: Any) -> Any:
    """``RGBColor["#rrggbb"]``."""
    text = expression.elements[0].get_string_value() if len(expression.elements) == 1 else None
    found = _HEX.fullmatch(text) if text is not None else None
    if found is None:
        return None
    digits = found[1] if len(found[1]) > 3 else "".join(2 * each for each in found[1])
    return call("RGBColor", *(MachineReal(int(digits[at : at + 2], 16) / 255) for at in range(0, len(digits), 2)))


def _plot_color(number: int) -> Any:
    return _color("RGBColor", _PLOTS[(number - 1) % len(_PLOTS)])


def _data(expression: Any, evaluation: Any) -> Any:
    """``ColorData[97, n]``, ``ColorData["scheme", x]``."""
    elements = expression.elements
    if len(elements) != 2:
        return None
    if isinstance(elements[0], Integer) and elements[0].value in (1, 97):
        if isinstance(elements[1], Integer) and elements[1].value > 0:
            return _plot_color(int(elements[1].value))
        return ListExpression(*map(_plot_color, range(1, len(_PLOTS) + 1))) if elements[1].get_string_value() == "ColorList" else None
    if isinstance(elements[0], String) and not isinstance(elements[1], String):
        return Expression(Expression(expression.head, elements[0]), elements[1])
    return None


def _of_list(expression: Any, evaluation: Any) -> Any:
    """``ColorData[97][n]``."""
    inner = expression.head
    if inner.has_form("ColorData", 1) and isinstance(inner.elements[0], Integer) and len(expression.elements) == 1:
        return call("ColorData", inner.elements[0], expression.elements[0])
    return None


def _of_gradient(expression: Any, evaluation: Any) -> Any:
    """``ColorDataFunction[...][x]``."""
    inner = expression.head
    if len(inner.elements) != 4 or len(expression.elements) != 1:
        return None
    return Expression(inner.elements[3], expression.elements[0])


def install_colors(definitions: Any) -> None:
    """Define the colours and the functions."""
    for name, values in _NAMED.items():
        symbol = Symbol(f"System`{name}")
        definition_of(definitions, symbol.name).ownvalues = [Rule(symbol, _color("RGBColor", values), system=True)]
    functions: dict[str, Callable[[Any, Any], Any]] = {"ColorConvert": _convert, "RGBColor": _of_text, "ColorData": _data}
    for name, function in functions.items():
        define(definitions, name, function)
    for name, function in (("ColorData", _of_list), ("ColorDataFunction", _of_gradient)):
        head = Expression(Symbol(f"System`{name}"), Expression(Symbol("System`BlankNullSequence")))
        definition_of(definitions, f"System`{name}").subvalues.insert(0, NativeRule(head, function))
