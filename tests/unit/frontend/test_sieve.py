"""The sieve and the command language."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.protocol.reports import FrontendStatus, HostStatus, KernelStatus, PoolStatus, Status
from kernelbus.frontend.commands import CommandRefused, Wanted, run
from kernelbus.frontend.sieve import Sieve
from wstp import Expr, LimitExceeded, Limits, Symbol
from wstp.packets import decode_expression, encode_packet, packet

HELP = packet("WSTPServer`Help")
PACKETS = [packet("EvaluatePacket", 1), HELP, packet("EnterTextPacket", "WSTPServer`Help[]"), packet("WSTPServer`ConnectKernel", "id")]
STREAM = b"".join(encode_packet(p) for p in PACKETS)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_commands_are_taken_out_and_nothing_else_is_touched(cuts: list[int]) -> None:
    sieve = Sieve(Limits())
    commands, passed, begun, at = [], b"", 0, 0
    for cut in [*sorted(cuts), len(STREAM)]:
        for piece in sieve.feed(STREAM[at:cut]):
            if piece.command:
                commands.append(decode_expression(piece.data))
            else:
                passed += bytes(piece.data)
                begun += piece.expressions
        at = max(at, cut)
    assert commands == [PACKETS[1], PACKETS[3]]
    assert passed == encode_packet(PACKETS[0]) + encode_packet(PACKETS[2])
    assert begun == 2


def test_a_whole_buffer_for_the_kernel_goes_on_as_it_came() -> None:
    data = encode_packet(PACKETS[0]) * 3
    (piece,) = Sieve(Limits()).feed(data)
    assert piece.data is data
    assert piece.expressions == 3


def test_a_command_is_bounded() -> None:
    sieve = Sieve(Limits())
    long = encode_packet(packet("WSTPServer`ConnectKernel", "x" * (3 << 20)))
    with pytest.raises(LimitExceeded, match="command"):  # noqa: PT012 - which piece is too much is not fixed
        for at in range(0, len(long), 1 << 18):
            sieve.feed(long[at : at + (1 << 18)])


RULE, TRUE, FALSE = Symbol("Rule"), Symbol("True"), Symbol("False")
STATUS = Status(
    1,
    "b",
    "1",
    "healthy",
    [],
    2.0,
    1,
    [HostStatus("h", "0123", "up", "1", 0.5, ["P"], 2, 1)],
    [FrontendStatus("f", "4567", "up", "1", 0.5)],
    [PoolStatus("P", "serving", True, False, False, 1, 0, 1, 1, 0, 0, 0, 0.0, 1, 8)],
    [KernelStatus(identity, "P", "h", "attached", 3.0, 1.0) for identity in ("0123456789", "abcdefghij")],
)
POOL_SHOWN = {
    "State": "serving",
    "Default": True,
    "ParallelDefault": False,
    "Parallel": False,
    "Hosts": 1,
    "Starting": 0,
    "Ready": 1,
    "Attached": 1,
    "Busy": 0,
    "Detached": 0,
    "Waiting": 0,
    "Longest": 0.0,
    "Minimum": 1,
    "Maximum": 8,
    "Failing": "",
    "Limited": "",
}
KERNEL_SHOWN = {
    "Pool": "P",
    "Host": "h",
    "State": "attached",
    "Created": 3.0,
    "Since": 1.0,
    "Prompt": "",
    "Client": "",
    "Profile": "",
    "Evaluations": 0,
    "Attachments": 0,
    "BytesIn": 0,
    "BytesOut": 0,
    "Cpu": 0.0,
    "Memory": 0,
    "Idle": 0.0,
    "Keep": True,
    "Pid": 0,
    "Text": "",
}


class Target:
    """A link that notes what it is asked."""

    def __init__(self, kernel: str = "") -> None:
        self.kernel, self.pool = kernel, "P" if kernel else ""
        self.asked: list[object] = []
        self.resume_point = 7
        self.replaceable = kernel == "unused"

    def connect_kernel(self, wanted: Wanted) -> None:
        self.asked.append(wanted)

    def keep_alive(self, keep: bool) -> None:
        self.asked.append(keep)

    def ask_status(self, show: Callable[[Status], Expr]) -> None:
        self.asked.append(show(STATUS))

    def disconnect(self) -> None:
        self.asked.append("disconnect")

    def close_kernel(self) -> None:
        self.asked.append("close")


def rules(**values: Expr) -> Expr:
    return Symbol("Association")(*(Symbol("Rule")(key, value) for key, value in values.items()))


@pytest.mark.parametrize(
    ("name", "arguments", "kernel", "answer", "asked"),
    [
        ("KernelID", (), "k", "k", []),
        ("KernelID", (), "", Symbol("None"), []),
        ("PoolName", (), "k", "P", []),
        ("ConnectKernel", (), "", None, [Wanted()]),
        ("ConnectKernel", ("id",), "", None, [Wanted("id")]),
        ("ConnectKernel", ("id",), "unused", None, [Wanted("id")]),
        ("ConnectKernel", ("id", RULE("Wait", FALSE)), "", None, [Wanted("id", wait=False)]),
        ("ConnectKernel", (rules(Pool="Q", Parallel=TRUE),), "", None, [Wanted("", "Q", True)]),
        ("ConnectKernel", (RULE("Pool", "Q"), RULE(Symbol("Profile"), "p")), "", None, [Wanted("", "Q", profile="p")]),
        ("Reconnect", ("id",), "", None, [Wanted("id", resume=True)]),
        ("Reconnect", ("id", RULE("Resume", TRUE)), "", None, [Wanted("id", resume=True)]),
        ("Reconnect", ("id", RULE("Resume", FALSE)), "", None, [Wanted("id")]),
        ("Reconnect", ("id", [RULE("Resume", 12), RULE("Wait", FALSE)]), "", None, [Wanted("id", wait=False, resume=True, point=12)]),
        ("ResumePoint", (), "k", 7, []),
        ("KeepAlive", (TRUE,), "k", TRUE, [True]),
        ("KeepAlive", (FALSE,), "k", FALSE, [False]),
        ("Pools", (), "", None, [{"P": POOL_SHOWN}]),
        ("Kernels", (), "0123456789", None, [{"0123456789": KERNEL_SHOWN, "abcdefgh": KERNEL_SHOWN}]),
        ("Kernels", (), "", None, [{"01234567": KERNEL_SHOWN, "abcdefgh": KERNEL_SHOWN}]),
        ("Disconnect", (), "k", "k", ["disconnect"]),
        ("CloseKernel", (), "k", "k", ["close"]),
    ],
)
def test_a_command_does_its_work(name: str, arguments: tuple[Expr, ...], kernel: str, answer: Expr, asked: list[object]) -> None:
    target = Target(kernel)
    assert run(target, packet("WSTPServer`" + name, *arguments)) == answer
    assert target.asked == asked


@pytest.mark.parametrize(
    ("name", "arguments", "kernel", "tag", "words"),
    [
        ("Hlep", (), "", "command", r"did you mean Help\[\]"),
        ("Frobnicate", (), "", "command", "lists the commands"),
        ("KernelID", (1,), "", "args", "takes no arguments"),
        ("ConnectKernel", (1,), "", "args", "a kernel id"),
        ("ConnectKernel", (1, 2), "", "args", "a kernel id"),
        ("ConnectKernel", (rules(Poool="Q"),), "", "option", 'did you mean "Pool"'),
        ("ConnectKernel", (rules(Resume=TRUE),), "", "option", "it knows"),
        ("ConnectKernel", (rules(Pool=1),), "", "option", '"Pool" is a string'),
        ("ConnectKernel", (rules(Parallel=1),), "", "option", '"Parallel" is True or False'),
        ("ConnectKernel", ("",), "", "args", "empty"),
        ("ConnectKernel", ("id", RULE("Pool", "Q")), "", "args", "leave the pool out"),
        ("Reconnect", (), "", "args", "takes a kernel id"),
        ("Reconnect", ("id", RULE("Resume", -1)), "", "option", "Resume"),
        ("Reconnect", ("id", RULE("Resume", "yes")), "", "option", "Resume"),
        ("ResumePoint", (), "", "nokernel", "no kernel is attached"),
        ("KeepAlive", (), "k", "args", "True or False"),
        ("KeepAlive", (1,), "k", "option", "True or False"),
        ("KeepAlive", (TRUE,), "", "nokernel", "no kernel is attached"),
        ("Status", (1,), "", "args", "takes no arguments"),
        ("ConnectKernel", (), "k", "attached", "kernel k is attached"),
        ("Disconnect", (), "", "nokernel", "no kernel is attached"),
        ("CloseKernel", (), "", "nokernel", "no kernel is attached"),
    ],
)
def test_a_command_that_cannot_be_done_is_refused(name: str, arguments: tuple[Expr, ...], kernel: str, tag: str, words: str) -> None:
    target = Target(kernel)
    with pytest.raises(CommandRefused, match=words) as refused:
        run(target, packet("WSTPServer`" + name, *arguments))
    assert refused.value.tag == tag
    assert target.asked == []
