"""Libraries of two ages through one server, and the asyncio link with each of them.

`WSTP_LIBRARY_OLD` names the second library, one of Math Link 5.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Any

import cdriver
import pytest
from cdriver import CDriver
from clibrary import FlatToken
from clinks import TIMEOUT
from flat import flat_expression
from serving import Part, write_config

import wstp
import wstp.aio
from wstp import MessageCode, Symbol

ANSWER: list[FlatToken] = [["F", 1], ["#", "ReturnPacket"]]
VALUES: list[FlatToken] = [
    ["F", 8], ["#", "f"], ["i", str(2**63 - 1)], ["i", str(10**40)], ["r", "inf"], ["R", "1.5`20.*^400"],
    ['"', "é😀α"], ["#", "Global`α"], ["F", 0], ["F", 1], ["#", "g"], ["#", "List"], ["#", "Plus"],
]  # fmt: skip


@pytest.fixture(scope="module")
def older() -> str:
    """Return the path of the older library."""
    path = os.environ.get("WSTP_LIBRARY_OLD")
    if not path:
        pytest.skip("WSTP_LIBRARY_OLD names no library of Math Link 5")
    return path


@pytest.fixture(scope="module")
def library() -> str:
    """Return the path of the library of today: each test here is about both."""
    path = os.environ.get("WSTP_LIBRARY")
    if not path:
        pytest.skip("WSTP_LIBRARY names no library of Math Link 6")
    return path


@pytest.fixture(scope="module")
def server(library: str, older: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Yield a server with kernels of both ages, which echo what they are asked."""
    folder = tmp_path_factory.mktemp("ages")
    pools: dict[str, dict[str, Any]] = {}
    for name, path in {"Old": older, "New": library}.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{cdriver.__file__}" --kernel "{path}" "$@"\n')
        program.chmod(0o755)
        pools[name] = {"KernelPath": str(program), "MinimumKernelNumber": 1}
    with Part("serve", "-p", "0", "-l", "debug", "-c", write_config(folder / "c.conf", Pools=pools)) as part:
        yield part


def command(pool: str) -> list[FlatToken]:
    name: list[FlatToken] = [["F", 1], ["#", "WSTPServer`ConnectKernel"], ["F", 1], ["#", "Association"]]
    return [*name, ["F", 2], ["#", "Rule"], ['"', "Pool"], ['"', pool]]


@pytest.mark.parametrize("pool", ["Old", "New"])
@pytest.mark.parametrize("client", ["old", "new"])
@pytest.mark.parametrize("ordinary", [False, True], ids=["UUID mode", "ordinary"])
def test_any_client_with_any_kernel(server: Part, library: str, older: str, client: str, pool: str, ordinary: bool) -> None:
    with CDriver(older if client == "old" else library) as driver:
        options = [] if ordinary else ["-linkoptions", "4"]
        arguments = ["-linkmode", "connect", "-linkprotocol", "TCPIP", "-linkname", f"{server.port}@127.0.0.1", *options]
        number, _ = driver("open", arguments=arguments)
        driver("call", TIMEOUT, link=number, name="Activate")
        assert driver("get", link=number)[1] == ["#", "InputNamePacket"]
        driver("put_flat", link=number, tokens=command(pool), end_packet=True)
        assert driver("get", link=number)[1] == ["#", "ReturnPacket"]
        assert driver("get", link=number)[1] == ["#", "InputNamePacket"]
        driver("put_flat", link=number, tokens=[["F", 1], ["#", "EvaluatePacket"], *VALUES], end_packet=True)
        assert driver("get", link=number) == [*ANSWER, *VALUES]
        assert driver("echo_array", TIMEOUT, link=number, count=2**18) > 0
        if client == "new":
            # The library of Math Link 5 waits for ever behind this escape.
            driver("put", link=number, puts=[["Function", "EvaluatePacket", 1], ["String", "\\|01f600"], ["EndPacket"]])
            assert driver("get", link=number) == [*ANSWER, ['"', "😀"]]
        assert len(driver("roundtrips", link=number, count=20)) == 20
        driver("close", link=number)


@pytest.mark.parametrize("age", ["old", "new"])
@pytest.mark.parametrize("mode", ["uuid", "default"])
def test_asyncio_in_both_roles(library: str, older: str, age: str, mode: wstp.linkspec.ModeName) -> None:
    expression = [Symbol("Plus"), "é", 2**70, 1.5, Symbol("InputForm")]
    flat = flat_expression(expression)

    async def exchange(link: wstp.aio.Link, driver: CDriver, number: int) -> None:
        async with link:
            assert link.peer_features.version == (5 if age == "old" else 6)
            link.put(expression, end_packet=True)
            await link.flush()
            assert await asyncio.to_thread(driver, "get", link=number) == flat
            await asyncio.to_thread(driver, "put_flat", link=number, tokens=flat, end_packet=True)
            assert await link.get(timeout=TIMEOUT) == expression
            await asyncio.to_thread(driver, "put_message", link=number, code=int(MessageCode.ABORT), parameter=7)
            assert (await link.wait(TIMEOUT)).message
            assert link.get_message() == wstp.Message(3, 7)

    async def both(driver: CDriver) -> None:
        tcpip = ["-linkprotocol", "TCPIP"]
        options = ["-linkoptions", "4"] if mode == "uuid" else []
        async with await wstp.aio.listen(0, mode=mode) as listener:
            arguments = ["-linkmode", "connect", *tcpip, "-linkname", f"{listener.port}@127.0.0.1", *options]
            number, _ = await asyncio.to_thread(driver, "open", arguments=arguments)
            driver.post("call", link=number, name="Activate")
            link = await listener.accept(timeout=TIMEOUT)
            driver.result(TIMEOUT)
            await exchange(link, driver, number)
        if mode == "uuid":
            server, port = driver("server", port=0, interface="127.0.0.1")
            driver.post("accept", server=server)
            connecting = asyncio.create_task(wstp.aio.connect(f"{port}@127.0.0.1", mode=mode, timeout=TIMEOUT))
            number = await asyncio.to_thread(driver.result, TIMEOUT)
            driver.post("call", link=number, name="Activate")
        else:
            number, name = driver("open", arguments=["-linkmode", "listen", *tcpip, "-linkhost", "127.0.0.1"])
            driver.post("call", link=number, name="Activate")
            connecting = asyncio.create_task(wstp.aio.connect(name, mode=mode, timeout=TIMEOUT))
        link = await connecting
        driver.result(TIMEOUT)
        await exchange(link, driver, number)

    with CDriver(older if age == "old" else library) as driver:
        asyncio.run(both(driver))
