"""Standard input that is not a terminal, as a console."""

from __future__ import annotations

import io

import pytest

from kernelbus.shell.clients.console import Overtaken, Plain
from kernelbus.shell.clients.events import Event, Events, Pressed


def no_prompt() -> str:
    raise AssertionError("a plain stream shows no prompt")


def test_lines_come_one_by_one_and_then_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first\n\nlast"))
    console = Plain(Events())
    assert not console.interactive
    assert [console.read(no_prompt, lambda _: True) for _ in range(3)] == ["first", "", "last"]
    with pytest.raises(EOFError):
        console.read(no_prompt, lambda _: True)


def test_a_line_that_is_overtaken_is_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("first\n"))
    events = Events()
    console = Plain(events)
    events.put(Pressed())
    seen: list[Event] = []

    def overtake(event: Event) -> bool:
        seen.append(event)
        return not isinstance(event, Pressed)

    with pytest.raises(Overtaken):
        console.read(no_prompt, overtake)
    assert console.read(no_prompt, lambda _: True) == "first"
