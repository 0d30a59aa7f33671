"""How many bytes of a kernel's output a client's machine has received."""

from __future__ import annotations

from kernelbus.frontend.delivery import Delivery


def test_acknowledged_bytes_are_told_from_the_servers_own() -> None:
    delivery = Delivery()
    delivery.wrote(100, 10, 10)  # behind a greeting of 100
    delivery.wrote(150, 20, 20)  # behind an answer of 40
    assert [delivery.taken(at) for at in (0, 100, 104, 110, 130, 150, 151, 169, 170, 999)] == [0, 0, 4, 10, 10, 10, 11, 29, 30, 30]


def test_what_was_written_anew_counts_whole() -> None:
    delivery = Delivery()
    delivery.wrote(0, 15, 10)
    delivery.wrote(15, 30, 20)
    assert [delivery.taken(at) for at in (0, 14, 15, 44, 45)] == [0, 0, 10, 10, 30]


def test_what_is_acknowledged_is_forgotten() -> None:
    delivery = Delivery()
    for number in range(1000):
        delivery.wrote(number * 10, 10, 5)
        if delivery.many:
            delivery.forget(number * 10 - 14, number * 10 - 14)
    assert len(delivery._pieces) < 300
    assert delivery.taken(9800) == 4900


def test_what_may_be_unread_is_known_a_while_longer() -> None:
    """A client that is reset with unread bytes has what it had read, and perhaps no more."""
    delivery = Delivery()
    for number in range(200_000):
        delivery.wrote(number * 100, 100, 90)
        if delivery.many:
            delivery.forget(1000, number * 100)
        if number == 20_000:
            assert delivery.taken(1000) == 900
            assert 0 <= 90 * 150 - delivery.taken(100 * 150) < 2**16, "the start of a piece of some size"
    assert len(delivery._pieces) < 1000
    assert delivery.taken(100 * 200_000) == 90 * 200_000


def test_pieces_that_adjoin_are_one() -> None:
    delivery = Delivery()
    for number in range(1000):
        delivery.wrote(100 + number * 5, 5, 5)
    assert len(delivery._pieces) == 1
    assert [delivery.taken(at) for at in (0, 100, 103, 5099, 5100)] == [0, 0, 3, 4999, 5000]
    delivery.wrote(5100, 7, 3)  # written anew
    delivery.wrote(5107, 7, 7)
    assert len(delivery._pieces) == 3
    assert [delivery.taken(at) for at in (5100, 5106, 5107, 5110)] == [5000, 5000, 5003, 5006]
    delivery.forget(5108, 5108)
    assert len(delivery._pieces) == 1
    assert [delivery.taken(at) for at in (5107, 5110, 9999)] == [5003, 5006, 5010]
