"""Numbers that are read from text, and what is told of their precision."""

from __future__ import annotations

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library import numbers


def test_loading_mends_the_reading_of_numbers(loaded: Loaded) -> None:
    assert loaded.definitions
    from mathics.core.parser.convert import Converter, GenericConverter

    for function in (GenericConverter.convert_Number, Converter._make_PrecisionReal, Converter._make_MachineReal):
        assert function.__module__ == numbers.__name__


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("17.`30.2304", "17.`30.2304"),
        ("-17.`30.2304*^40", "-1.7`30.2304*^41"),
        ("1.5``20", "1.5`20.17609125905568"),
        ("{17.`30.2304, f[17.`20.5]}", "{17.`30.2304, f[17.`20.5]}"),
        ("Complex[1.5`20.25, 2.5`30.5]", "1.5`20.25 + 2.5`30.5*I"),
        ("x = 17.`30.2304; x", "17.`30.2304"),
        ("Precision[17.`30.2304]", "30.2304"),
        ("Precision[{1, 17.`30.2304, 2.`40}]", "30.2304"),
        ("Precision[Complex[17.`30.2304, 2.`30.2304]]", "30.2304"),
        ("Precision[{1.5, 2.`40}]", "MachinePrecision"),
        ("Precision[0``20]", "0."),
        ("Accuracy[1.5``20]", "20."),
        ("Accuracy[0``20.5]", "20.5"),
        ("Accuracy[1.`20.*^500]", "-480."),
        ("-0.", "-0."),
        ("{0., -0.}", "{0., -0.}"),
        ("{Abs[-0.], Abs[{-0., -2.}]}", "{0., {0., 2.}}"),
        ("{-0. == 0, 0. === -0., Union[{0., -0.}]}", "{True, True, {0.}}"),
        ("1.*^400", "1.`15.954589770191003*^400"),
        ("-1.5*^-400", "-1.5`15.954589770191003*^-400"),
        ("0.*^-400", "0."),
        ("16^^ff.8", "255.5"),
        ("12345678901234567.", "1.2345678901234568*^16"),
        ("0.00012345678901234567", "0.00012345678901234567"),
        ("1.234567890123456789", "1.234567890123456789`18."),
    ],
)
def test_numbers(code: str, text: str, loaded: Loaded) -> None:
    assert text_of(loaded, code) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("10.^400", "1.`16.*^400"),
        ("1.*^300*1.*^300", "1.`16.*^600"),
        ("1.*^308 + 1.*^308", "2.`16.*^308"),
        ("{1.*^200, 2.}^2", "{1.`16.*^400, 4.}"),
        ("N[10.^400]", "1.`16.*^400"),
        ("{10.^400 == 10^400, 10.^400 > 10^399, MachineNumberQ[10.^400]}", "{True, True, False}"),
        ("(1. + I)*1.*^200*1.*^200", "1.`16.*^400 + 1.`16.*^400*I"),
        ("Quiet[Exp[1.*^20]]", "Overflow[]"),
        ("Quiet[x = 2.; Do[x = x^2, {30}]; Head[x]]", "Power"),
    ],
)
def test_results_beyond_the_machines_range(code: str, text: str, loaded: Loaded) -> None:
    assert text_of(loaded, code) == text
