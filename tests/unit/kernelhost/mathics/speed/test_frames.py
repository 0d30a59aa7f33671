"""The frames of what an evaluation calls are in one chunk of memory."""

from __future__ import annotations

import resource

from kernelbus.kernelhost.mathics.speed.frames import roomy


def test_it_returns_what_the_work_returns() -> None:
    assert roomy(lambda: 7) == 7
    assert roomy.__code__.co_stacksize > 2 * 16 * 1024 // 8


def test_the_frame_takes_no_memory_that_is_not_used() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        roomy(lambda: None)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4000
