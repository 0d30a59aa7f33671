"""Measure values by value: a million machine reals into an embedded kernel and back, next to the
echo kernel.

Two servers are started, one with embedded kernels and one with kernels that send back what they get
without looking at it. The measurements take turns, round by round, so that a machine whose speed
wanders spoils all alike; what is printed are medians, and the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from roundtrip import PythonClient, served

from wstp import Expr, Symbol

COUNT = 1_000_000
ROUNDS = 7


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    values = np.random.default_rng(1).random(COUNT)
    with served("Mathics3", "serve", None) as embedded, served("echo", "serve", None) as echo:
        assert isinstance(embedded, PythonClient) and isinstance(echo, PythonClient)

        def there_and_back(client: PythonClient) -> Expr:
            return client.evaluate(Symbol("Identity")(values))

        assert np.array_equal(np.asarray(there_and_back(embedded)), values)
        assert np.array_equal(there_and_back(echo).args[0], values)
        rounds = [
            (
                seconds(lambda: there_and_back(embedded)),
                seconds(lambda: embedded.evaluate(Symbol("Length")(values))),
                seconds(lambda: there_and_back(echo)),
                seconds(lambda: np.frombuffer(values.tobytes()).copy()),
            )
            for _ in range(ROUNDS)
        ]
    print(f"{COUNT} machine reals, medians of {ROUNDS} rounds\n")
    print("| what | seconds | embedded kernel in and back: so many times that |")
    print("|---|---|---|")
    names = ("embedded kernel, in and back", "embedded kernel, in alone", "echo kernel, in and back", "a copy of their bytes")
    for at, name in enumerate(names):
        taken = statistics.median(one[at] for one in rounds)
        ratio = statistics.median(one[0] / one[at] for one in rounds)
        print(f"| {name} | {taken:.4f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
