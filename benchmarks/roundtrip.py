"""Latency of `EvaluatePacket[Plus[2, 2]]` through the server, next to a direct link to the same kernel program, in one run.

Direct link and server take turns, round by round, so that a machine whose speed wanders spoils both alike; each figure is the median of
the rounds' figures, each ratio the median of the rounds' ratios. The echo kernel shows the server; the embedded kernel shows what
a person sees.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

import wstp
from wstp import Expr, Symbol

ROOT = Path(__file__).resolve().parents[1]
EVALUATE = Symbol("EvaluatePacket")
LIMITS = wstp.Limits(total_size=2**31, token_size=2**30)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
KERNELS = {"echo": [sys.executable, str(ROOT / "benchmarks" / "_echo_kernel.py")], "Mathics3": [sys.executable, "-m", "kernelhost.mathics"]}
ARRAY = 8 * 2**20  # machine reals: 64 MiB


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process and end it."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT, cwd=ROOT)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)
        assert started.stdout is not None
        started.stdout.close()


@contextmanager
def direct(kernel: str) -> Iterator[wstp.Link]:
    """A link straight to a kernel."""
    with wstp.listen(0, mode="default", limits=LIMITS) as listener:
        name = f"{listener.port}@127.0.0.1"
        command = [*KERNELS[kernel], "-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", name]
        with process(*command), listener.accept(timeout=30) as link:
            link.get(timeout=60)
            yield link


@contextmanager
def served(kernel: str, layout: str) -> Iterator[wstp.Link]:
    """A link to a kernel of a server, in one process or in three."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool: dict[str, object] = {"MinimumKernelNumber": 1}
        if kernel == "echo":
            wrapper = folder / "kernel"
            wrapper.write_text(f'#!/bin/sh\nexec {KERNELS["echo"][0]} {KERNELS["echo"][1]} "$@"\n')
            wrapper.chmod(0o755)
            pool["KernelPath"] = str(wrapper)
        config = folder / "c.conf"
        transport = "inproc" if layout == "serve, inproc" else "call"
        config.write_text(json.dumps({"Pools": {"P": pool}, "Bus": {"LocalTransport": transport}}))
        command = [sys.executable, "-m", "shell.main"]
        options = ["-c", str(config)]
        if layout == "three processes":
            with socket.create_server(("127.0.0.1", 0)) as free:
                endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
            stack.enter_context(process(*command, "broker", "--bus", endpoint, *options))
            stack.enter_context(process(*command, "host", "--bus", endpoint, *options))
            server = stack.enter_context(process(*command, "frontend", "--bus", endpoint, "-p", "0", *options))
        else:
            server = stack.enter_context(process(*command, "serve", "-p", "0", *options))
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[-1])
        link = stack.enter_context(wstp.connect(port, timeout=10, limits=LIMITS))
        link.get(timeout=60)
        yield link


def evaluate(link: wstp.Link, expression: Expr) -> None:
    link.put(EVALUATE(expression), end_packet=True)
    link.flush()
    link.get(timeout=60)


def latencies(link: wstp.Link, count: int) -> dict[str, float]:
    """p50, p90, p99 and mean of `count` round trips, in microseconds."""
    times = []
    expression = Symbol("Plus")(2, 2)
    for _ in range(count):
        began = time.perf_counter()
        evaluate(link, expression)
        times.append((time.perf_counter() - began) * 1e6)
    times.sort()
    picked = {f"p{share}": times[len(times) * share // 100] for share in (50, 90, 99)}
    return {**picked, "mean": statistics.fmean(times)}


def throughput(link: wstp.Link, count: int) -> dict[str, float]:
    """Echo speed of a 64 MiB array, in MB/s counted once."""
    data = np.zeros(count)
    began = time.perf_counter()
    evaluate(link, data)
    return {"echo MB/s": data.nbytes / (time.perf_counter() - began) / 1e6}


def measure(links: list[wstp.Link], what: Callable[[wstp.Link, int], dict[str, float]], count: int, seconds: float) -> list[dict[str, str]]:
    """Rounds over all links in turn; gives for each link its medians, and the ratios to the first link's."""
    rounds: list[list[dict[str, float]]] = []
    until = time.monotonic() + seconds
    while len(rounds) < 3 or (time.monotonic() < until and len(rounds) < 40):
        rounds.append([what(link, count) for link in links])
    shown = []
    for index in range(len(links)):
        cells = {}
        for name in rounds[0][0]:
            value = statistics.median(one[index][name] for one in rounds)
            ratio = statistics.median(one[index][name] / one[0][name] for one in rounds)
            cells[name] = f"{value:.0f}" + (f" ({ratio:.2f})" if index else "")
        shown.append(cells)
    return shown


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="bound on the measuring itself")
    seconds = parser.parse_args().seconds
    layouts = ["serve", "serve, inproc", "three processes"]
    for kernel, count in (("echo", 500), ("Mathics3", 200)):
        with ExitStack() as stack:
            links = [stack.enter_context(direct(kernel)), *(stack.enter_context(served(kernel, layout)) for layout in layouts)]
            for link in links:
                latencies(link, 50)
            rows = measure(links, latencies, count, seconds / 3)
            if kernel == "echo":
                for row, more in zip(rows, measure(links, throughput, ARRAY, seconds / 3), strict=True):
                    row.update(more)
        print(f"\n{kernel} kernel: microseconds, and ratios to the direct link\n")
        print("| link | " + " | ".join(rows[0]) + " |")
        print("|---|" + "---|" * len(rows[0]))
        for name, row in zip(["direct", *layouts], rows, strict=True):
            print(f"| {name} | " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
