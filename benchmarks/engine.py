"""What the second engine costs: a question to it, its start, and its memory.

A session in this process evaluates each input warm, with the engine and with an engine that is not
asked but gives the same answer at once. The difference is what the delegation costs beyond
Mathics3's own time. Then the engine is started anew a few times. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from mathics.core.evaluation import Evaluation
from mathics.core.parser import parse
from mathics.core.parser.feed import MathicsSingleLineFeeder

from kernelbus.kernelhost.mathics.engine.process import HOW_TO_INSTALL, engine, is_installed
from kernelbus.kernelhost.mathics.engine.talk import Answer
from kernelbus.kernelhost.mathics.evaluation.loading import load

INPUTS = [
    "PDF[NormalDistribution[0, 1], x]",
    "CDF[PoissonDistribution[4], 3]",
    "PolynomialGCD[x^4 - 1, x^6 - 1]",
    "TakeList[Range[1000], {300, 700}]",
]


def timed(definitions: Any, source: str, rounds: int) -> float:
    """Return the median time of an evaluation, seconds."""
    query = parse(definitions, MathicsSingleLineFeeder(source, ""))
    taken = []
    for _ in range(rounds):
        # Mathics3 keeps what it has evaluated as long as no definition changes.
        definitions.now += 1
        began = time.perf_counter()
        query.copy(reevaluate=True).evaluate(Evaluation(definitions))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="evaluations of each input (%(default)s)")
    rounds = parser.parse_args().rounds
    if not is_installed():
        print(f"Woxi is not installed: {HOW_TO_INSTALL}")
        return
    definitions = load().definitions
    print(f"processes of an engine before the first question: {int(engine.pid != 0)}")
    print("| input | with the engine | with its answers at hand | difference |\n|---|---|---|---|")
    theirs = engine.ask
    for source in INPUTS:
        kept: dict[str, Answer] = {}

        def remember(text: str, kept: dict[str, Answer] = kept, **options: Any) -> Answer:
            kept[text] = theirs(text, **options)
            return kept[text]

        engine.ask = remember  # type: ignore[method-assign]
        timed(definitions, source, 3)
        engine.ask = theirs  # type: ignore[method-assign]
        whole = timed(definitions, source, rounds)
        engine.ask = lambda text, kept=kept, **options: kept[text]  # type: ignore[method-assign]
        rest = timed(definitions, source, rounds)
        engine.ask = theirs  # type: ignore[method-assign]
        print(f"| `{source}` | {whole * 1e3:.2f} ms | {rest * 1e3:.2f} ms | {(whole - rest) * 1e3:.2f} ms |")
    starts = []
    for _ in range(5):
        engine.stop()
        began = time.perf_counter()
        engine.ask("1")
        starts.append(time.perf_counter() - began)
    engine.ask("ToString[Integrate[1/(1 + x^4), x], InputForm]")
    status = Path(f"/proc/{engine.pid}/status").read_text()
    largest = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"start of an engine: {statistics.median(starts) * 1e3:.0f} ms; its resident memory: {largest / 1024:.0f} MiB")
    engine.stop()


if __name__ == "__main__":
    main()
