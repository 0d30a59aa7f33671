"""What the engine gives back, as an expression."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.kernelhost.mathics.engine.reading import read
from kernelbus.kernelhost.mathics.forms.inputform import input_form


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("{x^2/3}", "x^2/3"),
        ("{1/(E^(x^2/2)*Sqrt[2*Pi])}", "1/(E^(x^2/2)*Sqrt[2*Pi])"),
        ('{{"a\\"b\\\\c\\nd", "-Graphics-", "é"}}', '{"a\\"b\\\\c\\nd", "-Graphics-", "é"}'),
        ("{1.5*^-20}", "1.5*^-20"),
        ("{0.33333333333333333333`20.}", "0.33333333333333333333`20."),
        ("{a -> b, c}", "Sequence[a -> b, c]"),
        ("{}", "Sequence[]"),
        ("{<|\"a\" -> 1|>}", '<|"a" -> 1|>'),
        ("{a`b + x}", "a`b + x"),
        ("{#1 + 1 & }", "#1 + 1 & "),
        ("{x - Bold - y}", "x - Bold - y"),
    ],
)
def test_text_is_read(definitions: Any, text: str, full: str) -> None:
    found = read(text, definitions)
    assert found is not None
    assert input_form(found) == full


@pytest.mark.parametrize("text", ["{-Graphics-}", "{1, {-Image-, 2}}", "{f[}", "", "5", "{1} {2}", "{1}\n{2}", "{" * 3000])
def test_other_text_is_no_value(definitions: Any, text: str) -> None:
    assert read(text, definitions) is None


def test_names_are_the_languages_or_the_users_whatever_the_context_is(definitions: Any) -> None:
    definitions.set_current_context("mine`")
    found = read("{Sin[y] + mine`z + Bold}", definitions)
    assert found is not None
    names = {each.get_name() or each.elements[0].get_name() for each in found.elements}
    assert names == {"Global`y", "mine`z", "System`Bold"}
