"""The functions of the language for links."""

from __future__ import annotations

from typing import Any

import pytest
from mathics_values import Recorder, evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.links.functions import name_parent
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival
from kernelbus.kernelhost.mathics.packets.mainloop import MainLoop
from wstp import Expr, Symbol


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("$ParentLink", "Null"),
        ("Links[]", "{}"),
        ("l = LinkCreate[]; {Head[l], LinkReadyQ[l], LinkConnectedQ[l], Links[] === {l}}", "{LinkObject, False, False, True}"),
        ('LinkWrite[m, f[x, 1 + 1, "s"]]; LinkRead[l]', 'f[x, 2, "s"]'),
        ("LinkWriteHeld[m, Hold[1 + 1]]; LinkRead[l, Hold]", "Hold[1 + 1]"),
        ("LinkWriteHeld[m, Hold[1 + 1]]; LinkReadHeld[l]", "Hold[1 + 1]"),
        ("LinkWrite[l, 5]; {LinkReadyQ[m, 5], LinkRead[m], LinkReadyQ[m]}", "{True, 5, False}"),
        ("LinkWrite[l, 5]; LinkReadyQ[{l, m, $ParentLink /. Null -> l}, 5]", "{False, True, False}"),
        ("LinkRead[l2 = m; LinkWrite[l, 5]; m]; LinkReadyQ[{l, m}, 0.1]", "{False, False}"),
        # Before it is activated, whether the other side is there.
        ("LinkActivate[m]; {LinkReadyQ[l, 5], LinkActivate[l] === l, LinkReadyQ[{l}]}", "{True, True, {False}}"),
        ("{LinkReadyQ[5], LinkReadyQ[{}]}", "{LinkReadyQ[5], {}}"),
        ("{LinkConnectedQ[LinkActivate[m]], LinkError[m][[1]]}", "{True, 0}"),
        ('{Length[Links["*"]], Links["no*"]}', "{2, {}}"),
        ("LinkRead[l2 = m; LinkClose[l]; l2]", "$Failed"),
        ("TimeConstrained[LinkRead[l], 0.2, late]", "late"),
        ("LinkInterrupt[m]", "Null"),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    if "Create" not in code and code not in ("$ParentLink", "Links[]"):
        evaluate(loaded, "l = LinkCreate[]; m = LinkConnect[First[l]];")
    try:
        assert text_of(loaded, code) == value
    finally:
        evaluate(loaded, "Scan[LinkClose, Links[]];")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('LinkRead[LinkObject["x", 99, 99]]', "LinkObject::linkn"),
        ('LinkClose[LinkObject["x", 99, 99]]', "LinkObject::linkn"),
        ('LinkConnect["1@127.0.0.1"]', "LinkObject::linkc"),
        ('LinkLaunch["/no/such/program"]', "LinkObject::linke"),
        ('LinkOpen["x", LinkMode -> other]', "LinkObject::linkm"),
        ('LinkCreate[LinkProtocol -> "SharedMemory"]', "LinkObject::linkp"),
        ('LinkWrite[LinkObject["own", 1, 1], 5]', "LinkObject::linkd"),
    ],
)
def test_what_fails_is_said(loaded: Loaded, code: str, message: str) -> None:
    heard, values = Recorder(), []
    evaluator = Evaluator(loaded, heard)
    evaluator.read(code, False, lambda query, _: bool(values.append(evaluator.evaluate(lambda: query))))
    assert (values[0].get_name(), heard.lines) == ("System`$Failed", [message])


def test_the_kernels_own_link(loaded: Loaded) -> None:
    class Port:
        sent: list[Any] = []  # noqa: RUF012 - one port

        def send(self, *packets: Expr, last: bool = False) -> None:
            self.sent += packets

    name_parent(loaded.definitions, "own")
    loop = MainLoop(loaded, Port())
    read = Symbol("ToExpression")('LinkWrite[$ParentLink, TextPacket["x"]]; {Links[], LinkRead[$ParentLink]}')
    loop.handle(Arrival(Symbol("EvaluatePacket")(read)).packet)
    text, answer = Port.sent
    assert text == Symbol("Global`TextPacket")("x") or text.args == ("x",)
    assert answer.args[0] == [[Symbol("LinkObject")("own", 1, 1)], Symbol("EndOfFile")]
