"""TeX, C and Fortran, written by the engine."""

from __future__ import annotations

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.engine.printing import WRITTEN
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

pytest.importorskip("woxi")


@pytest.mark.parametrize(
    ("form", "code", "expected"),
    [
        ("TeXForm", "Sin[x]^2/3", r"\frac{\sin ^2(x)}{3}"),
        ("TeXForm", r"\[Alpha] + \[Beta]", r"\alpha +\beta"),
        ("TeXForm", "{1, Infinity}", r"\{1,\infty \}"),
        ("CForm", "x^2/y", "Power(x,2)/y"),
        ("FortranForm", "Sqrt[x]/2", "Sqrt(x)/2."),
    ],
)
def test_what_the_engine_writes(loaded: Loaded, form: str, code: str, expected: str) -> None:
    written = '"' + expected.replace("\\", "\\\\") + '"'
    assert form in WRITTEN
    assert text_of(loaded, f"ToString[{code}, {form}]") == written
    assert text_of(loaded, f"ToString[{form}[{code}]]") == written


def test_it_is_shown_inside_of_others(loaded: Loaded) -> None:
    assert text_of(loaded, "ToString[{CForm[x^2], 1}]") == '"{Power(x,2), 1}"'
