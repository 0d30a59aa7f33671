"""The servers of a soak: a broker, two frontends and two hosts of their own, and a `serve` beside.

Each part is in a slot: what is killed is started again in its slot, with the same name and port.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from record import BROKEN, LEFT, Record, Sample
from serving import Part, stand_in_pool, write_config

__all__ = ["POOLS", "Site", "Slot", "descendants"]

#: The pools: kernels that do what a test asks, and the embedded ones.
POOLS = ("S", "M")

#: Seconds for a part to end when it is told to.
_END = 60.0
#: Seconds between two samples.
_SAMPLE = 1.0
#: Lines of the log that no part may ever write.
_BROKEN = re.compile(r"Traceback|a part has failed|never retrieved|was never awaited")


class Slot:
    """A part, and those that come after it."""

    def __init__(self, name: str, record: Record, start: Callable[[], Part]) -> None:
        self.name = name
        self.record = record
        self.lock = threading.RLock()
        self.part: Part
        self.started = 0.0
        self.port = 0  #: for clients; the same for all parts of the slot
        self.logs: list[list[str]] = []
        self._start = start

    def begin(self, now: float) -> None:
        """Start a part."""
        self.part = self._start()
        self.logs.append(self.part.log)
        try:
            self.part.__enter__()
        except AssertionError as error:
            raise AssertionError(f"{self.name} did not start: {error}") from error
        self.started = now

    @property
    def pid(self) -> int:
        """The process id of the part that is there."""
        return self.part.process.pid

    def over(self) -> None:
        """Read the log of a part that has ended, for what must not be in it."""
        log = self.part.log
        for number, line in enumerate(log):
            if found := re.search(r" \[(ERROR|WARNING|CRITICAL)\] (.*)", line):
                self.record.error(f"log of {self.name.split()[0]}", found.group(2))
            if _BROKEN.search(line) and " wrote: " not in line:  # what kernels write is their own
                self.record.fault(self.started, BROKEN, self.name, "\n".join(log[max(0, number - 2) : number + 30]))
                break

    def end(self) -> None:
        """Tell the part to end, and insist that it ends in order."""
        with contextlib.suppress(ProcessLookupError):
            self.part.process.terminate()
        try:
            status = self.part.terminate(seconds=_END)
            if status not in (0, 128 + signal.SIGTERM):
                self.record.fault(self.started, BROKEN, self.name, f"it ended with status {status}: {self.part.log[-5:]}")
        except AssertionError as error:
            self.record.fault(self.started, LEFT, self.name, f"it did not end when it was told to: {error}")
        self.over()

    def sample(self, at: float) -> set[tuple[int, float]]:
        """Measure the part that is there; return its processes by id and time of birth."""
        try:
            process = psutil.Process(self.pid)
            memory, descriptors, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
            children = descendants(process)
        except (psutil.Error, OSError):
            return set()
        total, seen = 0, {(process.pid, process.create_time())}
        for child in children:
            with contextlib.suppress(psutil.Error, OSError):
                total += child.memory_info().rss
                seen.add((child.pid, child.create_time()))
        self.record.sample(self.name, Sample(at, process.pid, memory, descriptors, threads, len(children), total))
        return seen


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes below one; none when it is gone."""
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


class Site:
    """Parts that serve together.

    Args:
        folder: where its files are.
        record: what is kept of the soak.
        began: when the soak began, on the monotonic clock.
        separate: broker, two frontends and two hosts; else `kernelbus serve`.
    """

    def __init__(self, folder: Path, record: Record, began: float, separate: bool) -> None:
        self.record = record
        self.began = began
        self.separate = separate
        self.seen: set[tuple[int, float]] = set()
        self._over = threading.Event()
        folder.mkdir()
        limits = {
            "HoldBuffer": 1 << 16,
            "Window": 1 << 20,
            "ConnectionTimeout": 60,
            "LeftoverTimeout": 3,
            "TimeoutsApply": "Always",
            "AbortTimeout": 20,
            "LinkTimeout": 20,
            "HostTimeout": 30,
            "KernelMemory": 1 << 30,
        }
        bus = {"Endpoint": f"ipc://{folder}/bus", "HeartbeatInterval": 0.5, "HeartbeatTimeout": 3.0, "Journal": "journal.sqlite"}
        pools = {
            "M": {"MinimumKernelNumber": 2, "MaximumKernelNumber": 8, "Default": True},
            "S": stand_in_pool(folder, MaximumKernelNumber=5),
        }
        self.config = write_config(folder / "c.conf", Pools=pools, Limits=limits, Bus=bus)
        if not separate:
            self.endpoint = f"ipc://{folder}/bus"
            serve = self._slot("serve", "serve", "--name", "serve", ready="Listening for new connections")
            self.slots = [serve]
            self.broker, self.fronts, self.hosts = serve, [serve], [serve]
        else:
            self.endpoint = "tcp://127.0.0.1:0"
            self.broker = self._slot("broker", "broker", ready="Broker listening")
            self.endpoint = self.broker.part.endpoint
            self.hosts = [self._slot(f"host {name}", "host", "--name", name, ready="has joined") for name in ("alpha", "beta")]
            self.fronts = [self._slot(f"frontend {n}", "frontend", ready="Listening for new connections") for n in "12"]
            self.slots = [self.broker, *self.hosts, *self.fronts]
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    @property
    def now(self) -> float:
        """Seconds since the soak began."""
        return time.monotonic() - self.began

    def _slot(self, name: str, *command: str, ready: str) -> Slot:
        def start() -> Part:
            words = list(command)
            if command[0] in ("frontend", "serve"):
                # The next one comes where the first one was.
                words += ["-p", str(slot.port)]
            if command[0] in ("frontend", "host", "broker"):
                words += ["--bus", self.endpoint]
            return Part(*words, "-l", "debug", "-c", self.config, ready=ready)

        slot = Slot(name, self.record, start)
        slot.begin(self.now)
        if command[0] in ("frontend", "serve"):
            slot.port = slot.part.port
        return slot

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE):
            for slot in self.slots:
                self.seen |= slot.sample(self.now)

    def lines(self, word: str) -> list[str]:
        """Return what the logs say last about something."""
        found = [f"{slot.name}: {line}" for slot in self.slots for log in slot.logs for line in list(log) if word in line]
        return sorted(found, key=lambda line: line.split(": ", 1)[1])[-25:]

    def stop_sampling(self) -> None:
        """Measure no more."""
        self._over.set()
        self._sampler.join(30)

    def end(self) -> None:
        """End what is left of it, at the end of everything."""
        self.stop_sampling()
        for slot in reversed(self.slots):
            if slot.part.process.poll() is None:
                slot.end()
            else:
                slot.over()

    def left(self) -> list[str]:
        """Return the processes that were its own at any time and are still there."""
        return [_shown(process) for process in self._alive()]

    def _alive(self) -> Iterator[psutil.Process]:
        for pid, birth in self.seen:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.create_time() == birth and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def kill_left(self) -> None:
        """Kill them, so that nothing outlives the soak."""
        for process in self._alive():
            with contextlib.suppress(psutil.Error):
                process.kill()


def _shown(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]} (of {process.ppid()})"
    return str(process.pid)
