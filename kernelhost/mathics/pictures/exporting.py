"""Export, ExportString and Rasterize of pictures, and images of anything.

Formats are SVG, PDF, and those of :mod:`kernelbus.kernelhost.mathics.pictures.raster`. Every other
format is Mathics3's, or of another room.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy
from mathics.builtin.image.base import Image as MathicsImage
from mathics.core.atoms import Integer, Real, String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol
from PIL import Image
from PIL.Image import Resampling

from kernelbus.kernelhost.mathics.engine.delegation import say
from kernelbus.kernelhost.mathics.engine.process import EngineError
from kernelbus.kernelhost.mathics.native import define
from kernelbus.kernelhost.mathics.pictures import drawing
from kernelbus.kernelhost.mathics.pictures.raster import FORMATS, draw_svg, draw_text, encode, fitted

__all__ = ["RESOLUTION", "Extent", "UndrawableError", "image", "install", "positive", "size"]

#: A width and a height to fit into, pixels, 0 where it is open; the factor to scale by if both are.
Extent = tuple[int, int, float]

#: The resolution of a picture at its own size, pixels per inch.
RESOLUTION: Final = 72
_FAILED: Final = Symbol("System`$Failed")
_VECTOR: Final = ("SVG", "PDF")
#: Formats by the ends of file names.
_ENDS: Final = {
    "svg": "SVG", "pdf": "PDF", "png": "PNG", "gif": "GIF", "jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF", "bmp": "BMP",
}  # fmt: skip


class UndrawableError(Exception):
    """Say why something cannot be drawn."""


def size(value: Any) -> tuple[int, int]:
    """Return the width and height that ``ImageSize -> value`` asks for, pixels; 0 where it is open.
    """
    elements = value.elements if value.has_form("List", 2) else (value, Symbol("System`Automatic"))
    width, height = map(positive, elements)
    return width, height


def positive(value: Any) -> int:
    """Return a positive number as an integer, at most a million; 0 for anything else."""
    return min(int(value.value), 1_000_000) if isinstance(value, (Integer, Real)) and value.value > 0 else 0


def image(value: Any, extent: Extent, evaluation: Any) -> Image.Image:
    """Return the image of a value: of a picture the picture, of anything else its text.

    Args:
        value: an evaluated expression.
        extent: how large the image is.
        evaluation: the running evaluation.

    Raises:
        UndrawableError: it cannot be drawn.
    """
    if hasattr(value, "pil"):
        return _resized(_pixels(value), extent)
    if drawing.is_drawable(value):
        try:
            return draw_svg(_svg(value, evaluation), *extent)
        except ValueError as error:
            raise UndrawableError(str(error)) from None
    text = Expression(Symbol("System`ToString"), Expression(Symbol("System`HoldForm"), value)).evaluate(evaluation)
    return draw_text(text.value if isinstance(text, String) else str(text), extent[0])


def _svg(value: Any, evaluation: Any) -> str:
    try:
        found = drawing.svg(value, evaluation)
    except (drawing.TooLarge, EngineError) as error:
        raise UndrawableError(str(error)) from None
    if found is None:
        raise UndrawableError("nothing here draws it")
    return found


def _pixels(value: Any) -> Image.Image:
    """Return the pixels of an Image as they are kept in files: of 8 bits."""
    space = value.color_space
    wanted = value if space in ("Grayscale", "RGB") else value.color_convert("RGB", True)
    if wanted is None:
        raise UndrawableError(f"its colour space {space} has no image format")
    pixels = numpy.asarray(wanted.pixels)
    if pixels.dtype != numpy.uint8:
        known = numpy.nan_to_num(pixels.astype(float), nan=0.0, posinf=1.0, neginf=0.0)
        unit = 255.0 if pixels.dtype.kind == "f" or pixels.dtype == bool else 255.0 / numpy.iinfo(pixels.dtype).max
        pixels = numpy.clip(numpy.rint(known * unit), 0, 255).astype(numpy.uint8)
    layers = pixels.shape[2] if pixels.ndim == 3 else 1
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}.get(layers)
    if mode is None:
        raise UndrawableError(f"it has {layers} channels")
    return Image.fromarray(pixels.reshape(pixels.shape[:2]) if layers == 1 else pixels, mode)


def _resized(picture: Image.Image, extent: Extent) -> Image.Image:
    scale = fitted(picture.size, *extent)
    if scale == 1:
        return picture
    wanted = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(wanted, Resampling.NEAREST if scale > 1 else Resampling.LANCZOS)


# -- the functions of the language


def _options(elements: Iterable[Any]) -> Extent:
    """Return what options ask for: ``ImageSize``, ``RasterSize`` and ``ImageResolution``."""
    width, height, factor = 0, 0, 1.0
    for item in elements:
        if not item.has_form(("Rule", "RuleDelayed"), 2):
            continue
        name, value = item.elements[0].get_name(), item.elements[1]
        if name in ("System`ImageSize", "System`RasterSize"):
            width, height = size(value)
        elif name == "System`ImageResolution":
            factor = positive(value) / RESOLUTION or 1.0
    return width, height, factor


def _format(elements: tuple[Any, ...], file: str | None) -> str | None:
    """Return the format that is asked for, None if it is not one of pictures."""
    if elements and isinstance(elements[0], String):
        form = elements[0].value.upper()
        form = {"JPG": "JPEG", "TIF": "TIFF"}.get(form, form)
        return form if form in _VECTOR or (form in FORMATS and form != "AUTOMATIC") else None
    if file is None or (elements and not elements[0].has_form(("Rule", "RuleDelayed"), 2)):
        return None
    return _ENDS.get(file.rpartition(".")[2].lower())


def _bytes(value: Any, form: str, elements: tuple[Any, ...], evaluation: Any) -> bytes:
    if form == "PDF":
        return _pdf(value, elements, evaluation)
    if form == "SVG" and drawing.is_drawable(value):
        return _svg(value, evaluation).strip().encode()
    if form in ("GIF", "TIFF") and value.has_form("List", None) and value.elements and all(map(_is_picture, value.elements)):
        return _frames([image(each, _options(elements), evaluation) for each in value.elements], form, elements)
    picture = image(value, _options(elements), evaluation)
    if form == "SVG":
        raise UndrawableError("it is pixels or text: export it as PNG")
    if form in ("JPEG", "BMP"):
        picture = picture.convert("L" if picture.mode in ("L", "LA") else "RGB")
    return encode(picture, form)


#: How long a frame of an animation is shown, seconds.
_SHOWN: Final = 0.1


def _frames(pictures: list[Image.Image], form: str, elements: tuple[Any, ...]) -> bytes:
    """Return pictures as the frames of an animation, or the pages of a file."""
    duration, repeats = _SHOWN, 0
    for item in elements:
        if not item.has_form(("Rule", "RuleDelayed"), 2):
            continue
        name, value = (item.elements[0].get_string_value() or item.elements[0].get_name()).removeprefix("System`"), item.elements[1]
        if name == "DisplayDurations" and isinstance(value, (Integer, Real)):
            duration = float(value.value)
        elif name == "AnimationRepetitions" and isinstance(value, Integer):
            repeats = int(value.value)
    extent = max(each.width for each in pictures), max(each.height for each in pictures)
    whole = []
    for each in pictures:
        frame = Image.new("RGB", extent, "white")
        frame.paste(each.convert("RGBA"), ((extent[0] - each.width) // 2, (extent[1] - each.height) // 2), each.convert("RGBA"))
        whole.append(frame)
    written = io.BytesIO()
    options: dict[str, Any] = {"duration": round(duration * 1000), "loop": repeats} if form == "GIF" else {}
    whole[0].save(written, form, save_all=True, append_images=whole[1:], **options)
    return written.getvalue()


def _pdf(value: Any, elements: tuple[Any, ...], evaluation: Any) -> bytes:
    if not drawing.is_drawable(value):
        picture = image(value, _options(elements), evaluation)
        return encode(picture.convert("L" if picture.mode in ("L", "LA") else "RGB"), "PDF")
    try:
        return drawing.pdf(value, evaluation)
    except (drawing.TooLarge, EngineError) as error:
        raise UndrawableError(str(error)) from None


def _is_picture(value: Any) -> bool:
    return hasattr(value, "pil") or drawing.is_drawable(value)


def _export(expr: Any, evaluation: Any) -> Any | None:
    elements = expr.elements
    if len(elements) < 2 or not isinstance(elements[0], String):
        return None
    name, value = elements[0].value, elements[1]
    form = _format(elements[2:], name)
    if form is None or not (_is_picture(value) or form not in _VECTOR):
        return None
    try:
        data = _bytes(value, form, elements[2:], evaluation)
        Path(name).expanduser().write_bytes(data)
    except UndrawableError as error:
        say(evaluation, "Export", "draw", f"{name} is not written: {error}.")
        return _FAILED
    except OSError as error:
        say(evaluation, "Export", "nffil", f"{name} is not written: {error.strerror or error}.")
        return _FAILED
    return elements[0]


def _export_string(expr: Any, evaluation: Any) -> Any | None:
    elements = expr.elements
    if len(elements) < 2:
        return None
    form = _format(elements[1:], None)
    if form is None or not (_is_picture(elements[0]) or form not in _VECTOR):
        return None
    try:
        data = _bytes(elements[0], form, elements[1:], evaluation)
    except UndrawableError as error:
        say(evaluation, "ExportString", "draw", f"It is not exported as {form}: {error}.")
        return _FAILED
    return String(data.decode() if form == "SVG" else data.decode("latin-1"))


def _rasterize(expr: Any, evaluation: Any) -> Any | None:
    elements = expr.elements
    if not elements:
        return None
    what = elements[1].value if len(elements) > 1 and isinstance(elements[1], String) else "Image"
    if what not in ("Image", "RasterSize"):
        return None
    try:
        picture = image(elements[0], _options(elements[1:]), evaluation)
    except UndrawableError as error:
        say(evaluation, "Rasterize", "draw", f"It is not drawn: {error}.")
        return _FAILED
    if what == "RasterSize":
        return Expression(Symbol("System`List"), *map(Integer, picture.size))
    pixels = numpy.asarray(picture)
    return MathicsImage(pixels, "Grayscale" if picture.mode in ("L", "LA") else "RGB", pillow=picture)


def install(definitions: Any) -> None:
    """Put these functions before Mathics3's own."""
    functions = (("Export", _export), ("ExportString", _export_string), ("Rasterize", _rasterize))
    for name, function in functions:
        define(definitions, name, function)
    definitions.clear_cache()
