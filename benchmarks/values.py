"""Measure values by value: a million machine reals into an embedded kernel and back.

    python benchmarks/values.py PORT@HOST

The server is one that is running, with embedded kernels. What is printed are medians of five: there and back, next to the way in
alone and to a plain copy of as many bytes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import wstp
from wstp import Symbol

COUNT = 1_000_000
ROUNDS = 5


def median(work: Callable[[], object]) -> float:
    """Return the median of the seconds that some rounds take."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Print the table."""
    values = np.random.default_rng(1).random(COUNT)
    with wstp.connect(sys.argv[1], mode="uuid", timeout=30) as link:
        link.get(timeout=60)

        def evaluate(head: Symbol) -> object:
            link.put(Symbol("EvaluatePacket")(head(values)), end_packet=True)
            link.flush(timeout=60)
            return link.get(timeout=120).args[0]

        assert np.array_equal(np.asarray(evaluate(Symbol("Identity"))), values)
        whole = median(lambda: evaluate(Symbol("Identity")))
        inward = median(lambda: evaluate(Symbol("Length")))
    copied = median(lambda: np.frombuffer(values.tobytes()).copy())
    print(f"{COUNT} reals in and back: {whole:.2f} s, {whole / inward:.1f} times in alone ({inward:.2f} s)")
    print(f"and {whole / copied:.0f} times a copy of their bytes ({copied * 1000:.1f} ms)")


if __name__ == "__main__":
    main()
