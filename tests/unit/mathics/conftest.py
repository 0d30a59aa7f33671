"""One Mathics3 for all tests of the embedded kernel: loading it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kernelhost.mathics.startup import Loaded, load


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    """Load Mathics3 once and take over the signals of the test process."""
    mathics = load()
    mathics.interrupts.install()
    return mathics


@pytest.fixture
def definitions(loaded: Loaded) -> Iterator[Any]:
    """Give the definitions, and take back what a test defines."""
    kept = dict(loaded.definitions.user)
    yield loaded.definitions
    loaded.definitions.user = kept
    loaded.definitions.set_current_context("Global`")
    loaded.definitions.clear_cache()
    loaded.interrupts.forget()
