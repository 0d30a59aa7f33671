"""Share one Mathics3 between all tests of the embedded kernel: loading it takes seconds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded, load
from kernelbus.kernelhost.mathics.forms.inputform import input_form

_SIGNALS = (signal.SIGINT, signal.SIGALRM, signal.SIGUSR1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a thread time these tests, because the kernel's time limits use the alarm signal."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(120, method="thread"))


@pytest.fixture(scope="session")
def mathics() -> Loaded:
    """Load Mathics3 once for each test process."""
    return load()


@pytest.fixture
def loaded(mathics: Loaded) -> Iterator[Loaded]:
    """Give a loaded Mathics3 with its interrupts installed, and undo what a test defines."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    kept, path = dict(mathics.definitions.user), mathics.definitions.get_context_path()
    mathics.interrupts.install()
    yield mathics
    for number, handler in handlers.items():
        signal.signal(number, handler)
    mathics.interrupts.forget()
    mathics.interrupts.on_interrupt = lambda: None
    mathics.terminal.client = None
    mathics.definitions.set_context_path(path)
    mathics.definitions.user = kept
    mathics.definitions.set_current_context("Global`")
    mathics.definitions.clear_cache()


@pytest.fixture
def definitions(loaded: Loaded) -> Any:
    """Give the definitions of a loaded Mathics3."""
    return loaded.definitions


@pytest.fixture
def value(definitions: Any) -> Callable[[str], str]:
    """Give a function that evaluates lines, and returns the last value in InputForm."""

    def evaluated(code: str) -> str:
        shown = ""
        for line in code.splitlines():
            evaluation = Evaluation(definitions, format="unformatted")
            shown = input_form(evaluation.parse(line).evaluate(evaluation), evaluation)
        return shown

    return evaluated
