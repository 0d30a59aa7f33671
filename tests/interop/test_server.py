"""Programs of the C library against a running server with the embedded kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdriver
import pytest
from cdriver import CDriver, DriverError
from clibrary import FlatToken
from clinks import TIMEOUT, Drivers
from serving import Part, stand_in_pool, wait_until, write_config

from wstp import MessageCode

CLOSED = 11
EARLY = 24
LARGE = 4 * 2**20
"""Machine reals of 32 MiB."""


class CClient:
    """Yield a link of the C library, opened as a C program opens it."""

    def __init__(self, driver: CDriver, port: int, *, ordinary: bool = False) -> None:
        self.driver = driver
        arguments = [
            "-linkmode",
            "connect",
            "-linkname",
            f"{port}@127.0.0.1",
            "-linkprotocol",
            "TCPIP",
        ]
        if not ordinary:
            arguments += ["-linkoptions", "4"]
        self.number, _ = driver("open", arguments=arguments)
        driver("call", TIMEOUT, link=self.number, name="Activate")

    def __call__(self, operation: str, timeout: float = 60.0, **arguments: Any) -> Any:
        return self.driver(operation, timeout, link=self.number, **arguments)

    def evaluate(self, *tokens: FlatToken) -> list[Any]:
        """Put EvaluatePacket[tokens], and return the packets up to the answer as flat tokens."""
        self("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *tokens], end_packet=True)
        packets = []
        while True:
            packets.append(self("get"))
            if packets[-1][1] == ["#", "ReturnPacket"]:
                return packets

    def aborted(self) -> list[FlatToken]:
        """Abort what was put, and return the first packet of the answer.

        The library writes a packet in a thread of its own, even after WSFlush, and a message at
        once: on an idle machine 1 abort in 20 comes before its packet (time stamps of a plain
        socket that listened), to a kernel that has nothing to abort. It is then sent again, as a
        user would.
        """
        self("put_message", code=int(MessageCode.ABORT), parameter=None)
        while not self("ready", seconds=5):
            self("put_message", code=int(MessageCode.ABORT), parameter=None)
        return list(self("get"))


@pytest.fixture(scope="module")
def server(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    pool = {"MinimumKernelNumber": 1, "KeepAlive": True, "ReservePreviouslyConnectedKernels": False}
    config = write_config(tmp_path_factory.mktemp("server") / "c.conf", Pools={"Mathics": pool})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture
def client(server: Part, drivers: Drivers) -> Iterator[CClient]:
    with drivers.new() as driver:
        made = CClient(driver, server.port)
        assert made("get") == [["F", 1], ["#", "InputNamePacket"], ['"', "In[1]:= "]]
        yield made


def code(text: str) -> list[FlatToken]:
    return [["F", 1], ["#", "ToExpression"], ['"', text]]


def test_two_and_two(client: CClient) -> None:
    answer = client.evaluate(["F", 2], ["#", "Plus"], ["i", "2"], ["i", "2"])
    assert answer == [[["F", 1], ["#", "ReturnPacket"], ["i", "4"]]]


def test_prints_and_messages_come_before_the_answer(client: CClient) -> None:
    packets = client.evaluate(*code('Print["é"]; 1/0'))
    assert [packet[1][1] for packet in packets] == [
        "TextPacket",
        "MessagePacket",
        "TextPacket",
        "ReturnPacket",
    ]
    assert packets[0][2] == ['"', "é\n"]


def test_an_abort_right_behind_the_packet(client: CClient) -> None:
    for _ in range(5):
        client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *code("While[True]")], end_packet=True)
        assert client.aborted() == [["F", 1], ["#", "ReturnPacket"], ["#", "$Aborted"]]


def test_quit_closes_the_link(client: CClient) -> None:
    client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *code("Quit[]")], end_packet=True)
    with pytest.raises(DriverError) as error:
        client("get")
    assert error.value.code == CLOSED


def test_a_packet_that_ends_early_is_answered(client: CClient) -> None:
    for inner in ([], [["Function", "Plus", 2], ["Integer32", 1]]):
        client("put", puts=[["Function", "EvaluatePacket", 1], *inner, ["EndPacket"]])
        assert client("get") == [["F", 2], ["#", "MessagePacket"], ["#", "Kernel"], ['"', "end"]]
        assert client("get")[1] == ["#", "TextPacket"]
        assert client("get") == [["F", 1], ["#", "ReturnPacket"], ["#", "$Failed"]]
    assert client.evaluate(["F", 2], ["#", "Plus"], ["i", "2"], ["i", "2"])[-1][-1] == ["i", "4"]


def test_a_killed_client_is_noticed(server: Part, client: CClient) -> None:
    client.evaluate(["i", "1"])  # a kernel that was asked nothing is not kept for its client
    before = len(server.logged("is detached"))
    client.driver.kill()
    wait_until(lambda: len(server.logged("is detached")) > before, "the kernel is detached")


def test_the_echo_of_a_long_list(client: CClient) -> None:
    tokens: list[FlatToken] = [["F", 2000], ["#", "List"]]
    tokens += [["i", str(number)] for number in range(2000)]
    answer = client.evaluate(*tokens)[-1]
    assert answer == [["F", 1], ["#", "ReturnPacket"], *tokens]


@pytest.mark.parametrize("call", ["ByteString", "UCS2String", "UTF8String", "UTF16String", "UTF32String"])
@pytest.mark.parametrize("length", [5, 64, 5000])
def test_text_in_any_encoding(client: CClient, call: str, length: int) -> None:
    text = ("é" if call == "ByteString" else "αé日") * length
    puts = [["Function", "EvaluatePacket", 1], ["Function", "StringLength", 1], [call, text], ["EndPacket"]]
    client("put", puts=puts)
    assert client("get") == [["F", 1], ["#", "ReturnPacket"], ["i", str(len(text))]]


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("1.5`20.*^3", ["R", "1500.`20."]),
        ("17.`30.25*^30", ["R", "1.7`30.25*^31"]),
        ("1.5``20.*^3", ["R", "1500.`23.17609125905568"]),
        ("1.5*^+3", ["r", "1500.0"]),
        ("1.5*^400", ["R", "1.5`15.954589770191003*^400"]),
        (
            "3.14159265358979323846264338327950288",
            ["R", "3.14159265358979323846264338327950288`35.49714987269413"],
        ),
    ],
)
def test_reals_put_as_text(client: CClient, text: str, token: FlatToken) -> None:
    for unit in ("", "Byte", "UCS2", "UTF8", "UTF16", "UTF32"):
        puts = [["Function", "EvaluatePacket", 1], [f"RealNumberAs{unit}String", text], ["EndPacket"]]
        client("put", puts=puts)
        assert client("get") == [["F", 1], ["#", "ReturnPacket"], token], unit


@pytest.mark.parametrize(("number", "token"), [("nan", ["#", "Indeterminate"]), ("-0.0", ["r", "-0.0"])])
def test_reals_that_are_not_like_others(client: CClient, number: str, token: FlatToken) -> None:
    assert client.evaluate(["r", number])[-1] == [["F", 1], ["#", "ReturnPacket"], token]
    assert client.evaluate(["F", 2], ["#", "f"], ["r", number], ["i", "1"])[-1][3:] == [
        ["#", "f"],
        token,
        ["i", "1"],
    ]


@pytest.mark.parametrize("call", ["UCS2String", "UTF8String", "UTF16String", "UTF32String"])
def test_characters_beyond_ucs2_in_every_call(client: CClient, call: str) -> None:
    """Every call reads them, whichever call they were put with."""
    client("put", puts=[["Function", "EvaluatePacket", 1], ["String", r"x\:d83d\:de00y"], ["EndPacket"]])
    assert client("packet_text", name=call) == "x😀y"
    client("put", puts=[["Function", "EvaluatePacket", 1], [call, "x😀y"], ["EndPacket"]])
    assert client("packet_text", name="UCS2String") == "x😀y"


def test_a_large_array_comes_back(client: CClient) -> None:
    assert client("echo_array", count=LARGE) > 0


def test_a_bare_port(server: Part, drivers: Drivers) -> None:
    """Connect with a bare port, which the library takes for one of the machine's own address."""
    driver = drivers.get()
    arguments = f"-linkmode connect -linkname {server.port} -linkprotocol TCPIP -linkoptions 4"
    number = driver("open_string", specification=arguments)
    driver("call", TIMEOUT, link=number, name="Activate")
    assert driver("get", link=number) == [["F", 1], ["#", "InputNamePacket"], ['"', "In[1]:= "]]
    driver("close", link=number)


def test_ordinary_links_side_by_side(server: Part, drivers: Drivers) -> None:
    with drivers.new() as one, drivers.new() as two:
        clients = [CClient(driver, server.port, ordinary=True) for driver in (one, two)]
        for client in clients:
            assert client("get") == [["F", 1], ["#", "InputNamePacket"], ['"', "In[1]:= "]]
            client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *code("While[True]")], end_packet=True)
        for client in reversed(clients):
            assert client.aborted() == [["F", 1], ["#", "ReturnPacket"], ["#", "$Aborted"]]
            assert client.evaluate(*code("2^100")) == [[["F", 1], ["#", "ReturnPacket"], ["i", str(2**100)]]]
            client("close")


@pytest.fixture(scope="module")
def c_kernels(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Yield a server whose kernels are echo programs of the C library."""
    folder = tmp_path_factory.mktemp("c_kernels")
    wrapper = folder / "kernel"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{cdriver.__file__}" --kernel "{library}" "$@"\n')
    wrapper.chmod(0o755)
    pool = {"KernelPath": str(wrapper), "MinimumKernelNumber": 1}
    with Part(
        "serve", "-p", "0", "-l", "debug", "-c", write_config(folder / "c.conf", Pools={"C": pool})
    ) as part:
        yield part


def test_a_kernel_of_the_c_library(c_kernels: Part, drivers: Drivers) -> None:
    client = CClient(drivers.get(), c_kernels.port)
    assert client("get") == [["F", 1], ["#", "InputNamePacket"], ['"', "In[1]:= "]]
    expression: list[FlatToken] = [["F", 3], ["#", "f"], ["r", "inf"], ["R", "1.5`20.*^400"], ['"', "é😀"]]
    for _ in range(20):
        assert client.evaluate(*expression) == [[["F", 1], ["#", "ReturnPacket"], *expression]]
    assert client("echo_array", count=LARGE) > 0
    assert len(client("roundtrips", count=100)) == 100
    client("close")


def test_what_a_kernel_said_last_is_read(library: str, drivers: Drivers, tmp_path: Path) -> None:
    """Read all of it even with the library, which stops reading after message 9."""
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as server:
        client = CClient(drivers.get(), server.port)
        client("get")
        leave: list[FlatToken] = [["F", 1], ["#", "EvaluatePacket"], ["F", 1], ["#", "Exit"], ["i", "3"]]
        client("put_flat", tokens=leave, end_packet=True)
        wait_until(lambda: server.logged("exited with status 3"), "the kernel's end", 15)
        assert client("get") == [["F", 1], ["#", "TextPacket"], ['"', "bye"]]
        with pytest.raises(DriverError) as error:
            client("get")
        assert error.value.code == CLOSED


def test_what_a_kernel_ends_early_is_the_readers_error(
    library: str, drivers: Drivers, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "c.conf", Pools={"StandIn": stand_in_pool(tmp_path)})
    with Part("serve", "-p", "0", "-c", config) as server:
        client = CClient(drivers.get(), server.port)
        client("get")
        early: list[FlatToken] = [["F", 1], ["#", "EvaluatePacket"], ["F", 0], ["#", "Early"]]
        client("put_flat", tokens=early, end_packet=True)
        with pytest.raises(DriverError) as error:
            client("get")
        assert error.value.code == EARLY
        client("call", name="ClearError")
        client("call", name="NewPacket")
        assert client("get") == [["F", 1], ["#", "ReturnPacket"], ["#", "Null"]]
        client("close")
