"""Definition, Information, Context."""

from __future__ import annotations

import pytest
from mathics_values import evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("g[x_] := x^2; g[1] = 7; Definition[g]", "g[1] = 7\n \ng[x_] := x^2"),
        ("v = 5; Definition[v]", "v = 5"),
        ("v := 1 + 1; Definition[v]", "v := 1 + 1"),
        ("v =.; v = 5; v := 6; Definition[v]", "v := 6"),
        ("u /: p[u, x_] := x; Definition[u]", "p[u, x_] ^:= x"),
        ("q[u2] ^= 3; Definition[u2]", "q[u2] ^= 3"),
        ("s[1][x_] := x; Definition[s]", "s[1][x_] := x"),
        ("SetAttributes[h, Listable]; h[x_] := x /; x > 0; Options[h] = {a -> 1}; Definition[h]",
         "Attributes[h] = {Listable}\n \nh[x_] := x /; x > 0\n \nOptions[h] = {a -> 1}"),
        ("r[x_] := x; SetAttributes[r, ReadProtected]; Definition[r]", "Attributes[r] = {ReadProtected}"),
        ("Definition[nothing]", "Null"),
        ("g[x_] := h[x]; h[x_] := k x; k = 2; FullDefinition[g]", "g[x_] := h[x]\n \nh[x_] := k*x\n \nk = 2"),
        ('g[x_] := x; Definition["g"]', "g[x_] := x"),
        ("g[x_] := x; ?g", "Global`g\n \ng[x_] := x"),
        ('g[x_] := x; g::usage = "g of x"; ?g', "g of x"),
        ('g[x_] := x; g::usage = "g of x"; ??g', "g of x\n \ng[x_] := x"),
        ("?nosuchname", 'Missing["UnknownSymbol", "nosuchname"]'),
    ],
)  # fmt: skip
def test_definitions_are_shown_as_they_were_given(loaded: Loaded, code: str, text: str) -> None:
    *before, last = code.rsplit("; ", 1)
    shown = evaluate(loaded, "; ".join([*before, f"{{ToString[{last}], ToString[{last}, InputForm]}}"]))
    assert [str(each.value) for each in shown.elements] == [text, text]


def test_a_definition_stands_within_other_text(loaded: Loaded) -> None:
    assert text_of(loaded, "v = 5; {Definition[v]}") == "{v = 5}"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('g[x_] := x; Information[g, "Usage"]', '"Global`g"'),
        ('g::usage = "g of x"; Information[g, "Usage"]', '"g of x"'),
        ('g[x_] := x; Information[g, "DownValues"]', "{HoldPattern[g[x_]] :> x}"),
        ('v = 3; Information[v, "OwnValues"]', "{HoldPattern[v] :> 3}"),
        ('g[x_] := x; Information["g", "FullName"]', '"Global`g"'),
        ('g[x_] := x; Information[g, "UpValues"]', "None"),
        ('Information[Plus, "Attributes"]', "{Flat, Listable, NumericFunction, OneIdentity, Orderless, Protected}"),
        ('Information[Plus, "Documentation"]', '<|"Web" -> "https://reference.wolfram.com/language/ref/Plus.html"|>'),
        ('Information[Plus, "nothing"]', 'Missing["UnknownProperty", "nothing"]'),
        ('Information["nosuchname", "Usage"]', 'Missing["UnknownSymbol", "nosuchname"]'),
        ('MemberQ[Information[Plus, "Properties"], "Usage"]', "True"),
        ('Context["Plus"]', '"System`"'),
        ('own`x = 1; Context["own`x"]', '"own`"'),
        ("Context[x]", '"Global`"'),
        ('Context["nosuchname"]', 'Context["nosuchname"]'),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value
