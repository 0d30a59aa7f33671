"""Every input of inputs.toml through a whole server: its value, its messages, what it prints."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import ask, connect, value
from serving import Part, write_config

import wstp
from wstp import Expr, Function, Symbol

pytestmark = pytest.mark.timeout(60)

CATEGORIES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    Path(__file__).with_name("inputs.toml").read_text(encoding="utf-8")
)
ENTRIES = [pytest.param(entry, id=f"{name}-{entry['in']}") for name, entries in CATEGORIES.items() for entry in entries]
KEYS = {"in", "out", "messages", "prints", "gives", "why"}


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wstp.Link]:
    config = write_config(tmp_path_factory.mktemp("conformance") / "c.conf", Pools={"Mathics": {"MinimumKernelNumber": 1}})
    with Part("serve", "-p", "0", "-c", config) as part, connect(part) as opened:
        yield opened


def outcome(link: wstp.Link, source: str) -> dict[str, Any]:
    """Return what an input gives: its value in InputForm, its messages' names, the lines it prints.
    """
    *before, answer = ask(link, Symbol("ToString")(Symbol("ToExpression")(source), Symbol("InputForm")))
    messages: list[str] = []
    prints: list[str] = []
    is_message = False
    for packet in before:
        if packet.head == Symbol("MessagePacket"):
            messages.append(f"{packet.args[0]}::{packet.args[1]}")
        elif not is_message:
            prints += packet.args[0].removesuffix("\n").split("\n")
        is_message = packet.head == Symbol("MessagePacket")
    return {"out": text(answer.args[0]), "messages": messages, "prints": prints}


def text(result: Expr) -> str:
    """Return the InputForm text that was asked for.

    A result that ended the evaluation is printed here.
    """
    if isinstance(result, Function):
        return f"{text(result.head)}[{', '.join(map(text, result.args))}]"
    return str(result)


@pytest.mark.parametrize("entry", ENTRIES)
def test_conformance(link: wstp.Link, entry: dict[str, Any]) -> None:
    value(link, Symbol("ClearAll")("Global`*"))
    documented = {"messages": [], "prints": [], **{key: entry[key] for key in ("out", "messages", "prints") if key in entry}}
    got = outcome(link, entry["in"])
    if "gives" in entry:
        assert got != documented, "it is as documented now: delete `gives` and `why`"
    assert got == {**documented, **entry.get("gives", {})}


def test_the_list_is_whole() -> None:
    entries = [entry for entries in CATEGORIES.values() for entry in entries]
    assert len(entries) >= 500
    for entry in entries:
        assert {"in", "out"} <= set(entry) <= KEYS, entry
        assert ("gives" in entry) == ("why" in entry), entry
