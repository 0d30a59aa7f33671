"""Definitions that go to another kernel."""

from __future__ import annotations

import pytest
from mathics.core.symbols import Symbol
from mathics_values import Recorder, evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import from_mathics, to_mathics
from kernelbus.kernelhost.mathics.parallel.definitions import Whole, defining, state_of


@pytest.mark.parametrize(
    ("make", "ask", "value"),
    [
        ("f[x_] := x^2; f[0] = 7", "{f[3], f[0]}", "{9, 7}"),
        ("f = {1, 2}", "f", "{1, 2}"),
        ("f[1][x_] := x", "f[1][5]", "5"),
        ("f /: p[f, x_] := x", "p[f, 5]", "5"),
        ("SetAttributes[f, {Listable, Protected}]; Unprotect[f]; f[x_Integer] := x + 1", "f[{1, 2}]", "{2, 3}"),
        ("Options[f] = {a -> 1}; f[OptionsPattern[]] := OptionValue[a]", "{f[], f[a -> 2]}", "{1, 2}"),
        ("f::note = \"n\"", "f::note", '"n"'),
    ],
)  # fmt: skip
def test_a_definition_is_the_same_elsewhere(loaded: Loaded, make: str, ask: str, value: str) -> None:
    evaluate(loaded, make + ";")
    definitions, whole = loaded.definitions, Whole(loaded.definitions)
    sent = from_mathics(defining("Global`f", definitions.user["Global`f"]), whole)
    evaluate(loaded, "Unprotect[f]; ClearAll[f];")


    Evaluator(loaded, Recorder()).evaluate(lambda: to_mathics(sent, definitions))
    assert text_of(loaded, ask) == value


def test_a_change_is_noticed(loaded: Loaded) -> None:
    states = []
    for code in ("f[1] = 1;", "f[1] = 2;", "f[2] = 2;", "SetAttributes[f, Listable];"):
        evaluate(loaded, code)
        states.append(state_of(loaded.definitions.user["Global`f"]))
    assert len(set(states)) == 4


def test_names_keep_their_contexts(loaded: Loaded) -> None:
    whole = Whole(loaded.definitions)
    assert [whole.shorten_name(name) for name in ("System`Plus", "Global`x", "a`b`c")] == ["Plus", "Global`x", "a`b`c"]
    assert [whole.lookup_name(name) for name in ("Plus", "Global`x")] == ["System`Plus", "Global`x"]
    # A kernel leaves the contexts on its path out of what it sends.
    assert whole.lookup_name("undefinedThere") == "Global`undefinedThere"
    assert to_mathics(from_mathics(Symbol("mine`x"), whole), whole) == Symbol("mine`x")
