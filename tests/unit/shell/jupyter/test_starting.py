"""When a server is started: kernelbus.shell.jupyter.starting."""

from __future__ import annotations

import socket

import pytest

from kernelbus.shell.address import Address
from kernelbus.shell.jupyter.starting import StartError, is_here, is_listening, start_server


@pytest.mark.parametrize(
    ("text", "here"),
    [("31415", True), ("31415@localhost", True), ("[::1]:31415", True), ("host.example:31415", False), ("wstps://127.0.0.1", False)],
)
def test_only_a_server_of_this_machine_is_started(text: str, here: bool) -> None:
    assert is_here(Address.parse(text)) is here


def test_whether_anything_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(port=server.getsockname()[1])
        assert is_listening(address)
    assert not is_listening(address)


def test_a_server_that_ends_at_once(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("KERNELBUS_CONFIG", "")
    with pytest.raises(StartError, match=r"ended at once: .*serve-1\.log"):
        start_server(Address("192.0.2.1", 1))
