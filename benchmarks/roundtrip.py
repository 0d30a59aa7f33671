"""Latency of `EvaluatePacket[Plus[2, 2]]` through the server, next to a direct link to the same
kernel program, in one run.

Direct link and server take turns, round by round, so that a machine whose speed wanders spoils both
alike; each figure is the median of the rounds' figures, each ratio the median of the rounds'
ratios. The echo kernel shows the server; the embedded kernel shows what a person sees. When
WSTP_LIBRARY names a WSTP C library, a client of that library is measured the same way.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from cdriver import CDriver

import wstp
from wstp import Expr, Symbol

ROOT = Path(__file__).resolve().parents[1]
EVALUATE = Symbol("EvaluatePacket")
LIMITS = wstp.Limits(total_size=2**31, token_size=2**30)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"}
KERNELS = {
    "echo": [sys.executable, str(ROOT / "benchmarks" / "_echo_kernel.py")],
    "Mathics3": [sys.executable, "-m", "kernelbus.kernelhost.mathics"],
}
LAYOUTS = {"serve": "serve", "inproc": "serve, inproc", "parts": "three processes"}
ARRAY = 8 * 2**20  # machine reals: 64 MiB


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process and end it."""
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT, cwd=ROOT
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)
        assert started.stdout is not None
        started.stdout.close()


class PythonClient:
    """A client of `wstp`."""

    def __init__(self, link: wstp.Link) -> None:
        self._link = link

    def roundtrips(self, count: int) -> list[float]:
        """Evaluate Plus[2, 2] so often: microseconds that each took."""
        times = []
        expression = Symbol("Plus")(2, 2)
        for _ in range(count):
            began = time.perf_counter()
            self.evaluate(expression)
            times.append((time.perf_counter() - began) * 1e6)
        return times

    def echo(self, count: int) -> float:
        """Have so many machine reals echoed: seconds taken."""
        data = np.zeros(count)
        began = time.perf_counter()
        self.evaluate(data)
        return time.perf_counter() - began

    def evaluate(self, expression: Expr) -> Expr:
        """Have an expression evaluated and return what it gives."""
        self._link.put(EVALUATE(expression), end_packet=True)
        self._link.flush()
        return self._link.get(timeout=60).args[0]


class CClient:
    """A client of the C library, in a process of its own: it does and times the same there."""

    def __init__(self, driver: CDriver, number: int) -> None:
        self._driver = driver
        self._number = number

    def roundtrips(self, count: int) -> list[float]:
        """As `PythonClient.roundtrips`."""
        return [taken / 1e3 for taken in self._driver("roundtrips", 600, link=self._number, count=count)]

    def echo(self, count: int) -> float:
        """As `PythonClient.echo`."""
        return float(self._driver("echo_array", 600, link=self._number, count=count)) / 1e9


Client = PythonClient | CClient


@contextmanager
def direct(kernel: str, library: str | None) -> Iterator[Client]:
    """A link straight to a kernel."""
    command = [*KERNELS[kernel], "-wstp", "-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname"]
    if library is None:
        with ExitStack() as stack:
            listener = stack.enter_context(wstp.listen(0, mode="default", limits=LIMITS))
            stack.enter_context(process(*command, f"{listener.port}@127.0.0.1"))
            link = stack.enter_context(listener.accept(timeout=30))
            link.get(timeout=60)
            yield PythonClient(link)
        return
    with CDriver(library) as driver:
        arguments = ["-linkmode", "listen", "-linkprotocol", "TCPIP", "-linkhost", "127.0.0.1"]
        number, name = driver("open", arguments=arguments)
        with process(*command, name.partition(",")[0]):
            driver("call", 60, link=number, name="Activate")
            driver("get", 60, link=number)
            yield CClient(driver, number)
            driver("close", link=number)


@contextmanager
def served(kernel: str, layout: str, library: str | None) -> Iterator[Client]:
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
        command = [sys.executable, "-m", "kernelbus.shell.main"]
        options = ["-c", str(config)]
        if layout == "three processes":
            with socket.create_server(("127.0.0.1", 0)) as free:
                endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
            stack.enter_context(process(*command, "broker", "--bus", endpoint, *options))
            stack.enter_context(process(*command, "host", "--bus", endpoint, *options))
            server = stack.enter_context(
                process(*command, "frontend", "--bus", endpoint, "-p", "0", *options)
            )
        else:
            server = stack.enter_context(process(*command, "serve", "-p", "0", *options))
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[-1])
        if library is None:
            link = stack.enter_context(wstp.connect(port, timeout=10, limits=LIMITS))
            link.get(timeout=60)
            yield PythonClient(link)
            return
        driver = stack.enter_context(CDriver(library))
        tcpip = ["-linkprotocol", "TCPIP", "-linkoptions", "4"]
        number, _ = driver(
            "open", arguments=["-linkmode", "connect", "-linkname", f"{port}@127.0.0.1", *tcpip]
        )
        driver("call", 60, link=number, name="Activate")
        driver("get", 60, link=number)
        yield CClient(driver, number)
        driver("close", link=number)


def latencies(client: Client, count: int) -> dict[str, float]:
    """p50, p90, p99 and mean of `count` round trips, in microseconds."""
    times = sorted(client.roundtrips(count))
    picked = {f"p{share}": times[len(times) * share // 100] for share in (50, 90, 99)}
    return {**picked, "mean": statistics.fmean(times)}


def throughput(client: Client, count: int) -> dict[str, float]:
    """Echo speed of an array of so many machine reals, in MB/s counted once."""
    return {"echo MB/s": 8 * count / client.echo(count) / 1e6}


def measure(
    clients: list[Client], what: Callable[[Client, int], dict[str, float]], count: int, seconds: float
) -> list[dict[str, str]]:
    """Rounds over all clients in turn; gives for each its medians, and the ratios to the first
    one's.
    """
    rounds: list[list[dict[str, float]]] = []
    until = time.monotonic() + seconds
    while len(rounds) < 3 or (time.monotonic() < until and len(rounds) < 40):
        rounds.append([what(client, count) for client in clients])
    shown = []
    for index in range(len(clients)):
        cells = {}
        for name in rounds[0][0]:
            value = statistics.median(one[index][name] for one in rounds)
            ratio = statistics.median(one[index][name] / one[0][name] for one in rounds)
            cells[name] = f"{value:.0f}" + (f" ({ratio:.2f})" if index else "")
        shown.append(cells)
    return shown


def table(kernel: str, count: int, layouts: list[str], library: str | None, seconds: float) -> None:
    """Measure one client on one kernel over every layout, and print it as a table."""
    with ExitStack() as stack:
        clients = [stack.enter_context(direct(kernel, library))]
        clients += [stack.enter_context(served(kernel, layout, library)) for layout in layouts]
        for client in clients:
            client.roundtrips(50)
        rows = measure(clients, latencies, count, seconds / 2)
        if kernel == "echo":
            for row, more in zip(rows, measure(clients, throughput, ARRAY, seconds / 2), strict=True):
                row.update(more)
    who = "the C library's client" if library else "Python client"
    print(f"\n{kernel} kernel, {who}: microseconds, and ratios to the direct link\n")
    print("| link | " + " | ".join(rows[0]) + " |")
    print("|---|" + "---|" * len(rows[0]))
    for name, row in zip(["direct", *layouts], rows, strict=True):
        print(f"| {name} | " + " | ".join(row.values()) + " |", flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="bound on the measuring itself")
    parser.add_argument(
        "--layout", action="append", choices=list(LAYOUTS), help="how the server is run; repeatable (all)"
    )
    parser.add_argument("--kernel", action="append", choices=list(KERNELS), help="repeatable (both)")
    options = parser.parse_args()
    layouts = [LAYOUTS[layout] for layout in options.layout or LAYOUTS]
    kernels = options.kernel or list(KERNELS)
    clients = [None, *filter(None, [os.environ.get("WSTP_LIBRARY")])]
    seconds = options.seconds / len(clients) / len(kernels)
    for library in clients:
        for kernel in kernels:
            table(kernel, 500 if kernel == "echo" else 200, layouts, library, seconds)


if __name__ == "__main__":
    main()
