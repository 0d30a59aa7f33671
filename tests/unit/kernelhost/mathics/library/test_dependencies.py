"""The definitions that an expression needs."""

from __future__ import annotations

from mathics_values import evaluate

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.dependencies import needed, rules_of


def test_definitions_are_found_through_definitions(loaded: Loaded) -> None:
    held = evaluate(loaded, "f[x_] := g[x]; g[x_] := h + x; h = 5; other = 6; Options[g] = {a :> k}; k = 7; Hold[f[1], nothing]")
    found = needed([held], loaded.definitions)
    assert set(found) == {"Global`f", "Global`g", "Global`h", "Global`k"}
    assert [len(rules_of(found[name])) for name in ("Global`f", "Global`h")] == [1, 1]


def test_definitions_may_go_in_a_circle(loaded: Loaded) -> None:
    held = evaluate(loaded, "f[x_] := g[x]; g[x_] := f[x]; Hold[f]")
    assert set(needed([held], loaded.definitions)) == {"Global`f", "Global`g"}
