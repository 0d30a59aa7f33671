"""What counts as a loss, as a leak, and as the same error."""

from __future__ import annotations

from record import MIB, Owned, Record, Sample, grown, kind_of


def record() -> Record:
    return Record(1, 60.0)


def test_a_session_that_nobody_ended_is_lost() -> None:
    assert record().explain(Owned("k1", 10, 20, since=15.0)) == ""


def test_a_session_ends_with_its_kernel_its_host_or_on_purpose() -> None:
    kept = record()
    session = Owned("k1", 10, 20, since=15.0)
    kept.kill_kernel(17.0, 11)
    kept.kill_host(17.0, 21)
    kept.close(17.0, "k2")
    assert kept.explain(session) == "", "others were ended"
    kept.kill_host(18.0, 20)
    assert kept.explain(session) == "host killed"
    kept.kill_kernel(18.0, 10)
    assert kept.explain(session) == "kernel killed"
    kept.close(18.0, "k1")
    assert kept.explain(session) == "closed"


def test_a_process_id_that_is_used_again_explains_nothing() -> None:
    kept = record()
    kept.kill_kernel(4.0, 10)
    assert kept.explain(Owned("k1", 10, 20, since=15.0)) == ""


def test_a_session_whose_host_was_not_seen_may_have_been_of_any_that_was_killed_since() -> None:
    kept = record()
    kept.kill_host(4.0, 20)
    assert kept.explain(Owned("k1", 10, 0, since=15.0)) == ""
    kept.kill_host(11.0, 21)
    assert kept.explain(Owned("k1", 10, 0, since=15.0)) == "host killed"


def test_a_kernel_that_ends_for_long_is_named() -> None:
    kept = record()
    assert kept.see_ending("a", 10.0, ["k1", "k2"]) == []
    assert kept.see_ending("a", 30.0, ["k1"]) == []
    assert kept.see_ending("b", 41.0, ["k2"]) == [], "of another site"
    assert kept.see_ending("a", 41.0, ["k1", "k2"]) == ["k1"], "k2 was away meanwhile"


def sample(at: float, memory: int, pid: int = 1) -> Sample:
    return Sample(at, pid, memory * MIB, 20, 3, 0, 0)


def test_growth_is_of_the_last_process_between_its_second_and_its_last_fifth() -> None:
    warm = [sample(at, 50 + min(at, 20)) for at in range(100)]
    assert grown(warm) == 0
    assert grown([sample(at, 50 + at) for at in range(100)]) == 60 * MIB
    assert grown([sample(at, 500, pid=2) for at in range(100)] + warm) == 0
    assert grown([]) == grown(warm[:5]) == 0


def test_errors_that_differ_by_ids_and_numbers_are_of_one_kind() -> None:
    kept = record()
    kept.error("refused", "there is no kernel 0f3a9c5d77e1b0c2: it ended 2.5 s ago")
    kept.error("refused", "there is no kernel 1f3a9c5d77e1b0c3: it ended 12 s ago\nand more")
    ((kind, number),) = kept.errors.items()
    assert number == 2
    assert kind == "refused: " + kind_of("there is no kernel 5f3a9c5d77e1b0c2: it ended 0.1 s ago")


def test_a_session_whose_process_was_not_seen_may_have_been_any_that_was_killed_since() -> None:
    kept = record()
    kept.kill_kernel(4.0, 10)
    assert kept.explain(Owned("k1", 0, 0, since=15.0)) == ""
    kept.kill_kernel(11.0, 11)
    assert kept.explain(Owned("k1", 0, 0, since=15.0)) == "kernel killed"
