"""Templates of text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import templates


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('StringTemplate["a `1` b `2`"]["x", 2]', '"a x b 2"'),
        ('StringTemplate["`name` is `age`"][<|"name" -> "Al", "age" -> 3|>]', '"Al is 3"'),
        ('TemplateApply["`` and ``", {1, 2}]', '"1 and 2"'),
        ('TemplateApply["`x`", <|"x" -> {1, 2}|>]', '"{1, 2}"'),
        ('TemplateApply[StringTemplate["x=<* 1+1 *>"]]', '"x=2"'),
        ('StringTemplate["`1``1`"][3]', '"33"'),
        ('TemplateApply["`y`", <|"x" -> 1|>]', '"`y`"'),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert templates.__doc__
