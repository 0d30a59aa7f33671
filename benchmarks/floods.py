"""What one client that floods the server costs the others.

One client sends a flood and reads nothing. Another evaluates `2+2` all the while. Each line has the
latency of that client, the longest pause between two signs of life to the service manager, and
what the server's memory and log grew by. The first line, without a flood, is the load of the
machine itself: compare the others with it. The load average stands at the top.

The server is `kernelbus serve`, or with `--apart` a broker, a host and a frontend. Then each of the
three gives signs of life, and the longest pause of any of them is shown.

With `--passes` a line also has the processor time of the passes of the event loop: how long a turn
keeps the others waiting, whatever else the machine does. Of several parts it is the worst.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import wstp
from wstp import Expr, Symbol, encode_message
from wstp.packets import encode_packet, packet

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "benchmarks" / "_echo_kernel.py"
PASSES = ROOT / "benchmarks" / "_passes.py"
EVALUATE = Symbol("EvaluatePacket")
SUM = Symbol("Plus")(2, 2)


def command(name: str, *arguments: Expr) -> bytes:
    """Return a command to the server as bytes, with its end of packet."""
    return encode_packet(packet("WSTPServer`" + name, *arguments))


@dataclass(frozen=True)
class Flood:
    """A flood: what is sent, on the message connection or the other, and with or without a kernel.

    `kernel` is "attached", "detached" (there was one), or "awaited" (the default pool is full).
    `read`: whether the client reads what it gets.
    """

    data: Callable[[], bytes]
    kernel: str = "awaited"
    message: bool = False
    read: bool = False


FLOODS: dict[str, Flood] = {
    "100,000 Help[] unread": Flood(lambda: command("Help") * 100_000),
    "10,000 Kernels[] unread": Flood(lambda: command("Kernels") * 10_000),
    "10,000 Status[] unread": Flood(lambda: command("Status") * 10_000),
    "10,000 unknown commands": Flood(lambda: command("Hlep") * 10_000, "detached"),
    "integer of 10^6 digits": Flood(lambda: command("Help", 10**999_999)),
    "nested command of 1 MB": Flood(lambda: b"FA#Q~NWSTPServer`Help\n" + b"FA#GA~DList\n" * 80_000 + b"\xa0\x01\n]"),
    "600 kB of atoms, no kernel": Flood(lambda: b"\xa0\x01\n" * 200_000, "detached"),
    "1.5 MB of atoms, kernel awaited": Flood(lambda: b"\xa0\x01\n" * 500_000),
    "600 kB of atoms to a kernel": Flood(lambda: b"\xa0\x01\n" * 200_000, "attached"),
    "1 MB of ] to a kernel": Flood(lambda: b"]" * 2**20, "attached"),
    "1 MB of ], no kernel": Flood(lambda: b"]" * 2**20, "detached"),
    "3.5 MB of aborts": Flood(lambda: encode_message(3) * 437_500, "attached", message=True),
    "3.5 MB of aborts, no kernel": Flood(lambda: encode_message(3) * 437_500, "detached", message=True),
    "40 MB of small packets of a kernel": Flood(lambda: encode_packet(EVALUATE("flood")) * 40, "attached", read=True),
    "the same, unread": Flood(lambda: encode_packet(EVALUATE("flood")) * 40, "attached"),
}


class Process:
    """A part of the server, as a service manager sees it."""

    def __init__(
        self, folder: Path, stack: ExitStack, config: Path, log: Path, *command: str, ready: str, measured: bool
    ) -> None:
        place = folder / f"notify-{command[0]}"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(place))
        self._manager.setblocking(False)
        stack.callback(self._manager.close)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "NOTIFY_SOCKET": str(place),
            "WATCHDOG_USEC": "1000000",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._passes = folder / f"passes-{command[0]}"
        program = [str(PASSES), str(self._passes)] if measured else ["-m", "kernelbus.shell.main"]
        self._process = subprocess.Popen(
            [sys.executable, *program, *command, "-c", str(config), "-f", str(log)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        stack.callback(self._end)
        assert self._process.stdout is not None
        while ready not in (line := self._process.stdout.readline()):
            assert line, f"{command[0]} has ended"
        self.said = line
        self._last = 0.0
        self.gap = 0.0

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory(self) -> int:
        """Return the resident size of the process, in bytes."""
        found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{self._process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def measure_passes(self) -> None:
        """Begin to measure the passes of the event loop."""
        self._process.send_signal(signal.SIGUSR2)

    def passes(self) -> tuple[float, float]:
        """Return how long passes took since then, in ms: 99 % of them no more, and the worst."""
        self._process.send_signal(signal.SIGUSR2)
        while not self._passes.exists() or not (text := self._passes.read_text()):
            time.sleep(0.01)
        _, most, worst = json.loads(text)
        return most, worst

    def watch(self) -> None:
        """Begin to measure :attr:`gap`, the longest pause between two signs of life."""
        self._beats()
        self._last, self.gap = time.monotonic(), 0.0

    def look(self, over: bool = False) -> None:
        """Take the signs of life that have come; `over`: nothing more is waited for."""
        now = time.monotonic()
        if self._beats() or over:
            self.gap, self._last = max(self.gap, now - self._last), now

    def _beats(self) -> int:
        count = 0
        with suppress(BlockingIOError):
            while True:
                count += self._manager.recv(4096).startswith(b"WATCHDOG")
        return count


class Server:
    """A server whose default pool is full, and whose pool P has room."""

    def __init__(self, folder: Path, stack: ExitStack, kernel: str, apart: bool, measured: bool) -> None:
        self.measured = measured
        pool: dict[str, object] = {"MinimumKernelNumber": 3, "MaximumKernelNumber": 20}
        if kernel == "echo":
            wrapper = folder / "kernel"
            wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} {KERNEL} "$@"\n')
            wrapper.chmod(0o755)
            pool["KernelPath"] = str(wrapper)
        full = {**pool, "MinimumKernelNumber": 1, "MaximumKernelNumber": 1, "Default": True}
        config = folder / "c.conf"
        config.write_text(json.dumps({"Pools": {"Full": full, "P": pool}, "Limits": {"ConnectionTimeout": 600}}))
        self._logs = folder / "logs"
        self._logs.mkdir()
        listening = "Listening for new connections"
        if apart:
            bus = f"ipc://{folder / 'bus'}"
            parts = [
                ("broker", ("--bus", bus), "Broker"),
                ("host", ("--bus", bus), "has joined"),
                ("frontend", ("--bus", bus, "-p", "0"), listening),
            ]
        else:
            parts = [("serve", ("-p", "0", "--bus", f"ipc://{folder / 'bus'}"), listening)]
        self.parts = [
            Process(folder, stack, config, self._logs / name, name, *options, ready=ready, measured=measured)
            for name, options, ready in parts
        ]
        self.port = int(self.parts[-1].said.split()[-1])

    def memory(self) -> int:
        """Return the resident size of all parts, in bytes."""
        return sum(part.memory() for part in self.parts)

    def logged(self) -> int:
        """Return the size of all logs, in bytes."""
        return sum(log.stat().st_size for log in self._logs.iterdir())

    @contextmanager
    def client(self, kernel: str) -> Iterator[wstp.Link]:
        """Connect, with a kernel as :class:`Flood` says."""
        with wstp.connect(self.port, timeout=120) as link:
            if kernel != "awaited":
                link.put(Symbol("WSTPServer`ConnectKernel")(Symbol("Rule")("Pool", "P")), end_packet=True)
                link.flush()
                while (answer := link.get(timeout=120)) and answer.head != Symbol("InputNamePacket"):
                    pass
            if kernel == "detached":
                link.put(Symbol("WSTPServer`CloseKernel")(), end_packet=True)
                link.flush()
                link.get(timeout=120)
            yield link


def send(number: int, data: bytes, read: bool, until: Callable[[], bool]) -> None:
    """Send a flood to a socket as fast as the server takes it, and stay until told."""
    with socket.socket(fileno=os.dup(number)) as connection, suppress(OSError):
        rest = memoryview(data)
        while not until():
            readable, writable, _ = select.select([connection] if read else [], [connection] if rest else [], [], 0.05)
            if readable:
                connection.recv(2**20)
            if writable:
                rest = rest[connection.send(rest[: 2**16]) :]


def measure(server: Server, flood: Flood | None, seconds: float) -> dict[str, str]:
    """Evaluate `2+2` for so long (at least 20 times) while the flood runs, and return the line."""
    over = threading.Event()
    with ExitStack() as stack:
        other = stack.enter_context(server.client("attached"))
        before, logged = server.memory(), server.logged()
        if flood is not None:
            data = flood.data()
            link = stack.enter_context(server.client(flood.kernel))
            number = link.message_fileno() if flood.message else link.fileno()
            thread = threading.Thread(target=send, args=(number, data, flood.read, over.is_set))
            thread.start()
            stack.callback(thread.join)
            stack.callback(link.abort)
            stack.callback(over.set)
        began = time.monotonic()
        for part in server.parts:
            part.watch()
            if server.measured:
                part.measure_passes()
        peak = before
        times: list[float] = []
        while time.monotonic() - began < seconds or len(times) < 20:
            for part in server.parts:
                part.look()
            peak = max(peak, server.memory())
            asked = time.perf_counter()
            try:
                other.put(EVALUATE(SUM), end_packet=True)
                other.flush()
                other.get(timeout=120)
            except wstp.WSTPError as error:
                return {"p50 ms": f"it ended: {error}"}
            times.append((time.perf_counter() - asked) * 1e3)
            time.sleep(0.002)
        for part in server.parts:
            part.look(over=True)
        passes = [part.passes() for part in server.parts] if server.measured else []
    times.sort()
    row = {}
    if passes:
        row = {"pass p99 ms": f"{max(most for most, _ in passes):.1f}", "worst pass ms": f"{max(worst for _, worst in passes):.0f}"}
    return {
        **row,
        "p50 ms": f"{times[len(times) // 2]:.1f}",
        "p99 ms": f"{times[len(times) * 99 // 100]:.1f}",
        "worst ms": f"{times[-1]:.0f}",
        "beats apart s": f"{max(part.gap for part in server.parts):.1f}",
        "memory MB": f"{(peak - before) / 1e6:.0f}",
        "log kB": f"{(server.logged() - logged) / 1e3:.0f}",
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each flood is watched (5)")
    parser.add_argument("--kernel", choices=("echo", "Mathics3"), default="echo")
    parser.add_argument("--apart", action="store_true", help="measure broker, host and frontend as processes of their own")
    parser.add_argument("--passes", action="store_true", help="measure the processor time of passes of the event loop too")
    parser.add_argument("--only", default="", help="floods whose name has this in it")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.2f}\n")
    shown = False
    for name, flood in {"none": None, **FLOODS}.items():
        if flood is not None and options.only not in name:
            continue
        # A server of its own for each flood: memory that one has left would hide the next one's.
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            server = Server(Path(folder), stack, options.kernel, options.apart, options.passes)
            stack.enter_context(server.client("awaited")).get(timeout=120)
            row = measure(server, flood, options.seconds)
        if not shown:
            print("| flood | " + " | ".join(row) + " |\n|---|" + "---|" * len(row))
            shown = True
        print(f"| {name} | " + " | ".join(row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
