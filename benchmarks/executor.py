"""`KernelPool.map("Prime", range(1000))` next to a plain loop over one link, on embedded kernels of
one server, in one run.

The ways take turns, round by round, so that a machine whose speed wanders spoils all alike; each
figure is the median of the rounds' figures, each ratio the median of the rounds' ratios to the
loop. Kernels are had before the clock runs. Prime is too quick for more kernels to help much: what
is seen is what calls cost. The second table is of calls that take a while, where more kernels help
as far as there are processors.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import wstp
from kernelbus import KernelPool
from wstp import Symbol

ROOT = Path(__file__).resolve().parents[1]
EVALUATE = Symbol("EvaluatePacket")


@contextmanager
def server() -> Iterator[int]:
    """Serve embedded kernels, four of them ready in advance; gives the port."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "c.conf")
        pool = {"MinimumKernelNumber": 4, "MaximumKernelNumber": 16}
        config.write_text(json.dumps({"Pools": {"Bench": pool}}))
        command = [sys.executable, "-m", "kernelbus.shell.main", "serve", "-p", "0", "-c", str(config)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": folder}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
        try:
            assert process.stdout is not None
            found = re.search(r"port (\d+)", process.stdout.readline())
            assert found
            yield int(found.group(1))
        finally:
            process.terminate()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()


def loop(link: wstp.Link, function: str, values: Iterable[int]) -> list[object]:
    """What one writes without a pool: one call after the other."""
    results = []
    for value in values:
        link.put(EVALUATE(Symbol("Map")(Symbol(function), [value])), end_packet=True)
        link.flush()
        results.append(link.next_packet(timeout=60).args[0])
    return results


def measure(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, in each round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:  # the first round fills the kernels' caches
                taken[name].append(time.perf_counter() - began)
    return taken


def show(title: str, taken: dict[str, list[float]], calls: int) -> None:
    """Print a table in the README's form."""
    base, *_ = taken.values()
    print(f"\n| {title} | seconds | calls/s | times the loop |\n|---|---|---|---|")
    for name, times in taken.items():
        ratio = statistics.median(first / time for first, time in zip(base, times, strict=True))
        middle = statistics.median(times)
        print(f"| {name} | {middle:.3f} | {calls / middle:.0f} | {ratio:.2f} |")


def main() -> int:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        port = stack.enter_context(server())
        link = stack.enter_context(wstp.connect(port, timeout=10))
        while link.next_packet(timeout=60).head != Symbol("InputNamePacket"):
            pass
        setup = "busy[n_] := (Do[n^2, {1000}]; n)"
        link.put(EVALUATE(Symbol("ToExpression")(setup)), end_packet=True)
        link.next_packet(timeout=60)
        pools = {
            size: stack.enter_context(KernelPool(f"wstp://127.0.0.1:{port}/Bench", size, initializer=setup)) for size in (1, 2, 4)
        }
        for size, pool in pools.items():
            list(pool.map("busy", range(50 * size), chunksize=1))
        values = range(1, 1001)
        ways: dict[str, Callable[[], object]] = {"loop over one link": lambda: loop(link, "Prime", values)}
        ways["submit, 2 kernels"] = lambda: [future.result() for future in [pools[2].submit("Prime", value) for value in values]]
        for size, pool in pools.items():
            ways[f"map, {size} kernel{'s' * (size > 1)}"] = lambda pool=pool: list(pool.map("Prime", values))  # type: ignore[misc]
        show("`Prime`, 1000 calls", measure(ways, rounds), 1000)
        few = range(60)
        ways = {"loop over one link": lambda: loop(link, "busy", few)}
        for size, pool in pools.items():
            ways[f"map, {size} kernel{'s' * (size > 1)}"] = lambda pool=pool: list(pool.map("busy", few))  # type: ignore[misc]
        show("`Do[n^2, {1000}]`, 60 calls", measure(ways, rounds), 60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
