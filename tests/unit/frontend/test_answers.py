"""The broker's status as associations, and whose ids of kernels a client sees in full."""

from __future__ import annotations

from kernelbus.bus.protocol.reports import FrontendStatus, HostStatus, KernelStatus, PoolStatus, Status
from kernelbus.frontend.answers import SHOWN, kernels, pools, status

OWN, OTHER = "0123456789abcdef", "fedcba9876543210"
HOST = HostStatus("h", "0123", "up", "1", 0.5, ["P"], 2, 1)
STATUS = Status(
    1,
    "b",
    "1",
    "degraded",
    ["a host is suspect"],
    2.0,
    3,
    [HOST],
    [FrontendStatus("f", "4567", "up", "1", 0.5)],
    [PoolStatus("P", "serving", True, False, False, 1, 0, 1, 1, 0, 0, 0, 0.0, 1, 8)],
    [
        KernelStatus(OWN, "P", "h", "attached", 3.0, 1.0),
        KernelStatus(OTHER, "P", "h", "attached", 3.0, 1.0),
        KernelStatus("0" * 16, "P", "h", "ready", 3.0, 1.0),
    ],
)


def test_the_whole_status_counts_kernels_by_state() -> None:
    answer = status(STATUS, OWN)
    assert isinstance(answer, dict)
    assert answer["Kernels"] == {"attached": 2, "ready": 1}
    assert (answer["Broker"], answer["Health"], answer["Problems"]) == ("b", "degraded", ["a host is suspect"])
    assert (answer["Frontends"], answer["Links"], answer["Pools"]) == (1, 3, 1)
    assert [host["Name"] for host in answer["Hosts"]] == ["h"]


def test_only_the_askers_own_kernel_is_shown_with_its_whole_id() -> None:
    answer = kernels(STATUS, OWN)
    assert isinstance(answer, dict)
    assert list(answer) == [OWN, OTHER[:SHOWN], "0" * SHOWN]
    assert OTHER not in repr(answer)


def test_without_a_kernel_of_its_own_a_client_sees_no_whole_id() -> None:
    answer = kernels(STATUS, "")
    assert isinstance(answer, dict)
    assert {len(identity) for identity in answer} == {SHOWN}
    assert OWN not in repr(answer)


def test_no_other_answer_contains_an_id() -> None:
    for answer in (status(STATUS, OWN), pools(STATUS, OWN)):
        assert OWN[:SHOWN] not in repr(answer)
        assert OTHER[:SHOWN] not in repr(answer)


def test_keys_are_spelled_as_in_the_language() -> None:
    answer = pools(STATUS, "")
    assert isinstance(answer, dict)
    assert list(answer) == ["P"]
    assert answer["P"]["ParallelDefault"] is False
    assert "Pool" not in answer["P"]
