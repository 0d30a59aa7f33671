"""Commands that run until they are stopped: the shares of `top`, and `watch` without a person."""

from __future__ import annotations

from dataclasses import replace

from shells import Broker
from statuses import ATTACHED, AWAITED, DETACHED, KERNEL, STATUS

from kernelbus.shell.admin.live import shares


def test_shares_of_the_processors() -> None:
    young = replace(KERNEL, kernel="young", created=1.0, cpu=0.5)
    found = replace(KERNEL, kernel="found", created=900.0, cpu=50.0)
    after = replace(STATUS, kernels=[KERNEL, replace(ATTACHED, cpu=8.0), replace(DETACHED, cpu=1.0), AWAITED, young, found])
    told = {row.kernel: row.share for row in shares(STATUS, after, 2.0)}
    assert told == {ATTACHED.kernel: 1.5, "young": 0.25, "found": 0.0, DETACHED.kernel: 0.0, KERNEL.kernel: 0.0}
    assert list(told)[:3] == [ATTACHED.kernel, "young", "found"], "who uses most comes first"


def test_watch_runs_a_command_again_and_again(broker: Broker) -> None:
    out, err = broker.run("watch --count 2 -n 0.01 pools")
    assert err == ""
    assert out.count("POOL") == 2
    assert len(broker.asked) == 2


def test_only_what_changes_nothing_can_be_watched(broker: Broker) -> None:
    out, err = broker.run("watch reload", outcome=1)
    assert (out, broker.orders) == ("", [])
    assert err.startswith("reload cannot be watched; what can: status, pools, ")
