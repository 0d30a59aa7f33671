"""Programs that connect without `-linkoptions 4`, each over a message port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import psutil
import pytest
from asking import EVALUATE, command, connect, order, value
from serving import Part, free_port, stand_in_pool, wait_until, write_config

import wstp
import wstp.aio
from wstp import MessageCode, Symbol


@pytest.fixture(scope="module")
def message_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(message_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Yield a server that has one port for the message connections of all ordinary links."""
    folder = tmp_path_factory.mktemp("server")
    pools = {"StandIn": stand_in_pool(folder, KeepAlive=True, MinimumKernelNumber=1, MaximumKernelNumber=30)}
    config = write_config(folder / "c.conf", Pools=pools, MessagePorts=f"{message_port}-{message_port}")
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


def ordinary(server: Part) -> wstp.Link:
    """Connect as an ordinary program, and read the prompt."""
    link = wstp.connect(f"-linkmode connect -linkprotocol TCPIP -linkname {server.port}@127.0.0.1", timeout=60)
    assert link.get(timeout=60) == Symbol("InputNamePacket")("In[1]:= ")
    return link


def test_an_evaluation_is_answered_and_aborted(server: Part) -> None:
    with ordinary(server) as link:
        assert value(link, Symbol("f")(1, "é")) == Symbol("f")(1, "é")
        link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
        link.flush()
        link.put_message(MessageCode.ABORT)
        assert link.get(timeout=60) == Symbol("ReturnPacket")(Symbol("$Aborted"))


def test_many_connect_at_once_and_each_aborts_its_own(server: Part) -> None:
    async def one(number: int) -> None:
        async with await wstp.aio.connect(f"{server.port}@127.0.0.1", mode="uuid" if number % 3 == 0 else "default", timeout=60) as link:
            await link.next_packet(timeout=60)
            link.put(EVALUATE(number), end_packet=True)
            assert await link.next_packet(timeout=60) == Symbol("ReturnPacket")(number)
            link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
            await link.flush()
            link.put_message(MessageCode.ABORT)
            assert await link.next_packet(timeout=60) == Symbol("ReturnPacket")(Symbol("$Aborted"))

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(9)))

    asyncio.run(all_of_them())


def test_a_session_is_left_and_found_again(server: Part) -> None:
    with ordinary(server) as link:
        assert value(link, Symbol("Set")(Symbol("x"), 5)) is not None
        pid = value(link, Symbol("Pid")())
        kernel = order(link, command("KernelID"))
    with ordinary(server) as other:
        assert isinstance(kernel, str)
        order(other, command("ConnectKernel", kernel))
        assert other.get(timeout=60).args
        assert value(other, Symbol("Pid")()) == pid
    with connect(server) as third:
        order(third, command("ConnectKernel", kernel))


def test_half_made_links_do_not_hold_up_the_others(server: Part, message_port: int) -> None:
    """Stop at each step, with more connections than there are ports."""
    halves = []
    for words in (b"", b"need_msg_port", b"need_msg_portN", b"need_msg_portX"):
        halves.append(socket.create_connection(("127.0.0.1", server.port), 10))
        halves[-1].sendall(words)
    for _ in range(3):
        halves.append(socket.create_connection(("127.0.0.1", server.port), 10))
        halves[-1].sendall(b"need_msg_portY")
    for half in halves[4:]:
        half.close()
    with ordinary(server) as link:
        assert value(link, 1) == 1
    for half in halves:
        half.close()
    wait_until(lambda: server.logged("has two ports.*as in -linkname PORT@HOST"), "what to type")
    wait_until(lambda: server.logged("looks like unknown bytes b'need_msg_portX'"), "what it looks like")
    wait_until(lambda: message_port not in listening(server), "the port is closed")


def listening(server: Part) -> set[int]:
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return {entry.laddr.port for entry in connections if entry.status == "LISTEN"}


def test_a_program_that_names_two_ports_is_told_what_to_type(server: Part) -> None:
    with pytest.raises(wstp.ConnectFailed, match=f"name one, as in -linkname {server.port}@127.0.0.1"):
        wstp.connect(f"{server.port}@127.0.0.1,{server.port}@127.0.0.1", mode="default", timeout=60)
