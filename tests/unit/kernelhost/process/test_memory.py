"""How much memory a kernel may have."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.process.memory import MemoryRules, Verdict, amount, default_limit

MIB = 2**20


@pytest.mark.parametrize(
    ("memory", "at_ready", "verdict"),
    [
        (100, None, Verdict.WELL),
        (101, None, Verdict.KILL),
        (101, 101, Verdict.KILL),
        (90, 80, Verdict.WELL),
        (91, 80, Verdict.RECYCLE),
        (91, None, Verdict.WELL),
    ],
)
def test_the_rules(memory: int, at_ready: int | None, verdict: Verdict) -> None:
    assert MemoryRules(100, 10).judge(memory, at_ready) is verdict


def test_no_limit_is_no_limit() -> None:
    assert MemoryRules(0, 0).judge(2**50, 1) is Verdict.WELL


def test_the_default_leaves_a_quarter_to_others() -> None:
    assert default_limit(1000) == 750
    assert default_limit(None) == 0
    assert (amount(2**30 * 3 // 2), amount(5 * MIB)) == ("1.5 GiB", "5 MiB")
