"""Images of arrays with a type of pixels, and of the bytes of a file.

Mathics3 makes images of lists of reals. Here are ``Image[data, type, options]``, where `data` may
be a numeric array, and images of bytes in the formats that Pillow reads.
"""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import PIL.Image
from mathics.core.atoms import NumericArray
from mathics.core.symbols import Symbol, SymbolFalse

from kernelbus.kernelhost.mathics.library.numericarrays import numbers_of
from kernelbus.kernelhost.mathics.native import define

__all__ = ["IMAGE_FORMATS", "install_images", "made_image", "read_image"]

#: The formats of images that are read from bytes, by the language's names.
IMAGE_FORMATS: Final = frozenset(
    {"BMP", "GIF", "Image", "JPEG", "JPEG2000", "JPG", "PBM", "PGM", "PNG", "PNM", "PPM", "TGA", "TIFF", "WebP"}
)

#: The types of pixels, and the number that is white; 0: the pixels are as they are.
_PIXELS: Final = {"Byte": ("u1", 255), "Bit16": ("u2", 65535), "Bit": ("?", 1), "Real": ("f8", 0), "Real32": ("f4", 0), "Real64": ("f8", 0)}
_PIXELS_OF: Final = {"u1": "Byte", "u2": "Bit16", "f4": "Real32", "f8": "Real"}
_OPTIONS: Final = frozenset({"ColorSpace", "Interleaving", "ImageSize", "Magnification"})


def install_images(definitions: Any) -> None:
    """Define the making of images with a type."""
    define(definitions, "Image", _image)


def made_image(pixels: np.ndarray, space: str | None = None) -> Any:
    """Return the image of pixels, whose colour space follows from how many channels they have."""
    from mathics.builtin.image.base import Image

    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return Image(pixels, space or ("Grayscale" if channels < 3 else "RGB"))


def read_image(data: bytes) -> Any | None:
    """Return the image in the bytes of a file; None: they are no image."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            # A palette is no colour space of the language.
            pixels = np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB") if picture.mode == "P" else picture)
            space = {"CMYK": "CMYK", "LAB": "LAB", "HSV": "HSB"}.get(picture.mode)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    if pixels.dtype.kind == "i":
        pixels = pixels.clip(0, 65535).astype(np.uint16)  # Pillow gives 16 bits in 32
    return made_image(pixels, space)


def _image(call: Any, evaluation: Any) -> Any:
    """``Image[data, type, options]``, and ``Image[data]`` of a numeric array."""
    elements = list(call.elements)
    options = {}
    while elements and elements[-1].has_form(("Rule", "RuleDelayed"), 2):
        name, value = elements.pop().elements
        options[(name.get_string_value() or name.get_name()).removeprefix("System`")] = value
    if not 1 <= len(elements) <= 2 or options.keys() - _OPTIONS:
        return None
    data = elements[0]
    if len(elements) == 1 and not options and not isinstance(data, NumericArray):
        return None  # Mathics3's own
    kind = elements[1].get_string_value() if len(elements) == 2 else "Real"
    array = numbers_of(data, evaluation)
    if array is None or array.dtype.kind == "c":
        return None
    if len(elements) == 1 and isinstance(data, NumericArray):
        kind = _PIXELS_OF.get(array.dtype.str[1:], "Real")
    if kind not in _PIXELS:
        return None
    if array.ndim == 3 and options.get("Interleaving") is SymbolFalse:
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] > 5):
        return None
    code, white = _PIXELS[kind]
    pixels = array.clip(0, white).astype(code) if white else array.astype(code)
    return made_image(pixels, options.get("ColorSpace", Symbol("System`Automatic")).get_string_value())
