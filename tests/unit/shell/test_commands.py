"""Commands to a server, and the names in its answers."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbus.shell.address import Address
from kernelbus.shell.commands import (
    COMMAND_LINE,
    CONTEXT,
    PYTHON,
    command,
    for_earlier,
    name_of,
    unreachable,
    without_origin,
)
from wstp import ConnectFailed, Symbol, TurnedAway


def test_a_command_is_an_expression_in_the_servers_context() -> None:
    assert command("Reconnect", "id", 3) == Symbol("WSTPServer`Reconnect")("id", 3)
    assert command("Pools").head == Symbol(CONTEXT + "Pools")


def test_an_earlier_server_is_asked_without_what_it_does_not_know() -> None:
    refusal = 'ConnectKernel knows no "Progress": it knows "Pool"'
    rules = [Symbol("Rule")("Progress", Symbol("True")), Symbol("Rule")("Resume", 3)]
    assert for_earlier(["id", {"Progress": Symbol("True"), "Pool": "P"}], refusal) == ["id", {"Pool": "P"}]
    assert for_earlier(["Progress", *rules], refusal) == ["Progress", rules[1]]
    assert for_earlier([{"Pool": "P"}], 'ConnectKernel knows no "Pool"') is None
    assert for_earlier([{"Pool": "P"}], "there is no pool P") is None


@pytest.mark.parametrize(
    ("value", "name"),
    [(Symbol("True"), "True"), (Symbol("System`True"), "True"), (Symbol("Global`x"), "Global`x"), ("True", ""), (3, ""), (None, "")],
)
def test_names_of_symbols(value: object, name: str) -> None:
    assert name_of(value) == name


def test_an_unreachable_server_is_named_once() -> None:
    address = Address("box", 4000)
    assert unreachable(address, OSError("refused")) == "cannot reach a server: 4000@box: refused"
    assert unreachable(address, ConnectFailed("4000@box: refused")) == "cannot reach a server: 4000@box: refused"
    assert unreachable(address, TurnedAway("4000@box closed")) == (
        "cannot reach a server: 4000@box closed; if it is one, its Access/Allow does not have the address of this machine"
    )


def test_errors_of_python_programs_name_no_options_of_commands() -> None:
    words = [getattr(PYTHON, name) for name in (*(field.name for field in dataclasses.fields(PYTHON)), "no_token", "unproven")]
    assert not any("--" in text for text in words)
    assert "--token-file" in COMMAND_LINE.no_token and "--server" in COMMAND_LINE.unproven


def test_a_message_is_told_without_its_name() -> None:
    assert without_origin(" WSTPServer`Connect::gone: it is gone: x::y: z\n") == "it is gone: x::y: z"
    assert without_origin("it is gone") == "it is gone"
