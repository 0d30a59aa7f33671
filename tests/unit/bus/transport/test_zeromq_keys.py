"""Test brokers and parts with keys over real sockets: admission, refusal and revocation."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import zmq
from bus_parts import OPTIONS, Part, until

from kernelbus.bus.broker.server import BrokerServer
from kernelbus.bus.broker.tables import PeerState
from kernelbus.bus.channel.channel import EndReason
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.client import AdminClient, BrokerUnreachable, OrderRefused
from kernelbus.bus.errors import EndpointError
from kernelbus.bus.membership import MembershipState
from kernelbus.bus.protocol.orders import LogLevelOrder
from kernelbus.bus.security.curve import Handshake, Introduction, client_security
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings.config import BusConfig, Config
from kernelbus.bus.transport.interface import Route, TransportFactory
from kernelbus.bus.transport.zeromq import RouterTransport, dealer_factory
from kernelbus.bus.transport.zmqsocket import HandshakeMonitor

pytestmark = pytest.mark.asyncio


class Machines:
    """A broker's machine and others, all simulated on this one.

    Loopback addresses are treated as ones that other machines reach.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.options = OPTIONS._replace(heartbeat_timeout=0.6)
        self.keys = self.store("broker")
        self.keys.new()
        self.server = BrokerServer(self.options, self.context, keys=self.keys)
        self.remote = self.server.bind("tcp://127.0.0.1:0")
        self.numbers = iter(range(0x100, 0x200))
        self._task = asyncio.get_running_loop().create_task(self.server.run())
        self._parts: list[Part] = []

    def store(self, machine: str) -> KeyStore:
        return KeyStore(self.folder / machine)

    def machine(self, name: str, *, allowed: bool = True) -> KeyStore:
        """Make a machine that knows the broker's key; the broker allows its key if `allowed`."""
        store = self.store(name)
        store.allow(self.public(self.keys), "broker")
        public = store.new().public
        if allowed:
            self.keys.allow(public, name)
        return store

    @staticmethod
    def public(store: KeyStore) -> str:
        pair = store.pair()
        assert pair is not None
        return pair.public

    @staticmethod
    def config(store: KeyStore) -> Config:
        return Config(bus=BusConfig(keys=str(store.folder)))

    def dial(self, store: KeyStore, endpoint: str = "", make_token: Callable[[int], bytes] = secrets.token_bytes) -> TransportFactory:
        endpoint = endpoint or self.remote
        return dealer_factory(self.context, endpoint, make_token, Introduction(endpoint, self.config(store)))

    def part(self, role: str, connect: TransportFactory) -> Part:
        part = Part(self, role, connect)  # type: ignore[arg-type]
        self._parts.append(part)
        return part

    async def stop(self) -> None:
        for part in self._parts:
            await part.stop()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.server.close()
        self.context.destroy(linger=0)


@pytest_asyncio.fixture
async def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Machines]:
    caplog.set_level(logging.INFO, "kernelbus")
    local: set[str] = set()

    def is_local(endpoint: str) -> bool:
        return endpoint in local or endpoint.startswith(("ipc", "inproc"))

    for module in ("kernelbus.bus.security.curve", "kernelbus.bus.transport.zeromq"):
        monkeypatch.setattr(f"{module}.is_local", is_local)
    monkeypatch.setattr("kernelbus.bus.security.curve._is_own", lambda endpoint: False)
    made = Machines(tmp_path)
    yield made
    await made.stop()


async def test_machines_whose_keys_are_allowed_join_and_are_named(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    host = machines.part("host", machines.dial(machines.machine("lab1")))
    frontend = machines.part("frontend", machines.dial(machines.machine("lab2")))
    await until(lambda: host.ups and frontend.ups)
    stream = await frontend.open()
    stream.write(300_000)
    far = next(iter(host.streams.values()))
    await until(lambda: far.received == 300_000)
    assert machines.server.refused_handshakes == 0
    assert "machine lab1 connects from 127.0.0.1 with its key" in caplog.text
    (route,) = [peer.route for peer in machines.server.broker.peers.values() if peer.role == "host"]
    assert route.name.endswith(" of lab1")


async def test_a_machine_whose_key_is_not_allowed_is_refused_and_joins_once_it_is(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    store = machines.machine("lab1", allowed=False)
    host = machines.part("host", machines.dial(store))
    admitted = machines.server.admission
    assert admitted is not None
    await until(lambda: admitted.refused >= 2)
    assert not host.ups
    assert not machines.server.broker.peers
    public = machines.public(store)
    assert list(admitted.refusals) == [public]
    await until(lambda: "does not allow this machine's key" in caplog.text)
    assert f"say there: kernelbus keys allow '{public}' " in caplog.text
    machines.keys.allow(public, "lab1")
    await until(lambda: host.ups)
    assert caplog.text.count("does not allow this machine's key") == 1
    assert "takes this machine's connections now" in caplog.text


async def test_a_machine_that_is_revoked_is_cut_off_though_it_is_connected(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    host = machines.part("host", machines.dial(machines.machine("lab1")))
    frontend = machines.part("frontend", machines.dial(machines.machine("lab2")))
    await until(lambda: host.ups and frontend.ups)
    stream = await frontend.open()
    machines.keys.revoke("lab1")
    # The frontend learns at once, and not after HostTimeout, that its kernel is lost.
    await until(lambda: not [peer for peer in machines.server.broker.peers.values() if peer.role == "host"])
    await until(lambda: any(type(message).__name__ == "Lost" for message in frontend.messages))
    assert "may no longer join: its machine's key is not allowed any more; given up" in caplog.text
    admission = machines.server.admission
    assert admission is not None
    heard = len(host.messages)
    await until(lambda: admission.ignored > 2)
    assert len(host.messages) == heard, "it is not told anything either"
    assert not stream.received
    await until(lambda: admission.refused)
    assert host.membership.state is not MembershipState.UP
    machines.keys.allow(machines.public(machines.store("lab1")), "lab1")
    await until(lambda: host.membership.state is MembershipState.UP)
    assert [peer.state for peer in machines.server.broker.peers.values()] == [PeerState.UP] * 2


async def test_a_machine_that_expects_another_key_is_counted_and_told(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    store = machines.machine("lab1")
    store.revoke("broker")
    store.allow(machines.public(machines.machine("lab2")), "broker")
    host = machines.part("host", machines.dial(store))
    await until(lambda: machines.server.refused_handshakes >= 2)
    await until(lambda: "most likely its key is not" in caplog.text)
    assert "expects another key than this machine's" in caplog.text
    assert not host.ups


async def test_who_comes_without_keys_is_refused_and_counted(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    host = machines.part("host", dealer_factory(machines.context, machines.remote, secrets.token_bytes))
    await until(lambda: machines.server.refused_handshakes)
    assert "a connection that comes without keys is refused" in caplog.text
    assert not host.ups


async def test_a_broker_without_keys_is_not_spoken_to_with_them(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    anyone = machines.context.socket(zmq.ROUTER)
    port = anyone.bind_to_random_port("tcp://127.0.0.1")
    machines.part("host", machines.dial(machines.machine("lab1"), f"tcp://127.0.0.1:{port}"))
    await until(lambda: "speaks without keys, so that anyone could be it" in caplog.text)
    assert not anyone.poll(200)
    anyone.close(0)


async def test_parts_with_keys_and_parts_of_this_machine_are_on_one_bus(machines: Machines, tmp_path: Path) -> None:
    path = tmp_path / "bus.sock"
    local = machines.server.bind(f"ipc://{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    host = machines.part("host", machines.dial(machines.machine("lab1")))
    frontend = machines.part("frontend", dealer_factory(machines.context, local, secrets.token_bytes))
    await until(lambda: host.ups and frontend.ups)
    stream = await frontend.open()
    stream.write(100_000)
    far = next(iter(host.streams.values()))
    await until(lambda: far.received == 100_000)
    stream.handle.end(EndReason.ANSWER)
    await until(lambda: far.ended)


async def test_an_endpoint_that_others_reach_is_not_bound_without_keys(machines: Machines, tmp_path: Path) -> None:
    server = BrokerServer(OPTIONS, machines.context, keys=KeyStore(tmp_path / "none"))
    with pytest.raises(EndpointError, match=r"can be reached from other machines, .* by anyone: say kernelbus keys new --keys /"):
        server.bind("tcp://127.0.0.1:0")
    server.close()
    server = BrokerServer(OPTIONS, machines.context)
    with pytest.raises(EndpointError, match=r"without keys by anyone: say kernelbus keys new here"):
        server.bind("tcp://127.0.0.1:0")
    server.close()
    os.chmod(machines.keys.secret_file, 0o644)
    server = BrokerServer(OPTIONS, machines.context, keys=machines.keys)
    with pytest.raises(KeysError, match="others can read or write it"):
        server.bind("tcp://127.0.0.1:0")
    server.close()


async def test_nobody_is_let_in_when_nobody_decides(machines: Machines) -> None:
    """Without ZAP_ENFORCE_DOMAIN, CURVE admits every key if there is no ZAP handler."""
    machines.server._router._zap_socket.unbind("inproc://zeromq.zap.01")  # type: ignore[union-attr]
    outcomes: list[Handshake] = []
    socket = machines.context.socket(zmq.DEALER)
    security = client_security(machines.remote, machines.config(machines.machine("lab1")))
    assert security is not None
    security.apply(socket)
    monitor = HandshakeMonitor(machines.context, socket, outcomes.append)
    socket.connect(machines.remote)
    with pytest.raises(TimeoutError):
        await until(lambda: Handshake.DONE in outcomes, 1.0)
    monitor.close()
    socket.close(0)


async def test_one_broker_after_the_other_decides_in_one_process(machines: Machines) -> None:
    host = machines.part("host", machines.dial(machines.machine("lab1")))
    await until(lambda: host.ups)
    machines.server.close()
    machines._task.cancel()
    await until(lambda: host.membership.state is not MembershipState.UP)
    machines.server = BrokerServer(machines.options, machines.context, keys=machines.keys)
    async with asyncio.timeout(20):
        while True:  # ZeroMQ closes the previous broker's socket in the background
            try:
                machines.server.bind(machines.remote)
                break
            except EndpointError as error:
                if "cannot be bound" not in str(error):  # the address of the ZAP handler is free at once
                    raise
                await asyncio.sleep(0.01)
    machines._task = asyncio.get_running_loop().create_task(machines.server.run())
    await until(lambda: host.ups == 2)


def console(machines: Machines, store: KeyStore, broker: str | None = None) -> AdminClient:
    keys = BusConfig(keys=str(store.folder), broker_key=broker)
    introduction = Introduction(machines.remote, Config(bus=keys))
    return AdminClient(machines.remote, secrets.token_bytes, sender="ann@lab", timeout=20, introduction=introduction)


async def test_an_administrators_client_shows_its_keys(machines: Machines) -> None:
    store = machines.machine("lab1", allowed=False)
    with console(machines, store) as client:
        with pytest.raises(BrokerUnreachable, match="does not allow this machine's key: say there: kernelbus keys allow '"):
            await asyncio.to_thread(client.status)
        machines.keys.allow(machines.public(store), "lab1")
        assert (await asyncio.to_thread(client.status)).broker == machines.options.name


async def test_orders_may_be_left_to_some_keys(machines: Machines) -> None:
    ann, ben, own = machines.machine("ann"), machines.machine("ben"), machines.keys
    order = LogLevelOrder(0, "", "error")
    for administrators, may in (
        (None, ["ann", "ben", "own"]),
        (("ann",), ["ann", "own"]),
        ((machines.public(ben),), ["ben", "own"]),
        ((), ["own"]),
    ):
        machines.server.broker.configure(machines.options._replace(administrators=administrators), 0.0)
        for name, store in (("ann", ann), ("ben", ben), ("own", own)):
            with console(machines, store, machines.public(own)) as client:
                assert (await asyncio.to_thread(client.status)).broker == machines.options.name
                if name in may:
                    assert (await asyncio.to_thread(client.order, order)).ok
                    continue
                with pytest.raises(OrderRefused) as refused:
                    await asyncio.to_thread(client.order, order)
                assert str(refused.value) == (
                    f"{name} may look and not give orders: its key is not in Bus/Administrators of the broker's configuration"
                )


async def test_an_administrators_client_is_told_of_a_wrong_key(machines: Machines) -> None:
    store = machines.machine("lab1")
    store.revoke("broker")
    stranger = machines.store("stranger")
    store.allow(stranger.new().public, "broker")
    with console(machines, store) as client, pytest.raises(BrokerUnreachable, match="most likely its key is not "):
        await asyncio.to_thread(client.status)


async def test_an_administrators_client_on_the_brokers_machine_has_its_keys(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.bus.security.curve.is_local", lambda endpoint: True)
    with console(machines, machines.keys) as client:
        assert (await asyncio.to_thread(client.status)).broker == machines.options.name


# ---- only the transport


class Frames:
    """A broker that records each frame and its route."""

    def __init__(self) -> None:
        self.taken: list[tuple[Route, Frame]] = []

    def take(self, route: Route, frame: Frame) -> None:
        self.taken.append((route, frame))


async def test_a_part_that_was_refused_says_nothing_and_does_not_fail(machines: Machines) -> None:
    part = machines.dial(machines.machine("lab1", allowed=False))(lambda frame: None)
    await until(lambda: machines.server.refused_handshakes >= 2)
    for sequence in range(100):  # ZeroMQ does not retry a connection that was refused: the frame has no peer
        part.send(Frame(Kind.DATA, 1, sequence))
        await asyncio.sleep(0.001)
    part.close()


async def test_a_revoked_route_is_closed_both_ways(machines: Machines, tmp_path: Path) -> None:
    await machines.stop()
    machines.context = zmq.Context()
    machines.server = BrokerServer(machines.options, machines.context)  # for the fixture
    frames, revoked, got = Frames(), list[Route](), list[Frame]()
    listening = RouterTransport(machines.context, frames.take, machines.keys, revoked.append)
    machines.remote = listening.bind("tcp://127.0.0.1:0")
    lab, other = machines.machine("lab1"), machines.machine("lab2")
    parts = [machines.dial(store)(got.append) for store in (lab, other)]
    for part in parts:
        part.send(Frame(Kind.DATA, 1))
    await until(lambda: len(frames.taken) == 2)
    by_machine = {route.name.rpartition(" ")[2]: route for route, _ in frames.taken}
    machines.keys.revoke("lab1")
    await until(lambda: revoked)
    assert revoked == [by_machine["lab1"]]
    assert not by_machine["lab1"].send(Frame(Kind.DATA, 7))
    assert by_machine["lab2"].send(Frame(Kind.DATA, 8))
    parts[0].send(Frame(Kind.DATA, 1))
    await until(lambda: listening.admission is not None and listening.admission.ignored)
    await until(lambda: got)
    assert [frame.channel for frame in got] == [8]
    assert len(frames.taken) == 2
    for part in parts:
        part.close()
    listening.close()


async def test_one_machine_cannot_take_the_place_of_another(machines: Machines) -> None:
    """A machine that claims a part's ZeroMQ identity (ROUTER_HANDOVER) ends the part's route."""
    await machines.stop()
    machines.context = zmq.Context()
    machines.server = BrokerServer(machines.options, machines.context)  # for the fixture
    frames, got = Frames(), list[Frame]()
    listening = RouterTransport(machines.context, frames.take, machines.keys)
    machines.remote = listening.bind("tcp://127.0.0.1:0")
    token = secrets.token_bytes(16)
    parts = []
    for number, lab in enumerate((machines.machine("lab1"), machines.machine("lab2")), 1):
        parts.append(machines.dial(lab, make_token=lambda size: token)(got.append))
        parts[-1].send(Frame(Kind.DATA, number))
        await until(lambda number=number: len(frames.taken) == number)
    (first, _), (second, _) = frames.taken
    assert first is not second
    assert not first.send(Frame(Kind.DATA, 7))
    assert second.send(Frame(Kind.DATA, 8))
    await until(lambda: got)
    assert [frame.channel for frame in got] == [8]
    for part in parts:
        part.close()
    listening.close()


async def test_what_was_sent_before_the_broker_turned_out_to_want_no_keys_is_sent_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    frames = Frames()
    listening = RouterTransport(machines.context, frames.take)
    endpoint = listening.bind("tcp://127.0.0.1:0")
    introduction = Introduction(endpoint, machines.config(machines.machine("lab1")))
    assert introduction.current is not None
    part = dealer_factory(machines.context, endpoint, secrets.token_bytes, introduction)(lambda frame: None)
    for sequence in range(50):
        part.send(Frame(Kind.DATA, 1, sequence))
    await until(lambda: len(frames.taken) == 50)
    assert [frame.sequence for _, frame in frames.taken] == list(range(50))
    assert introduction.current is None
    part.close()
    listening.close()


async def test_what_is_bound_is_looked_at_too(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name may resolve differently between the check and the bind."""
    monkeypatch.setattr("kernelbus.bus.transport.zeromq.is_local", lambda endpoint: endpoint == "tcp://127.0.0.1:0")
    listening = RouterTransport(machines.context, Frames().take)
    with pytest.raises(EndpointError, match=r"the bus endpoint tcp://127.0.0.1:0 is at tcp://.*, where others reach it"):
        listening.bind("tcp://127.0.0.1:0")
    listening.close()
