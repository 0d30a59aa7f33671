"""Measure evaluations: the embedded kernel's next to plain Mathics3's, in a process each.

Each input is evaluated once by either, after one small evaluation, and what counts is the time of
the processor. Plain Mathics3 is stopped after a minute; the ratio is then a lower bound. Inputs of
the second table are larger than plain Mathics3 can do in that time.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

LIMIT = 60

BOTH = [
    "Table[i, {i, 2000}]",
    "Do[i, {i, 2000}]",
    "s = 0; Do[s += i, {i, 2000}]; s",
    "i = 0; While[i < 2000, i++]; i",
    "x = Range[500]; Do[x[[i]] = 0, {i, 500}]; x",
    "FoldList[Plus, 0, Range[60]]",
    "Accumulate[Range[60]]",
    "NestList[# + 1 &, 0, 500]",
    "m = Table[i + j, {i, 25}, {j, 25}]; m . m",
    "fib[0] = 0; fib[1] = 1; fib[n_] := fib[n - 1] + fib[n - 2]; fib[13]",
    "Sort[Table[Mod[7919 i, 10007], {i, 2000}]]",
    "Map[f, Range[2000]]",
    "Range[2000]^2 + 1",
    "a = AssociationThread[Range[200], Range[200]]; Table[a[i], {i, 200}]",
]
LARGE = [
    "Table[i, {i, 10^5}]",
    "Do[i, {i, 10^5}]",
    "s = 0; Do[s += i, {i, 10^5}]; s",
    "m = RandomInteger[9, {200, 200}]; m . m",
    "m = RandomReal[1, {200, 200}]; m . m",
    "Sort[RandomInteger[10^6, 10^5]]",
    "Accumulate[Range[10^5]]",
    "a = AssociationThread[Range[10^4], Range[10^4]]; Total[Lookup[a, Range[10^4]]]",
]


def stopped(number: int, frame: object) -> None:
    """Stop an evaluation."""
    raise TimeoutError


def plain() -> Callable[[str], object]:
    """Return a function that evaluates a text in plain Mathics3."""
    from mathics.core.load_builtin import import_and_load_builtins

    import_and_load_builtins()
    import mathics.format.render  # noqa: F401 - definitions need the ways to print
    from mathics.core.definitions import Definitions
    from mathics.core.evaluation import Evaluation

    definitions: Any = Definitions(add_builtin=True)

    def evaluate(text: str) -> object:
        evaluation: Any = Evaluation(definitions, format="unformatted")
        return evaluation.parse(text).evaluate(evaluation)

    return evaluate


def embedded() -> Callable[[str], object]:
    """Return a function that evaluates a text as the embedded kernel does."""
    from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
    from kernelbus.kernelhost.mathics.evaluation.loading import load

    class Nowhere:
        def text(self, text: str) -> None:
            pass

        def message(self, symbol: str, tag: str, text: str) -> None:
            pass

    evaluator = Evaluator(load(), Nowhere())

    def evaluate(text: str) -> object:
        return evaluator.read(text, False, lambda query, source: evaluator.enter(query, show=False) is not None)

    return evaluate


def measure(evaluate: Callable[[str], object], inputs: list[str]) -> list[float]:
    """Return the seconds that each input takes, LIMIT for one that takes longer."""
    signal.signal(signal.SIGALRM, stopped)
    found = []
    evaluate("Expand[(1 + t)^3]")
    for text in inputs:
        start = time.process_time()
        signal.alarm(LIMIT)
        try:
            evaluate(text)
            found.append(time.process_time() - start)
        except TimeoutError:
            found.append(float(LIMIT))
        finally:
            signal.alarm(0)
    return found


def asked(which: str, inputs: list[str]) -> list[float]:
    """Measure in another process."""
    done = subprocess.run([sys.executable, __file__, which, *inputs], capture_output=True, text=True, check=True)
    return [float(each) for each in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    """Print the tables."""
    print(f"{'input':72} {'plain':>9} {'embedded':>9} {'ratio':>7}")
    for text, slow, fast in zip(BOTH, asked("plain", BOTH), asked("embedded", BOTH), strict=True):
        more = ">" if slow >= LIMIT else ""
        print(f"{text:72} {slow:7.3f} s {fast:7.4f} s {more}{slow / fast:6.0f}")
    print(f"\n{'input':72} {'embedded':>9}")
    for text, fast in zip(LARGE, asked("embedded", LARGE), strict=True):
        print(f"{text:72} {fast:7.3f} s")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(plain() if sys.argv[1] == "plain" else embedded(), sys.argv[2:])))
    else:
        main()
