"""Printed text in few messages: kernelbus.shell.jupyter.gathering."""

from __future__ import annotations

from kernelbus.shell.jupyter.gathering import GATHER_SECONDS, Gathering


def test_the_first_goes_at_once_and_the_rest_together() -> None:
    gathering = Gathering()
    assert gathering.add("stdout", "1\n", 10.0) == [("stdout", "1\n")]
    assert gathering.add("stdout", "2\n", 10.001) == gathering.add("stdout", "3\n", 10.002) == []
    assert gathering.waits
    assert gathering.take(10.0 + GATHER_SECONDS) == [("stdout", "2\n3\n")]
    assert not gathering.waits and gathering.take(11.0) == []
    assert gathering.add("stdout", "4\n", 11.0) == [("stdout", "4\n")]


def test_streams_keep_their_order() -> None:
    gathering = Gathering()
    gathering.add("stdout", "1", 10.0)
    gathering.add("stdout", "2", 10.001)
    assert gathering.add("stderr", "3", 10.002) == [("stdout", "2")]
    assert gathering.take(10.003) == [("stderr", "3")]


def test_a_large_text_does_not_wait() -> None:
    gathering = Gathering()
    gathering.add("stdout", "1", 10.0)
    assert gathering.add("stdout", "x" * 200_000, 10.001) == [("stdout", "x" * 200_000)]
