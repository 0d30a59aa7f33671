"""Measure wstp's codec: encode, decode and track, in packets a second and MB a second.

Run: python benchmarks/wstp_codec.py [--seconds 0.5]. Each figure is the best of several runs: what
the code can do when the machine lets it. `memcpy` is numpy's own copy of 64 MB, for comparison.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wstp import NEED_DATA, ExpressionReader, Symbol, Tracker, write_expression

EVALUATE = Symbol("EvaluatePacket")
PACKETS: dict[str, Any] = {
    "EvaluatePacket[Plus[2, 2]]": EVALUATE(Symbol("Plus")(2, 2)),
    "ReturnPacket[4]": Symbol("ReturnPacket")(4),
    'TextPacket["x" * 60]': Symbol("TextPacket")("x" * 60),
    "a tree of 200 functions": EVALUATE(*(Symbol("f")(number, Symbol("x"), 2.5, "text") for number in range(200))),
}
BULK: dict[str, Any] = {
    "64 MB of reals, packed": np.arange(8 << 20, dtype=np.float64),
    "1 000 000 integers one by one": list(range(1_000_000)),
    "300 000 strings": [f"some text {number}" for number in range(300_000)],
    "100 000 rules": [Symbol("Rule")("key", number) for number in range(100_000)],
    "16 MB string": "x" * (16 << 20),
}
PIECE = 1 << 18


def best(action: Callable[[], object], seconds: float) -> float:
    """Return the shortest time of one call, in seconds."""
    times = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def decode(data: bytes) -> object:
    """Read the one expression in `data`, fed as a socket would."""
    reader = ExpressionReader()
    view = memoryview(data)
    for at in range(0, len(data), PIECE):
        reader.feed(view[at : at + PIECE])
        if (value := reader.next()) is not NEED_DATA:
            return value
    raise AssertionError("not complete")


def track(data: bytes) -> None:
    """Follow `data` in pieces."""
    tracker = Tracker()
    view = memoryview(data)
    for at in range(0, len(data), PIECE):
        tracker.feed(view[at : at + PIECE])
    assert tracker.idle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure wstp's codec.")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each figure")
    seconds = parser.parse_args().seconds
    print(f"{'packet':34}{'encode us':>11}{'decode us':>11}{'track us':>11}{'round trips/s':>15}")
    for name, expr in PACKETS.items():
        data = b"".join(write_expression(expr)) + b"]"
        reader, tracker = ExpressionReader(), Tracker()

        def read(reader: ExpressionReader = reader, data: bytes = data) -> None:
            reader.feed(data)
            reader.next()

        put = best(lambda expr=expr: write_expression(expr), seconds)
        get = best(read, seconds)
        follow = best(lambda tracker=tracker, data=data: tracker.feed(data), seconds)
        print(f"{name:34}{put * 1e6:11.1f}{get * 1e6:11.1f}{follow * 1e6:11.1f}{1 / (put + get):15,.0f}")
    print(f"\n{'bulk':34}{'MB':>7}{'encode MB/s':>13}{'decode MB/s':>13}{'track MB/s':>13}")
    source = BULK["64 MB of reals, packed"]
    copied = best(source.copy, seconds)
    print(f"{'memcpy':34}{source.nbytes / 1e6:7.1f}{source.nbytes / copied / 1e6:13,.0f}")
    for name, expr in BULK.items():
        data = b"".join(write_expression(expr))
        rates = [
            len(data) / best(action, seconds) / 1e6
            for action in (lambda expr=expr: write_expression(expr), lambda data=data: decode(data), lambda data=data: track(data))
        ]
        print(f"{name:34}{len(data) / 1e6:7.1f}" + "".join(f"{rate:13,.0f}" for rate in rates))


if __name__ == "__main__":
    main()
