"""A pool's policy; the test passes events and the time in."""

from __future__ import annotations

import pytest

from kernelbus.kernelhost.pools.keeping import Activity, Timeouts, Worth
from kernelbus.kernelhost.pools.pool import (
    BACK_OFF,
    SHORT_RETRY,
    Action,
    Attach,
    KernelState,
    Pool,
    PoolOptions,
    Refuse,
    Request,
    Start,
    Stop,
    Warn,
)


def pool(minimum: int = 1, maximum: int = 3, **options: bool | int | Timeouts) -> Pool:
    return Pool(PoolOptions("P", minimum, maximum, **options))  # type: ignore[arg-type]


def serving(count: int, maximum: int, **options: bool | int | Timeouts) -> Pool:
    """Return a pool of minimum 0 with kernels 1 to `count`, each with a client.

    Kernel n is attached to the client on channel n.
    """
    made = pool(minimum=0, maximum=maximum, **options)
    for channel in range(1, count + 1):
        made.acquire(Request(channel, "a", 999.0), 0.0)
        made.ready(channel, 0.0)
    assert made.count(KernelState.ATTACHED) == count
    return made


def starts(actions: list[Action]) -> list[int]:
    return [action.number for action in actions if isinstance(action, Start)]


def stops(actions: list[Action]) -> list[int]:
    return [action.number for action in actions if isinstance(action, Stop)]


# ---------------------------------------------------------------------- minimum, maximum, order


def test_the_minimum_is_kept_ready_and_a_taken_kernel_is_followed_by_another() -> None:
    made = pool(minimum=2)
    assert made.tick(0.0) == [Start(1), Start(2)]
    assert made.ready(1, 1.0) == []
    request = Request(9, "client", 30.0)
    assert made.acquire(request, 2.0) == [Attach(1, request), Start(3)]
    assert made.ready(2, 2.0) == []


@pytest.mark.parametrize(("minimum", "maximum", "expected"), [(0, 3, 0), (2, 3, 2), (3, 3, 3), (5, 3, 3), (1, 1, 1)])
def test_so_many_are_started_in_advance(minimum: int, maximum: int, expected: int) -> None:
    assert len(starts(pool(minimum, maximum, starting=10).tick(0.0))) == expected


def test_no_more_start_at_one_time_than_allowed() -> None:
    made = pool(minimum=5, maximum=5, starting=2)
    assert starts(made.tick(0.0)) == [1, 2]
    assert starts(made.ready(1, 1.0)) == [3]
    assert starts(made.tick(1.0)) == []


def test_the_cap_holds_for_attached_detached_and_ending_kernels_too() -> None:
    made = serving(3, maximum=3, reserve=True)
    made.detached(2, 1.0)
    made.unwanted(3, 1.0, "its client asked for it")
    assert made.acquire(Request(9, "b", 999.0), 2.0) == []
    assert starts(made.ended(3, 3.0, "exited")) == [4], "only when its process is gone is there room"


def test_requests_wait_in_order_and_are_asked_once() -> None:
    made = pool(minimum=0, maximum=1)
    first, second = Request(1, "a", 30.0), Request(2, "b", 30.0)
    assert made.acquire(first, 0.0) == [Start(1)]
    assert made.acquire(second, 0.0) == []
    assert made.acquire(second, 0.0) == []
    assert made.ready(1, 1.0) == [Attach(1, first)]
    assert made.queue == [second]


def test_a_cancelled_request_gets_nothing() -> None:
    made = pool(minimum=0, maximum=1)
    first, second = Request(1, "a", 30.0), Request(2, "b", 30.0)
    made.acquire(first, 0.0)
    made.acquire(second, 0.0)
    made.cancel(1, 0.5)
    made.cancel(77, 0.5)
    assert made.ready(1, 1.0) == [Attach(1, second)]


def test_a_kernel_is_reached_again_by_name() -> None:
    made = serving(1, maximum=1)
    made.detached(1, 1.0)
    made.attach(1, 22, 2.0)
    made.validate()
    entry = made.kernels[1]
    assert (entry.state, entry.channel, entry.since) == (KernelState.ATTACHED, 22, 2.0)
    assert made.acquire(Request(9, "b", 999.0), 3.0) == [], "it is not idle any more"


# ---------------------------------------------------------------------- deadlines


def test_a_request_whose_time_is_over_is_refused_at_once_and_once() -> None:
    made = serving(1, maximum=1)
    made.acquire(Request(2, "b", 5.0), 0.0)
    made.acquire(Request(3, "c", 6.0), 0.0)
    assert made.next_event() == 5.0
    assert made.tick(4.9) == []
    (refusal,) = made.tick(5.0)
    assert isinstance(refusal, Refuse)
    assert (refusal.channel, refusal.code) == (2, "no-kernel")
    assert made.next_event() == 6.0
    assert made.tick(5.5) == []


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ("full", "no kernel came free: pool P is at its maximum of 1; close one, or raise MaximumKernelNumber"),
        ("failing", "no kernel came free: the kernels of pool P do not start: exited with status 1"),
        ("slow", "no kernel came free: kernels of pool P are still starting; ask again, or raise ConnectionTimeout"),
        ("all start", "no kernel came free: kernels of pool P are still starting; ask again, or raise ConnectionTimeout"),
    ],
)
def test_a_refusal_says_why(prepare: str, words: str) -> None:
    made = serving(1, maximum=1) if prepare == "full" else pool(minimum=0, maximum=1 if prepare == "all start" else 2)
    made.acquire(Request(2, "b", 5.0), 0.0)
    actions = made.ended(1, 0.0, "exited with status 1") if prepare == "failing" else made.tick(5.0)
    refusal = next(action for action in actions if isinstance(action, Refuse))
    assert refusal.text == words


# ---------------------------------------------------------------------- kernels that do not start


def test_kernels_that_do_not_start_are_tried_again_later_and_later() -> None:
    assert BACK_OFF == (1, 2, 4, 8, 16, 32, 60)
    made = pool()
    made.tick(0.0)
    now, number = 0.0, 1
    for wait in (*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]):
        assert made.ended(number, now, "exited with status 1") == []
        assert made.next_event() == now + wait
        assert made.tick(now + wait - 0.01) == []
        now += wait
        number += 1
        assert made.tick(now) == [Start(number)]
    made.ready(number, now)
    assert (made.failures, made.failing) == (0, "")


def test_kernels_that_fail_together_are_one_failure() -> None:
    made = pool(minimum=8, maximum=8, starting=8)
    assert len(starts(made.tick(0.0))) == 8
    for number in range(1, 9):
        assert made.ended(number, 1.0 + number / 100, "exited") == []
    assert made.next_event() == pytest.approx(1.01 + 1.0)
    assert len(starts(made.tick(2.5))) == 1, "one at a time, until one has started"
    assert made.ended(9, 3.0, "exited") == []
    assert made.next_event() == 5.0
    (again,) = starts(made.tick(5.0))
    assert len(starts(made.ready(again, 6.0))) == 7


def test_who_waits_at_the_cap_goes_on_waiting_when_one_start_fails() -> None:
    made = serving(8, maximum=8, keep_alive=False)
    for channel in range(9, 109):
        made.acquire(Request(channel, "b", 999.0), 0.0)
    assert stops(made.detached(1, 1.0)) == [1]
    (number,) = starts(made.ended(1, 1.1, "exited with status 0"))
    assert made.ended(number, 2.0, "exited with status 1") == [], "seven run on, and may come free"
    assert len(made.queue) == 100
    (number,) = starts(made.tick(3.0))
    assert [action.request.channel for action in made.ready(number, 4.0) if isinstance(action, Attach)] == [9]


def test_a_pool_whose_kernels_have_started_before_is_given_some_attempts() -> None:
    made = serving(1, maximum=1, keep_alive=False)
    made.acquire(Request(2, "b", 999.0), 0.0)
    made.detached(1, 1.0)
    (number,) = starts(made.ended(1, 1.1, "exited with status 0"))
    for now, wait in ((2.0, BACK_OFF[0]), (4.0, BACK_OFF[1])):
        assert made.ended(number, now, "exited with status 1") == []
        (number,) = starts(made.tick(now + wait))
    (refusal,) = made.ended(number, 7.0, "exited with status 1")
    assert isinstance(refusal, Refuse)
    assert refusal.text == "no kernel came free: the kernels of pool P do not start: exited with status 1"
    made.renew("another initialisation", 8.0)
    made.acquire(Request(3, "c", 999.0), 8.0)
    (refusal,) = made.ended(number + 1, 9.0, "exited with status 1")
    assert isinstance(refusal, Refuse), "what is new has never started"


def test_a_host_that_is_short_of_something_tries_again_soon_and_refuses_nobody() -> None:
    made = pool(minimum=0, maximum=2)
    (number,) = starts(made.acquire(Request(1, "a", 999.0), 0.0))
    now = 0.0
    for _ in range(10):
        assert made.ended(number, now, "the host is short of descriptors", short=True) == []
        due = made.next_event()
        assert due is not None and due - now <= SHORT_RETRY
        now = due
        (number,) = starts(made.tick(now))
    assert made.failing == "the host is short of descriptors"
    assert len(made.ready(number, now)) == 1
    assert made.failing == ""


def test_nothing_is_due_while_the_one_kernel_that_is_tried_is_starting() -> None:
    """A tick at :meth:`next_event` does something, so that it is not due again at once."""
    made = pool(minimum=2, maximum=3)
    made.tick(0.0)
    made.ended(1, 0.0, "exited")
    made.ended(2, 0.0, "exited")
    assert made.tick(1.0) == [Start(3)]
    assert made.next_event() is None
    made.acquire(Request(1, "a", 30.0), 2.0)
    assert made.next_event() == 30.0


def test_a_kernel_that_dies_before_anyone_had_it_is_not_replaced_at_once() -> None:
    made = pool()
    made.tick(0.0)
    made.ready(1, 1.0)
    assert made.ended(1, 1.5, "exited") == []
    assert made.next_event() == 2.5
    assert made.tick(2.5) == [Start(2)]


def test_a_kernel_that_dies_under_its_client_is_replaced_at_once() -> None:
    made = serving(1, maximum=1)
    assert made.ended(1, 1.0, "exited") == []
    made.acquire(Request(2, "b", 99.0), 2.0)
    assert made.count(KernelState.STARTING) == 1
    assert made.failures == 0


def test_no_client_waits_for_kernels_that_do_not_start() -> None:
    made = pool(minimum=2, maximum=3, starting=3)
    made.tick(0.0)
    assert made.acquire(Request(1, "a", 30.0), 0.0) == [Start(3)]
    assert made.ended(1, 1.0, "no licence") == [], "others may start"
    assert made.ended(2, 1.0, "no licence") == []
    (refusal,) = made.ended(3, 1.0, "no licence")
    assert isinstance(refusal, Refuse)
    assert (refusal.channel, refusal.text) == (1, "no kernel came free: the kernels of pool P do not start: no licence")
    (refusal,) = made.acquire(Request(2, "b", 30.0), 1.5)
    assert isinstance(refusal, Refuse)
    assert made.tick(2.0) == [Start(4)]
    assert made.acquire(Request(3, "c", 30.0), 2.1) == [], "one is tried"
    assert made.ready(4, 3.0) == [Attach(4, Request(3, "c", 30.0)), Start(5), Start(6)]


def test_a_client_waits_when_a_ready_kernel_has_died() -> None:
    made = pool()
    made.tick(0.0)
    made.ready(1, 1.0)
    made.ended(1, 1.5, "was ended by SIGKILL")
    assert made.acquire(Request(1, "a", 30.0), 1.6) == []
    assert made.tick(2.5) == [Start(2)]


def test_a_request_to_a_pool_without_a_minimum_tries_another_start() -> None:
    made = pool(minimum=0)
    assert made.acquire(Request(1, "a", 30.0), 0.0) == [Start(1)]
    assert [type(action) for action in made.ended(1, 0.5, "no licence")] == [Refuse]
    assert made.next_event() is None
    assert made.acquire(Request(2, "a", 90.0), 60.0) == [Start(2)]


# ---------------------------------------------------------------------- clients that leave


def test_without_keepalive_a_kernel_ends_with_its_client() -> None:
    made = serving(1, maximum=1, keep_alive=False)
    assert stops(made.detached(1, 1.0)) == [1]
    assert made.kernels[1].state is KernelState.ENDING
    assert made.detached(1, 1.5) == []
    made.ended(1, 2.0, "exited")
    assert made.failures == 0, "an end that was wanted is no failure"


def test_with_keepalive_it_stays() -> None:
    made = serving(1, maximum=2)
    assert made.detached(1, 1.0) == []
    assert made.kernels[1].state is KernelState.DETACHED
    made.acquire(Request(7, "b", 99.0), 2.0)
    assert made.kernels[1].state is KernelState.DETACHED, "nobody gets another's kernel without naming it"


def test_an_unwanted_kernel_is_told_once() -> None:
    made = serving(1, maximum=1)
    assert made.unwanted(1, 1.0, "its client asked for it") == [Stop(1, "its client asked for it")]
    assert made.unwanted(1, 1.0, "again") == []
    assert made.unwanted(99, 1.0, "never was") == []


def test_an_ending_kernel_that_becomes_ready_is_not_handed_out() -> None:
    made = pool(minimum=0, maximum=2)
    made.acquire(Request(1, "a", 99.0), 0.0)
    made.unwanted(1, 1.0, "no broker")
    assert not any(isinstance(action, Attach) for action in made.ready(1, 2.0))
    assert made.kernels[1].state is KernelState.ENDING
    made.validate()


# ---------------------------------------------------------------------- at the cap


def test_at_the_cap_the_kernel_longest_detached_and_idle_makes_room() -> None:
    made = serving(3, maximum=3)
    made.busy(1, Activity.EVALUATING, 0.0)
    for number, now in ((1, 1.0), (2, 2.0), (3, 3.0)):
        made.detached(number, now)
    assert stops(made.acquire(Request(4, "b", 99.0), 4.0)) == [2], "kernel 1 is longer detached, but busy"
    assert made.acquire(Request(4, "b", 99.0), 4.0) == [], "asked twice, and one has to go"
    assert made.ended(2, 5.0, "exited") == [Start(4)]
    assert made.ready(4, 6.0) == [Attach(4, Request(4, "b", 99.0))]


def test_a_kernel_that_becomes_idle_makes_room_for_a_waiting_client() -> None:
    made = serving(1, maximum=1)
    made.busy(1, Activity.EVALUATING, 0.0)
    made.detached(1, 1.0)
    assert made.acquire(Request(2, "b", 99.0), 2.0) == []
    assert stops(made.busy(1, Activity.IDLE, 3.0)) == [1]


def test_as_many_make_room_as_are_needed() -> None:
    made = serving(4, maximum=4)
    for number in (1, 2, 3, 4):
        made.detached(number, float(number))
    assert stops(made.acquire(Request(5, "b", 99.0), 5.0)) == [1]
    assert stops(made.acquire(Request(6, "c", 99.0), 5.0)) == [2]
    made.cancel(5, 6.0)
    assert stops(made.tick(6.0)) == []


def test_attached_kernels_are_never_given_up() -> None:
    made = serving(2, maximum=2)
    assert made.acquire(Request(3, "b", 99.0), 1.0) == []


def test_reserved_kernels_are_not_given_up() -> None:
    made = serving(1, maximum=1, reserve=True)
    made.detached(1, 1.0)
    assert made.acquire(Request(2, "b", 99.0), 2.0) == []


def test_no_session_is_given_up_for_kernels_that_do_not_start() -> None:
    made = serving(2, maximum=3)
    made.detached(1, 1.0)
    assert starts(made.acquire(Request(3, "b", 99.0), 2.0)) == [3]
    made.ended(3, 3.0, "no licence")
    assert starts(made.acquire(Request(4, "c", 99.0), 4.0)) == [4]
    assert stops(made.acquire(Request(5, "c", 99.0), 4.5)) == []
    assert starts(made.ended(4, 5.0, "no licence")) == []
    assert made.kernels[1].state is KernelState.DETACHED


# ---------------------------------------------------------------------- closing, and the licence


def test_closing_refuses_waiting_clients_and_ends_every_kernel() -> None:
    made = serving(1, maximum=2)
    made.acquire(Request(2, "a", 99.0), 0.0)
    made.acquire(Request(3, "a", 99.0), 0.0)
    actions = made.close(1.0)
    assert [type(action) for action in actions] == [Refuse, Refuse, Stop, Stop]
    assert [action.text for action in actions if isinstance(action, Refuse)] == ["the kernel host of pool P is shutting down"] * 2
    assert made.ready(2, 1.5) == []
    assert made.ended(1, 2.0, "exited") == []
    assert made.ended(2, 2.0, "exited") == []
    (refusal,) = made.acquire(Request(4, "a", 99.0), 3.0)
    assert isinstance(refusal, Refuse)
    assert refusal.code == "closing"
    assert made.kernels == {}


def test_a_licence_is_a_cap_and_no_failure() -> None:
    pool = Pool(PoolOptions("P", 2, 8))
    assert [type(action) for action in pool.tick(0.0)] == [Start, Start]
    assert pool.ready(1, 1.0) == []
    assert pool.ended(2, 1.0, "was refused", "No valid password found.") == []
    assert (pool.licensed, pool.maximum, pool.failing, pool.failures) == (1, 1, "", 0)
    assert pool.next_event() == 61.0
    attached = pool.acquire(Request(7, "c", 100.0), 2.0)
    assert [type(action) for action in attached] == [Attach]
    pool.acquire(Request(8, "d", 30.0), 3.0)
    refused = pool.tick(30.0)
    assert isinstance(refused[0], Refuse)
    assert "the licence lets pool P have no more than 1 at present (No valid password found.)" in refused[0].text
    pool.acquire(Request(9, "e", 1000.0), 31.0)
    # Its client has gone, and its place is needed, as at the configured cap.
    assert [type(action) for action in pool.detached(1, 40.0)] == [Stop]
    assert [type(action) for action in pool.ended(1, 41.0, "ended")] == [Start, Start]
    assert pool.licensed is None
    pool.validate()


def test_a_licence_is_asked_again_after_a_minute() -> None:
    pool = Pool(PoolOptions("P", 2, 8))
    pool.tick(0.0)
    pool.ready(1, 1.0)
    pool.ended(2, 1.0, "was refused", "No valid password found.")
    assert pool.tick(60.9) == []
    assert pool.tick(61.0) == [Start(3)]
    pool.ready(3, 62.0)
    assert pool.maximum == 8


def test_a_licence_that_lets_nothing_run_is_a_failure() -> None:
    pool = Pool(PoolOptions("P", 2, 8))
    pool.tick(0.0)
    assert pool.ended(1, 1.0, "was refused", "No valid password found.") == []
    assert pool.ended(2, 1.0, "was refused", "No valid password found.") == []
    assert pool.licensed is None and pool.failing == "was refused"
    assert pool.next_event() == 2.0


# ---------------------------------------------------------------------- clients that go again


def test_a_kernel_that_was_given_back_unused_is_ready_again() -> None:
    made = pool(minimum=1)
    made.tick(0.0)
    made.ready(1, 0.0)
    made.acquire(Request(9, "a", 30.0), 0.0)
    assert stops(made.unused(1, 1.0)) == [2], "its successor, which still starts, would be one too many"
    assert made.kernels[1].state is KernelState.READY
    made.validate()


def test_a_kernel_that_was_given_back_goes_to_a_waiting_client_or_is_surplus() -> None:
    made = serving(1, maximum=1)
    request = Request(9, "b", 30.0)
    made.acquire(request, 0.0)
    assert made.unused(1, 1.0) == [Attach(1, request)]
    made = pool(minimum=1)
    made.tick(0.0)
    made.ready(1, 0.0)
    made.acquire(Request(9, "a", 30.0), 0.0)
    made.ready(2, 0.5)
    assert stops(made.unused(1, 1.0)) == [1], "its successor is there"
    made.validate()


@pytest.mark.parametrize("rule", [True, False])
def test_a_client_says_whether_its_kernel_is_kept(rule: bool) -> None:
    made = serving(1, maximum=2, keep_alive=rule)
    made.keep_alive(1, not rule)
    made.detached(1, 1.0)
    assert made.kernels[1].state is (KernelState.ENDING if rule else KernelState.DETACHED)


def test_what_may_be_given_up_is_counted() -> None:
    made = serving(3, maximum=3)
    for number in (1, 2):
        made.detached(number, 1.0)
    made.busy(2, Activity.EVALUATING, 1.0)
    assert made.spare(2.0) == (1, 1)
    assert serving(1, maximum=1, reserve=True).spare(2.0) == (0, 0)


# ---------------------------------------------------------------------- sessions that are kept

TIMEOUTS = Timeouts(idle=100.0, evaluation=50.0, question=10.0, leftover=5.0)


def given_up(actions: list[Action]) -> list[int]:
    return [action.number for action in actions if isinstance(action, Stop) and action.gives_up]


def test_no_session_is_given_up_for_a_link_that_has_not_asked() -> None:
    made = serving(2, maximum=2)
    for number in (1, 2):
        made.detached(number, 1.0, Worth.UNUSED)
    assert made.acquire(Request(3, "c:3", 99.0, demand="automatic"), 2.0) == []
    asked = Request(3, "c:3", 99.0)
    assert given_up(made.acquire(asked, 3.0)) == [1], "now it has asked"
    assert made.ended(1, 4.0, "given up") == [Start(3)]
    assert made.ready(3, 5.0) == [Attach(3, asked)]


def test_a_place_that_was_made_goes_to_the_client_for_which_it_was_made() -> None:
    made = serving(2, maximum=2)
    for number in (1, 2):
        made.detached(number, 1.0)
    assert made.acquire(Request(3, "c:3", 99.0, demand="automatic"), 2.0) == []
    asked = Request(4, "c:4", 99.0)
    assert given_up(made.acquire(asked, 3.0)) == [1]
    made.ended(1, 4.0, "given up")
    assert made.ready(3, 5.0) == [Attach(3, asked)], "the other one came first, but has not asked"
    assert [request.channel for request in made.queue] == [3]


def test_an_unasked_kernel_is_started_where_there_is_room() -> None:
    made = serving(1, maximum=2)
    made.detached(1, 1.0, Worth.KEPT)
    listens = Request(3, "c:3", 99.0, demand="automatic")
    assert made.acquire(listens, 2.0) == [Start(2)]
    assert made.ready(2, 3.0) == [Attach(2, listens)]


def test_what_is_worth_least_is_given_up_first_and_what_is_kept_is_not() -> None:
    made = serving(5, maximum=5, timeouts=TIMEOUTS)
    for number, worth in enumerate((Worth.KEPT, Worth.LEFT, Worth.LEFTOVER, Worth.UNUSED, Worth.LEFTOVER), 1):
        made.detached(number, float(number), worth)
    assert made.spare(6.0) == (4, 4)
    assert [given_up(made.acquire(Request(channel, "b:1", 99.0), 6.0)) for channel in range(6, 11)] == [[4], [3], [5], [2], []]
    assert made.kernels[1].state is KernelState.DETACHED


@pytest.mark.parametrize(
    ("worth", "activity", "seconds"),
    [
        (Worth.KEPT, Activity.IDLE, 100.0),
        (Worth.KEPT, Activity.EVALUATING, 50.0),
        (Worth.KEPT, Activity.ASKING, 10.0),
        (Worth.LEFT, Activity.EVALUATING, 5.0),
        (Worth.LEFTOVER, Activity.ASKING, 5.0),
    ],
)
def test_a_session_is_safe_for_its_time_and_then_makes_room(worth: Worth, activity: Activity, seconds: float) -> None:
    made = serving(1, maximum=1, timeouts=TIMEOUTS)
    made.busy(1, activity, 0.5)
    made.detached(1, 1.0, worth)
    assert made.spare(1.0) == (0, 0)
    assert worth is not Worth.KEPT or isinstance(made.tick(0.999 + seconds)[0], Warn)
    assert made.next_event() == 1.0 + seconds, "the broker, where the clients wait, has to be told then"
    assert made.acquire(Request(2, "b:1", 999.0), 1.0 + seconds - 0.5) == []
    assert given_up(made.tick(1.0 + seconds)) == [1]


@pytest.mark.parametrize("reserve", [False, True])
@pytest.mark.parametrize(("ends", "ended"), [((), []), (("idle",), [1]), (("attached",), [2]), (("idle", "attached"), [2, 1])])
def test_times_end_sessions_only_when_their_places_are_needed_unless_told_otherwise(
    ends: tuple[str, ...], ended: list[int], reserve: bool
) -> None:
    made = serving(3, maximum=4, reserve=reserve, timeouts=TIMEOUTS._replace(attached=30.0, ends=frozenset(ends)))
    made.detached(1, 1.0, Worth.KEPT)
    made.busy(3, Activity.EVALUATING, 1.0)
    made.detached(3, 1.0, Worth.KEPT)
    given = [number for now in (27.0, 31.0, 91.0, 101.0) for number in given_up(made.tick(now))]
    assert given == ended


def test_a_session_that_is_over_a_new_time_is_warned_of_before_it_ends() -> None:
    made = serving(2, maximum=4)
    for number in (1, 2):
        made.detached(number, 1.0, Worth.KEPT if number == 1 else Worth.LEFT)
    ends = TIMEOUTS._replace(ends=frozenset({"idle", "leftover"}))
    actions = made.configure(made.options._replace(timeouts=ends), 5000.0)
    assert given_up(actions) == [2], "nobody can come back to it"
    (warning,) = [action for action in actions if isinstance(action, Warn)]
    assert warning.number == 1 and warning.text.startswith("in 10 s it is ended, unless a client comes back to it")
    assert made.next_event() == 5010.0
    assert given_up(made.tick(5009.0)) == []
    assert given_up(made.tick(5010.0)) == [1]


def test_a_session_that_is_over_its_time_makes_room_at_once_where_one_is_needed() -> None:
    made = serving(1, maximum=1)
    made.detached(1, 1.0, Worth.KEPT)
    made.configure(made.options._replace(timeouts=TIMEOUTS._replace(ends=frozenset({"idle"}))), 5000.0)
    assert given_up(made.acquire(Request(3, "c:3", 9999.0), 5001.0)) == [1]


def test_the_log_warns_once_before_a_session_may_be_given_up() -> None:
    for always in (False, True):
        made = serving(2, maximum=4, timeouts=TIMEOUTS._replace(attached=1000.0, ends=frozenset({"idle"} if always else ())))
        made.detached(1, 1.0, Worth.KEPT)
        assert made.next_event() == 91.0
        assert made.tick(90.9) == []
        (warning,) = made.tick(91.0)
        assert isinstance(warning, Warn) and warning.number == 1
        assert warning.text.startswith("in 10 s it is ended" if always else "in 10 s it may be ended")
        assert made.next_event() == 101.0
        assert made.tick(100.0) == [], "once is enough"
        made.attach(1, 7, 100.5)
        made.detached(1, 100.6, Worth.KEPT)
        assert made.next_event() == pytest.approx(190.6), "and again after it was used"
        made.configure(made.options._replace(timeouts=TIMEOUTS._replace(idle=0.0)), 101.0)
        assert made.tick(5000.0) == [], "it is safe for ever"
    made = serving(1, maximum=4, timeouts=TIMEOUTS)
    made.detached(1, 1.0, Worth.LEFT)
    assert made.tick(90.0) == [], "nobody can come back to it"


def test_reserved_sessions_are_given_up_for_nobody() -> None:
    made = serving(1, maximum=1, reserve=True, timeouts=TIMEOUTS)
    made.detached(1, 1.0, Worth.UNUSED)
    assert made.acquire(Request(2, "b:1", 9999.0), 1000.0) == []
    assert made.next_event() == 9999.0


def test_a_client_that_asks_for_nothing_makes_room_when_that_is_configured() -> None:
    made = serving(2, maximum=2, timeouts=TIMEOUTS._replace(attached=30.0))
    made.busy(2, Activity.EVALUATING, 1.0)
    assert made.acquire(Request(3, "b:1", 99.0), 20.0) == []
    (stop,) = made.tick(30.0)
    assert stop == Stop(1, "given up: its place is needed, and its client has asked for nothing for 30 s (AttachedIdleTimeout)", True)


def test_an_address_has_no_more_kernels_than_it_may() -> None:
    made = pool(minimum=0, maximum=9, kernels_per_address=1, sessions_per_address=2)
    for channel, client in ((1, "a:1"), (2, "b:1")):
        made.acquire(Request(channel, client, 99.0), 0.0)
        made.ready(channel, 0.0)
    (refused,) = made.acquire(Request(3, "a:2", 99.0), 1.0)
    assert refused == Refuse(3, "address-limit", "clients of a are attached to 1 kernels of pool P, as many as KernelsPerAddress allows")
    made.detached(1, 2.0, Worth.KEPT)
    made.acquire(Request(4, "a:3", 99.0), 3.0)
    made.ready(3, 3.0)
    made.detached(3, 4.0, Worth.KEPT)
    (refused,) = made.acquire(Request(5, "a:4", 99.0), 5.0)
    assert isinstance(refused, Refuse)
    assert "2 sessions in pool P" in refused.text
    assert made.too_many("a", new=False) == "", "it may go back to one that it has"


def test_a_link_over_the_limit_of_its_address_waits_until_it_has_asked() -> None:
    made = pool(minimum=1, maximum=9, sessions_per_address=1)
    made.acquire(Request(1, "a:1", 99.0), 0.0)
    made.ready(1, 0.0)
    made.ready(2, 0.0)
    made.detached(1, 1.0, Worth.KEPT)
    assert made.acquire(Request(2, "a:2", 99.0, demand="automatic"), 2.0) == []
    made.validate()
    assert [type(action) for action in made.acquire(Request(2, "a:2", 99.0), 3.0)] == [Refuse]
    assert not made.queue


def test_a_client_says_when_it_asks_whether_its_kernel_is_kept() -> None:
    made = pool(minimum=0, maximum=3)
    made.acquire(Request(1, "a:1", 99.0, keep=False), 0.0)
    made.ready(1, 0.0)
    assert stops(made.detached(1, 1.0, Worth.KEPT)) == [1]
    made.acquire(Request(2, "a:1", 99.0), 2.0)
    made.ready(2, 2.0)
    made.detached(2, 3.0, Worth.KEPT)
    made.attach(2, 3, 4.0, "a:2", keep=False)
    assert stops(made.detached(2, 5.0, Worth.KEPT)) == [2]


def test_a_client_that_listens_gets_the_place_of_a_session_that_nobody_can_come_back_to() -> None:
    made = serving(2, maximum=2, timeouts=TIMEOUTS)
    made.detached(1, 1.0, Worth.KEPT)
    made.detached(2, 2.0, Worth.LEFT)
    assert made.spare(200.0) == (2, 1)
    assert given_up(made.acquire(Request(3, "c:3", 999.0, demand="listens"), 200.0)) == [2]
    assert given_up(made.acquire(Request(4, "c:4", 999.0, demand="listens"), 200.0)) == []
    assert given_up(made.acquire(Request(4, "c:4", 999.0), 200.0)) == [], "the place that comes is for it, which has asked"
    assert given_up(made.acquire(Request(5, "c:5", 999.0), 200.0)) == [1]
