"""A program of the C library against a running server, with the embedded kernel behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cdriver import CDriver, DriverError
from clibrary import FlatToken
from clinks import TIMEOUT, Drivers
from serving import Part, wait_until, write_config

from wstp import MessageCode

CLOSED = 11


class CClient:
    """A link of the C library, opened as a C program opens it."""

    def __init__(self, driver: CDriver, port: int) -> None:
        self.driver = driver
        arguments = ["-linkmode", "connect", "-linkname", f"{port}@127.0.0.1", "-linkprotocol", "TCPIP", "-linkoptions", "4"]
        self.number, _ = driver("open", arguments=arguments)
        driver("call", TIMEOUT, link=self.number, name="Activate")

    def __call__(self, operation: str, timeout: float = 60.0, **arguments: Any) -> Any:
        return self.driver(operation, timeout, link=self.number, **arguments)

    def evaluate(self, *tokens: FlatToken) -> list[Any]:
        """Put EvaluatePacket[tokens] and give the packets up to the answer, flat."""
        self("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *tokens], end_packet=True)
        packets = []
        while True:
            packets.append(self("get"))
            if packets[-1][1] == ["#", "ReturnPacket"]:
                return packets


@pytest.fixture(scope="module")
def server(library: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("server") / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part:
        yield part


@pytest.fixture
def client(server: Part, drivers: Drivers) -> CClient:
    made = CClient(drivers.new(), server.port)
    assert made("get") == [["F", 1], ["#", "InputNamePacket"], ['"', "In[1]:= "]]
    return made


def code(text: str) -> list[FlatToken]:
    return [["F", 1], ["#", "ToExpression"], ['"', text]]


def test_two_and_two(client: CClient) -> None:
    answer = client.evaluate(["F", 2], ["#", "Plus"], ["i", "2"], ["i", "2"])
    assert answer == [[["F", 1], ["#", "ReturnPacket"], ["i", "4"]]]


def test_prints_and_messages_come_before_the_answer(client: CClient) -> None:
    packets = client.evaluate(*code('Print["é"]; 1/0'))
    assert [packet[1][1] for packet in packets] == ["TextPacket", "MessagePacket", "TextPacket", "ReturnPacket"]
    assert packets[0][2] == ['"', "é\n"]


def test_an_abort_right_behind_the_packet(client: CClient) -> None:
    for _ in range(5):
        client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *code("While[True]")], end_packet=True)
        client("put_message", code=int(MessageCode.ABORT), parameter=None)
        assert client("get") == [["F", 1], ["#", "ReturnPacket"], ["#", "$Aborted"]]


def test_quit_closes_the_link(client: CClient) -> None:
    client("put_flat", tokens=[["F", 1], ["#", "EvaluatePacket"], *code("Quit[]")], end_packet=True)
    with pytest.raises(DriverError) as error:
        client("get")
    assert error.value.code == CLOSED


def test_a_killed_client_is_noticed(server: Part, client: CClient) -> None:
    before = len(server.logged("is detached"))
    client.driver.kill()
    wait_until(lambda: len(server.logged("is detached")) > before, "the kernel is detached")


def test_the_echo_of_a_long_list(client: CClient) -> None:
    tokens: list[FlatToken] = [["F", 2000], ["#", "List"], *([["i", str(number)] for number in range(2000)])]
    answer = client.evaluate(*tokens)[-1]
    assert answer[0:2] == [["F", 1], ["#", "ReturnPacket"]]
    assert len(answer) >= 2
