"""Commands to a server as expressions, and the names in its answers."""

from __future__ import annotations

import pytest

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.commands import command, name_of, unreachable
from wstp import Symbol


def test_a_command_is_in_the_servers_context() -> None:
    assert command("ConnectKernel", "id") == Symbol("WSTPServer`ConnectKernel")("id")


@pytest.mark.parametrize(
    ("given", "name"), [(Symbol("System`Null"), "Null"), (Symbol("Null"), "Null"), (Symbol("a`b"), "a`b"), ("Null", ""), (1, "")]
)
def test_a_name_comes_without_the_systems_context(given: object, name: str) -> None:
    assert name_of(given) == name


def test_an_address_is_named_once() -> None:
    address = Address(port=4000)
    for error in (OSError("Connection refused"), wstp.WSTPError(f"cannot connect to {address.link_name}: Connection refused")):
        assert unreachable(address, error).count(address.link_name) == 1
