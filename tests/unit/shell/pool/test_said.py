"""Errors and messages cross processes."""

from __future__ import annotations

import pickle

import pytest

from kernelbus.shell.pool.said import (
    EvaluationAborted,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    NoKernel,
    Question,
    TokenRefused,
)

MESSAGE = KernelMessage("Power", "infy", "Power::infy: Oh.")


@pytest.mark.parametrize(
    "error",
    [EvaluationFailed("it failed", [MESSAGE]), EvaluationAborted("aborted"), KernelDied("gone"), NoKernel("none"), TokenRefused("token")],
)
def test_an_error_is_pickled_whole(error: Exception) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert getattr(other, "messages", ()) == getattr(error, "messages", ())


def test_an_error_says_what_the_kernel_said() -> None:
    assert str(EvaluationFailed("it failed", [MESSAGE])) == "it failed: Power::infy: Oh."
    assert pickle.loads(pickle.dumps(MESSAGE)) == MESSAGE and str(MESSAGE) == "Power::infy: Oh."


def test_a_question_waits_for_its_answer() -> None:
    question = Question("n? ")
    question.answer("5")
    question.answer(None)
    assert (question.prompt, question.wait(), question.wait()) == ("n? ", "5", None)
