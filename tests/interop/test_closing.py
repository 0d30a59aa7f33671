"""A program of the C library that reads late reads all that was said before the link closed."""

from __future__ import annotations

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cdriver import CDriver, DriverError
from clibrary import FlatToken
from clinks import TIMEOUT, Drivers, Pair, in_thread
from flat import flat_expression
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
import wstp.aio
from wstp import Symbol
from wstp.packets import encode_packet, packet
from wstp.tracker import Tracker

CLOSED = 11
EARLY_END = 24
LINGER = 10.0
LATE = 0.3
"""Seconds after which the library was seen to read nothing, when message 9 came first."""
WORDS = [Symbol("TextPacket")("last words"), "x" * 100_000, Symbol("f")(1, 2.5)]
FLAT = [flat_expression(words) for words in WORDS]


def read_all(c: Any) -> list[list[FlatToken]]:
    """Read up to the end; check that the end is a close."""
    read: list[list[FlatToken]] = []
    ended: int | None = None
    while ended is None:
        try:
            read.append(c("get"))
        except DriverError as error:
            ended = error.code or 0
    assert ended == CLOSED
    return read


def test_a_late_reader_reads_all_from_a_blocking_link(any_pair: Pair) -> None:
    for words in WORDS:
        any_pair.link.put(words, end_packet=True)
    closing = in_thread(lambda: any_pair.link.close(TIMEOUT, LINGER))
    time.sleep(LATE)
    assert read_all(any_pair.c) == FLAT
    any_pair.c("close")
    closing()


def test_a_packet_that_is_ended_as_broken_is_an_error_and_the_next_is_read(any_pair: Pair) -> None:
    """So a client whose kernel is lost in half a packet learns why."""
    whole = encode_packet(packet("ReturnPacket", Symbol("List")("abcdef", 1.5)))
    end = len(whole) - whole.index(b"abcdef") - 3
    for half in (whole[:-end], whole[: whole.index(b"abcdef")], whole[: whole.index(b"abcdef") + 7]):
        tracker = Tracker()
        tracker.feed(half)
        rest = tracker.break_off(1000)
        assert rest
        any_pair.link.put_raw([half, rest, encode_packet(WORDS[0])])
        any_pair.link.flush(TIMEOUT)
        with pytest.raises(DriverError) as broken:
            any_pair.c("get")
        assert broken.value.code == EARLY_END
        any_pair.c("call", name="ClearError")
        any_pair.c("call", name="NewPacket")
        assert any_pair.c("get") == FLAT[0]


def test_a_late_reader_reads_all_from_an_asyncio_link(drivers: Drivers) -> None:
    driver = drivers.get()

    async def say() -> None:
        async with await wstp.aio.listen(0, mode="uuid") as listener:
            ports.append(listener.port)
            link = await listener.accept(TIMEOUT)
            for words in WORDS:
                link.put(words, end_packet=True)
            await link.close(TIMEOUT, LINGER)

    ports: list[int] = []
    with ThreadPoolExecutor(1) as threads:
        said = threads.submit(asyncio.run, say())
        wait_until(lambda: ports, "the listener's port")
        specification = f"-linkmode connect -linkprotocol TCPIP -linkoptions 4 -linkname {ports[0]}@127.0.0.1"
        number = driver("open_string", specification=specification)
        driver("call", link=number, name="Activate")
        time.sleep(LATE)
        assert read_all(lambda operation: driver(operation, link=number)) == FLAT
        driver("close", link=number)
        said.result(TIMEOUT)


def test_a_close_does_not_wait_long_for_a_peer_that_does_not_go(pair: Pair) -> None:
    pair.link.put(1, end_packet=True)
    begun = time.monotonic()
    pair.link.close(linger=0.2)
    assert time.monotonic() - begun >= 0.2
    # The library may have read it or not; either way it is told that the link is closed.
    assert read_all(pair.c) in ([], [[["i", "1"]]])


class Client:
    """A program of the library that reads late."""

    def __init__(self, driver: CDriver, port: int) -> None:
        self._driver = driver
        name = f"{port}@127.0.0.1"
        self._number = driver("open_string", specification=f"-linkmode connect -linkprotocol TCPIP -linkoptions 4 -linkname {name}")
        driver("call", link=self._number, name="Activate")

    def __call__(self, operation: str, **arguments: Any) -> Any:
        return self._driver(operation, link=self._number, **arguments)


def test_a_late_reader_reads_what_its_kernel_said_last(drivers: Drivers, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as server:
        for _ in range(3):
            client = Client(drivers.get(), server.port)
            client("get")
            leave: list[FlatToken] = [["F", 1], ["#", "EvaluatePacket"], ["F", 1], ["#", "Exit"], ["i", "3"]]
            client("put_flat", tokens=leave, end_packet=True)
            wait_until(lambda: server.logged("exited with status 3"), "the kernel's end")
            time.sleep(LATE)
            assert read_all(client) == [[["F", 1], ["#", "TextPacket"], ['"', "bye"]]]
            client("close")


def test_a_late_reader_reads_why_it_is_refused(drivers: Drivers, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"Broken": stand_in_pool(tmp_path, "-exitatonce 1")})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as server:
        for count in range(3):
            client = Client(drivers.get(), server.port)
            wait_until(lambda count=count: len(server.logged("gets no kernel")) > count, "the refusal")
            time.sleep(LATE)
            message, text = read_all(client)
            assert message == [["F", 2], ["#", "MessagePacket"], ["#", "WSTPServer`ConnectKernel"], ['"', "nokernel"]]
            assert "no licence for this machine" in text[2][1]
            client("close")


def test_a_server_that_shuts_down_lets_a_late_reader_read(drivers: Drivers, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as server:
        client = Client(drivers.get(), server.port)
        client("get")
        client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], ["i", "7"]], end_packet=True)
        wait_until(lambda: client("ready", seconds=TIMEOUT), "the answer")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.logged("stopping on SIGTERM"), "the beginning of the end")
        time.sleep(LATE)
        assert read_all(client) == [[["F", 1], ["#", "ReturnPacket"], ["i", "7"]]]
        client("close")
        assert server.process.wait(TIMEOUT) == 0
