"""Commands that show something once."""

from __future__ import annotations

import json

from shells import Broker
from statuses import ATTACHED

from kernelbus.bus.client import BrokerUnreachable
from kernelbus.shell.admin.looking import Looking
from kernelbus.shell.operations.version import version


def test_each_table_has_its_rows(broker: Broker) -> None:
    for part, found in (("pools", "Main"), ("kernels", "abcdefgh"), ("sessions", "awaited0"), ("hosts", "beta"), ("frontends", "alpha")):
        assert hasattr(Looking, f"do_{part}")
        out, err = broker.run(part)
        assert (err, found in out) == ("", True)
    assert broker.asked[-1] == {"links": False, "over": False}


def test_links_are_asked_for_only_where_they_are_shown(broker: Broker) -> None:
    assert "10.0.0.5:53211" in broker.run("links")[0]
    broker.run("sessions --over")
    assert broker.asked == [{"links": True, "over": False}, {"links": False, "over": True}]


def test_json_is_for_programs(broker: Broker) -> None:
    listed = json.loads(broker.run("pools --json")[0])
    assert [pool["pool"] for pool in listed] == ["Main"]
    shown = json.loads(broker.run(f"show {ATTACHED.kernel[:6]} --json")[0])
    assert [kernel["kernel"] for kernel in shown["kernels"]] == [ATTACHED.kernel]
    assert shown["kernels"][0]["story"] == [{"at": 0.0, "text": "it was started"}]


def test_show_tells_a_kernels_story(broker: Broker) -> None:
    out, _ = broker.run("show abcx")
    assert ATTACHED.kernel in out
    assert out.rstrip().endswith("it was started")


def test_the_versions_of_both_sides(broker: Broker) -> None:
    assert broker.run("version") == (f"kernelbus {version()}; broker alpha at tcp://127.0.0.1:5: 0.1.0\n", "")


def test_no_answer_is_an_outcome_of_its_own(broker: Broker) -> None:
    broker.fault = BrokerUnreachable("no broker there")
    assert broker.run("pools; hosts", outcome=2) == ("", "no broker there")
    assert len(broker.asked) == 1, "the first failure ends a line"
