"""Draw text and SVG as pixels.

SVG is drawn by resvg, text by Pillow. This module knows no Mathics3, and does no I/O except that
fonts are looked up.
"""

from __future__ import annotations

import atexit
import html
import io
import math
import os
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image, ImageDraw, ImageFont

__all__ = ["FORMATS", "MAXIMUM_SIDE", "draw_svg", "draw_text", "encode", "fitted"]

#: The image formats: the language's names, and Pillow's.
FORMATS = {"GIF": "GIF", "PNG": "PNG", "JPEG": "JPEG", "TIFF": "TIFF", "BMP": "BMP", "Automatic": "GIF"}
#: The largest side of an image, pixels.
MAXIMUM_SIDE = 4096

_MARGIN = 4
_LINE_HEIGHT = 1.25
_FONT_SIZE = 14
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")

_TEXT = re.compile(r"(<(text|title)\b[^>]*>)([^<>]*|(?:(?!<t?span\b).)*?)(</\2>)", re.DOTALL)
#: Where Mathics3 says how text stands at its place: 0 around it, 1 on its left, -1 on its right.
_OFFSET = re.compile(r"<text\b(?=[^>]* ox=\"([-0-9.e]+)\")(?![^>]*text-anchor)")
_LENGTH = re.compile(r"([0-9.]+(?:e[-+]?[0-9]+)?)(?:px)?")


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
        form: a key of :data:`FORMATS`, or ``PDF``.
    """
    out = io.BytesIO()
    image.save(out, FORMATS.get(form, form))
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
    # Mathics3 does not always escape the text between tags, and has an attribute of its own for the
    # place of text.
    safe = _TEXT.sub(lambda m: m[1] + html.escape(html.unescape(m[3]), quote=False) + m[4], svg)
    safe = _OFFSET.sub(lambda m: f'{m[0]} text-anchor="{_anchor(float(m[1]))}" dominant-baseline="central"', safe)
    scale = fitted(_size(safe), width, height, factor)
    try:
        drawn = resvg_py.svg_to_bytes(svg_string=safe, background="white", zoom=scale, **_fonts())
    except ValueError as error:
        raise ValueError(f"not an SVG picture: {error}") from None
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def _anchor(offset: float) -> str:
    return ("start", "middle", "end")[1 + (offset > 0.5) - (offset < -0.5)]


def _size(svg: str) -> tuple[float, float]:
    """Return the width and the height that an SVG picture gives itself, pixels."""
    try:
        root = ElementTree.fromstring(svg.strip())
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG picture: {error}") from None
    given = [_LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
    if all(given):
        size = [float(match[1]) for match in given if match]
    else:
        size = [float(number) for number in root.get("viewBox", "0 0 100 100").replace(",", " ").split()][2:]
    if len(size) != 2 or not all(map(math.isfinite, size)) or size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"an SVG picture of the size {root.get('width')}, {root.get('height')}, {root.get('viewBox')}")
    return size[0], size[1]


@cache
def _fonts() -> dict[str, Any]:
    """Return how fonts are found: those of the system, or Pillow's where a machine has none."""
    folders = [Path(folder).expanduser() for folder in _FONT_FOLDERS]
    if any(name.endswith((".ttf", ".otf", ".ttc")) for folder in folders for _, _, names in os.walk(folder) for name in names):
        return {}
    font: Any = ImageFont.load_default(_FONT_SIZE)
    if hasattr(os, "memfd_create"):
        # A kernel ends without ceremony: no file is left behind.
        handle = os.memfd_create("font")
        path = f"/proc/self/fd/{handle}"
    else:
        handle, path = tempfile.mkstemp(suffix=".ttf")
        atexit.register(Path(path).unlink, missing_ok=True)
    with open(handle, "wb", closefd=False) as file:
        file.write(font.font_bytes)
    name = font.getname()[0]
    families = ("font_family", "serif_family", "sans_serif_family", "monospace_family", "cursive_family", "fantasy_family")
    return {"font_files": [path], **dict.fromkeys(families, name)}
