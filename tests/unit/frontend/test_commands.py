"""The command language: what each command asks of its link, what it answers, and its refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kernelbus.bus.protocol.reports import FrontendStatus, HostStatus, KernelStatus, PoolStatus, Status
from kernelbus.frontend.commands import (
    COMMANDS,
    CommandRefused,
    Wanted,
    asks_for_kernel,
    gives_token,
    is_command,
    needs_no_kernel,
    read,
    run,
)
from wstp import Expr, Symbol
from wstp.packets import packet

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
    "DetachedBusy": 0,
    "AtMaximum": False,
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
    "Busy": False,
    "Asking": False,
    "EndsIn": 0.0,
    "Safe": 0.0,
    "SafeBusy": 0.0,
    "SafeEnds": False,
    "SafeBusyEnds": False,
}


class Target:
    """A link that records what commands ask of it."""

    def __init__(self, kernel: str = "") -> None:
        self.kernel, self.pool = kernel, "P" if kernel else ""
        self.asked: list[object] = []
        self.resume_point = 7
        self.replaceable = kernel == "unused"

    def connect_kernel(self, wanted: Wanted) -> None:
        self.asked.append(wanted)

    def keep_alive(self, keep: bool) -> None:
        self.asked.append(keep)

    def told_id(self) -> None:
        pass

    def withdraw_abort(self) -> None:
        self.asked.append("withdraw")

    def ask_status(self, show: Callable[[Status, str], Expr]) -> None:
        self.asked.append(show(STATUS, self.kernel))

    def disconnect(self) -> None:
        self.asked.append("disconnect")

    def close_kernel(self) -> None:
        self.asked.append("close")

    def challenge(self, number: str) -> str:
        self.asked.append(number)
        return "a number"

    def prove(self, proof: str) -> str:
        self.asked.append(proof)
        return "a proof"

    def authenticate(self, token: str) -> None:
        self.asked.append(token)


def rules(**values: Expr) -> Expr:
    return Symbol("Association")(*(Symbol("Rule")(key, value) for key, value in values.items()))


@pytest.mark.parametrize(
    ("name", "arguments", "kernel", "answer", "asked"),
    [
        ("Authenticate", ("t",), "", TRUE, ["t"]),
        ("Authenticate", ("Challenge", "0123456789abcdef"), "", "a number", ["0123456789abcdef"]),
        ("Authenticate", ("Proof", "p"), "", "a proof", ["p"]),
        ("KernelID", (), "k", "k", []),
        ("KernelID", (), "", Symbol("None"), []),
        ("PoolName", (), "k", "P", []),
        ("WithdrawAbort", (), "k", {"k": {"EndsIn": 0.0}}, ["withdraw"]),
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
def test_a_command_acts_and_answers(name: str, arguments: tuple[Expr, ...], kernel: str, answer: Expr, asked: list[object]) -> None:
    target = Target(kernel)
    assert run(target, packet("WSTPServer`" + name, *arguments)) == answer
    assert target.asked == asked


NESTED: list[Expr] = []
for _ in range(100_000):
    NESTED = [NESTED]
NESTED = [NESTED, "last"]


@pytest.mark.parametrize(
    ("name", "arguments", "kernel", "tag", "words"),
    [
        ("Hlep", (), "", "command", r"did you mean Help\[\]"),
        ("x" * 60_000, (), "", "command", r"no command x{40}\.\.\.;"),
        ("a\n\x1b[2J", (), "", "command", r"no command a\?\?\[2J;"),
        ("ConnectKernel", (NESTED,), "", "args", "a kernel id"),
        ("ConnectKernel", (np.arange(3),), "", "args", "a kernel id"),
        ("ConnectKernel", (RULE("Wait", np.arange(3)),), "", "option", '"Wait" is True or False'),
        ("ConnectKernel", (RULE("Pool", "a\nb"),), "", "option", '"Pool" is a string'),
        ("ConnectKernel", (RULE("Pool", "\ud800"),), "", "option", '"Pool" is a string'),
        ("ConnectKernel", (RULE("P\n" + "x" * 60_000, 1),), "", "option", r'knows no "P\?x{38}\.\.\."'),
        ("ConnectKernel", ("x" * 60_000,), "", "option", '"id" is a string'),
        ("Reconnect", ("x\n",), "", "option", '"id" is a string'),
        ("Reconnect", ("id", RULE("Resume", 10**999_999)), "", "option", "Resume"),
        ("KeepAlive", (np.arange(3),), "k", "option", "True or False"),
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
def test_a_command_that_cannot_be_carried_out_is_refused(name: str, arguments: tuple[Expr, ...], kernel: str, tag: str, words: str) -> None:
    target = Target(kernel)
    with pytest.raises(CommandRefused, match=words) as refused:
        run(target, packet("WSTPServer`" + name, *arguments))
    assert refused.value.tag == tag
    assert len(str(refused.value).splitlines()) == 1
    assert target.asked == []


HEAD = b"WSTPServer`KeepAlive"
COMMAND = b"FA#%cA~%c%b\n" % (0x40 + len(HEAD) + 3, 0x40 + len(HEAD), HEAD)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (b'"DD~A\xff\n', "cannot be read: a string's text is not utf-8"),
        (b"+FA~C12x\n", 'cannot be read: "12x" was sent as a number'),
        (b"+1000010 A~1000000 " + b"9" * 1_000_000 + b"\n", "an integer has 1000000 digits"),
        (b"#CA~@\n", "a symbol has no name"),
        (b"", "not complete"),
        (b"FA#GA~DList\n" * 2000, "nesting_depth"),
        (b"A@D`F1000000000 #DA~Af\nF@#GA~DList\n.\n", "array_nodes"),
    ],
    ids=range(7),
)
def test_a_command_that_cannot_be_read_is_refused(argument: bytes, words: str) -> None:
    with pytest.raises(CommandRefused, match=words) as refused:
        read(COMMAND + argument)
    assert refused.value.tag == "command"
    assert len(str(refused.value).splitlines()) == 1


def test_help_lists_every_command_with_its_usage() -> None:
    lines = str(run(Target(), packet("WSTPServer`Help"))).splitlines()
    assert lines == [f"WSTPServer`{command.usage}  {command.help}" for command in COMMANDS.values()]
    assert len(lines) == len(COMMANDS) > 10


@pytest.mark.parametrize(("head", "command"), [("WSTPServer`Help", True), ("WSTPServer`", True), ("Help", False), (None, False)])
def test_a_command_is_known_by_its_context(head: str | None, command: bool) -> None:
    assert is_command(head) is command


@pytest.mark.parametrize("name", COMMANDS)
def test_which_commands_need_a_kernel_and_which_ask_for_one(name: str) -> None:
    expression = packet("WSTPServer`" + name)
    assert asks_for_kernel(expression) is (name in ("ConnectKernel", "Reconnect"))
    assert needs_no_kernel(expression) is (name in ("Authenticate", "Help", "Status", "Pools", "Kernels"))
    assert gives_token(expression) is (name == "Authenticate")
