"""How long an abort takes while a gigabyte is under way.

Four clients have a kernel each whose answer flows without end. Three of them read it as fast as
they can. The fourth aborts its own, again and again. Each line has the time from the abort to the
kernel that hears it, the time to the client that reads `$Aborted`, and what the client had to read
before that.

| line | what the fourth client does before its abort |
|---|---|
| reads | it reads as fast as it can |
| stalls | it reads nothing for half a second, so that all that can wait for it waits |
| sends | it sends arrays as fast as the server takes them, and reads the answers |
| alone | it reads, and there are no others |
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

import wstp
from wstp import Function, MessageCode, Symbol

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "benchmarks" / "_flowing_kernel.py"
EVALUATE = Symbol("EvaluatePacket")
ABORTED = Symbol("ReturnPacket")(Symbol("$Aborted"))
LIMITS = wstp.Limits(total_size=2**32, token_size=2**30)


def ask(link: wstp.Link, expression: Function) -> None:
    """Request an evaluation."""
    link.put(EVALUATE(expression), end_packet=True)
    link.flush()


def serve(stack: ExitStack, folder: Path, embedded: bool) -> int:
    """Start a server with four kernels, and return its port."""
    pool: dict[str, object] = {"MinimumKernelNumber": 4, "Default": True}
    if not embedded:
        wrapper = folder / "kernel"
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {KERNEL} "$@"\n')
        wrapper.chmod(0o755)
        pool["KernelPath"] = str(wrapper)
    config = folder / "c.conf"
    config.write_text(json.dumps({"Pools": {"Main": pool}, "Limits": {"ConnectionTimeout": 600}}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-m", "kernelbus.shell.main", "serve", "-p", "0", "-c", str(config), "-f", str(folder / "log")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )

    def end() -> None:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    stack.callback(end)
    assert server.stdout is not None
    return int(server.stdout.readline().split()[-1])


def begin(link: wstp.Link, embedded: bool, size: int) -> None:
    """Have the kernel say texts of `size` bytes without end."""
    ask(link, Symbol("ToExpression")(f'While[True, Print[StringRepeat["x", {size}]]]') if embedded else Symbol("Flow")(size))


def read_on(port: int, embedded: bool, size: int) -> None:
    """Be one of the three: read without end."""
    with wstp.connect(port, timeout=60) as link:
        link.next_packet(timeout=60)
        begin(link, embedded, size)
        buffer = bytearray(2**20)
        with socket.socket(fileno=os.dup(link.fileno())) as data:
            data.setblocking(True)
            print("flows", flush=True)
            while data.recv_into(buffer):
                pass


def send_arrays(link: wstp.Link, over: threading.Event) -> None:
    """Send evaluations of 16 MB until told, and then none."""
    array = np.zeros(2**21)
    with suppress(wstp.WSTPError):
        while not over.is_set():
            ask(link, Symbol("Length")(array))


def abort_once(link: wstp.Link, kind: str, embedded: bool, size: int) -> tuple[float, float, int]:
    """Abort what flows; return the seconds to the kernel and to the client, and the bytes read."""
    over, sender = threading.Event(), None
    if kind == "sends":
        sender = threading.Thread(target=send_arrays, args=(link, over))
        sender.start()
    else:
        begin(link, embedded, size)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        if kind == "stalls":
            time.sleep(0.1)
        else:
            link.next_packet(timeout=60)
    asked = time.monotonic()
    link.put_message(MessageCode.ABORT)
    count = 0
    if sender is None:
        while (said := link.next_packet(timeout=60)) != ABORTED:
            count += len(str(said.args[0]))
    seen = time.monotonic() - asked
    over.set()
    while sender is not None and sender.is_alive():
        with suppress(wstp.LinkTimeout):
            link.next_packet(timeout=0.05)
    if embedded:
        return 0.0, seen, count
    ask(link, Symbol("Heard")())
    while not isinstance(heard := link.next_packet(timeout=60).args[0], float):
        pass
    return heard - asked, seen if kind != "sends" else 0.0, count


def measure(kind: str, options: argparse.Namespace) -> str:
    """Return a line of the table."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        port = serve(stack, Path(folder), options.embedded)
        for _ in range(0 if kind == "alone" else 3):
            command = [sys.executable, __file__, "--read", str(port), "--size", str(options.size), *["--embedded"] * options.embedded]
            other = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.PIPE)
            stack.callback(other.wait)
            stack.callback(other.kill)
            assert other.stdout is not None
            other.stdout.readline()
        with wstp.connect(port, timeout=60, limits=LIMITS) as link:
            link.next_packet(timeout=60)
            found = [abort_once(link, kind, options.embedded, options.size) for _ in range(options.aborts)]
            link.abort()
    kernel, client, read = (sorted(column) for column in zip(*found, strict=True))
    middle = len(found) // 2
    cells = [kind]
    for times in (kernel, client):
        cells.append(f"{times[middle] * 1e3:.0f} (worst {times[-1] * 1e3:.0f})" if times[-1] else "-")
    cells.append(f"{read[middle] / 1e6:.1f} (most {read[-1] / 1e6:.1f})")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aborts", type=int, default=20, help="aborts for each line (20)")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of a text packet (100,000)")
    parser.add_argument("--embedded", action="store_true", help="use embedded kernels (only the client's time is known then)")
    parser.add_argument("--only", default="", help="the line to measure")
    parser.add_argument("--read", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_on(options.read, options.embedded, options.size)
        return
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.2f}\n")
    print("| before the abort | to the kernel, ms | to the client, ms | MB to read before `$Aborted` |\n|---|---|---|---|")
    for kind in ("reads", "stalls", "sends", "alone"):
        if options.only in ("", kind) and not (options.embedded and kind == "sends"):
            print(measure(kind, options), flush=True)


if __name__ == "__main__":
    main()
