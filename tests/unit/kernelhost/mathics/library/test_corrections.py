"""The functions of Mathics3 that are corrected."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library import corrections
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Symbol


class Port:
    """Keep what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, *packets: Expr, last: bool = False) -> None:
        self.sent += packets


def test_loading_makes_the_corrections(loaded: Loaded) -> None:
    names = ["Check", "Function", "Print", "ToExpression"]
    corrected = [
        rule
        for name in names
        for rules in (loaded.definitions.builtin[f"System`{name}"].downvalues, loaded.definitions.builtin[f"System`{name}"].subvalues)
        for rule in rules
        if getattr(getattr(rule, "function", None), "__module__", "") == corrections.__name__
    ]
    assert {rule.function.__self__.get_name(short=True) for rule in corrected} == set(names)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        # A rule for this has x_; x is the user's afterwards.
        ("Solve[x^2 == -1, x, Reals]; {Context[x], Names[\"System`x\"]}", '{"Global`", {}}'),
        ("{Catch[Throw[x, 5], _Integer, f], Catch[Throw[x, 5], _Integer]}", "{f[x, 5], x}"),
        ("Catch[Catch[Throw[x, 5], _Symbol, f], _, g]", "g[x, 5]"),
        ("FromCharacterCode[128512]", '"😀"'),
        ("StringLength[FromCharacterCode[128512]]", "1"),
        ("ToCharacterCode[FromCharacterCode[{65, 128512}]]", "{65, 128512}"),
        ("FromCharacterCode[{{128512}, {66}}]", '{"😀", "B"}'),
        ("FromCharacterCode[{55357, 56832}]", '"😀"'),
        (r'ToCharacterCode["\:d83d\:de00"]', "{128512}"),
        (r'ToCharacterCode["\:de00"]', "{56832}"),
        ("FromCharacterCode[1114112]", "FromCharacterCode[1114112]"),
        ('FromCharacterCode[228, "ISO8859-1"]', '"ä"'),
        ("FromCharacterCode[{}]", '""'),
        ('Check[1, "bad"]', "1"),
        ('1/0; Check[1, "bad"]', "1"),
        ('Print["x"]; Check[Print["y"]; 1, "bad"]', "1"),
        ('Check[1/0, "bad"]', '"bad"'),
        ('Check[{1/0, 2}, "bad"]; Check[3, "worse"]', "3"),
        ('Check[Check[1/0, 5], "outer"]', '"outer"'),
        ('Quiet[Check[1/0, "bad"]]', '"bad"'),
        ('Check[Quiet[1/0], "bad"]', "ComplexInfinity"),
        ('Off[Power::infy]; r = Check[1/0, "bad"]; On[Power::infy]; r', "ComplexInfinity"),
        ('Check[1/0, "bad", Power::infy]', '"bad"'),
        ('Check[1/0, "bad", {Power::indet}]', "ComplexInfinity"),
        ('Check[CheckAbort[Check[Abort[], 1], 2], "bad"]; Check[3, 4]', "3"),
        ("Function[Null, Hold[#1, #2], HoldAll][1 + 1, 2]", "Hold[1 + 1, 2]"),
        ("Function[{x}, Hold[x], HoldAll][1 + 1]", "Hold[1 + 1]"),
        ('ToExpression["1 + 1", InputForm, Hold]', "Hold[1 + 1]"),
        ('ToExpression["a = 1\\na + 1", InputForm, Hold]', "Hold[a = 1, a + 1]"),
        ('ToExpression["a = 1\\na + 1"]', "2"),
        ('ToExpression[{"1 + 1", "2"}, InputForm, Hold]', "{Hold[1 + 1], Hold[2]}"),
        ('ToExpression["{2, 3}", InputForm, Max]', "3"),
        ('ToExpression["(* nothing *)"]', "Null"),
        ('ToExpression["1 + 1", StandardForm]', "2"),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    port = Port()
    text = Symbol("ToString")(Symbol("ToExpression")(code), Symbol("InputForm"))
    MainLoop(loaded, port).handle(Symbol("EvaluatePacket")(text))
    assert port.sent[-1].args[0] == value


@pytest.mark.parametrize(
    ("text", "tag", "said"),
    [
        ("1 +", "sntxi", "Incomplete expression"),
        ("(1", "sntxi", "Incomplete expression"),
        ("1)", "sntx", '"1)"'),
        (")", "sntx", '")"'),
        ("x\n1 ]", "sntx", '"1 ]"'),
    ],
)
def test_to_expression_says_that_a_text_is_wrong(loaded: Loaded, text: str, tag: str, said: str) -> None:
    port = Port()
    MainLoop(loaded, port).handle(Symbol("EvaluatePacket")(Symbol("ToExpression")(text)))
    name, shown, answer = port.sent
    assert name.args == (Symbol("ToExpression"), tag)
    assert said in shown.args[0]
    assert answer == Symbol("ReturnPacket")(Symbol("$Failed"))
