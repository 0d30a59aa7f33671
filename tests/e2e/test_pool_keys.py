"""Every key of a pool has its effect, with stand-in kernels, in one server of many pools."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import psutil
import pytest
from asking import answers, command, order, value
from serving import Part, runs, stand_in_pool, wait_until, write_config

import wstp
from wstp import Expr, Function, Symbol

#: Seconds that a client waits for a kernel here: more than any of these tests needs to let a kernel
#: go, and so little that a refusal comes within the time of a test.
PATIENCE = 4.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    folder = tmp_path_factory.mktemp("pools")
    none = {"MinimumKernelNumber": 0}
    pools = {
        "First": none,
        "Chosen": {"Default": True, **none},
        "Ready": {"MinimumKernelNumber": 2, "MaximumKernelNumber": 4},
        "One": {"MaximumKernelNumber": 1, "KeepAlive": False, **none},
        "Given": {"MaximumKernelNumber": 1, "SessionIdleTimeout": 0.3, "TimeoutsApply": "WhenNeeded", **none},
        "Timed": {"MaximumKernelNumber": 2, "SessionIdleTimeout": 0.3, **none},
        "Reserved": {"MaximumKernelNumber": 1, "ReservePreviouslyConnectedKernels": True, **none},
        "Fleeting": {"KeepAlive": False, **none},
        "Parallel": {"ParallelKernels": True, "ParallelKernelDefault": True, **none},
        "Options": {"KernelOptions": "-one 'two words' -three", **none},
    }
    config = write_config(
        folder / "c.conf",
        Pools={name: stand_in_pool(folder) | keys for name, keys in pools.items()},
        EnableAutomaticKernelConnection=False,
        Limits={"ConnectionTimeout": PATIENCE},
    )
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def association(**rules: Expr) -> Function:
    return Symbol("Association")(*(Symbol("Rule")(name, value) for name, value in rules.items()))


def unconnected(server: Part) -> wstp.Link:
    return wstp.connect(server.server, mode="uuid", timeout=10)


def ask_for(link: wstp.Link, **rules: Expr) -> None:
    """Request a kernel, and do not wait for it."""
    link.put(command("ConnectKernel", *([association(**rules)] if rules else [])), end_packet=True)
    link.flush(timeout=10)


def given(link: wstp.Link) -> str:
    """Wait for the kernel that was requested, and return its id."""
    identity = answers(link)[-1].args[0]
    assert isinstance(identity, str), identity
    assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
    return identity


def attached(server: Part, **rules: Expr) -> wstp.Link:
    link = unconnected(server)
    ask_for(link, **rules)
    given(link)
    return link


def ready(server: Part, pool: str) -> int:
    return len(server.logged(rf"kernel \S+ of pool {pool} is ready"))


def waiting(link: wstp.Link, pool: str) -> int:
    """Return how many clients wait in a pool, according to the status over `link`."""
    pools = order(link, command("Pools"))
    assert isinstance(pools, Function)
    mine = next(rule.args[1] for rule in pools.args if isinstance(rule, Function) and rule.args[0] == pool)
    assert isinstance(mine, Function)
    count = next(rule.args[1] for rule in mine.args if isinstance(rule, Function) and rule.args[0] == "Waiting")
    assert isinstance(count, int)
    return count


def test_a_client_that_names_no_pool_gets_the_default_pool(server: Part) -> None:
    with attached(server) as link:
        assert order(link, command("PoolName")) == "Chosen"


def test_a_request_for_a_parallel_kernel_gets_a_subkernel_of_the_parallel_default(server: Part) -> None:
    with attached(server, Parallel=Symbol("True")) as link:
        assert order(link, command("PoolName")) == "Parallel"
        assert "-subkernel" in value(link, Symbol("Arguments")())  # type: ignore[operator]
    with attached(server, Parallel=Symbol("False")) as link:
        assert order(link, command("PoolName")) == "Chosen"
        assert "-subkernel" not in value(link, Symbol("Arguments")())  # type: ignore[operator]


def test_a_kernels_options_come_first_on_its_command_line(server: Part) -> None:
    with attached(server, Pool="Options") as link:
        arguments = value(link, Symbol("Arguments")())
        assert isinstance(arguments, list)
        assert arguments[:4] == ["-one", "two words", "-three", "-wstp"]


def test_a_taken_kernel_is_followed_by_another_at_once(server: Part) -> None:
    wait_until(lambda: ready(server, "Ready") == 2, "the minimum")
    with attached(server, Pool="Ready") as first:
        wait_until(lambda: ready(server, "Ready") == 3, "a successor, while the kernel is in use")
        with attached(server, Pool="Ready"), attached(server, Pool="Ready"):
            wait_until(lambda: ready(server, "Ready") == 4, "one more, as the cap allows")
            with attached(server, Pool="Ready") as last:
                assert value(last, 1) == 1
                with unconnected(server) as fifth:
                    ask_for(fifth, Pool="Ready")
                    wait_until(lambda: waiting(first, "Ready") == 1, "it waits: four is the cap")
                assert ready(server, "Ready") == 4


def test_at_the_cap_clients_are_served_in_the_order_in_which_they_came(server: Part) -> None:
    first, second, third = attached(server, Pool="One"), unconnected(server), unconnected(server)
    for number, link in enumerate((second, third), 1):
        ask_for(link, Pool="One")
        wait_until(lambda number=number: waiting(first, "One") == number, "it waits")  # type: ignore[misc]
    pid = value(first, Symbol("Pid")())
    first.close()
    given(second)
    assert value(second, Symbol("Pid")()) != pid
    assert not third.ready(), "its turn has not come"
    second.close()
    given(third)
    third.close()


def test_a_client_that_waits_longer_than_the_connection_timeout_is_refused(server: Part) -> None:
    with attached(server, Pool="One"), unconnected(server) as other:
        began = time.monotonic()
        ask_for(other, Pool="One")
        refusal = answers(other)
        assert time.monotonic() - began > PATIENCE - 1
        assert refusal[-1] == Symbol("ReturnPacket")(Symbol("$Failed"))
        assert "no kernel came free: pool One is at its maximum of 1; close one, or raise MaximumKernelNumber" in str(refusal)


def test_a_time_that_is_set_ends_a_session_that_nobody_needs_the_place_of(server: Part) -> None:
    with attached(server, Pool="Timed") as link:
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        kernel = str(order(link, command("KernelID")))
    wait_until(lambda: not runs(pid), "the session's time is over")
    assert server.told(r"\[WARNING\].*of pool Timed: in 0 s it is ended, unless a client comes back to it: .*SessionIdleTimeout")
    assert server.told(r"\[WARNING\].*of pool Timed is given up: it has been idle for .*SessionIdleTimeout")
    with unconnected(server) as link:
        link.put(command("Reconnect", kernel), end_packet=True)
        link.flush(timeout=10)
        assert "has ended" in str(answers(link)), "and whoever asks for it is told why"


def test_a_detached_kernel_makes_room_unless_it_is_reserved(server: Part) -> None:
    kept: dict[str, tuple[str, int]] = {}
    for pool in ("Given", "Reserved"):
        link = attached(server, Pool=pool)
        pid = value(link, Symbol("Pid")())
        assert isinstance(pid, int)
        kept[pool] = str(order(link, command("KernelID"))), pid
        link.close()
        wait_until(lambda pool=pool: server.logged(rf"of pool {pool} is detached"), "its client's going")  # type: ignore[misc]
    with attached(server, Pool="Given") as link:
        assert value(link, Symbol("Pid")()) != kept["Given"][1]
        assert not runs(kept["Given"][1])
    assert server.logged(r"\[WARNING\].*of pool Given: in 0 s it may be ended for a client .*SessionIdleTimeout")
    assert server.logged(r"\[WARNING\].*of pool Given is given up: its place is needed, and it has been idle for .*SessionIdleTimeout")
    with unconnected(server) as link:
        ask_for(link, Pool="Reserved")
        assert "pool Reserved is at its maximum of 1" in str(answers(link))
        assert order(link, command("ConnectKernel", kept["Reserved"][0])) == kept["Reserved"][0], "it was kept for who names it"
        assert link.get(timeout=10) == Symbol("InputNamePacket")("In[1]:= ")
        assert value(link, Symbol("Pid")()) == kept["Reserved"][1]


def test_without_keepalive_a_kernel_ends_with_its_client(server: Part) -> None:
    link = attached(server, Pool="Fleeting")
    identity, pid = order(link, command("KernelID")), value(link, Symbol("Pid")())
    assert isinstance(pid, int)
    process = psutil.Process(pid)
    link.close()
    process.wait(10)
    with unconnected(server) as other:
        other.put(command("ConnectKernel", identity), end_packet=True)
        other.flush()
        assert re.search("there is no kernel|has ended", str(answers(other)))


def test_a_pool_that_does_not_exist_is_named(server: Part) -> None:
    with unconnected(server) as link:
        ask_for(link, Pool="Nowhere")
        assert "no pool 'Nowhere'; there are: Chosen, First, Fleeting, Given, One, Options, Parallel, Ready, Reserved" in str(answers(link))
