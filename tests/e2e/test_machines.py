"""Test a server of several machines that authenticate by keys and whose network fails.

The machines are network namespaces that the tests make (tests/support/namespaces.py), where the
system permits it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from asking import connect, value
from namespaces import Machine, Network
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from wstp import Symbol

PORT = 31416


class Site:
    """A broker and a frontend on one machine, and other machines with kernel hosts."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.config = write_config(
            folder / "kernelbus.conf",
            Pools={"StandIn": stand_in_pool(folder)},
            Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0, "Journal": ""},
            Limits={"HostTimeout": 7, "ConnectionTimeout": 20},
        )
        self.front = network.machine("front")
        self.labs = [network.machine(f"lab{number}") for number in (1, 2)]
        apart = network.apart
        for machine in (self.front, *self.labs) if apart else ():
            machine.keys.new()
        for lab in self.labs if apart else ():
            self.introduce(lab)
        bind = f"tcp://0.0.0.0:{PORT}" if apart else f"tcp://{self.front.address}:0"
        self.broker = self.front.start("broker", "--bus", bind, "-l", "debug", "-c", self.config, ready="Broker listening")
        port = self.broker.endpoint.rpartition(":")[2]
        self.endpoint = f"tcp://{self.front.address}:{port}"
        # On the broker's machine, over loopback; the broker requires keys there too.
        near = f"tcp://127.0.0.1:{port}" if apart else self.endpoint
        self.frontend = self.front.start("frontend", "--bus", near, "-p", "0", "-l", "debug", "-c", self.config, wait=False)
        self.hosts = [self.host(lab) for lab in self.labs]
        for part in (self.frontend, *self.hosts):
            part.__enter__()

    def introduce(self, lab: Machine) -> None:
        """Make a machine and the broker's machine trust each other."""
        self.front.keys.allow(public(lab), lab.name)
        lab.keys.allow(public(self.front), "front")

    def host(self, machine: Machine) -> Part:
        """Start a host without waiting until it is ready."""
        return machine.start("host", "--bus", self.endpoint, "-l", "debug", "-c", self.config, ready="has joined", wait=False)

    def link(self) -> wstp.Link:
        with self.front.inside():
            return connect(self.frontend)

    def kernels(self, stack: ExitStack, host: Part) -> wstp.Link:
        """Return a link to a kernel of `host`; links to other hosts are kept until the end."""
        for _ in range(8):
            link = stack.enter_context(self.link())
            if self.where(link) is host:
                return link
        raise AssertionError("no kernel of that host")

    def where(self, link: wstp.Link) -> Part:
        """Return the host of the kernel to which a link is attached."""
        pid = value(link, Symbol("Pid")())
        (found,) = [host for host in self.hosts if pid in {child.pid for child in host.children()}]
        return found


def public(machine: Machine) -> str:
    pair = machine.keys.pair()
    assert pair is not None
    return pair.public


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("machines")
    with Network(folder) as network:
        made = Site(network, folder)
        yield made
        for part in (made.broker, made.frontend, *made.hosts):
            print("\n".join(["--- a log", *part.log[-25:]]))


@pytest.fixture
def apart(site: Site) -> Site:
    if not site.network.apart:
        pytest.skip("network namespaces cannot be made here (they need root, ip, nsenter and unshare)")
    return site


def test_a_client_gets_kernels_of_several_machines(site: Site) -> None:
    with ExitStack() as stack:
        links = [site.kernels(stack, host) for host in site.hosts]
        for number, link in enumerate(links):
            assert value(link, number) == number
    if site.network.apart:
        for name in ("lab1", "lab2"):
            assert site.broker.told(f"machine {name} connects from 10.213.7.. with its key")
            assert site.broker.told(f"host {name} .* has registered")
        assert site.broker.told("machine front connects from 127.0.0.1 with its key")
        assert not site.broker.logged("given up")


def test_a_frontend_serves_from_another_machine(apart: Site) -> None:
    lab = apart.labs[1]
    frontend = lab.start("frontend", "--bus", apart.endpoint, "-p", "0", "-c", apart.config)
    with lab.inside(), connect(frontend) as link:
        assert value(link, 3) == 3
    assert apart.broker.logged("frontend lab2 .* has registered")
    assert frontend.terminate() == 0


def test_a_link_that_is_cut_for_a_while_costs_a_pause(apart: Site) -> None:
    lab, host = apart.labs[0], apart.hosts[0]
    with ExitStack() as stack:
        link = apart.kernels(stack, host)
        other = apart.kernels(stack, apart.hosts[1])
        pid = value(link, Symbol("Pid")())
        before = len(apart.broker.logged("host lab1 .* (has been silent|cannot be reached)"))
        lab.cut()
        try:
            link.put(Symbol("EvaluatePacket")(Symbol("f")("sent into the dark")), end_packet=True)
            link.flush()
            wait_until(lambda: len(apart.broker.logged("host lab1 .* (has been silent|cannot be reached)")) > before, "it is missed")
            assert value(other, 5) == 5, "the others go on"
        finally:
            lab.mend()
        assert link.get(timeout=30) == Symbol("ReturnPacket")(Symbol("f")("sent into the dark"))
        assert value(link, Symbol("Pid")()) == pid
        assert not apart.broker.logged("host lab1 .*given up")


def test_a_host_that_stays_away_is_lost_and_its_clients_are_told(apart: Site) -> None:
    lab, host = apart.labs[1], apart.hosts[1]
    with ExitStack() as stack:
        link = apart.kernels(stack, host)
        lab.cut()
        try:
            wait_until(lambda: apart.broker.logged("host lab2 .*given up"), "the broker gives it up")
            assert link.get(timeout=10).head == Symbol("MessagePacket")
            assert "host lab2" in str(link.get(timeout=10))
            with pytest.raises(wstp.LinkClosed):
                link.get(timeout=10)
            fresh = stack.enter_context(apart.link())
            assert apart.where(fresh) is apart.hosts[0]
        finally:
            lab.mend()
        wait_until(lambda: host.logged("answers again"), "it finds the broker again")
        assert value(apart.kernels(stack, host), 7) == 7


def test_a_machine_is_refused_until_its_key_is_allowed(apart: Site) -> None:
    lab = apart.network.machine("lab3")
    host = apart.host(lab)
    assert host.process.wait(60) == 2
    (told,) = wait_until(lambda: host.logged("there are none in"), "what is missing")
    assert lab.shell(told.partition("make them with ")[2]).returncode == 0
    lab.keys.allow(public(apart.front), "front")
    host = apart.host(lab)
    apart.hosts.append(host)
    (told,) = wait_until(lambda: host.logged("does not allow this machine's key"), "the host says that it is refused")
    assert not host.output
    wait_until(lambda: apart.broker.logged("a machine at 10.213.7.4 is refused"), "the broker says so too")
    done = apart.front.shell(told.partition("say there: ")[2])
    assert (done.returncode, done.stdout) == (0, "lab3 is allowed\n"), done.stderr
    wait_until(lambda: any("has joined" in line for line in host.output), "it joins, and nothing was started anew")
    with ExitStack() as stack:
        link = apart.kernels(stack, host)
        # Once the machine is revoked, its host is cut off.
        apart.front.keys.revoke("lab3")
        assert link.get(timeout=20).head == Symbol("MessagePacket")
        assert "its machine's key is not allowed any more" in str(link.get(timeout=10))
        wait_until(lambda: len(host.logged("does not allow this machine's key")) == 2, "it is told")
    apart.hosts.remove(host)
    host.kill()


def test_a_broker_that_others_reach_wants_keys(apart: Site) -> None:
    machine = apart.network.machine("keyless")
    parts = [
        machine.start(*words, "-c", apart.config, wait=False)
        for words in (("broker", "--bus", "tcp://0.0.0.0:0"), ("serve", "-p", "0", "--bus", f"tcp://{machine.address}:0"))
    ]
    for part in parts:
        assert part.process.wait(60) == 2
        (told,) = wait_until(lambda part=part: part.log, "what is missing")
        assert "can be reached from other machines, and without keys by anyone: say kernelbus keys new here" in told
