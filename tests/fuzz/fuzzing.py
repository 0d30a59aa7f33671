"""What all fuzzers have: rounds that a seed decides, checks, and a failure that can be repeated."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence

__all__ = ["main"]

SLOW = 20.0  # seconds; no input of this size needs so many


def main(
    description: str,
    checks: Sequence[Callable[[random.Random, bytes], None]],
    make: Callable[[random.Random], bytes],
    memory: int = 0,
) -> int:
    """Run checks until the time is up; return 1 at the first failure.

    Args:
        checks: each gets chance of its own, and the bytes of the round; it raises where something
            is wrong.
        make: makes the bytes of a round.
        memory: how many bytes of address space the process may have; 0: any number.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--round", type=int, default=None, help="do this one alone")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    end = time.monotonic() + options.seconds
    rounds = 0
    while time.monotonic() < end:
        number = rounds if options.round is None else options.round
        data = make(random.Random(f"{seed}:{number}"))
        for check in checks:
            start = time.monotonic()
            where = f"seed {seed}, round {number}, bytes {data.hex()[:2000]}"
            try:
                check(random.Random(f"{seed}:{number}:{check.__name__}"), data)
            except BaseException:
                print(f"{check.__name__} failed: {where}", file=sys.stderr)
                raise
            if time.monotonic() - start > SLOW:
                print(f"{check.__name__} took too long: {where}", file=sys.stderr)
                return 1
        rounds += 1
        if options.round is not None:
            break
    print(f"seed {seed}: {rounds} rounds in {options.seconds:g} s, no failure")
    return 0
