"""Kernels with too much memory, and what the status says of the memory of kernels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from asking import ask, command, connect, order, value
from serving import Part, runs, stand_in_pool, wait_until, write_config

import wstp
from wstp import Expr, Function, Symbol

pytestmark = pytest.mark.timeout(120)

MIB = 2**20


def mapping(association: Expr) -> dict[str, Any]:
    """Return an association as a dictionary."""
    assert isinstance(association, Function)
    return {str(rule.args[0]): rule.args[1] for rule in association.args}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("memory")
    config = write_config(folder / "c.conf", Pools={"Main": stand_in_pool(folder)}, Limits={"KernelMemory": 300 * MIB})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def test_a_kernel_with_too_much_memory_is_killed_its_client_told_and_another_started(server: Part) -> None:
    with connect(server) as link:
        assert value(link, Symbol("Hoard")(50 * MIB)) == Symbol("Null")
        pid = value(link, Symbol("Pid")())
        packets: list[object] = []
        link.put(Symbol("EvaluatePacket")(Symbol("Hoard")(300 * MIB)), end_packet=True)
        try:
            while True:
                packets.append(link.get(timeout=30))
        except (wstp.LinkClosed, wstp.LinkLost):
            pass
    message, text = packets[-2:]
    assert message == Symbol("MessagePacket")(Symbol("WSTPServer`Kernel"), "memory")
    assert isinstance(text, Function) and "more than 300 MiB (Limits/KernelMemory), and was killed" in str(text.args[0])
    assert server.told("of pool Main took 3.. MiB of memory, more than 300 MiB")
    with connect(server) as link:
        assert value(link, Symbol("Pid")()) != pid


def test_the_status_says_what_kernels_use(server: Part) -> None:
    with connect(server) as link:
        identity = str(order(link, command("KernelID")))
        value(link, Symbol("Hoard")(100 * MIB))

        def mine() -> dict[str, Any]:
            return mapping(mapping(order(link, command("Kernels")))[identity])

        known = wait_until(lambda: (known := mine())["Memory"] > 100 * MIB and known, "its memory is known")
        assert known["Cpu"] > 0
        wait_until(lambda: mine()["Idle"] > known["Idle"] + 0.2, "it is idle")


def test_what_a_kernel_has_started_counts_as_its_own_and_ends_with_it(server: Part) -> None:
    with connect(server) as link:
        identity = str(order(link, command("KernelID")))
        daemon = value(link, Symbol("Daemon")(100 * MIB))
        assert isinstance(daemon, int)
        assert os.getsid(daemon) == daemon, "it has left the kernel's session"
        wait_until(lambda: mapping(mapping(order(link, command("Kernels")))[identity])["Memory"] > 130 * MIB, "its memory counts")
        with contextlib.suppress(wstp.LinkClosed, wstp.LinkLost):
            value(link, Symbol("Daemon")(250 * MIB))
            link.next_packet(60)
            link.next_packet(60)
    assert server.told("of pool Main took .* MiB of memory, more than 300 MiB")
    wait_until(lambda: not runs(daemon), "it ends with the kernel that is killed")


def test_what_a_kernel_that_exits_has_started_ends_with_it(server: Part) -> None:
    with connect(server) as link:
        daemon = value(link, Symbol("Daemon")(1))
        assert isinstance(daemon, int) and runs(daemon)
        with contextlib.suppress(wstp.LinkClosed, wstp.LinkLost):
            value(link, Symbol("Exit")(0))
    wait_until(lambda: not runs(daemon), "it ends with the kernel that exits")
    assert server.told("had left 1 processes behind, which were killed")


#: The limit of an embedded kernel, which has about 180 MiB when it starts.
LIMIT = 320 * MIB


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("embedded")
    config = write_config(folder / "c.conf", Pools={"Main": {"MinimumKernelNumber": 1}}, Limits={"KernelMemory": LIMIT})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def code(text: str) -> Function:
    return Symbol("ToExpression")(text)


@pytest.mark.parametrize(
    "greedy",
    [
        pytest.param("x = {Range[10^5], Length[Range[10^7]]}", id="by many small pieces"),
        pytest.param('StringLength[StringRepeat["a", 2*10^9]]', id="by one large piece"),
    ],
)
def test_an_embedded_kernel_outlives_an_evaluation_that_takes_too_much(embedded: Part, greedy: str) -> None:
    with connect(embedded) as link:
        value(link, code("kept = 11"))
        pid = value(link, code("$ProcessID"))
        for _ in range(2):
            packets = ask(link, code(greedy))
            assert [packet.head for packet in packets] == [Symbol("MessagePacket"), Symbol("TextPacket"), Symbol("ReturnPacket")], packets
            assert packets[0].args == (Symbol("General"), "nomem")
            assert packets[-1].args == (Symbol("$Aborted"),)
            value(link, code("x = 0"))
        assert value(link, Symbol("kept")) == 11
        assert value(link, code("$ProcessID")) == pid
        assert value(link, code("Length[Range[10^5]]")) == 10**5, "there is room again"
        order(link, command("CloseKernel"))
