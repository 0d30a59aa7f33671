"""A host's pools by name: their configuration, the sizes that were ordered, and their counts.

Sans-IO, like :mod:`kernelbus.kernelhost.pools.pool`: no process, socket, clock or randomness.
"""

from __future__ import annotations

import os
from typing import Any

from kernelbus.bus.protocol.messages import PoolReport
from kernelbus.bus.settings.config import DEFAULT_TIMES, Config, LimitsConfig, PoolConfig
from kernelbus.kernelhost.pools.figures import PoolCounts
from kernelbus.kernelhost.pools.keeping import Timeouts
from kernelbus.kernelhost.pools.pool import Action, KernelState, Pool, PoolOptions, PoolState

__all__ = ["TIMES", "PoolTable", "timeouts_of"]

#: The keys of a pool's configuration that determine how its kernels start. When one of them
#: changes, kernels that wait for a first client are replaced.
_START_KEYS = (
    "kernel_path", "kernel_options", "parallel_kernels", "initialization_file", "initialization_code", "user", "working_directory",
    "environment", "maximum_processes", "maximum_open_files", "maximum_cpu_time", "maximum_file_size", "files", "processes", "sandbox",
)  # fmt: skip


class PoolTable:
    """The pools of one host.

    Attributes:
        pools: the pools by name; a pool that is no longer configured stays until its last kernel
            has ended.
        configs: the configuration of each pool.
        counts: the counts of each pool, and of removed ones too, so that no count decreases.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.configs: dict[str, PoolConfig] = {pool.name: pool for pool in config.pools}
        self.pools = {pool.name: Pool(_options(pool, config.limits)) for pool in config.pools}
        self.counts = {pool.name: PoolCounts(pool.name) for pool in config.pools}
        self._resized: dict[str, tuple[int | None, int | None]] = {}

    def resize(self, name: str, minimum: int | None, maximum: int | None, now: float) -> list[Action]:
        """Change a pool's size until it is changed again, or changes in the configuration.

        Args:
            name: the pool's name.
            minimum: kernels to keep ready; None: unchanged.
            maximum: the cap on all kernels; None: unchanged.
            now: the time, on the loop's clock.

        Returns:
            What the pool has decided.
        """
        before = self._resized.get(name, (None, None))
        self._resized[name] = (before[0] if minimum is None else minimum, before[1] if maximum is None else maximum)
        return self.pools[name].configure(self._sized(name), now)

    def _sized(self, name: str) -> PoolOptions:
        """Return the options of a pool, with the size that an administrator has given it."""
        options = _options(self.configs[name], self._config.limits)
        minimum, maximum = self._resized.get(name, (None, None))
        return options._replace(
            minimum=options.minimum if minimum is None else minimum, maximum=options.maximum if maximum is None else maximum
        )

    def configure(self, config: Config, drained: bool, now: float) -> tuple[list[tuple[str, list[Action]]], list[str]]:
        """Replace the configuration.

        Args:
            config: the new one.
            drained: whether the host gives no kernels out.
            now: the time, on the loop's clock.

        Returns:
            What the pools have decided, in order, each with the pool's name; and lines of text that
            say what follows.
        """
        self._config = config
        decided: list[tuple[str, list[Action]]] = []
        lines: list[str] = []
        for pool in config.pools:
            before = self.configs.get(pool.name)
            self.configs[pool.name] = pool
            if before is None:
                decided.append((pool.name, self._add(pool, drained, now)))
            else:
                decided += [(pool.name, actions) for actions in self._change(before, pool, now, lines)]
        wanted = {pool.name for pool in config.pools}
        for name in [name for name in self.pools if name not in wanted]:
            decided.append((name, self.pools[name].turn(PoolState.DRAINING, now)))
            if self.pools[name].kernels:
                lines.append(f"pool {name} is drained, and goes when its last session has ended")
            else:
                self.remove_if_gone(name)
        return decided, lines

    def _add(self, config: PoolConfig, drained: bool, now: float) -> list[Action]:
        pool = self.pools[config.name] = Pool(_options(config, self._config.limits))
        pool.host_drained = drained
        self.counts.setdefault(config.name, PoolCounts(config.name))
        return pool.tick(now)

    def _change(self, before: PoolConfig, after: PoolConfig, now: float, lines: list[str]) -> list[list[Action]]:
        name, pool = after.name, self.pools[after.name]
        if _sizes(before) != _sizes(after):
            # A size that has changed in the file replaces the one that was ordered before.
            self._resized.pop(name, None)
        decided = [pool.configure(self._sized(name), now)]
        if any(getattr(before, key) != getattr(after, key) for key in _START_KEYS):
            waiting = pool.count(KernelState.STARTING, KernelState.READY)
            decided.append(pool.renew("the pool's kernels are made otherwise now", now))
            lines.append(f"pool {name}: {waiting} kernels that wait for a first client are replaced; sessions keep theirs")
        return decided

    def remove_if_gone(self, name: str) -> bool:
        """Remove a pool that is not configured and has no kernel; return whether it was removed."""
        if self.pools[name].kernels or any(pool.name == name for pool in self._config.pools):
            return False
        del self.pools[name], self.configs[name]
        self._resized.pop(name, None)
        return True

    def reports(self, now: float) -> list[PoolReport]:
        """Return a report of each pool at `now`, on the loop's clock."""
        return [self._report(name, pool, now) for name, pool in self.pools.items()]

    def _report(self, name: str, pool: Pool, now: float) -> PoolReport:
        return PoolReport(
            name,
            self._config.default_pool.name == name,
            self._config.parallel_default_pool.name == name,
            pool.count(KernelState.STARTING),
            pool.count(KernelState.READY),
            pool.count(KernelState.ATTACHED),
            pool.count(KernelState.DETACHED),
            len(pool.queue),
            pool.options.minimum,
            pool.maximum,
            pool.failing[:1000],
            pool.spare(now)[0],
            self.configs[name].parallel_kernels,
            pool.limited[:1000],
            pool.state.value,
            name in self._resized,
            pool.spare(now)[1],
        )


#: The keys of the :class:`~kernelbus.kernelhost.pools.keeping.Timeouts`.
TIMES = {
    "idle": "session_idle_timeout",
    "evaluation": "detached_evaluation_timeout",
    "question": "detached_question_timeout",
    "leftover": "leftover_timeout",
    "attached": "attached_idle_timeout",
}


def _own(pool: PoolConfig, limits: LimitsConfig, key: str) -> Any:
    """Return the pool's own value of a key, or that of `Limits`."""
    value = getattr(pool, key)
    return getattr(limits, key) if value is None else value


def _options(pool: PoolConfig, limits: LimitsConfig) -> PoolOptions:
    return PoolOptions(
        pool.name,
        pool.minimum_kernel_number,
        pool.maximum_kernel_number,
        pool.keep_alive,
        pool.reserve_previously_connected_kernels,
        max(1, os.cpu_count() or 1),
        timeouts_of(pool, limits),
        _own(pool, limits, "kernels_per_address"),
        _own(pool, limits, "sessions_per_address"),
    )


def timeouts_of(pool: PoolConfig, limits: LimitsConfig) -> Timeouts:
    """Return the time-outs of a pool: its own, those of `Limits`, or the default ones."""
    given = {name: _own(pool, limits, key) for name, key in TIMES.items()}
    times = {name: DEFAULT_TIMES[TIMES[name]] if seconds is None else seconds for name, seconds in given.items()}
    match _own(pool, limits, "timeouts_apply"):
        case "Always":
            ends = set(times)
        case "WhenNeeded":
            ends = set()
        case _:
            ends = {name for name, seconds in given.items() if seconds is not None}
    return Timeouts(**times, ends=frozenset(ends))


def _sizes(pool: PoolConfig) -> tuple[int, int]:
    return pool.minimum_kernel_number, pool.maximum_kernel_number
