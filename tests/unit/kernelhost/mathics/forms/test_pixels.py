"""Types of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from kernelbus.kernelhost.mathics.forms.pixels import pixel_type


@pytest.mark.parametrize(
    ("kind", "named"), [("?", "Bit"), ("u1", "Byte"), ("<u2", "Bit16"), (">u2", "Bit16"), ("f4", None), ("f8", None), ("i8", None)]
)
def test_types(kind: str, named: str | None) -> None:
    assert pixel_type(np.zeros((1, 1), kind)) == named
