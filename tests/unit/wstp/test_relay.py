"""Links whose bytes pass undecoded: a relay listener and this library's own clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

import wstp.aio
from wstp import ConnectFailed, LinkClosed, LinkLost, Message, Symbol, write_expression
from wstp.link import over
from wstp.linkspec import ModeName
from wstp.relay import RelayLink, RelayLinkState, RelayListener, relay_over
from wstp.stream import ByteStream

F = Symbol("f")


class Owner:
    """Keep what a relay link tells."""

    def __init__(self) -> None:
        self.link: RelayLink | None = None
        self.events: list[object] = []
        self.data = b""
        self.changed = asyncio.Event()

    def _note(self, event: object) -> None:
        self.events.append(event)
        self.changed.set()

    def link_active(self, link: RelayLink) -> None:
        self.link = link
        self._note("active")

    def link_data(self, link: RelayLink, data: bytes | memoryview) -> None:
        self.data += data
        self.changed.set()

    def link_message(self, link: RelayLink, message: Message) -> None:
        self._note((message, len(self.data)))

    def link_drained(self, link: RelayLink) -> None:
        self._note("drained")

    def link_leaves(self, link: RelayLink) -> None:
        if "leaves" not in self.events:
            self._note("leaves")

    def link_ended(self, link: RelayLink, said_so: bool) -> None:
        self._note(("ended", said_so))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def relayed(mode: str = "uuid") -> AsyncIterator[tuple[Owner, RelayLink, wstp.aio.Link]]:
    owner = Owner()
    listener = RelayListener(lambda link: owner, modes=[mode])
    port = await listener.listen("127.0.0.1", 0)
    assert listener.addresses == ("127.0.0.1",)
    client = await wstp.aio.connect(f"{port}@127.0.0.1", mode="uuid" if mode == "uuid" else "default", timeout=60)
    try:
        await owner.until(lambda: owner.link)
        assert owner.link is not None
        yield owner, owner.link, client
    finally:
        client.abort()
        listener.close()
        await owner.until(lambda: ("ended", True) in owner.events or ("ended", False) in owner.events)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["uuid", "default"])
async def test_bytes_and_messages_pass(mode: str) -> None:
    async with relayed(mode) as (owner, link, client):
        assert link.state is RelayLinkState.ACTIVE
        client.put(F(1), end_packet=True)
        await client.flush(60)
        client.put_message(3)
        sent = b"".join(write_expression(F(1))) + b"]"
        await owner.until(lambda: len(owner.events) == 2)
        assert owner.data == sent
        assert link.bytes_in == len(sent)
        assert owner.events == ["active", (Message(3), len(sent))]
        link.write(sent)
        link.write_message(130, 5)
        assert await client.next_packet(60) == F(1)
        while (message := client.get_message()) is None:
            await client.wait(60)
        assert message == Message(130, 5)


@pytest.mark.asyncio
async def test_messages_stay_behind_their_data() -> None:
    async with relayed() as (owner, _, client):
        for number in range(40):  # together less than what the receiving socket takes in unread
            client.put("x" * 3000)
            await client.flush(60)
            client.put_message(130, number)
        size = len(b"".join(write_expression("x" * 3000)))
        await owner.until(lambda: len(owner.events) == 41)
        seen = [event for event in owner.events if isinstance(event, tuple)]
        assert [message.parameter for message, _ in seen] == list(range(40))
        assert all(behind >= size * (message.parameter + 1) for message, behind in seen)


@pytest.mark.asyncio
async def test_a_pause_holds_up_data_but_no_messages() -> None:
    async with relayed() as (owner, link, client):
        link.pause()
        assert link.paused
        client.put(F(1))
        await client.flush(60)
        client.put_message(3)
        await owner.until(lambda: len(owner.events) == 2)
        assert owner.data == b""
        link.resume()
        await owner.until(lambda: owner.data)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_peer_that_goes_is_noticed_though_its_data_is_not_read(way: str) -> None:
    async with relayed() as (owner, link, client):
        link.pause()
        client.put(F(1))
        await client.flush(60)
        assert not link.leaves
        if way == "abort":
            client.abort()
        else:
            closing = asyncio.get_running_loop().create_task(client.close())
        await owner.until(lambda: "leaves" in owner.events)
        assert link.leaves
        if way == "close":
            # The data before the close is still there for who reads on.
            assert owner.data == b""
            link.resume()
            await owner.until(lambda: ("ended", True) in owner.events)
            assert owner.data == b"".join(write_expression(F(1)))
            await closing
        else:
            link.close()


@pytest.mark.asyncio
async def test_a_close_of_either_side_is_told_from_a_loss() -> None:
    async with relayed() as (owner, link, client):
        client.put(F(2))
        await client.close()
        await owner.until(lambda: ("ended", True) in owner.events)
        assert owner.data == b"".join(write_expression(F(2)))
        assert link.read_to_the_end
    async with relayed() as (owner, link, client):
        link.write(b"".join(write_expression(F(3))))
        link.close()
        assert await client.get(60) == F(3)
        with pytest.raises(LinkClosed):
            await client.get(60)
    async with relayed() as (owner, link, client):
        client.abort()
        await owner.until(lambda: ("ended", False) in owner.events)
    async with relayed() as (owner, link, client):
        link.abort()
        with pytest.raises(LinkLost):
            await client.get(60)
        assert not link.read_to_the_end


@pytest.mark.asyncio
async def test_who_is_no_wstp_peer_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "kernelbus.link")
    listener = RelayListener(lambda link: Owner(), greeting_timeout=0.2)
    port = await listener.listen("127.0.0.1", 0)
    for words, reason in ((b"GET / HTTP/1.1\r\n\r\n", "an HTTP request"), (b"", "no WSTP greeting came")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert reason in caplog.text
        writer.close()
    listener.close()


@pytest.mark.asyncio
async def test_a_link_that_nobody_wants_is_dropped() -> None:
    listener = RelayListener(lambda link: None)
    port = await listener.listen("127.0.0.1", 0)
    with pytest.raises(wstp.ConnectFailed):
        await wstp.aio.connect(port, timeout=60)
    listener.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
async def test_a_link_goes_over_sockets_that_are_connected_already(family: socket.AddressFamily) -> None:
    owner = Owner()
    (data, its_data), (message, its_message) = pair(family), pair(family)
    # The peer's greeting may be there before ours begins.
    other = asyncio.get_running_loop().run_in_executor(None, lambda: over(its_data, its_message, timeout=60))
    await relay_over(data, message, lambda link: owner, "a kernel")
    client = await other
    try:
        await owner.until(lambda: owner.link)
        assert owner.link is not None and owner.link.name == "a kernel"
        client.put(F(1))
        client.flush(60)
        client.put_message(3)
        await owner.until(lambda: len(owner.events) == 2)
        assert owner.data == b"".join(write_expression(F(1)))
        large = b"".join(write_expression("x" * 3_000_000))
        owner.link.write(large)
        assert len(await asyncio.to_thread(client.get, 60)) == 3_000_000
    finally:
        await asyncio.to_thread(client.close)
    await owner.until(lambda: ("ended", True) in owner.events)


def pair(family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    if family is socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


@pytest.mark.asyncio
async def test_a_connection_is_checked_before_it_is_read(caplog: pytest.LogCaptureFixture) -> None:
    verdict: str | None = "is a stranger"
    owner = Owner()
    asked: list[str] = []

    def check(stream: ByteStream) -> str | None:
        asked.append(stream.name)
        return verdict

    listener = RelayListener(lambda link: owner, ["uuid", "default"], check=check)
    port = await listener.listen("127.0.0.1", 0)
    try:
        with pytest.raises(ConnectFailed):
            await wstp.aio.connect(f"{port}@127.0.0.1", mode="default", timeout=60)
        assert "is a stranger" in caplog.text
        verdict = None
        connecting = asyncio.ensure_future(wstp.aio.connect(f"{port}@127.0.0.1", mode="uuid", timeout=60))
        before = len(asked)
        await until(lambda: len(asked) == before + 2)
        # Both connections and what they say are held until there is a verdict.
        assert not owner.events
        verdict = ""
        listener.decide()
        client = await connecting
        await owner.until(lambda: owner.link)
        client.abort()
        await owner.until(lambda: len(owner.events) == 2)
    finally:
        listener.close()


def listening_ports() -> int:
    """Count the sockets of this process that listen."""
    return sum(entry.status == "LISTEN" for entry in psutil.Process().net_connections("tcp"))


@pytest.mark.asyncio
@pytest.mark.parametrize("ports", [(), range(0, 1)], ids=["any port", "one at a time"])
async def test_ordinary_links_are_made_side_by_side(ports: range) -> None:
    owners: list[Owner] = []

    def accept(link: RelayLink) -> Owner:
        owners.append(Owner())
        return owners[-1]

    listener = RelayListener(accept, ("uuid", "default"), message_ports=ports)
    port = await listener.listen("127.0.0.1", 0)
    before = listening_ports()
    modes: list[ModeName] = ["default", "uuid"] * 6
    clients = await asyncio.gather(*(wstp.aio.connect(f"{port}@127.0.0.1", mode=mode, timeout=60) for mode in modes))
    try:
        # Each link has the message connection of its own data connection.
        for number, client in enumerate(clients):
            client.put(number, end_packet=True)
            await client.flush()
            client.put_message(200, number)
        await until(lambda: len(owners) == 12 and all(len(owner.events) == 2 and owner.data for owner in owners))
        for owner in owners:
            (_, (message, _)), [number] = owner.events, read(owner.data)
            assert message == Message(200, number)
        await until(lambda: listening_ports() == before)
    finally:
        for client in clients:
            client.abort()
        listener.close()


def read(data: bytes) -> list[object]:
    reader = wstp.ExpressionReader()
    reader.feed(data)
    return [reader.next()]


@pytest.mark.asyncio
async def test_half_made_ordinary_links_leave_nothing_open(caplog: pytest.LogCaptureFixture) -> None:
    listener = RelayListener(lambda link: Owner(), ("uuid", "default"), greeting_timeout=0.3)
    port = await listener.listen("127.0.0.1", 0)
    before = listening_ports()
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    try:
        for number, (reader, writer) in enumerate(connections):
            writer.write(b"need_msg_port" + (b"Y" if number else b""))
            if number == 5:
                assert (await reader.readuntil(b"Y")).startswith(b"msg_port=")
                writer.close()
        for reader, _ in connections[6:]:
            assert (await reader.read()).endswith(b"Y"), "it is named a port, and closed when nobody comes there"
        assert "did not come to port" in caplog.text
        # The message connection comes, and then there is no greeting.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"need_msg_portY")
        answer = await reader.readuntil(b"Y")
        _, message = await asyncio.open_connection("127.0.0.1", int(answer[9:-1]))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b"Math Link "
        message.close()
        writer.close()
        await until(lambda: listening_ports() == before)
        # An open port is closed with its listener.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"need_msg_portY")
        await reader.readuntil(b"Y")
        assert listening_ports() == before + 1
        listener.close()
        await until(lambda: listening_ports() < before)
        writer.close()
    finally:
        listener.close()
        for _, writer in connections:
            writer.close()


@pytest.mark.asyncio
async def test_a_taken_message_port_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        listener = RelayListener(lambda link: Owner(), ("default",), message_ports=range(number, number + 1))
        port = await listener.listen("127.0.0.1", 0)
        with pytest.raises(ConnectFailed, match="closed the connection"):
            await wstp.aio.connect(f"{port}@127.0.0.1", mode="default", timeout=60)
        listener.close()
    assert f"no port could be opened for its messages: Address already in use (ports {number} to {number})" in caplog.text


@pytest.mark.asyncio
async def test_a_link_with_two_ports_says_what_to_type(caplog: pytest.LogCaptureFixture) -> None:
    listener = RelayListener(lambda link: Owner(), ("uuid", "default"))
    port = await listener.listen("127.0.0.1", 0)
    with pytest.raises(ConnectFailed, match=f"a server takes no second port: name one, as in -linkname {port}@127.0.0.1"):
        await wstp.aio.connect(f"{port}@127.0.0.1,{port}@127.0.0.1", mode="default", timeout=60)
    listener.close()
    assert "name one, as in -linkname PORT@HOST; closed" in caplog.text


@pytest.mark.asyncio
async def test_a_connection_that_is_held_costs_little_and_is_dropped_with_its_listener() -> None:
    listener = RelayListener(lambda link: Owner(), check=lambda stream: None)
    port = await listener.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x" * (1 << 20))
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 60) == b"", "it is dropped at 64 KiB"
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: listener.held == 2)
    listener.close()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)
