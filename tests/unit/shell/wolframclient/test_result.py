"""The outcome of an evaluation, as wolframclient's own result."""

from __future__ import annotations

from wolframclient.deserializers import WXFConsumer, binary_deserialize
from wolframclient.evaluation import WolframKernelEvaluationResult as TheirResult
from wolframclient.language import Global, wl

from kernelbus.shell.pool.kernellink import KernelMessage
from kernelbus.shell.wolframclient.result import Outcome, WolframKernelEvaluationResult, message_text
from wstp import Symbol

INFY = KernelMessage("Power", "infy", "Power::infy: Infinite expression\n>   1/0 encountered.\n")


def test_a_success() -> None:
    result = WolframKernelEvaluationResult(Outcome([1, Symbol("x")], output=["a"], contexts={"x": "Global`"}))
    assert isinstance(result, TheirResult)
    assert result.success and result.failure is None and not result.is_message_failure
    assert result.result == result.get() == (1, Global.x)
    assert result.output == ["a"] and list(result.iter_output()) == ["a"]
    assert result.messages is None and list(result.iter_messages()) == []
    assert binary_deserialize(result.wxf) == (1, Global.x)
    assert "expression=(1, Global`x)" in repr(result)


def test_messages() -> None:
    own = KernelMessage("f", "g", "f::g: words\n")
    outcome = Outcome(Symbol("$Failed"), [INFY, own], contexts={"f": "Global`"})
    result = WolframKernelEvaluationResult(outcome)
    assert not result.success and result.is_message_failure and result.failure == "MessageFailure"
    assert result.messages == ("Infinite expression > 1/0 encountered.", "words")
    assert result.messages_name == (wl.MessageName(wl.Power, "infy"), wl.MessageName(Global.f, "g"))
    assert next(result.iter_messages_tuple()) == (wl.MessageName(wl.Power, "infy"), result.messages[0])
    assert result.get().name == "$Failed"
    assert "success=False" in repr(result)
    data = binary_deserialize(result.wxf_evaluation_data)
    assert data["Success"] is False and data["MessagesText"] == result.messages and data["Result"] == result.wxf


def test_the_consumer_is_the_programs() -> None:
    class Own(WXFConsumer):  # type: ignore[misc]
        def consume_integer8(self, current_token: object, tokens: object, **kwargs: object) -> str:
            return "int"

    assert WolframKernelEvaluationResult(Outcome([1]), Own()).result == ("int",)


def test_the_text_of_a_message_is_a_line_without_its_name() -> None:
    assert message_text(INFY) == "Infinite expression > 1/0 encountered."
    assert message_text(KernelMessage("f", "x", "as it is")) == "as it is"
