"""Functions of programs."""

from __future__ import annotations

import threading

import pytest
from mathics_values import evaluate, text_of

import wstp
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from wstp import Function, Symbol

S = Symbol


def serve(name: str) -> None:
    """Be a program that adds, asks and fails."""
    with wstp.connect(name, mode="default") as link:
        link.put('BeginPackage["theirs`"]')
        link.put('Begin["`Private`"]')
        link.put(S("DefineExternal")("theirs`add[x_Integer, y_Integer]", "{x, y}", 0))
        link.put(S("DefineExternal")("theirs`ask[x_]", "{x}", 1))
        link.put("End[]")
        link.put("EndPackage[]")
        link.put(S("End"))
        link.flush()
        try:
            while True:
                call = link.get(60)
                assert isinstance(call, Function)
                number, given = call.args
                if number == 0:
                    link.put(sum(given), end_packet=True)
                else:
                    link.put(S("EvaluatePacket")(S("ToExpression")(given[0])), end_packet=True)
                    link.flush()
                    answer = link.get(60)
                    link.put(S("ReturnPacket")([answer.args[0], answer.args[0]]), end_packet=True)
                link.flush()
        except wstp.WSTPError:
            return


def test_a_program_is_installed_called_and_removed(loaded: Loaded) -> None:
    name = str(evaluate(loaded, "First[l = LinkCreate[]]").value)
    thread = threading.Thread(target=serve, args=(name,))
    thread.start()
    try:
        assert text_of(loaded, "Install[l] === l") == "True"
        assert text_of(loaded, "{add[2, 3], theirs`add[1, 1.5], Table[add[i, i], {i, 2}]}") == "{5, add[1, 1.5], {2, 4}}"
        assert text_of(loaded, '{ask["1 + 1"], ask["$CurrentLink === l"]}') == "{{2, 2}, {True, True}}"
        assert text_of(loaded, "Length[LinkPatterns[l]]") == "2"
    finally:
        assert text_of(loaded, "StringQ[Uninstall[l]]") == "True"
        thread.join()
    assert text_of(loaded, "{theirs`add[2, 3], Links[]}") == "{add[2, 3], {}}"


@pytest.mark.parametrize("what", ['"/no/such/program"', '"1@127.0.0.1", LinkMode -> Connect', '"true"'])
def test_a_program_that_cannot_be_installed(loaded: Loaded, what: str) -> None:
    assert text_of(loaded, f"{{Install[{what}], Links[]}}") == "{$Failed, {}}"
