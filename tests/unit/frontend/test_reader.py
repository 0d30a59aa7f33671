"""What a client has read, by the window that its machine announces."""

from __future__ import annotations

from kernelbus.frontend.reader import Reader


def test_what_makes_the_window_smaller_is_unread() -> None:
    reader = Reader()
    assert reader.read(0, 1_000_000, 0.0) == 0
    assert reader.read(500_000, 500_000, 0.0) == 0
    assert reader.read(900_000, 300_000, 0.1) == 200_000
    assert reader.read(900_000, 2_000_000, 0.2) == 900_000, "the window has grown"
    assert reader.read(1_900_000, 1_000_000, 0.3) == 900_000
    assert reader.read(1_900_000, 900_000, 0.4) == 900_000, "what was read stays read"


def test_little_is_not_looked_at_and_an_unknown_window_says_nothing() -> None:
    reader = Reader()
    assert reader.read(0, 1_000_000, 0.0) == 0
    assert reader.read(60_000, 940_000, 0.0) == 60_000
    assert Reader().read(60_000, None, 0.0) == 60_000


def test_a_window_that_stays_small_is_the_largest_from_then_on() -> None:
    reader = Reader()
    reader.read(0, 1_000_000, 0.0)
    assert reader.read(800_000, 200_000, 0.1) == 0
    assert reader.read(800_000, 200_000, 1.0) == 0
    assert reader.read(800_000, 200_000, 1.2) == 800_000
    assert reader.read(1_000_000, 200_000, 1.3) == 1_000_000


def test_a_full_buffer_is_no_mistake() -> None:
    reader = Reader()
    reader.read(0, 1_000_000, 0.0)
    assert reader.read(1_000_000, 0, 0.1) == 0
    assert reader.read(1_000_000, 0, 60.0) == 0


def test_a_window_that_grows_and_settles_below_the_largest_hides_nothing() -> None:
    """Linux makes the window of a buffer that was full smaller."""
    reader = Reader()
    reader.read(0, 1_000_000, 0.0)
    assert reader.read(1_000_000, 0, 0.1) == 0
    assert reader.read(1_000_000, 400_000, 5.0) == 400_000
    assert reader.read(1_000_000, 600_000, 5.02) == 600_000
    assert reader.read(1_000_000, 600_000, 5.04) == 600_000, "it may read on"
    assert reader.read(1_000_000, 600_000, 5.06) == 1_000_000
    assert reader.read(1_300_000, 300_000, 5.07) == 1_000_000
