"""A client's input is divided in small steps, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.turns import STEP_BYTES, Turn
from kernelbus.frontend.intake import Intake
from wstp import LimitExceeded, Limits
from wstp.packets import encode_packet, packet

HELP = encode_packet(packet("WSTPServer`Help"))
EVALUATE = encode_packet(packet("EvaluatePacket", 1))
ATOM = b"\xa0\x01\n"


def turn(steps: int) -> Turn:
    return Turn(lambda: 0.0, 1.0, steps)


def drained(intake: Intake) -> tuple[int, bytes, int, int]:
    """Take everything: the commands, the bytes for the kernel, its expressions and the steps."""
    commands, passed, begun, steps = 0, b"", 0, 0
    while intake.waiting:
        if intake.first() is None:
            intake.fill(turn(1))
            steps += 1
        for piece in intake.take_passing():
            passed += bytes(piece.data)
            begun += piece.expressions
        if intake.first() is not None:
            assert intake.take().command
            commands += 1
    return commands, passed, begun, steps


@pytest.mark.parametrize("dense", [ATOM, b"]"])
def test_dense_input_is_divided_in_small_steps(dense: bytes) -> None:
    intake = Intake(Limits())
    intake.add(dense * 100_000)
    assert not intake.fill(turn(3))
    assert sum(len(piece.data) for piece in intake.take_passing()) <= 3 * STEP_BYTES
    assert intake.waiting >= len(dense) * 100_000 - 3 * STEP_BYTES - 3
    _, passed, begun, steps = drained(intake)
    assert begun == passed.count(ATOM)
    assert steps >= len(passed) // STEP_BYTES


def test_a_long_body_is_one_step() -> None:
    intake = Intake(Limits())
    data = encode_packet(packet("EvaluatePacket", "x" * 2**20))
    intake.add(data)
    commands, passed, begun, steps = drained(intake)
    assert (commands, passed, begun) == (0, data, 1)
    assert steps <= 4


def test_it_stops_at_each_command() -> None:
    intake = Intake(Limits())
    intake.add(HELP * 1000)
    pieces = 0
    while intake.waiting:
        intake.fill(turn(1000))
        assert len(intake.take_passing()) == 0
        while intake.first() is not None:
            intake.take()
            pieces += 1
    assert pieces == 1000


@given(st.lists(st.sampled_from([HELP, EVALUATE, ATOM, b"]"]), max_size=30), st.lists(st.integers(0, 2000), max_size=6))
def test_nothing_is_lost_or_changed(parts: list[bytes], cuts: list[int]) -> None:
    data, intake, at = b"".join(parts), Intake(Limits()), 0
    for cut in [*sorted(cuts), len(data)]:
        intake.add(data[at:cut])
        at = max(at, cut)
    commands, passed, begun, _ = drained(intake)
    assert commands == parts.count(HELP)
    assert begun == parts.count(EVALUATE) + parts.count(ATOM)
    # The end of packet behind a command is the command's, also where the packet has another.
    assert passed.replace(b"]", b"") == b"".join(part for part in parts if part != HELP).replace(b"]", b"")


def test_what_waits_can_be_forgotten() -> None:
    intake = Intake(Limits())
    intake.add(HELP + EVALUATE)
    intake.fill(turn(1))
    intake.clear()
    assert intake.first() is None
    assert intake.waiting == 0


def test_a_command_that_dribbles_in_has_a_bound() -> None:
    intake = Intake(Limits())
    long = encode_packet(packet("WSTPServer`Help", "x" * 2**15))
    with pytest.raises(LimitExceeded, match="a command of more than"):  # noqa: PT012 - at which byte is not fixed
        for at in range(len(long)):
            intake.add(long[at : at + 1])
            intake.fill(turn(2))
