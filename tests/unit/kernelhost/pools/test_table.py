"""The pools of a host: sizes that were ordered, and another configuration."""

from __future__ import annotations

from dataclasses import replace

from kernelbus.bus.settings.config import Config, LimitsConfig, PoolConfig
from kernelbus.kernelhost.pools.pool import Action, PoolState, Start, Stop
from kernelbus.kernelhost.pools.table import PoolTable, timeouts_of

A = PoolConfig("A", default=True, parallel_kernel_default=True, minimum_kernel_number=1, maximum_kernel_number=4)
B = PoolConfig("B", minimum_kernel_number=0, maximum_kernel_number=2)


def table(*pools: PoolConfig) -> PoolTable:
    made = PoolTable(Config(pools=pools))
    for pool in made.pools.values():
        pool.tick(0.0)
    return made


def of(decided: list[tuple[str, list[Action]]], name: str) -> list[Action]:
    return [action for pool, actions in decided if pool == name for action in actions]


def test_an_ordered_size_holds_until_the_file_has_another() -> None:
    made = table(A, B)
    made.pools["A"].ready(1, 0.5)
    assert made.resize("A", 2, None, 1.0) == [Start(2)]
    made.pools["A"].ready(2, 1.0)
    assert made.resize("A", None, 3, 1.0) == []
    report = made.reports(1.0)[0]
    assert (report.minimum, report.maximum, report.resized) == (2, 3, True)
    made.configure(Config(pools=(replace(A, keep_alive=False), B)), False, 2.0)
    assert (made.reports(1.0)[0].minimum, made.reports(1.0)[0].maximum) == (2, 3), "the file has the same size as before"
    decided, _ = made.configure(Config(pools=(replace(A, minimum_kernel_number=3), B)), False, 3.0)
    report = made.reports(1.0)[0]
    assert (report.minimum, report.maximum, report.resized) == (3, 4, False)
    assert of(decided, "A") == [Start(3)]


def test_waiting_kernels_are_replaced_when_their_configuration_changes() -> None:
    made = table(A)
    made.pools["A"].ready(1, 1.0)
    decided, lines = made.configure(Config(pools=(replace(A, initialization_code="x = 1"),)), False, 2.0)
    actions = of(decided, "A")
    assert Stop(1, "the pool's kernels are made otherwise now") in actions
    assert any(isinstance(action, Start) for action in actions)
    assert lines == ["pool A: 1 kernels that wait for a first client are replaced; sessions keep theirs"]
    assert made.configs["A"].initialization_code == "x = 1"


def test_a_removed_pool_stays_until_its_last_kernel_has_ended() -> None:
    made = table(A, replace(B, minimum_kernel_number=1))
    decided, lines = made.configure(Config(pools=(A,)), False, 1.0)
    assert [type(action) for action in of(decided, "B")] == [Stop]
    assert lines == ["pool B is drained, and goes when its last session has ended"]
    assert made.pools["B"].state is PoolState.DRAINING
    assert not made.remove_if_gone("B"), "its kernel has not ended"
    made.pools["B"].ended(1, 2.0, "was told to")
    assert made.remove_if_gone("B")
    assert list(made.pools) == ["A"]
    assert "B" in made.counts, "what was counted is not forgotten"
    assert not made.remove_if_gone("A"), "it is configured"


def test_a_new_pool_of_a_drained_host_starts_nothing() -> None:
    made = table(A)
    decided, _ = made.configure(Config(pools=(A, replace(B, minimum_kernel_number=1))), True, 1.0)
    assert of(decided, "B") == []
    assert made.pools["B"].draining
    assert "B" in made.counts


def test_reports_say_which_pools_are_the_defaults() -> None:
    reports = table(replace(A, parallel_kernel_default=False), replace(B, parallel_kernel_default=True, parallel_kernels=True)).reports(1.0)
    assert [(report.pool, report.default, report.parallel_default, report.parallel) for report in reports] == [
        ("A", True, False, False),
        ("B", False, True, True),
    ]
    assert (reports[0].starting, reports[0].ready, reports[1].starting) == (1, 0, 0)


def test_a_time_that_is_set_ends_sessions_and_a_default_one_only_makes_room() -> None:
    own = replace(A, session_idle_timeout=60.0)
    limits = LimitsConfig(detached_question_timeout=5.0, session_idle_timeout=7.0)
    nothing = timeouts_of(A, LimitsConfig())
    assert (nothing.idle, nothing.leftover, nothing.ends) == (172800.0, 20.0, frozenset())
    set_ones = timeouts_of(own, limits)
    assert (set_ones.idle, set_ones.question, set_ones.evaluation) == (60.0, 5.0, 86400.0)
    assert set_ones.ends == {"idle", "question"}
    assert timeouts_of(replace(own, timeouts_apply="WhenNeeded"), limits).ends == frozenset()
    assert timeouts_of(A, LimitsConfig(timeouts_apply="Always")).ends == {"idle", "question", "evaluation", "leftover", "attached"}
