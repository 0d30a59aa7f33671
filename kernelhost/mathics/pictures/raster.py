"""Draw text and Mathics3's SVG as pixels, with Pillow alone.

The supported elements are those that Mathics3's graphics use: ``svg``, ``g`` without
transformation, ``polyline``, ``polygon``, ``rect``, ``circle``, ``ellipse``, ``path`` with absolute
coordinates, and ``text``. Others are left out. This module knows no Mathics3, and does no I/O
except that it looks up a font.
"""

from __future__ import annotations

import html
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from PIL import Image, ImageDraw, ImageFont

__all__ = ["FORMATS", "draw_svg", "draw_text", "encode", "fitted"]

#: The image formats: the language's names, and Pillow's.
FORMATS = {"GIF": "GIF", "PNG": "PNG", "JPEG": "JPEG", "TIFF": "TIFF", "BMP": "BMP", "Automatic": "GIF"}
#: The largest side of an image, pixels.
MAXIMUM_SIDE = 4096

_SMOOTH = 2
_MARGIN = 4
_LINE_HEIGHT = 1.25
_FONT_SIZE = 14
_CURVE_STEPS = 24

_TEXT = re.compile(r"(<(text|title)\b[^>]*>)(.*?)(</\2>)", re.DOTALL)
_COLOUR = re.compile(r"rgb\(\s*([-0-9.e]+)(%?)\s*,\s*([-0-9.e]+)%?\s*,\s*([-0-9.e]+)%?\s*\)")
_STEP = re.compile(r"([MLAQCZ])|(-?[0-9.]+(?:e[-+]?[0-9]+)?)")
_PARAMETERS = {"M": 2, "L": 2, "Q": 4, "C": 6, "A": 7, "Z": 0}

_Point = tuple[float, float]


@cache
def _font(size: int) -> Any:
    try:
        return ImageFont.truetype("DejaVuSansMono.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def encode(image: Image.Image, form: str) -> bytes:
    """Return an image as the bytes of a file.

    Args:
        image: the image.
        form: a key of :data:`FORMATS`.
    """
    out = io.BytesIO()
    image.save(out, FORMATS[form])
    return out.getvalue()


def fitted(size: tuple[float, float], width: int, height: int, factor: float = 1.0) -> float:
    """Return the factor that scales something to fit into a width and a height.

    Args:
        size: its width and height.
        width: the width to fit into, pixels; 0 for any.
        height: the height to fit into, pixels; 0 for any.
        factor: the result if neither matters, unless the image would be larger than
            ``MAXIMUM_SIDE``.
    """
    ratios = [wanted / has for wanted, has in ((width, size[0]), (height, size[1])) if wanted and has > 0]
    bounds = [MAXIMUM_SIDE / has for has in size if has > 0]
    return min(ratios + bounds) if ratios else min([factor, *bounds])


# -- text -----------------------------------------


def draw_text(text: str, width: int = 0) -> Image.Image:
    """Return text drawn on white, with all characters equally wide.

    Args:
        text: the text.
        width: the width at which lines are broken, pixels; 0 for none.
    """
    font = _font(_FONT_SIZE)
    cell = max(math.ceil(font.getlength("0")), 1)
    step = math.ceil(_FONT_SIZE * _LINE_HEIGHT)
    columns = max((min(width or MAXIMUM_SIDE, MAXIMUM_SIDE) - 2 * _MARGIN) // cell, 1)
    lines = [
        line[at : at + columns] for line in text.expandtabs().split("\n") for at in range(0, max(len(line), 1), columns)
    ]
    lines = lines[: (MAXIMUM_SIDE - 2 * _MARGIN) // step]
    longest = max(map(len, lines))
    image = Image.new("RGB", (longest * cell + 2 * _MARGIN, len(lines) * step + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            if not character.isspace():
                draw.text((_MARGIN + column * cell, _MARGIN + row * step), character, "black", font)
    return image


# -- SVG -----------------------------------------


def draw_svg(svg: str, width: int = 0, height: int = 0, factor: float = 1.0) -> Image.Image:
    """Return an SVG picture drawn on white.

    Args:
        svg: the picture's text.
        width: the width to fit into, pixels; 0 for any.
        height: the height to fit into, pixels; 0 for any.
        factor: how much to enlarge the picture's own size if neither is given.

    Raises:
        ValueError: the text is no SVG picture.
    """
    # Mathics3 does not always escape the text between tags.
    safe = _TEXT.sub(lambda m: m[1] + html.escape(html.unescape(m[3]), quote=False) + m[4], svg)
    try:
        root = ElementTree.fromstring(safe.strip())
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG picture: {error}") from None
    box = [float(number) for number in root.get("viewBox", "0 0 100 100").replace(",", " ").split()]
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[2] <= 0 or box[3] <= 0:
        raise ValueError(f"an SVG picture of the size {root.get('viewBox')}")
    scale = fitted((box[2], box[3]), width, height, factor)
    size = (max(round(box[2] * scale), 1), max(round(box[3] * scale), 1))
    large = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), "white")
    canvas = _Canvas(large, scale * _SMOOTH, (box[0], box[1]))
    for element in root.iter():
        canvas.draw(element)
    return large.resize(size, Image.Resampling.LANCZOS)


class _Canvas:
    """Draw elements, in the picture's coordinates."""

    def __init__(self, image: Image.Image, scale: float, origin: _Point) -> None:
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._scale = scale
        self._origin = origin

    def draw(self, element: ElementTree.Element) -> None:
        draw = getattr(self, f"_{element.tag.rpartition('}')[2]}", None)
        if draw is not None:
            draw(element, _style(element))

    def _at(self, point: _Point) -> _Point:
        return (point[0] - self._origin[0]) * self._scale, (point[1] - self._origin[1]) * self._scale

    def _outline(self, points: list[_Point], style: dict[str, str], closed: bool) -> None:
        placed = [self._at(point) for point in points]
        fill, stroke = _paint(style, "fill"), _paint(style, "stroke")
        if fill is not None and closed and len(placed) > 2:
            self._draw.polygon(placed, fill=fill)
        if stroke is not None and len(placed) > 1:
            width = max(round(_number(style.get("stroke-width"), 1.0) * self._scale), 1)
            self._draw.line(placed + placed[:1] * closed, fill=stroke, width=width, joint="curve")

    def _polyline(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        self._outline(_points(element), style, False)

    def _polygon(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        self._outline(_points(element), style, True)

    def _rect(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        x, y, w, h = (_number(element.get(name), 0.0) for name in ("x", "y", "width", "height"))
        self._outline([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], style, True)

    def _circle(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        x, y, r = (_number(element.get(name), 0.0) for name in ("cx", "cy", "r"))
        # A dot must be visible in the smallest picture.
        self._round(x, y, max(r, 1.0), max(r, 1.0), style)

    def _ellipse(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        x, y, rx, ry = (_number(element.get(name), 0.0) for name in ("cx", "cy", "rx", "ry"))
        self._round(x, y, rx, ry, style)

    def _round(self, x: float, y: float, rx: float, ry: float, style: dict[str, str]) -> None:
        angles = [2 * math.pi * i / 128 for i in range(128)]
        self._outline([(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles], style, True)

    def _path(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        for points, closed in _subpaths(element.get("d", "")):
            # Filling a path closes it, but its last side is not drawn.
            if not closed and _paint(style, "fill") is not None:
                self._outline(points, {**style, "stroke": "none"}, True)
                style = {**style, "fill": "none"}
            self._outline(points, style, closed)

    def _text(self, element: ElementTree.Element, style: dict[str, str]) -> None:
        place = self._at((_number(element.get("x"), 0.0), _number(element.get("y"), 0.0)))
        size = _number(element.get("font-size"), 10.0)
        # A label has its own anchor; other text is placed around its position, as in the language.
        anchor = {"end": "r", "middle": "m", "start": "l"}.get(style.get("text-anchor", ""))
        if anchor is None:
            offset = _number(element.get("ox"), 0.0)
            anchor = "lmr"[1 + (offset > 0.5) - (offset < -0.5)] + "m"
        else:
            anchor += "a" if style.get("dominant-baseline") == "hanging" else "m"
        colour = _paint(style, "color") or _paint(style, "fill") or (0, 0, 0, 255)
        font = _font(max(round(size * self._scale), 6))
        for line in (element.text or "").split("\n"):
            self._draw.text(place, line, colour, font, anchor=anchor)
            place = (place[0], place[1] + size * self._scale * _LINE_HEIGHT)


def _style(element: ElementTree.Element) -> dict[str, str]:
    """Return an element's properties: from its style, else from its attributes."""
    style = {k: v for k, v in element.attrib.items() if k in ("fill", "stroke", "stroke-width", "color")}
    for entry in element.get("style", "").split(";"):
        name, _, value = entry.partition(":")
        style[name.strip()] = value.strip()
    return style


def _number(text: str | None, default: float) -> float:
    try:
        value = float((text or "").removesuffix("px"))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def _paint(style: dict[str, str], what: str) -> tuple[int, int, int, int] | None:
    match = _COLOUR.match(style.get(what, "none"))
    if match is None:
        return None
    unit = 2.55 if match[2] else 1.0
    red, green, blue = (min(max(round(float(match[i]) * unit), 0), 255) for i in (1, 3, 4))
    opacity = _number(style.get(f"{what}-opacity"), 1.0) * _number(style.get("opacity"), 1.0)
    return red, green, blue, min(max(round(opacity * 255), 0), 255)


def _points(element: ElementTree.Element) -> list[_Point]:
    numbers = [_number(text, 0.0) for text in element.get("points", "").replace(",", " ").split()]
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _subpaths(path: str) -> Iterator[tuple[list[_Point], bool]]:
    """Yield the points of each part of a path, and whether the part is closed.

    Curves become short lines.
    """
    points: list[_Point] = []
    command, numbers = "", list[float]()
    for letter, number in _STEP.findall(path):
        if letter:
            if letter in ("M", "Z") and points:
                yield points, letter == "Z"
                points = []
            command, numbers = letter, []
            continue
        numbers.append(float(number))
        if not command or len(numbers) < (_PARAMETERS[command] or 1):
            continue
        end = (numbers[-2], numbers[-1]) if len(numbers) > 1 else (0.0, 0.0)
        start = points[-1] if points else end
        if command == "A":
            points += _arc(start, end, numbers)
        elif command in ("Q", "C"):
            points += _bezier([start, *zip(numbers[::2], numbers[1::2], strict=True)])
        else:
            points.append(end)
        numbers = []
    if points:
        yield points, False


def _bezier(control: list[_Point]) -> Iterator[_Point]:
    for step in range(1, _CURVE_STEPS + 1):
        t = step / _CURVE_STEPS
        level = control
        while len(level) > 1:
            level = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for a, b in pairwise(level)]
        yield level[0]


def _arc(start: _Point, end: _Point, numbers: list[float]) -> Iterator[_Point]:
    """Yield the points of an elliptical arc with axes that are not rotated (SVG 1.1, appendix F.6).
    """
    rx, ry, _, large, sweep = numbers[:5]
    if not rx or not ry:
        yield end
        return
    x, y = (start[0] - end[0]) / 2 / rx, (start[1] - end[1]) / 2 / ry
    square = x * x + y * y
    if square == 0:
        return
    if square > 1:
        # The ellipse is too small to connect the ends: enlarge it.
        factor = math.sqrt(square)
        rx, ry, x, y, square = rx * factor, ry * factor, x / factor, y / factor, 1.0
    root = math.sqrt(1 / square - 1) * (-1 if bool(large) == bool(sweep) else 1)
    cx, cy = root * y, -root * x
    first = math.atan2(y - cy, x - cx)
    last = math.atan2(-y - cy, -x - cx)
    turn = last - first
    if sweep and turn < 0:
        turn += 2 * math.pi
    elif not sweep and turn > 0:
        turn -= 2 * math.pi
    middle = ((start[0] + end[0]) / 2 + cx * rx, (start[1] + end[1]) / 2 + cy * ry)
    steps = 2 * _CURVE_STEPS
    for step in range(1, steps + 1):
        angle = first + turn * step / steps
        yield middle[0] + rx * math.cos(angle), middle[1] + ry * math.sin(angle)
