"""Whose request for a kernel comes next."""

from __future__ import annotations

from collections import Counter

from broker_player import kernel

from kernelbus.bus.broker.fairness import Fairness, taken_back
from kernelbus.bus.broker.sessions import Session
from kernelbus.bus.broker.tables import ChannelEntry, ChannelPhase
from kernelbus.bus.protocol.messages import Demand, Open


class _Queue:
    """Requests that wait, named by letter and number: the letter is their address."""

    def __init__(self) -> None:
        self.fairness = Fairness()
        self.waiting: list[ChannelEntry] = []
        self.turns = 0
        self.held: Counter[str] = Counter()

    def come(self, names: str, demand: Demand = "asked") -> None:
        for name in names.split():
            self.turns += 1
            request = Open(self.turns, name, demand=demand)
            self.waiting.append(ChannelEntry(self.turns, ChannelPhase.WAITING, 0.0, request=request, turn=self.turns, address=name[0]))
            self.fairness.waits(name[0])

    def go(self, name: str) -> None:
        self.waiting = [entry for entry in self.waiting if entry.request is not None and entry.request.client != name]
        self.fairness.only(entry.address for entry in self.waiting)

    @property
    def order(self) -> str:
        return " ".join(entry.request.client for entry in self.fairness.order(self.waiting, self.held) if entry.request is not None)

    def serve(self, count: int) -> str:
        """Serve so many, one after the other; return who they were."""
        served = []
        for _ in range(count):
            first = self.fairness.order(self.waiting, self.held)[0]
            assert first.request is not None
            self.fairness.give(first)
            served.append(first.request.client)
            self.go(first.request.client)
        return " ".join(served)


def test_one_address_is_served_in_the_order_of_coming() -> None:
    queue = _Queue()
    queue.come("a1 a2 a3")
    assert queue.order == "a1 a2 a3"
    assert queue.serve(3) == "a1 a2 a3"


def test_addresses_take_turns_and_the_order_that_is_told_is_the_one_that_comes() -> None:
    queue = _Queue()
    queue.come("a1 a2 a3 a4 b1 a5 b2 c1")
    told = queue.order
    assert told == "a1 b1 c1 a2 b2 a3 a4 a5"
    assert queue.serve(8) == told


def test_who_comes_late_waits_for_one_turn_of_each_other() -> None:
    queue = _Queue()
    queue.come(" ".join(f"a{number}" for number in range(100)))
    assert queue.serve(40).endswith("a39")
    queue.come("b1 b2")
    assert queue.serve(4) == "a40 b1 a41 b2", "what was served while nobody else waited does not count, and nothing is made up for"
    queue.come("b3")
    assert queue.serve(2) == "a42 b3"


def test_an_address_does_not_save_turns_while_it_is_away() -> None:
    queue = _Queue()
    queue.come("a1 a2 a3 a4 a5 a6 b1")
    queue.go("b1")
    assert queue.serve(3) == "a1 a2 a3"
    queue.come("b2 b3 b4")
    assert queue.serve(4) == "a4 b2 a5 b3"


def test_who_goes_leaves_no_gap() -> None:
    queue = _Queue()
    queue.come("a1 a2 a3 b1 b2")
    queue.go("a1")
    queue.go("a2")
    assert queue.order == "a3 b1 b2"


def test_who_has_fewest_kernels_comes_first() -> None:
    queue = _Queue()
    queue.held.update({"a": 2, "b": 1})
    queue.come("a1 a2 b1 b2 c1")
    assert queue.order == "c1 b1 a1 b2 a2"
    queue.held["a"] = 0
    assert queue.order == "a1 c1 b1 a2 b2"


def test_a_request_that_waits_again_keeps_its_place_and_costs_no_other_turn() -> None:
    queue = _Queue()
    queue.come("a1 a2 b1")
    first = queue.waiting[0]
    queue.fairness.give(first)
    queue.fairness.give(first)
    queue.come("b2")
    assert queue.order == "b1 a1 b2 a2"


def test_the_demand_counts_within_an_address_and_what_is_not_asked_for_is_last() -> None:
    queue = _Queue()
    queue.come("a1 b1", "automatic")
    queue.come("a2", "listens")
    queue.come("a3 a4")
    queue.come("b2", "listens")
    assert queue.order == "a3 b2 a4 a2 b1 a1"


class _Host:
    id = name = "h"


def held(names: str, **used: int) -> list[Session]:
    """Return sessions whose clients have their first letter as address; the first is the oldest."""
    made = []
    for since, name in enumerate(names.split()):
        report = kernel(name, channel=since + 1, client=f"{name[0]}:1", evaluations=used.get(name, 0))
        made.append(Session(report, _Host(), 0.0, float(since), 0.0))
    return made


def taken(sessions: list[Session], waiting: str, before: float = 99.0) -> str:
    return " ".join(session.report.kernel for session in taken_back(sessions, waiting.split(), before))


def test_an_unused_kernel_is_taken_from_the_address_with_the_most() -> None:
    assert taken(held("b1 a1 a2 a3 b2"), "c") == "a1", "the one that was not used for longest"
    assert taken(held("b1 a1 a2 a3 b2", a1=1), "c") == "a2", "one that was used stays"
    assert taken(held("a1 a2 a3", a1=1, a2=1, a3=1), "c") == ""
    assert taken(held("a1 a2 a3"), "c", before=-1.0) == "", "they are too young"


def test_two_addresses_do_not_take_kernels_from_each_other_in_turn() -> None:
    assert taken(held("a1"), "b") == ""
    assert taken(held("a1 a2 b1"), "b") == ""
    assert taken(held("a1 a2 a3 b1"), "b") == "a1"
    assert taken(held("a1 a2 a3"), "a") == "", "nothing is gained"


def test_each_address_that_waits_gets_one_at_a_time() -> None:
    assert taken(held("a1 a2 a3 a4 a5 a6"), "b b b c") == "a1 a2"
    assert taken(held("a1 a2"), "b c") == "a1"
