"""Functions that wait until they are activated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import inactive


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Inactivate[1 + 1]", "Inactive[Plus][1, 1]"),
        ("Activate[Inactivate[1 + 1]]", "2"),
        ("Inactivate[{Sin[x] + 1, a -> b[2]}]", "{Inactive[Plus][Inactive[Sin][x], 1], a -> Inactive[b][2]}"),
        ("Inactivate[D[x^2 + 0, x], D]", "Inactive[D][x^2, x]"),
        ("Activate[Inactive[Plus][1, Inactive[Times][2, 3]], Times]", "Inactive[Plus][1, 6]"),
        ("Activate[{Inactive[Sin][Pi], <|a -> Inactive[Plus][1, 2]|>}]", "{0, <|a -> 3|>}"),
    ],
)
def test_inactive_functions(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert inactive.install_inactive
