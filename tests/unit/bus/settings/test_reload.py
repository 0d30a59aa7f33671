"""Reading the configuration again: what has changed, what a part goes by at once, and what it says
of the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbus.bus.settings.config import Config, ConfigError, load, loads
from kernelbus.bus.settings.reload import BROKER_KEYS, FRONTEND_KEYS, HOST_KEYS, Reloader, changes

BEFORE = '{"Pools": {"A": {"MinimumKernelNumber": 1}, "B": {}}, "Limits": {"HostTimeout": 60}}'


def told(before: str, after: str) -> list[str]:
    return [str(change) for change in changes(loads(before), loads(after))]


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (BEFORE, []),
        ('{"Pools": {"A": {"MinimumKernelNumber": 3}, "B": {}}}', ["Pools.A.MinimumKernelNumber: 1 -> 3"]),
        ('{"Pools": {"A": {"MinimumKernelNumber": 1}}}', ["Pools.B is gone"]),
        ('{"Pools": {"A": {"MinimumKernelNumber": 1}, "B": {}, "C": {"KeepAlive": false}}}', ["Pools.C is new"]),
        (
            '{"Pools": {"A": {"MinimumKernelNumber": 1, "InitializationCode": "x=1"}, "B": {}}, "AllowStealingKernels": true}',
            ["AllowStealingKernels: false -> true", 'Pools.A.InitializationCode: its default -> "x=1"'],
        ),
        (BEFORE.replace("60", "30.5"), ["Limits.HostTimeout: 60.0 -> 30.5"]),
    ],
)
def test_changes_are_told_by_the_files_own_keys(after: str, lines: list[str]) -> None:
    assert sorted(told(BEFORE, after)) == sorted(lines)


class Part:
    """A part that goes by a file."""

    def __init__(self, path: Path, keys: object) -> None:
        self.applied: list[Config] = []
        self.reloader = Reloader(load(path), lambda: load(path), keys, self.apply)  # type: ignore[arg-type]

    def apply(self, config: Config) -> list[str]:
        self.applied.append(config)
        return ["applied"]


def test_a_part_tells_what_it_goes_by_now_and_what_needs_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    path.write_text(BEFORE)
    broker, host, frontend = Part(path, BROKER_KEYS), Part(path, HOST_KEYS), Part(path, FRONTEND_KEYS)
    path.write_text(
        '{"Pools": {"A": {"MinimumKernelNumber": 2}, "B": {}}, "Limits": {"HostTimeout": 30, "Window": 9000000, "Links": 5},'
        ' "Bus": {"Endpoint": "tcp://127.0.0.1:5"}}'
    )
    assert broker.reloader.reload() == (
        True,
        ["changed: Limits.HostTimeout: 60.0 -> 30.0", "applied", 'needs a restart: Bus.Endpoint: its default -> "tcp://127.0.0.1:5"'],
    )
    assert host.reloader.reload() == (
        True,
        [
            "changed: Pools.A.MinimumKernelNumber: 1 -> 2",
            "applied",
            'needs a restart: Bus.Endpoint: its default -> "tcp://127.0.0.1:5"',
            "needs a restart: Limits.Window: 8388608 -> 9000000",
        ],
    )
    assert "changed: Limits.Links: 1000 -> 5" in frontend.reloader.reload()[1]
    assert host.applied[0].pools[0].minimum_kernel_number == 2


def test_what_needs_a_restart_is_told_until_it_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    path.write_text("{}")
    part = Part(path, HOST_KEYS)
    path.write_text('{"Limits": {"Window": 9000000}}')
    for _ in range(2):
        assert part.reloader.reload()[1][1:] == ["needs a restart: Limits.Window: 8388608 -> 9000000"]
    path.write_text("{}")
    assert part.reloader.reload()[1] == ["applied"]


def test_a_faulty_file_changes_nothing_and_every_fault_is_told(tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    path.write_text("{}")
    part = Part(path, HOST_KEYS)
    path.write_text('{\n"Pools": {"A": {"MinimumKernelNumber": -1}},\n"Limts": {}}')
    ok, lines = part.reloader.reload()
    assert not ok
    assert len(lines) == 3
    assert lines[0].startswith(f"{path}:2: ")
    assert lines[1].startswith(f"{path}:3: ")
    assert lines[2] == "the configuration is as it was"
    assert part.applied == []
    path.unlink()
    with pytest.raises(ConfigError):
        load(path)
    assert not part.reloader.reload()[0]


def test_every_key_is_some_parts(tmp_path: Path) -> None:
    config = Config()
    every = {change.key for change in changes(config, _others())}
    assert len(every) > 20
    owned = (*BROKER_KEYS.live, *BROKER_KEYS.restart, *FRONTEND_KEYS.live, *FRONTEND_KEYS.restart, *HOST_KEYS.live, *HOST_KEYS.restart)
    assert {key for key in every if not key.startswith(owned)} == set()


def _others() -> Config:
    """A configuration of which everything is another than the default's."""
    from dataclasses import fields, replace

    config = Config()
    sections = {}
    for section in fields(config):
        value = getattr(config, section.name)
        if hasattr(value, "__dataclass_fields__"):
            sections[section.name] = replace(value, **{field.name: object() for field in fields(value)})
        elif isinstance(value, bool):
            sections[section.name] = not value
    return replace(config, **sections)
