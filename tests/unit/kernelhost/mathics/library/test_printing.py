"""What Print tells a front end: kernelbus.kernelhost.mathics.library.printing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library.printing import Printing


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("Print[Graphics[{}]]", "{{Graphics[{}]}}"),
        ('Print["a", {1, {Grid[{{1}}]}}]', '{{"a", {1, {Grid[{{1}}]}}}}'),
        ("Print[Row[{1, Style[2, Red]}]]", "{{Row[{1, Style[2, RGBColor[1, 0, 0]]}]}}"),
        ('Print["a", 1, {x, 2}, x^2, <|1 -> 2|>]', "{}"),
        ("Print[]", "{}"),
        # Within the function it is not called again, unless that says so.
        ("Kernelbus`$Printing = None; Print[Graphics[{}]]", "{}"),
    ],
)
def test_the_function_gets_what_is_no_text(code: str, told: str, value: Callable[[str], str]) -> None:
    assert value(f"told = {{}}; Kernelbus`$Printing = Function[l, AppendTo[told, l]];\n{code}; told") == told


def test_a_function_that_is_removed_leaves_none(value: Callable[[str], str]) -> None:
    name = f"{Printing.context}{Printing.name}"
    assert value(f"{name} = f; {name} =.\n{name}") == "None"


def test_without_a_function_there_is_none(value: Callable[[str], str]) -> None:
    assert value("{Kernelbus`$Printing, Print[Graphics[{}]]}") == "{None, Null}"
