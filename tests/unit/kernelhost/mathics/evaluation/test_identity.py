"""What differs between kernels that are forked from one parent."""

from __future__ import annotations

from mathics_values import evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.identity import renew
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


def test_a_seed_of_the_parent_reaches_no_kernel(loaded: Loaded) -> None:
    draws = []
    for _ in range(2):
        evaluate(loaded, "SeedRandom[7]")
        renew(loaded.definitions)
        draws.append(text_of(loaded, "{RandomReal[], $SessionID}"))
    assert draws[0] != draws[1]
    for _ in range(2):
        renew(loaded.definitions)
        draws.append(text_of(loaded, "SeedRandom[7]; {RandomReal[]}"))
    assert draws[2] == draws[3]


def test_the_session_time_begins_with_the_kernel(loaded: Loaded) -> None:
    before = float(text_of(loaded, "SessionTime[]"))
    renew(loaded.definitions)
    assert float(text_of(loaded, "SessionTime[]")) < before
