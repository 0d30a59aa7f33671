"""Images of PIL as expressions (kernelbus.shell.pool.images)."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kernelbus.shell.pool.images import outward


@pytest.mark.parametrize(
    ("mode", "shape", "kind"),
    [
        ("L", (2, 3), "Byte"),
        ("1", (2, 3), "Byte"),
        ("RGB", (2, 3, 3), "Byte"),
        ("RGBA", (2, 3, 4), "Byte"),
        ("LA", (2, 3, 4), "Byte"),
        ("P", (2, 3, 3), "Byte"),
        ("CMYK", (2, 3, 3), "Byte"),
        ("I;16", (2, 3), "Bit16"),
        ("F", (2, 3), "Real32"),
    ],
)
def test_pixels_travel_with_their_type(mode: str, shape: tuple[int, ...], kind: str) -> None:
    expr = outward(Image.new(mode, (3, 2)))
    assert expr is not None
    pixels, name = expr.args
    assert isinstance(pixels, np.ndarray)
    assert (pixels.shape, name) == (shape, kind)


def test_what_is_no_image() -> None:
    assert outward(np.zeros((2, 2))) is None
