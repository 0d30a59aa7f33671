"""Plain numbers are computed as Mathics3 computes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.speed import arithmetic


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{1 + 2, 1 + 2.5, 2 3 4, 2 * 1.5, 0 * 1.5, 1.5 - 1.5}", "{3, 3.5, 24, 3., 0, 0.}"),
        ("{2^10, 2^-1, 0^0, 2.^3, 1.5^2, (-2)^3}", "{1024, 1/2, Indeterminate, 8., 2.25, -8}"),
        ("{1 < 2 < 3, 1 < 3 < 2, 1 <= 1, 2 > 1., 1 >= 1.5}", "{True, False, True, True, False}"),
        ("{1 == 1., 1 != 2, 1. == 1. + 10^-17, 3 == 4}", "{True, True, True, False}"),
        ("{Mod[-7, 3], Quotient[-7, 3], EvenQ[4], OddQ[4], EvenQ[x], -(3)}", "{2, -3, True, False, False, -3}"),
        ("{1, 2} + 1", "{2, 3}"),
        ("{1, 2.5} {2, x}", "{2, 2.5*x}"),
        ("{1, 2} + {1, 2, 3}", "{1, 2} + {1, 2, 3}"),
        ("{1, 2, 3}^2 + {1., 2, 0}", "{2., 6, 9}"),
        ("{{1, 2}, {3, 4}} + 1", "{{2, 3}, {4, 5}}"),
        ("x + 1 + 2", "3 + x"),
        ("1/2 + 1/2", "1"),
    ],
)
def test_numbers(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert arithmetic.install_arithmetic


def test_beyond_the_machines_range_mathics3_computes(value: Callable[[str], str]) -> None:
    assert value("2^(10^5) > 10^30000") == "True"
