"""Places are shared out: who takes many loses their own, and who takes few is let in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstp.places import Places, network


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_addresses_of_one_machine_count_as_one(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


def test_the_newest_of_the_greediest_address_goes() -> None:
    places: Places[int] = Places(4)
    for key, address in enumerate("aaab"):
        assert places.enter(key, address) == []
    assert places.enter(4, "c") == [2]
    assert places.enter(5, "a") == [5], "a newcomer of the greediest address"
    assert places.enter(6, "d") == [1]
    assert places.enter(7, "e") == [7], "nobody has more than it"
    assert [key in places for key in range(8)] == [True, False, False, True, True, False, True, False]


def test_who_is_spare_goes_before_a_newcomer_the_longest_first() -> None:
    places: Places[int] = Places(3)
    for key in range(3):
        places.enter(key, "a", spare=True)
    places.set_spare(0, False)
    assert places.enter(3, "a") == [1]
    assert places.enter(4, "a") == [2]
    assert places.enter(5, "a") == [5]
    places.set_spare(3, True)
    places.leave(3)
    places.set_spare(3, True)
    assert places.enter(6, "a") == []


def test_an_address_has_a_limit_of_its_own() -> None:
    places: Places[int] = Places(10, each=2)
    assert [places.enter(key, address) for key, address in enumerate("aaab")] == [[], [], [2], []]
    assert (places.held("a"), places.held("b"), places.held("c")) == (2, 1, 0)
    places.leave(0)
    assert places.enter(4, "a") == []
    places.most = 2
    assert len(places.enter(5, "c")) == 2
    assert len(places) == 2


KINDS = st.sampled_from(["enter", "enter", "enter", "leave", "spare", "busy"])
EVENTS = st.lists(st.tuples(KINDS, st.integers(0, 60), st.sampled_from("aaaabbc")), max_size=150)


@given(EVENTS, st.integers(1, 12), st.integers(0, 5))
def test_bounds_hold_and_a_modest_address_is_served(events: list[tuple[str, int, str]], most: int, each: int) -> None:
    places: Places[int] = Places(most, each)
    held: dict[int, str] = {}
    for number, (what, index, address) in enumerate(events):
        key = sorted(held)[index % len(held)] if held else -1
        if what == "enter":
            before = Counter(held.values())
            gone = places.enter(number, address)
            held[number] = address
            for left in gone:
                assert left in held
                counts = Counter(held.values())
                full = len(held) > most
                over = bool(each) and counts[address] > each
                assert full or over
                # It is the address with the most places that loses one.
                assert counts[held[left]] == max(counts.values()) if not over else held[left] == address
                del held[left]
            if before[address] + 1 <= most // 3 and (not each or before[address] < each):
                assert number in held, "an address with less than its share is let in"
        elif held and what == "leave":
            places.leave(key)
            del held[key]
        elif held:
            places.set_spare(key, what == "spare")
        assert len(places) == len(held) <= most
        assert not each or all(count <= each for count in Counter(held.values()).values())
        assert all(key in places for key in held)
