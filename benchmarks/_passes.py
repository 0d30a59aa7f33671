"""Run a part of kernelbus, and measure the processor time of each pass of its event loop.

`python _passes.py FILE COMMAND...`: SIGUSR2 begins to measure; the second one writes to FILE how
many passes there were, and two numbers of milliseconds: 99 % of the passes took no more, and the
worst.
asyncio's own event loop runs, since uvloop's cannot be measured so.
"""

from __future__ import annotations

import asyncio.base_events
import itertools
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.modules["uvloop"] = None  # type: ignore[assignment]
FILE = Path(sys.argv[1])
PASSES: list[float] = []
MEASURING = itertools.cycle([True, False])


def switch(number: int, frame: object) -> None:
    """Begin to measure, or write what was measured."""
    if not next(MEASURING):
        times = sorted(PASSES) or [0.0]
        FILE.write_text(json.dumps([len(times), times[len(times) * 99 // 100] * 1e3, times[-1] * 1e3]))
    PASSES.clear()


def measured(run_once: Any) -> Any:
    """Return the pass of an event loop, measured."""

    def run(self: object) -> None:
        began = time.thread_time()
        run_once(self)
        PASSES.append(time.thread_time() - began)

    return run


if __name__ == "__main__":
    loop: Any = asyncio.base_events.BaseEventLoop
    loop._run_once = measured(loop._run_once)
    signal.signal(signal.SIGUSR2, switch)
    from kernelbus.shell.main import main

    sys.argv[1:] = sys.argv[2:]
    sys.exit(main())
