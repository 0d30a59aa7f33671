"""The filter of system calls, run here by an interpreter of its instructions."""

from __future__ import annotations

import struct

import pytest

from kernelbus.kernelhost.mathics.engine.filter import filter_for

X86, ARM = 0xC000003E, 0xC00000B7
ALLOWED, REFUSED, ABSENT = 0x7FFF0000, 0x00050001, 0x00050026


def verdict(program: bytes, machine: int, call: int, first: int = 0) -> int:
    """Return what a filter says of a system call."""
    instructions = list(struct.iter_unpack("HBBI", program))
    data = {0: call, 4: machine, 16: first}
    at, value = 0, 0
    while True:
        code, true, false, constant = instructions[at]
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            value = data[constant]
        else:
            holds = value == constant if code == 0x15 else bool(value & constant)
            at += true if holds else false


@pytest.mark.parametrize(
    ("machine", "number", "read", "opens", "clone", "last"),
    [("x86_64", X86, 0, (2, 257, 437), 56, 201), ("aarch64", ARM, 63, (56, 437), 220, 293)],
)
def test_an_engine_computes_and_opens_nothing(
    machine: str, number: int, read: int, opens: tuple[int, ...], clone: int, last: int
) -> None:
    program = filter_for(machine, "linux")
    assert program is not None
    assert verdict(program, number, read) == ALLOWED
    assert verdict(program, number, last) == ALLOWED
    for call in opens:
        assert verdict(program, number, call) == REFUSED
    # A thread may be made, and no process; clone3 hides which of the two it makes.
    assert verdict(program, number, clone, 0x3D0F00) == ALLOWED
    assert verdict(program, number, clone, 17) == REFUSED
    assert verdict(program, number, 435) == ABSENT
    # Calls of another machine's numbers, as a 32-bit program makes them.
    assert verdict(program, 0x40000003, read) == REFUSED
    assert verdict(program, number, 0x40000000 | read) == REFUSED


def test_other_systems_have_no_filter() -> None:
    assert filter_for("riscv64", "linux") is None
    assert filter_for("x86_64", "darwin") is None
