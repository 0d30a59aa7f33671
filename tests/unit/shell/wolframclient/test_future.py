"""The future of an evaluation: cancelled while it runs, or out of time."""

from __future__ import annotations

from concurrent.futures import CancelledError, wait

import pytest

from kernelbus.shell.wolframclient.future import EvaluationFuture


def test_it_is_cancelled_until_it_has_an_outcome() -> None:
    dropped: list[EvaluationFuture] = []
    future = EvaluationFuture(dropped.append)
    assert future.cancel() and dropped == [future]
    assert wait([future], timeout=30).done == {future}
    assert not future.succeed(1) and not future.fail(ValueError())
    with pytest.raises(CancelledError):
        future.wait()


def test_an_outcome_is_given_once() -> None:
    dropped: list[EvaluationFuture] = []
    future = EvaluationFuture(dropped.append)
    assert future.succeed(5) and future.wait() == 5
    assert not future.fail(ValueError()) and not future.cancel() and dropped == []
    other = EvaluationFuture()
    assert other.fail(ValueError("so"))
    with pytest.raises(ValueError, match="so"):
        other.wait()


def test_it_runs_out_of_time() -> None:
    dropped: list[EvaluationFuture] = []
    future = EvaluationFuture(dropped.append)
    future.limit(0.01)
    with pytest.raises(TimeoutError, match=r"longer than 0\.01 s and was aborted"):
        future.result(30)
    future.add_done_callback(lambda _: None)
    assert not future.succeed(1)
    early = EvaluationFuture(dropped.append)
    early.limit(600)
    assert early.succeed(1) and early.result() == 1
