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
        delivery.wrote(number * 5, 5, 5)
        if delivery.many:
            delivery.forget(number * 5 - 7)
    assert len(delivery._pieces) < 300
    assert delivery.taken(4900) == 4900
