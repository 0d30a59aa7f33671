"""Enclose and Confirm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import enclosing


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Enclose[Confirm[3] + 1]", "4"),
        ("Head[Enclose[Confirm[$Failed]; 5]]", "Failure"),
        ('Enclose[Confirm[Missing[]], "Expression"]', "Missing[]"),
        ('Enclose[ConfirmBy[3, EvenQ], "bad" &]', '"bad"'),
        ("Enclose[ConfirmBy[4, EvenQ]]", "4"),
        ('Enclose[ConfirmMatch[3, _String], #["ConfirmationType"] &]', '"ConfirmMatch"'),
        ('Enclose[ConfirmAssert[1 > 2], #["Tag"] &]', '"ConfirmationFailed"'),
        ("Enclose[ConfirmAssert[1 < 2]; 7]", "7"),
        ("Enclose[ConfirmQuiet[1/0], 0 &]", "0"),
        ("Enclose[Enclose[Confirm[$Failed], 1 &] + 1]", "2"),
        ("Catch[Enclose[Throw[3]]]", "3"),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert enclosing.__doc__
