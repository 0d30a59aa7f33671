"""Advertising and finding over multicast DNS on loopback.

Names are random, because other programs on this machine may advertise too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
from zeroconf import ServiceInfo, Zeroconf

from kernelbus.bus.protocol.reports import PoolStatus
from kernelbus.frontend.discovery.advertise import Advertiser
from kernelbus.frontend.discovery.browse import Finder
from kernelbus.frontend.discovery.found import Record, Server, listing
from kernelbus.frontend.discovery.services import (
    POOL_TYPE,
    Adapter,
    Reach,
    Service,
    server_services,
    server_type,
)

pytestmark = pytest.mark.asyncio

LOOPBACK = Reach(("127.0.0.1",), ("127.0.0.1",))


def pool(name: str, ready: int) -> PoolStatus:
    return PoolStatus(name, "serving", True, False, False, 1, 0, ready, 0, 0, 0, 0, 0.0, 2, 8)


class Told:
    """A server that is advertised, and what it announces."""

    def __init__(self, protocol: str, service: str = "lab", port: int = 4000) -> None:
        self.where = LOOPBACK
        self.pools = [pool("Main", 1)]
        self._protocol, self._service, self._port = protocol, service, port
        self.advertiser = Advertiser(self._reach, self._describe, machine="test", interval=0.1)

    def _reach(self, adapters: Sequence[Adapter]) -> Reach:
        return self.where

    async def _describe(self, where: Reach, names: Mapping[str, str]) -> Sequence[Service]:
        return server_services(self._protocol, self._service, self._port, where.addresses, self.pools, names.get("server", ""))

    @contextlib.asynccontextmanager
    async def advertised(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.advertiser.run())
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time for which the library looks up a name to a tenth."""
    monkeypatch.setattr("zeroconf._core._CHECK_TIME", 50)
    monkeypatch.setattr("zeroconf._core._PROBE_RANDOM_DELAY_INTERVAL", (15, 25))


@pytest.fixture
def protocol() -> str:
    return f"kb-{secrets.token_hex(5)}"


class Seen:
    """What a finder has found of one service protocol."""

    def __init__(self, finder: Finder, protocol: str) -> None:
        self._finder, self._protocol = finder, protocol

    @property
    def records(self) -> list[Record]:
        return [record for record in self._finder.records if record.type == server_type(self._protocol)]

    async def until(self, condition: Callable[[tuple[Server, ...]], Any], seconds: float = 20.0) -> tuple[Server, ...]:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            servers = listing(self._finder.records, self._protocol).servers
            if condition(servers):
                return servers
            left = deadline - asyncio.get_running_loop().time()
            assert left > 0, servers
            await self._finder.changed(left)


@contextlib.asynccontextmanager
async def finding(protocol: str) -> AsyncIterator[Seen]:
    async with Finder([server_type(protocol), POOL_TYPE], "127.0.0.1") as finder:
        yield Seen(finder, protocol)


async def test_a_server_is_found_followed_and_withdrawn(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kernelbus")
    told = Told(protocol)
    async with finding(protocol) as seen:
        async with told.advertised():
            (server,) = await seen.until(lambda servers: servers and servers[0].pools)
            assert (server.instance, server.link_name, server.pools[0].ready) == ("WSTPServer-Instance-lab", "4000@127.0.0.1", 1)
            assert seen.records[0].text.endswith(b"\x0boptions=260\x0bstartOfList")
            # Its numbers change, and a pool comes and goes.
            told.pools = [pool("Main", 0), pool("Other", 3)]
            (server,) = await seen.until(lambda servers: servers and [known.ready for known in servers[0].pools] == [0, 3])
            told.pools = [pool("Main", 2)]
            await seen.until(lambda servers: servers and [known.ready for known in servers[0].pools] == [2])
            # Its address changes, goes and comes back.
            told.where = Reach(("127.0.0.1",), ("127.0.0.5",))
            await seen.until(lambda servers: servers and servers[0].link_name == "4000@127.0.0.5")
            told.where = Reach()
            await seen.until(lambda servers: not servers)
            told.where = LOOPBACK
            await seen.until(lambda servers: servers and servers[0].pools)
        # The records live for two minutes and more: only a withdrawal removes them sooner.
        await seen.until(lambda servers: not servers, 10)
    assert caplog.messages.count(f"advertised as WSTPServer-Instance-lab, _{protocol}._tcp") == 2
    assert "there is no address at which to advertise; waiting for one" in caplog.messages


async def test_of_two_servers_that_begin_together_the_older_keeps_the_name(
    protocol: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither is registered when the other looks up the name.
    look = Zeroconf.async_check_service
    looked: list[str] = []

    async def look_too_soon(zeroconf: Zeroconf, info: ServiceInfo, *arguments: Any) -> None:
        looked.extend([info.name] if info.type != POOL_TYPE else [])
        if len(looked) > 2:
            await look(zeroconf, info, *arguments)

    monkeypatch.setattr(Zeroconf, "async_check_service", look_too_soon)
    caplog.set_level(logging.INFO, "kernelbus")
    old = Told(protocol, port=4001)
    await asyncio.sleep(0.002)
    new = Told(protocol, port=4002)
    async with new.advertised(), old.advertised(), finding(protocol) as seen:
        servers = await seen.until(
            lambda servers: [server.port for server in servers] == [4001, 4002] and all(server.pools for server in servers)
        )
        assert [server.instance for server in servers] == ["WSTPServer-Instance-lab", "WSTPServer-Instance-lab-2"]
    assert caplog.messages.count(f"advertised as WSTPServer-Instance-lab, _{protocol}._tcp") == 2
    assert "WSTPServer-Instance-lab is the name of an older program" in caplog.messages
    assert "advertised as WSTPServer-Instance-lab-2, since WSTPServer-Instance-lab is there already" in caplog.messages


async def test_a_second_server_does_not_take_a_name_in_use(protocol: str) -> None:
    first = Told(protocol, port=4001)
    async with first.advertised(), finding(protocol) as seen:
        await seen.until(lambda servers: servers and servers[0].pools)
        async with Told(protocol, port=4002).advertised():
            servers = await seen.until(lambda servers: [server.port for server in servers] == [4001, 4002])
            assert [server.instance for server in servers] == ["WSTPServer-Instance-lab", "WSTPServer-Instance-lab-2"]
        # The second withdraws its own records only.
        await seen.until(lambda servers: [server.port for server in servers] == [4001])
        assert first.advertiser.names == {"server": "WSTPServer-Instance-lab", "pool Main": "Main of WSTPServer-Instance-lab"}


async def test_a_failure_is_logged_once_and_advertising_goes_on(
    protocol: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0
    thrice = asyncio.Event()

    def refuse(**_: object) -> object:
        nonlocal tried
        tried += 1
        if tried == 3:
            thrice.set()
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("kernelbus.frontend.discovery.multicast.AsyncZeroconf", refuse)
    async with Told(protocol).advertised():
        await asyncio.wait_for(thrice.wait(), 20)
    assert caplog.messages == ["the server cannot be advertised: [Errno 98] Address already in use; it works all the same, and tries again"]


async def test_what_nobody_else_can_see_is_said(
    protocol: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernelbus.frontend.discovery.advertise.mute", lambda zeroconf, interfaces: ["fd00::7"])
    told = Told(protocol)
    told.advertiser = Advertiser(told._reach, told._describe, machine="test", alone=lambda: "its cable is out", interval=0.1)
    async with finding(protocol) as seen, told.advertised():
        await seen.until(lambda servers: servers and servers[0].pools)
        # It is tried again each time, and said once.
        assert caplog.messages == [
            "nothing is advertised on the network of fd00::7, where multicast DNS cannot be used; trying again",
            "advertised on this machine alone: its cable is out",
        ]
