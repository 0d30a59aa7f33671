"""Discovery as people have it: processes that advertise, and processes that look; on loopback, and
on machines of their own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from namespaces import Machine, Network, _ip
from notebooks import installed, notebook
from people import client_environment, run
from serving import Part, stand_in_pool, wait_until, write_config

from kernelbus.frontend.discovery.advertise import Advertiser
from kernelbus.frontend.discovery.browse import Finder
from kernelbus.frontend.discovery.found import Server, listing
from kernelbus.frontend.discovery.services import POOL_TYPE, Reach, Service, server_services, server_type

LOOPBACK = {"Interface": "127.0.0.1"}


def name() -> str:
    """A name that nobody else on this machine has."""
    return f"t{secrets.token_hex(5)}"


class Lab:
    """A server that is advertised under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.service = name()
        pools = {"Main": stand_in_pool(folder, MaximumKernelNumber=3), "Par": stand_in_pool(folder, ParallelKernels=True)}
        # Nothing is announced beyond loopback.
        self.config = write_config(folder / "lab.conf", Pools=pools, Discovery=LOOPBACK, Access={"Allow": []})
        self.environment = {**client_environment(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        (folder / "config" / "kernelbus").mkdir(parents=True)
        write_config(folder / "config" / "kernelbus" / "wstpserver.conf", Discovery=LOOPBACK)

    def serve(self) -> Part:
        return Part("serve", "-p", "0", "-a", self.service, "-c", self.config, "-l", "debug")

    def see(self, until: Callable[[list[Server]], Any]) -> None:
        """Wait until the servers that are called like ours are as they should be."""
        asyncio.run(see(lambda servers: until([server for server in servers if server.service.startswith(self.service)]), "127.0.0.1"))


async def see(until: Callable[[tuple[Server, ...]], Any], interface: str | None = None) -> tuple[Server, ...]:
    """Give what is advertised once it is as it should be."""
    async with Finder([server_type("wstpserver"), POOL_TYPE], interface) as finder:
        deadline = time.monotonic() + 60
        while True:
            servers = listing(finder.records, "wstpserver").servers
            if until(servers):
                return servers
            assert time.monotonic() < deadline, servers
            await finder.changed(deadline - time.monotonic())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def server(lab: Lab) -> Iterator[Part]:
    with lab.serve() as part:
        yield part


def pools(servers: Sequence[Server]) -> dict[str, tuple[int, int]]:
    return {pool.pool: (pool.ready, pool.detached) for server in servers for pool in server.pools}


def test_a_server_is_listed_with_its_pools(lab: Lab, server: Part) -> None:
    lab.see(lambda servers: pools(servers) == {"Main": (1, 0), "Par": (1, 0)})
    status, told, _ = run(lab.environment, "discover", "--json", "--timeout", "1.5")
    assert status == 0
    (found,) = (found for found in json.loads(told)["servers"] if found["service"] == lab.service)
    assert (found["instance"], found["link_name"]) == (f"WSTPServer-Instance-{lab.service}", f"{server.port}@127.0.0.1")
    assert [(pool["pool"], pool["ready"], pool["parallel"]) for pool in found["pools"]] == [("Main", 1, False), ("Par", 1, True)]
    assert server.logged(r"\[WARNING\] discovery: advertised on this machine alone: Access/Allow names no network, so that no other")


def test_it_is_picked_by_its_name_and_its_numbers_follow(lab: Lab, server: Part) -> None:
    status, told, errors = run(lab.environment, "connect", "--discover", lab.service, "--pool", "Par")
    assert (status, errors) == (0, "")
    assert f"server  {server.port}@127.0.0.1\n" in told
    lab.see(lambda servers: pools(servers).get("Par") == (1, 1))


def test_a_notebooks_kernel_looks_for_it(lab: Lab, server: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", lab.environment["XDG_CONFIG_HOME"])
    with installed(monkeypatch, tmp_path, "--discover", lab.service, "--pool", "Main"), notebook() as book:
        said = book.run("%kernel fresh\n%kernel").text("stdout")
    assert f"server      {server.port}@127.0.0.1\npool        Main\n" in said


def test_a_second_of_the_same_name_is_renamed_and_its_end_is_told(lab: Lab, server: Part) -> None:
    own, other = f"WSTPServer-Instance-{lab.service}", f"WSTPServer-Instance-{lab.service}-2"
    with lab.serve() as second:
        wait_until(lambda: second.logged(rf"\[WARNING\] discovery: advertised as {other}, since {own} is there already"), "renamed")
        ended = False

        def gone(servers: list[Server]) -> bool:
            nonlocal ended
            names = [found.instance for found in servers]
            if names == [own, other] and not ended:
                second.process.terminate()
                ended = True
            # Without a word of it, the record would be believed for two minutes more.
            return ended and names == [own]

        lab.see(gone)
        assert second.process.wait(15) == 0


# ---- machines of their own -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with Network(tmp_path_factory.mktemp("machines")) as made:
        if not made.apart:
            pytest.skip("machines are network namespaces, which are not allowed here")
        yield made


@pytest.fixture(scope="module")
def calc(network: Network) -> Machine:
    return network.machine("calc")


@pytest.fixture(scope="module")
def desk(network: Network) -> Machine:
    return network.machine("desk")


def seen_from(machine: Machine, until: Callable[[tuple[Server, ...]], Any]) -> tuple[Server, ...]:
    with machine.inside():
        return asyncio.run(see(until))


async def lie(machine: Machine) -> None:
    """Advertise on the wire that a server is at the address of whoever asks."""

    async def describe(where: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        return server_services("wstpserver", "liar", 22, where.addresses, [])

    await Advertiser(lambda _: Reach((machine.address,), ("127.0.0.1",)), describe, machine="liar", interval=0.1).run()


def test_from_another_machine_at_whatever_address_it_has(calc: Machine, desk: Machine, tmp_path: Path) -> None:
    pools = {"Main": stand_in_pool(tmp_path)}
    config = write_config(tmp_path / "k.conf", Pools=pools, Access={"Anonymous": ["private"]})
    closed = write_config(tmp_path / "closed.conf", Pools=pools, Access={"Allow": []})
    private = calc.start("serve", "-p", "0", "-a", "private", "-c", closed, "-l", "debug", wait=False)
    part = calc.start("serve", "-p", "0", "-a", "lab", "-c", config, "-l", "debug")
    wait_until(lambda: private.logged("advertised as WSTPServer-Instance-private"), "advertised")

    async def beside_a_liar() -> None:
        task = asyncio.get_running_loop().create_task(lie(calc))
        try:
            async with Finder([server_type("wstpserver")]) as finder:
                while not any(record.label.endswith("liar") for record in finder.records):
                    assert await finder.changed(30)
            found = await asyncio.to_thread(seen_from, desk, lambda servers: servers and servers[0].pools)
            assert [server.link_name for server in found] == [f"{part.port}@{calc.address}"]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with calc.inside():
        asyncio.run(beside_a_liar())
        # On the machine itself the one that is for it alone is there too.
        servers = asyncio.run(see(lambda servers: len(servers) == 2))
        assert [server.link_name for server in servers] == [f"{part.port}@{calc.address}", f"{private.port}@127.0.0.1"]
    # Another address instead.
    _ip("-n", calc.namespace, "address", "delete", f"{calc.address}/24", "dev", "eth0")
    _ip("-n", calc.namespace, "address", "add", "10.213.7.77/24", "dev", "eth0")
    (found,) = seen_from(desk, lambda servers: [server.addresses for server in servers] == [("10.213.7.77",)])
    assert found.link_name == f"{part.port}@10.213.7.77"
    assert f"server  {part.port}@10.213.7.77\n" in desk.shell("kernelbus connect --discover lab").stdout


def test_a_host_finds_the_broker_that_it_trusts(network: Network, tmp_path: Path) -> None:
    broker, liar, host = (network.machine(name) for name in ("broker", "liar", "host"))
    for machine in (broker, liar, host):
        machine.keys.new()
    key = {machine.name: machine.keys.pair().public for machine in network.machines.values() if machine.keys.pair()}
    liar.start("broker", "-a", "--bus", f"tcp://{liar.address}:0", "-l", "debug", ready="Broker listening")
    first = broker.start("broker", "-a", "--bus", f"tcp://{broker.address}:0", "-l", "debug", ready="Broker listening")
    quick = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0}
    config = write_config(tmp_path / "host.conf", Pools={"Main": stand_in_pool(tmp_path, MinimumKernelNumber=0)}, Bus=quick)
    part = host.start("host", "--bus", "discover", "-c", config, "-l", "debug", ready="Kernel host has joined", wait=False)
    for machine in (broker, liar):
        line = f"kernelbus on {machine.name} at tcp://{machine.address}:"
        wait_until(lambda line=line: [said for said in part.log if line in said and "is not joined: the key that it claims" in said], line)
    assert not part.output
    # Trust is what makes the difference, and nothing else.
    broker.keys.allow(key["host"], "host")
    host.keys.allow(key["broker"], "broker")
    wait_until(lambda: part.output, "joined", 90)
    assert part.output == [f"Kernel host has joined the broker at {first.endpoint.replace('127.0.0.1', broker.address)}"]
    assert part.logged("the broker broker is at tcp://")
    # It comes back elsewhere.
    first.terminate()
    second = broker.start("broker", "-a", "--bus", f"tcp://{broker.address}:0", "-l", "debug", ready="Broker listening")
    wait_until(lambda: second.logged(r"host host \(.*has registered"), "registered", 90)


# ---- machines with IPv6 alone --------------------------------------------------------------------

SIX = "fd07:213::"


def move(machine: Machine, number: int) -> str:
    """Give a machine the IPv6 address of a number, and take away all others but its link's own."""
    machine.ip("address", "flush", "dev", "eth0", "scope", "global")
    machine.ip("address", "add", f"{SIX}{number:x}/64", "dev", "eth0", "nodad")
    return f"{SIX}{number:x}"


def test_over_ipv6_alone_and_back_to_a_server_that_has_moved(network: Network, tmp_path: Path) -> None:
    calc, desk = network.machine("calc6"), network.machine("desk6")
    first = move(calc, 1)
    move(desk, 2)
    config = write_config(tmp_path / "k.conf", Pools={"Main": stand_in_pool(tmp_path, MaximumKernelNumber=16)})
    part = calc.start("serve", "-p", "0", "-a", "six", "-c", config, "-l", "debug")
    (found,) = seen_from(desk, lambda servers: servers and servers[0].pools)
    assert (found.service, found.link_name) == ("six", f"{part.port}@{first}")
    assert not part.logged("nothing is advertised on")
    (desk.home / "token").write_text((calc.state / "kernelbus" / "access-token").read_text())
    (desk.home / "token").chmod(0o600)
    said = desk.shell("kernelbus connect --discover six --start-profile way --token-file token")
    assert f"server  {part.port}@{first}\n" in said.stdout and said.stderr == ""
    # A server that was used before comes first; where it does not answer, the next one is tried.
    profile = desk.state / "kernelbus" / "profiles" / "way.json"
    right = profile.read_text()
    profile.write_text(json.dumps({**json.loads(right), "Server": f"wstp://[{SIX}2]:9"}))

    async def beside_a_dead_one() -> list[subprocess.CompletedProcess[str]]:
        async def describe(where: Reach, names: Mapping[str, str]) -> Sequence[Service]:
            return server_services("wstpserver", "dead", 9, where.addresses, [])

        dead = Advertiser(lambda _: Reach((f"{SIX}2",), (f"{SIX}2",)), describe, machine="dead", interval=0.1)
        task = asyncio.get_running_loop().create_task(dead.run())
        try:
            await asyncio.to_thread(seen_from, calc, lambda servers: len(servers) == 2)
            runs: list[subprocess.CompletedProcess[str]] = []
            # Where the living one answers, the dead one is not waited for. Each run leaves a
            # kernel that is kept.
            while len(runs) < 10 and not (runs and runs[-1].stderr):
                runs.append(await asyncio.to_thread(desk.shell, "kernelbus connect -q --discover= --token-file token"))
            return runs
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with desk.inside():
        runs = asyncio.run(beside_a_dead_one())
    assert {(tried.returncode, len(tried.stdout.strip())) for tried in runs} == {(0, 22)}, runs[-1].stderr
    tried = runs[-1]
    taken = f"2 servers fit; this is WSTPServer-Instance-six, at {part.port}@{first}; cannot reach a server: "
    assert tried.stderr.startswith(f"kernelbus connect: {taken}") and f"9@{SIX}2" in tried.stderr
    profile.write_text(right)
    # The profile leads to the server also where that is now.
    second = move(calc, 4)
    seen_from(desk, lambda servers: [server.addresses for server in servers] == [(second,)])
    back = desk.shell("kernelbus connect --continue-profile way")
    assert f"server  {part.port}@{second}\n" in back.stdout
    assert back.stderr == f"kernelbus connect: profile way: WSTPServer-Instance-six is at {part.port}@{second} now\n"
    assert desk.shell("kernelbus connect --continue-profile way").stderr == ""
