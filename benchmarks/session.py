"""`Session` next to a bare link of `wstp`, and next to ipykernel doing the same in Python.

One server has a kernel for each way. Measured are 1,000 evaluations of `2+2`, one after the other,
and an array of 10 MB (1.25 million reals) to the kernel and back. ipykernel gets the array as
base64 of a pickle in its code, and gives it back so. The ways take turns, 50 evaluations or one
array each, in an order that changes by chance, so that a machine whose speed wanders spoils all
alike; each figure is the median of the turns' figures, each ratio the median of the turns' ratios
to the bare link.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import pickle
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from executor import EVALUATE, server
from jupyter_client.manager import start_new_kernel

import wstp.aio
from kernelbus import AsyncSession, Session
from wstp import Expr, Symbol

CODE = "2+2"
_TURN = 50
FIRST = Symbol("InputNamePacket")


def ask(link: wstp.Link, expression: Expr) -> Expr:
    """Evaluate over a bare link."""
    link.put(EVALUATE(expression), end_packet=True)
    link.flush()
    return link.next_packet(timeout=60).args[0]


async def ask_async(link: wstp.aio.Link, expression: Expr) -> Expr:
    """Evaluate over a bare link of asyncio."""
    link.put(EVALUATE(expression), end_packet=True)
    await link.flush()
    return (await link.next_packet(timeout=60)).args[0]


def execute(client: Any, code: str, expression: str = "") -> str:
    """Have ipykernel run code, and return the text of its value, or of another expression."""
    got: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "execute_result":
            got.append(message["content"]["data"]["text/plain"])

    expressions = {"x": expression} if expression else None
    reply = client.execute_interactive(code, output_hook=hear, timeout=60, user_expressions=expressions)
    if expression:
        return str(reply["content"]["user_expressions"]["x"]["data"]["text/plain"])
    return got[0]


def measure(ways: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of each way, in each turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    order = random.Random(1)
    for turn in range(turns + 1):
        for name in order.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[name]()
            if turn:  # the first fills the kernels' caches
                taken[name].append(time.perf_counter() - began)
    return taken


def show(title: str, taken: dict[str, list[float]], base: str, calls: int) -> None:
    """Print a table."""
    print(f"\n| {title} | ms | times the bare link |\n|---|---|---|")
    for name, times in taken.items():
        ratio = statistics.median(time / first for first, time in zip(taken[base], times, strict=True))
        print(f"| {name} | {statistics.median(times) / calls * 1e3:.2f} | {ratio:.2f} |")


def main() -> int:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="turns of 50 evaluations")
    parser.add_argument("--arrays", type=int, default=5, help="turns of an array")
    options = parser.parse_args()
    array = np.random.default_rng(1).random(1_250_000)
    with ExitStack() as stack:
        port = stack.enter_context(server())
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        link = stack.enter_context(wstp.connect(port, timeout=10))
        while link.next_packet(timeout=60).head != FIRST:
            pass
        session = stack.enter_context(Session(port))
        tasks = AsyncSession(port)
        loop.run_until_complete(tasks.__aenter__())
        stack.callback(lambda: loop.run_until_complete(tasks.close()))

        async def connected() -> wstp.aio.Link:
            made = await wstp.aio.connect(port, timeout=10)
            while (await made.next_packet(timeout=60)).head != FIRST:
                pass
            return made

        other = loop.run_until_complete(connected())
        stack.callback(lambda: loop.run_until_complete(other.close()))
        manager, client = start_new_kernel(kernel_name="python3")
        stack.callback(manager.shutdown_kernel, now=True)
        stack.callback(client.stop_channels)

        def many(one: Callable[[], object]) -> Callable[[], object]:
            return lambda: [one() for _ in range(_TURN)]

        async def many_async(one: Callable[[], Any]) -> None:
            for _ in range(_TURN):
                await one()

        code = Symbol("ToExpression")(CODE)
        ways: dict[str, Callable[[], object]] = {
            "`wstp`, a bare link": many(lambda: ask(link, code)),
            "`Session`": many(lambda: session.evaluate(CODE)),
            "`wstp.aio`, a bare link": lambda: loop.run_until_complete(many_async(lambda: ask_async(other, code))),
            "`AsyncSession`": lambda: loop.run_until_complete(many_async(lambda: tasks.evaluate(CODE))),
            "ipykernel": many(lambda: execute(client, CODE)),
        }
        show("one evaluation of 1,000", measure(ways, options.rounds), "`wstp`, a bare link", _TURN)

        identity = session.function("Identity")

        def by_ipykernel() -> Any:
            text = base64.b64encode(pickle.dumps(array)).decode()
            execute_code = f"import base64, pickle; x = pickle.loads(base64.b64decode({text!r}))"
            back = execute(client, execute_code, "base64.b64encode(pickle.dumps(x)).decode()")
            return pickle.loads(base64.b64decode(back.strip("'")))

        ways = {
            "`wstp`, a bare link": lambda: ask(link, Symbol("Identity")(array)),
            "`Session`": lambda: identity(array),
            "`AsyncSession`": lambda: loop.run_until_complete(tasks.function("Identity")(array)),
            "ipykernel": by_ipykernel,
        }
        for way in ways.values():
            assert np.array_equal(np.asarray(way()), array)
        show("10 MB there and back", measure(ways, options.arrays), "`wstp`, a bare link", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
