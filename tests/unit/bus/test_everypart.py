"""Orders for every part: each reads its configuration again, or changes the level of its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kernelbus.bus.everypart import carry_out
from kernelbus.bus.protocol.orders import LogLevelOrder, PartAnswer, ReloadOrder
from kernelbus.bus.settings.config import Config, ConfigError
from kernelbus.bus.settings.logs import current_level, set_level
from kernelbus.bus.settings.reload import BROKER_KEYS, Reloader


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    before = current_level()
    yield
    set_level(before)


def reloader(reread: Callable[[], Config] | None, applied: list[Config]) -> Reloader:
    def apply(config: Config) -> list[str]:
        applied.append(config)
        return []

    return Reloader(Config(), reread, BROKER_KEYS, apply)


def test_a_reload_is_answered_with_what_has_changed() -> None:
    changed, applied = Config(allow_stealing_kernels=not Config().allow_stealing_kernels), list[Config]()
    answer = carry_out(ReloadOrder(7, "me@here"), reloader(lambda: changed, applied))
    assert (answer.request, answer.ok, answer.code) == (7, True, "")
    assert any("AllowStealingKernels" in line for line in answer.lines)
    assert applied == [changed]


def test_a_configuration_with_a_mistake_changes_nothing() -> None:
    def reread() -> Config:
        raise ConfigError("kernelbus.conf:3: there is no key Colour")

    applied = list[Config]()
    answer = carry_out(ReloadOrder(7, "me@here"), reloader(reread, applied))
    assert (answer.ok, answer.code) == (False, "configuration")
    assert "there is no key Colour" in " ".join(answer.lines)
    assert applied == []


@pytest.mark.parametrize(("level", "name"), [("debug", "debug"), ("3", "trace"), ("error", "error")])
def test_the_level_of_the_log_changes(level: str, name: str) -> None:
    assert carry_out(LogLevelOrder(7, "me@here", level), reloader(None, [])) == PartAnswer(7, True)
    assert current_level() == name


def test_a_level_that_does_not_exist_is_refused_and_changes_nothing() -> None:
    set_level("debug")
    answer = carry_out(LogLevelOrder(7, "me@here", "loud"), reloader(None, []))
    assert (answer.ok, answer.code) == (False, "level")
    assert "loud" in answer.lines[0]
    assert current_level() == "debug"
