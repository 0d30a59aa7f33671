"""Time to a ready embedded kernel and memory of each, forked from a preloaded parent and started
plainly, with and without initialisation.

Each row is a server of its own whose pool keeps no kernel ready, so that every request waits for a
start. The clock runs from a client's `ConnectKernel[]` to its prompt. Memory is the proportional
set size: shared pages are divided among those that share them; `own` is what a kernel shares with
nobody. Both are means over all kernels of the row, which are there at the same time: first as they
come, then after some evaluations in each. Ratios are to the plain row of the same initialisation.
Linux only.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

import wstp
from wstp import Expr, Function, Symbol

ROOT = Path(__file__).resolve().parents[1]
#: What a course might prepare: definitions, a table, and packages that are loaded when they are
#: first used.
CODE = (
    "Do[square[i] = i^2, {i, 300}]; primes = Table[Prime[n], {n, 50}]; "
    "Integrate[Sin[x]^2, x]; Solve[x^2 == 2, x]; mean[list_] := Total[list]/Length[list];"
)
#: What each kernel evaluates before its memory is looked at again.
WORK = ["Expand[(x + y)^20]", "Integrate[Cos[x] x, x]", "Table[i^2, {i, 1000}]"]


class Figures(NamedTuple):
    """Of one row: seconds, and MiB."""

    first: float
    times: list[float]
    idle: tuple[float, float]
    used: tuple[float, float]
    parents: float


@contextmanager
def server(code: str | None, forked: bool) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server whose pool keeps no kernel ready: its port, and its process."""
    pool: dict[str, object] = {"KernelPath": "embedded", "MinimumKernelNumber": 0, "MaximumKernelNumber": 1000, "KeepAlive": False}
    if code:
        pool["InitializationCode"] = code
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **({} if forked else {"KERNELBUS_NO_FORK": "1"})}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "c.conf"
        limits = {"ConnectionTimeout": 120, "KernelStartTimeout": 120}
        config.write_text(json.dumps({"Pools": {"P": pool}, "Limits": limits, "EnableAutomaticKernelConnection": False}))
        command = [sys.executable, "-m", "kernelbus.shell.main", "serve", "-p", "0", "-c", str(config)]
        started = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
        )
        try:
            assert started.stdout is not None
            yield int(started.stdout.readline().split()[-1]), psutil.Process(started.pid)
        finally:
            started.terminate()
            started.wait(20)


def answer(link: wstp.Link, request: Function) -> Expr:
    """Send a request and give the value that comes back."""
    link.put(request, end_packet=True)
    link.flush()
    while True:
        packet = link.next_packet(timeout=180)
        if isinstance(packet, Function) and packet.head == Symbol("ReturnPacket"):
            return packet.args[0]


def evaluate(link: wstp.Link, code: str) -> Expr:
    """Evaluate some code."""
    return answer(link, Symbol("EvaluatePacket")(Symbol("ToExpression")(code)))


def get_kernel(link: wstp.Link) -> float:
    """Have a kernel started: seconds until its prompt."""
    began = time.perf_counter()
    assert isinstance(answer(link, Symbol("WSTPServer`ConnectKernel")()), str), "no kernel came"
    prompt = link.next_packet(timeout=60)
    assert prompt == Symbol("InputNamePacket")("In[1]:= "), prompt
    return time.perf_counter() - began


def memory(processes: list[int]) -> tuple[float, float]:
    """MiB of proportional set size, and of what is not shared, a process."""
    shares, own = [], []
    for pid in processes:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        size = {name: int(value) / 1024 for name, value in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
        shares.append(size["Pss"])
        own.append(size["Private_Clean"] + size["Private_Dirty"])
    return (statistics.fmean(shares), statistics.fmean(own)) if processes else (0.0, 0.0)


def measure(code: str | None, forked: bool, count: int) -> Figures:
    """Start `count` kernels one after the other, all of which stay."""
    with ExitStack() as stack:
        port, process = stack.enter_context(server(code, forked))
        links, times = [], []
        for _ in range(count):
            link = stack.enter_context(wstp.connect(port, timeout=10))
            times.append(get_kernel(link))
            links.append(link)
        pids = [evaluate(link, "$ProcessID") for link in links]
        kernels = [pid for pid in pids if isinstance(pid, int)]
        others = [child.pid for child in process.children(recursive=True) if child.pid not in kernels]
        idle = memory(kernels)
        for link in links:
            for work in WORK:
                evaluate(link, work)
        return Figures(times[0], times[1:], idle, memory(kernels), memory(others)[0] * len(others))


def shown(value: float, plain: float | None, unit: str, digits: int = 0) -> str:
    """Give a figure, and its ratio to the plain one."""
    return f"{value:.{digits}f} {unit}" + (f" ({value / plain:.3g})" if plain else "")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--forked", type=int, default=20, help="kernels in each forked row (%(default)s)")
    parser.add_argument("--plain", type=int, default=4, help="kernels in each plain row; some seconds each (%(default)s)")
    options = parser.parse_args()
    heads = ["kernels", "first request", "each further, p50", "p90", "memory, idle", "own", "after some work", "own"]
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    parents = []
    for code, name in ((None, "no initialisation"), (CODE, "InitializationCode")):
        plain: list[float] = []
        for forked in (False, True):
            found = measure(code, forked, options.forked if forked else options.plain)
            times = sorted(found.times)
            figures = [found.first * 1000, statistics.median(times) * 1000, times[len(times) * 9 // 10] * 1000, *found.idle, *found.used]
            cells = [
                shown(value, plain[index] if plain else None, "ms" if index < 3 else "MiB") for index, value in enumerate(figures)
            ]
            plain = figures
            if forked:
                parents.append(f"{name}: {found.parents:.0f} MiB")
            print(f"| {len(times) + 1} {'forked' if forked else 'plain'}, {name} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nShares of the parents themselves, all together: {'; '.join(parents)}")


if __name__ == "__main__":
    main()
