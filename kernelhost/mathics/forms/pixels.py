"""The types of an image's pixels, by the language's names. No Mathics3."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["pixel_type"]

_TYPES: Final = {"u1": "Byte", "u2": "Bit16"}


def pixel_type(pixels: np.ndarray) -> str | None:
    """Return the type of pixels that are no reals: ``"Bit"``, ``"Byte"`` or ``"Bit16"``; else None.
    """
    return "Bit" if pixels.dtype.kind == "b" else _TYPES.get(pixels.dtype.str[1:])
