"""Images of PIL for expressions. No I/O.

They come back as :class:`kernelbus.shell.pool.picture.Picture`. PIL is not imported here.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from wstp import Expr, Symbol

__all__ = ["outward"]

#: The modes whose pixels travel as they are, with the kernel's name for their type.
_MODES: Final = {"L": "Byte", "RGB": "Byte", "RGBA": "Byte", "I;16": "Bit16", "F": "Real32"}


def outward(value: Any) -> Expr | None:
    """Return the expression for an image; None for any other value."""
    image_type: Any = getattr(sys.modules.get("PIL.Image"), "Image", None)
    if image_type is None or not isinstance(value, image_type):
        return None
    if value.mode not in _MODES:
        value = value.convert("RGBA" if "A" in value.getbands() or "transparency" in value.info else "L" if value.mode == "1" else "RGB")
    return Symbol("Image")(np.asarray(value), _MODES[value.mode])
