"""The outcome of an evaluation, as wolframclient's own result. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from wolframclient.deserializers.wxf.wxfconsumer import WXFConsumerNumpy
from wolframclient.evaluation.result import WolframEvaluationResultBase
from wolframclient.evaluation.result import WolframKernelEvaluationResult as _Result
from wolframclient.language.expression import WLFunction, WLSymbol

from kernelbus.shell.pool.kernellink import KernelMessage
from kernelbus.shell.wolframclient.tokens import tokens, write_wxf
from wstp import Expr, Function, Symbol

__all__ = ["Outcome", "WolframKernelEvaluationResult", "message_text"]

_MESSAGE_NAME = WLSymbol("MessageName")


@dataclass(slots=True)
class Outcome:
    """What came of an evaluation.

    Attributes:
        value: its value.
        messages: what it issued, in order.
        output: what it printed, in order.
        contexts: the contexts of symbols that are named without one.
    """

    value: Expr
    messages: Sequence[KernelMessage] = ()
    output: Sequence[str] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)


def message_text(message: KernelMessage) -> str:
    """Return the text of a message without its name, in one line."""
    return " ".join(message.text.strip().removeprefix(f"{message.symbol}::{message.tag}:").split())


class WolframKernelEvaluationResult(_Result):
    """The result of an evaluation: its value, messages and printed texts.

    The value is made when `result` or `get()` asks for it first, and its WXF when `wxf` does.

    Args:
        outcome: what came of the evaluation.
        consumer: what makes Python values of the tokens of WXF; None: wolframclient's own, with
            numpy arrays.
    """

    def __init__(self, outcome: Outcome, consumer: Any = None) -> None:
        # Not _Result's own: that keeps bytes, which are made here when somebody asks.
        WolframEvaluationResultBase.__init__(self)
        self.consumer = consumer
        self.outcome = outcome

    def parse_response(self) -> None:
        """Fill in what wolframclient's results are built from."""
        outcome = self.outcome
        self.parsed_response = {
            "Success": not outcome.messages,
            "FailureType": "MessageFailure" if outcome.messages else None,
            "Result": outcome.value,
            "Output": list(outcome.output),
            "Messages": tuple(self._name(message) for message in outcome.messages),
            "MessagesText": tuple(map(message_text, outcome.messages)),
        }

    @cached_property
    def result(self) -> Any:
        """The value, as the consumer makes it."""
        consumer = WXFConsumerNumpy() if self.consumer is None else self.consumer
        return consumer.next_expression(tokens(self.outcome.value, self.outcome.contexts))

    @cached_property
    def wxf(self) -> bytes:
        """The value as WXF."""
        return write_wxf(tokens(self.outcome.value, self.outcome.contexts))

    @cached_property
    def wxf_evaluation_data(self) -> bytes:
        """All of it as WXF: an association with the keys of EvaluationData."""
        outcome = self.outcome
        data = {
            "Result": self.wxf,
            "Success": Symbol("False" if outcome.messages else "True"),
            "FailureType": "MessageFailure" if outcome.messages else Symbol("None"),
            "OutputLog": list(outcome.output),
            "Messages": [Function(Symbol("MessageName"), Symbol(message.symbol), message.tag) for message in outcome.messages],
            "MessagesText": list(map(message_text, outcome.messages)),
        }
        rules = (Function(Symbol("Rule"), key, value) for key, value in data.items())
        return write_wxf(tokens(Function(Symbol("Association"), *rules), outcome.contexts))

    def _name(self, message: KernelMessage) -> WLFunction:
        name = message.symbol
        if "`" not in name:
            name = self.outcome.contexts.get(name, "") + name
        return WLFunction(_MESSAGE_NAME, WLSymbol(name), message.tag)
