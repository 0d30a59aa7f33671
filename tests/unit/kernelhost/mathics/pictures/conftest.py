"""Evaluate code in a loaded kernel."""

from __future__ import annotations

import pytest
from mathics_client import Evaluate, LoadedClient

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


@pytest.fixture
def evaluate(loaded: Loaded) -> Evaluate:
    return LoadedClient(loaded)
