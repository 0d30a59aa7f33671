"""Aborts and time limits are raised where they should be, and nowhere else."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.evaluation.interrupts import Interrupts, KernelAbort
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


def spin(until: Callable[[], bool] = lambda: False, seconds: float = 20.0) -> None:
    """Compute until a condition holds; fail if no interrupt comes in time."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "nothing interrupted this"


class During:
    """Act on another thread as soon as the main thread says that its work has begun."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.under_way = threading.Event()
        self._action = action
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        assert self.under_way.wait(20)
        self._action()

    def __enter__(self) -> During:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.under_way.set()
        self._thread.join()


@pytest.fixture
def interrupts(loaded: Loaded) -> Interrupts:
    return loaded.interrupts


def test_an_abort_unwinds_what_runs(interrupts: Interrupts) -> None:
    with During(interrupts.abort) as during:

        def work() -> None:
            during.under_way.set()
            spin()

        with pytest.raises(KernelAbort):
            interrupts.run(work)


def test_an_abort_before_it_began_unwinds_it_at_once(interrupts: Interrupts) -> None:
    ran: list[int] = []
    with pytest.raises(KernelAbort):
        interrupts.run(lambda: ran.append(1), aborted=True)
    interrupts.abort()
    with pytest.raises(KernelAbort):
        interrupts.run(lambda: ran.append(1))
    assert not ran


def test_an_abort_of_nothing_does_nothing(interrupts: Interrupts) -> None:
    interrupts.abort()
    interrupts.forget()
    assert interrupts.run(lambda: 5) == 5


def test_an_abort_is_not_raised_twice(interrupts: Interrupts) -> None:
    with pytest.raises(KernelAbort):
        interrupts.run(lambda: None, aborted=True)
    assert interrupts.run(lambda: 5) == 5


def test_an_abort_that_is_swallowed_is_raised_again(interrupts: Interrupts) -> None:
    swallowed = 0

    def work() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                during.under_way.set()
                spin()
            except KernelAbort:
                swallowed += 1
        spin()

    with During(interrupts.abort) as during, pytest.raises(KernelAbort):
        interrupts.run(work)
    assert swallowed == 3


def test_an_abort_swallowed_at_the_very_end_counts(interrupts: Interrupts) -> None:
    def work() -> int:
        try:
            during.under_way.set()
            spin()
        except KernelAbort:
            pass
        return 5

    with During(interrupts.abort) as during, pytest.raises(KernelAbort):
        interrupts.run(work)


def test_clearing_up_is_not_disturbed(interrupts: Interrupts) -> None:
    cleared: list[int] = []

    def work() -> None:
        try:
            during.under_way.set()
            spin()
        finally:
            # Longer than it takes until a swallowed abort is raised again.
            end = time.monotonic() + 0.35
            while time.monotonic() < end:
                pass
            cleared.append(1)

    with During(interrupts.abort) as during, pytest.raises(KernelAbort):
        interrupts.run(work)
    assert cleared == [1]


def test_a_mask_holds_an_abort_back_until_its_end(interrupts: Interrupts) -> None:
    steps: list[str] = []

    def work() -> None:
        with interrupts.masked:
            during.under_way.set()
            spin(lambda: interrupts._wanted)
            with interrupts.masked:
                steps.append("inner")
            steps.append("masked")
        steps.append("after")

    with During(interrupts.abort) as during, pytest.raises(KernelAbort):
        interrupts.run(work)
    assert steps == ["inner", "masked"]


def test_the_interrupt_signal_aborts_what_runs_and_nothing_else(interrupts: Interrupts) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.run(lambda: 5) == 5
    with During(lambda: os.kill(os.getpid(), signal.SIGINT)) as during:

        def work() -> None:
            during.under_way.set()
            spin()

        with pytest.raises(KernelAbort):
            interrupts.run(work)


def test_time_limits_nest(interrupts: Interrupts) -> None:
    def inner_is_late() -> list[Any]:
        inner = interrupts.limited(spin, 0.05, "late")
        return [inner, interrupts.limited(lambda: "done", 20, "late")]

    def outer_is_late() -> Any:
        return interrupts.limited(lambda: interrupts.limited(spin, 20, "inner"), 0.05, "outer")

    assert interrupts.run(inner_is_late) == ["late", "done"]
    assert interrupts.run(outer_is_late) == "outer"
    assert interrupts.run(lambda: interrupts.limited(outer_is_late, 20, "outermost")) == "outer"


def test_an_abort_passes_through_a_time_limit(interrupts: Interrupts) -> None:
    def work() -> None:
        during.under_way.set()
        spin()

    with During(interrupts.abort) as during, pytest.raises(KernelAbort):
        interrupts.run(lambda: interrupts.limited(work, 20, None))


def evaluated(text: str, loaded: Loaded) -> str:
    evaluation = Evaluation(loaded.definitions, format="unformatted")
    query = evaluation.parse(text)
    return str(loaded.interrupts.run(lambda: query.evaluate(evaluation)))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("TimeConstrained[While[True], 0.05]", "System`$Aborted"),
        ("TimeConstrained[Pause[20], 0.05, late]", "Global`late"),
        ("TimeConstrained[1 + 1, 20]", "2"),
        ("TimeConstrained[TimeConstrained[While[True], 20, in], 0.05, out]", "Global`out"),
        ("TimeConstrained[TimeConstrained[While[True], 0.05, in]; 3, 20, out]", "3"),
        ("CheckAbort[TimeConstrained[While[True], 0.05, late], caught]", "Global`late"),
        ("CheckAbort[Abort[], caught]", "Global`caught"),
        ("TimeConstrained[Quiet[Check[While[True], 1]], 0.05, late]", "Global`late"),
    ],
)
def test_time_constrained(text: str, result: str, loaded: Loaded) -> None:
    assert evaluated(text, loaded) == result


@pytest.mark.parametrize(
    "text",
    [
        "While[True]",
        "Pause[60]",
        "Quiet[While[True]]",
        "Catch[While[True]]",
        "Check[While[True], 1]",
        "Block[{y = 5}, While[True]]",
        "Do[Integrate[Sin[x]^n Exp[x], x], {n, 1000}]",
        "Do[Factor[x^n - 1], {n, 10^6}]",
        "Table[Prime[n], {n, 10^7}];",
        "TimeConstrained[While[True], 60]",
    ],
)
def test_evaluations_are_aborted(text: str, loaded: Loaded) -> None:
    evaluation = Evaluation(loaded.definitions, format="unformatted")
    query = evaluation.parse(f"go = True; {text}")

    def running() -> None:
        spin(
            lambda: (
                "Global`go" in loaded.definitions.user and bool(loaded.definitions.get_ownvalues("Global`go"))
            )
        )
        loaded.interrupts.abort()

    with During(running) as during:
        during.under_way.set()
        with pytest.raises(KernelAbort):
            loaded.interrupts.run(lambda: query.evaluate(evaluation))
    assert evaluated("1 + 1", loaded) == "2"


def test_check_abort_takes_an_abort_and_goes_on(loaded: Loaded) -> None:
    evaluation = Evaluation(loaded.definitions, format="unformatted")
    query = evaluation.parse("{CheckAbort[go = True; While[True], caught], Pause[0.3]; 5}")

    def running() -> None:
        spin(lambda: bool(loaded.definitions.get_ownvalues("Global`go")))
        loaded.interrupts.abort()

    with During(running) as during:
        during.under_way.set()
        result = loaded.interrupts.run(lambda: query.evaluate(evaluation))
    assert str(result) == "{Global`caught,5}"
