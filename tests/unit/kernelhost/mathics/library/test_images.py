"""Images of typed arrays and of bytes (kernelbus.kernelhost.mathics.library.images)."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import PIL.Image
import pytest


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('ImageData[Image[{{0, 51, 255}}, "Byte"]]', "{{0., 0.2, 1.}}"),
        ('ImageType[Image[NumericArray[{{0, 255}}, "UnsignedInteger8"], ColorSpace -> "Grayscale", Interleaving -> True]]', '"Byte"'),
        ('ImageType[Image[NumericArray[{{0., 1.}}, "Real32"]]]', '"Real32"'),
        ('ImageDimensions[Image[NumericArray[{{{1, 2, 3}, {4, 5, 6}}}, "UnsignedInteger8"], "Byte", ColorSpace -> "RGB"]]', "{2, 1}"),
        ('ImageDimensions[Image[{{{1, 2}}, {{1, 2}}, {{1, 2}}}, "Byte", Interleaving -> False]]', "{2, 1}"),
        ('ImageColorSpace[Image[{{{1, 2, 3, 4}}}, "Byte", ColorSpace -> "CMYK"]]', '"CMYK"'),
        ("ImageDimensions[Image[{{0, 1}}]]", "{2, 1}"),
        ('Image[{{1}}, "Nonsense"]', 'Image[{{1}}, "Nonsense"]'),
        ('ImportByteArray[ByteArray[{1}], "PNG"]', "$Failed"),
    ],
)
def test_images(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


@pytest.mark.parametrize(
    ("mode", "form"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "BMP"), ("I;16", "PNG"), ("CMYK", "TIFF"), ("1", "PNG")],
)
def test_images_of_bytes(mode: str, form: str, value: Callable[[str], str]) -> None:
    buffer = io.BytesIO()
    PIL.Image.new(mode, (3, 2)).save(buffer, form)
    text = base64.b64encode(buffer.getvalue()).decode()
    assert value(f'ImageDimensions[ImportByteArray[ByteArray["{text}"], "{form}"]]') == "{3, 2}"
