"""A gigabyte through the server: every byte arrives, and the server holds a few windows of it at
most.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from asking import EVALUATE, answers, connect
from serving import Part, stand_in_pool, write_config

import wstp
from wstp import Symbol

COUNT = 2**27  # machine reals: a gigabyte


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """Watch a process's resident memory; the list holds, at the end, what it grew by at most, in
    bytes.
    """
    process = psutil.Process(pid)
    before = process.memory_info().rss
    peak = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["call", "inproc"])
def test_a_gigabyte_passes_with_bounded_memory(tmp_path: Path, transport: str) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)}, Bus={"LocalTransport": transport})
    with Part("serve", "-p", "0", "-c", config) as part, connect(part) as link, peak_memory(part.process.pid) as peak:
        link.put(EVALUATE(Symbol("Size")(np.zeros(COUNT))), end_packet=True)
        link.flush(timeout=200)
        assert answers(link)[-1].args[0] == COUNT
        # Two windows (frontend to host, and what waits for the kernel's socket), the gate's hold,
        # and the allocator's slack.
        assert peak[0] < 100 << 20, f"{peak[0] >> 20} MiB"


@pytest.mark.timeout(300)
def test_half_a_gigabyte_comes_back_with_bounded_memory(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    limits = wstp.Limits(total_size=2**31, token_size=2**30)
    with (
        Part("serve", "-p", "0", "-c", config) as part,
        wstp.connect(part.server, mode="uuid", timeout=10, limits=limits) as link,
        peak_memory(part.process.pid) as peak,
    ):
        link.get(timeout=30)
        link.put(EVALUATE(Symbol("Zeros")(COUNT // 2)), end_packet=True)
        link.flush(timeout=10)
        result = answers(link)[-1].args[0]
        assert isinstance(result, np.ndarray)
        assert result.shape == (COUNT // 2,)
        assert peak[0] < 100 << 20, f"{peak[0] >> 20} MiB"
