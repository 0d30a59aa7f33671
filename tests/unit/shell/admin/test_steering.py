"""Commands that change something: the orders they give, and the questions they ask first."""

from __future__ import annotations

import json

import pytest
from shells import Broker
from statuses import ATTACHED, DETACHED, KERNEL

from kernelbus.bus.protocol.orders import (
    Answer,
    HostOrder,
    KernelOrder,
    LogLevelOrder,
    Order,
    PartAnswer,
    PoolOrder,
    ReloadOrder,
    SessionOrder,
    StartOrder,
)
from kernelbus.shell.admin.steering import LEVELS, Steering


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("kernel start Main --host alpha", StartOrder(0, "", "Main", "alpha")),
        # Without a question the id is sent as it was typed: the broker decides what it means.
        ("kernel abort abcx", KernelOrder(0, "", "abcx", "abort")),
        ("kernel close abcd", KernelOrder(0, "", KERNEL.kernel, "close")),
        ("kernel restart abcx --yes", KernelOrder(0, "", ATTACHED.kernel, "restart")),
        ("session detach abcx", SessionOrder(0, "", "abcx", "detach")),
        ("session close deta -y", SessionOrder(0, "", DETACHED.kernel, "close")),
        ("pool resize Main --minimum 0 --maximum 2", PoolOrder(0, "", "Main", "resize", minimum=0, maximum=2)),
        ("pool pause Main", PoolOrder(0, "", "Main", "pause")),
        ("pool drain Main --yes", PoolOrder(0, "", "Main", "drain")),
        ("host resume alpha", HostOrder(0, "", "alpha", "resume")),
        ("host evict alpha --yes", HostOrder(0, "", "alpha", "evict")),
        ("reload", ReloadOrder(0, "")),
        ("log-level debug", LogLevelOrder(0, "", "debug")),
    ],
)
def test_what_is_ordered(broker: Broker, line: str, order: Order) -> None:
    assert hasattr(Steering, f"do_{line.split()[0]}")
    assert broker.run(line) == ("done so\n", "")
    assert broker.orders == [order]


@pytest.mark.parametrize("line", ["kernel close abcx", "session close deta", "pool drain Main", "host drain alpha", "host evict alpha"])
def test_nothing_that_ends_work_is_ordered_unasked(broker: Broker, line: str) -> None:
    out, err = broker.run(line, outcome=1)
    assert (out, broker.orders) == ("", [])
    assert "say --yes if that is meant" in err


@pytest.mark.parametrize("line", ["log-level loud", "pool resize Main --minimum -1", "kernel fly x"])
def test_mistakes_reach_no_broker(broker: Broker, line: str) -> None:
    assert "loud" not in LEVELS
    broker.run(line, outcome=1)
    assert (broker.asked, broker.orders) == ([], [])


def test_what_some_parts_have_not_done(broker: Broker) -> None:
    parts = [PartAnswer(1, True, part="alpha"), PartAnswer(1, False, "lost", ["it is not there"], "beta")]
    broker.answer = lambda _: Answer(1, False, "partly", [], parts)
    out, err = broker.run("reload", outcome=1)
    assert out == "alpha: nothing has changed\n"
    assert "beta: it is not there" in err
    told = json.loads(broker.run("reload --json", outcome=1)[0])
    assert [part["ok"] for part in told["parts"]] == [True, False]
