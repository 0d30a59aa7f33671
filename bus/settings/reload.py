"""Reloading the configuration: what has changed, what applies at once, and what needs a restart.

This module does no I/O. Each part (broker, frontend, kernel host) has its own file, or shares one,
and reads it again for itself; sessions continue whatever has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final, NamedTuple

from kernelbus.bus.settings.config import Config, ConfigError
from kernelbus.bus.settings.schema import shown, spelled

__all__ = ["BROKER_KEYS", "FRONTEND_KEYS", "HOST_KEYS", "Change", "Keys", "Reloader", "changes"]


class Keys(NamedTuple):
    """The configuration keys that a part uses, as prefixes of dotted paths.

    Attributes:
        live: keys that apply at once when they change.
        restart: keys that apply from the part's next start.
    """

    live: tuple[str, ...]
    restart: tuple[str, ...]


# What a frontend and a kernel host read at their start to join the bus.
_MEMBER_RESTART: Final = (
    "Bus.BrokerKey",
    "Bus.Endpoint",
    "Bus.HeartbeatTimeout",
    "Bus.Keys",
    "Discovery.",
    "Limits.Chunk",
    "Limits.ShutdownTimeout",
    "Limits.Window",
)

BROKER_KEYS = Keys(
    (
        "AllowStealingKernels",
        "AllowSilentKernelReplacement",
        "Limits.ConnectionTimeout",
        "Limits.HostTimeout",
        "Limits.UnusedKernelTimeout",
        "Bus.Administrators",
        "Bus.HeartbeatInterval",
        "Bus.HeartbeatTimeout",
    ),
    ("Bus.", "Discovery."),
)
FRONTEND_KEYS = Keys(
    (
        "EnableAutomaticKernelConnection",
        "AllowSilentKernelReplacement",
        "Access.Allow",
        "Access.Anonymous",
        "Access.Deny",
        "Limits.ConnectionTimeout",
        "Limits.LinkTimeout",
        "Limits.Links",
        "Limits.LinksPerAddress",
        "Limits.TokenSize",
    ),
    (
        *_MEMBER_RESTART,
        "Access.Token",
        "Limits.ClientTimeout",
        "Limits.GreetingTimeout",
        "Limits.Pending",
        "Limits.PendingPerAddress",
        "MessagePorts",
    ),
)
HOST_KEYS = Keys(
    (
        "Pools.",
        "SendInputNamePacketUponKernelConnection",
        "AllowSilentKernelReplacement",
        "Limits.AbortTimeout",
        "Limits.AttachedIdleTimeout",
        "Limits.DetachedEvaluationTimeout",
        "Limits.DetachedQuestionTimeout",
        "Limits.GreetingTimeout",
        "Limits.HoldBuffer",
        "Limits.KernelMemory",
        "Limits.KernelRecycleMemory",
        "Limits.KernelStartTimeout",
        "Limits.KernelsPerAddress",
        "Limits.LeftoverTimeout",
        "Limits.OrphanTimeout",
        "Limits.OutputBuffer",
        "Limits.SessionIdleTimeout",
        "Limits.SessionsPerAddress",
        "Limits.TimeoutsApply",
        "Limits.TokenSize",
    ),
    _MEMBER_RESTART,
)


class Change(NamedTuple):
    """A key whose value has changed; None: there was no value before, or there is none after."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None and self.key.count(".") == 1 and self.key.startswith("Pools."):
            return f"{self.key} is new"
        if self.after is None and self.key.count(".") == 1 and self.key.startswith("Pools."):
            return f"{self.key} is gone"
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: Config, after: Config) -> list[Change]:
    """Return what differs in `after`: dotted keys as the file spells them, in the file's order."""
    old, new = _flat(before), _flat(after)
    pools = {f"Pools.{pool.name}" for pool in before.pools}, {f"Pools.{pool.name}" for pool in after.pools}
    whole = pools[0] ^ pools[1]
    found = [Change(key, key if key in pools[0] else None, key if key in pools[1] else None) for key in sorted(whole)]
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key) and not any(key.startswith(pool + ".") for pool in whole):
            found.append(Change(key, old.get(key), new.get(key)))
    return found


def _flat(config: Config) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in ("source", "warnings"):
            continue
        if field.name == "pools":
            for pool in value:
                flat.update({f"Pools.{pool.name}.{spelled(f.name)}": getattr(pool, f.name) for f in fields(pool) if f.name != "name"})
        elif hasattr(value, "__dataclass_fields__"):
            flat.update({f"{spelled(field.name)}.{spelled(f.name)}": getattr(value, f.name) for f in fields(value)})
        else:
            flat[spelled(field.name)] = value
    return flat


def _shown(value: Any) -> str:
    return "its default" if value is None else shown(value)


class Reloader:
    """A part's configuration, which can be read again.

    Args:
        config: the present configuration.
        read: reads it again; None if that is not possible.
        keys: the keys that the part uses.
        apply: makes the part use another configuration, and returns lines to report.
    """

    def __init__(self, config: Config, read: Callable[[], Config] | None, keys: Keys, apply: Callable[[Config], list[str]]) -> None:
        self.config = config
        self._read = read
        self._keys = keys
        self._apply = apply
        # The configuration at the start, which holds for `restart` keys whatever was read
        # meanwhile.
        self._started = config

    def reload(self) -> tuple[bool, list[str]]:
        """Read the configuration again and apply it.

        Returns:
            Whether that was possible, and what has changed or what is wrong, one line each.
        """
        if self._read is None:
            return True, []
        try:
            config = self._read()
        except ConfigError as error:
            return False, [*error.problems, "the configuration is as it was"]
        before, self.config = self.config, config
        lines = [f"changed: {change}" for change in changes(before, config) if change.key.startswith(self._keys.live)]
        later = [change for change in changes(self._started, config) if not change.key.startswith(self._keys.live)]
        lines += self._apply(config)
        lines += [f"needs a restart: {change}" for change in later if change.key.startswith(self._keys.restart)]
        lines += list(config.warnings)
        return True, lines
