"""What is told about a name: kernelbus.shell.jupyter.inspection."""

from __future__ import annotations

import pytest

from kernelbus.shell.jupyter.inspection import described, description
from wstp import Symbol


def test_what_is_told() -> None:
    answer = ["System`", "Plot[f] draws f.", ["HoldAll"], ["Axes -> True"], "Attributes[Plot] = {HoldAll}"]
    reply = described("Plot", answer, 0)
    assert reply["found"]
    assert reply["data"]["text/plain"] == "Plot\n\nPlot[f] draws f.\n\nAttributes: HoldAll\n\nOptions:\n  Axes -> True"
    assert "Definition:\nAttributes[Plot]" in described("Plot", answer, 1)["data"]["text/plain"]


def test_a_name_without_usage_is_told_by_its_definition() -> None:
    reply = described("f", ["Global`", Symbol("MessageName"), [], [], "f[x_] := x"], 0)
    assert reply["data"]["text/plain"] == "Global`f\n\nDefinition:\nf[x_] := x"


def test_no_name() -> None:
    assert described("f", [], 0)["found"] is False
    with pytest.raises(ValueError, match="is no name"):
        description('f"]')
