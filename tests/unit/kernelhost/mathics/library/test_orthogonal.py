"""Legendre and Laguerre polynomials."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import orthogonal


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{LegendreP[2, x], LegendreP[3, x], LegendreP[1, x], LegendreP[2, 3]}", "{(-1 + 3*x^2)/2, (-3*x + 5*x^3)/2, x, 13}"),
        ("{LaguerreL[2, x], LegendreP[n, x], LaguerreL[n, x]}", "{(2 - 4*x + x^2)/2, LegendreP[n, x], LaguerreL[n, x]}"),
    ],
)
def test_polynomials(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert orthogonal.__all__ == ["install_orthogonal"]
