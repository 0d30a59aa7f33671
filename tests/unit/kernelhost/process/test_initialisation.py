"""What a pool's initialisation evaluates, and when it has failed."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.process.initialisation import Initialisation, verdict
from wstp import Symbol


def test_the_file_comes_before_the_code() -> None:
    steps = Initialisation("/tools.m", "x = 1").steps()
    assert [step.name for step in steps] == ["InitializationFile /tools.m", "InitializationCode"]
    assert [step.expression.args[0] for step in steps] == [Symbol("Get")("/tools.m"), Symbol("ToExpression")("x = 1")]
    assert all(step.expression.head == Symbol("Switch") for step in steps), "the kernel sends a word, not the result"


def test_none_is_empty_and_equal_ones_share_a_parent() -> None:
    assert Initialisation().steps() == []
    assert str(Initialisation()) == "no initialisation"
    assert str(Initialisation("/a.m", "b")) == "InitializationFile /a.m and InitializationCode"
    assert {Initialisation("/a.m"): 1}[Initialisation("/a.m", None)] == 1


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("done", None),
        ("gave $Failed", "gave $Failed"),
        ("was aborted", "was aborted"),
        ("$Aborted", "was aborted"),
        ("System`$Aborted", "was aborted"),
        ("$Failed", "gave $Failed"),
        ("System`$Failed", "gave $Failed"),
        ("Hold", "was left by Throw or Return"),
        (None, "was left by Throw or Return"),
    ],
)
def test_a_verdict(value: str | None, why: str | None) -> None:
    assert verdict(value) == why


def test_each_word_of_the_kernels_is_understood() -> None:
    (step,) = Initialisation(code="x").steps()
    words = step.expression.args[2::2]
    assert [verdict(word) for word in words] == ["gave $Failed", "was aborted", None]
