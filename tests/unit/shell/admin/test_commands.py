"""The shell as its commands see it: answers, failures, and questions before work ends."""

from __future__ import annotations

import pytest
from shells import Broker

from kernelbus.shell.admin import commands
from kernelbus.shell.admin.commands import ShellError


def test_a_failure_is_one_line_and_an_outcome(broker: Broker) -> None:
    errors: list[str] = []
    broker.shell.perror = lambda text, **_: errors.append(text)  # type: ignore[method-assign]
    broker.shell.fail("two\nlines \x1b[2J")
    assert errors == ["two lines �[2J"]
    assert broker.shell.outcome == 1
    broker.shell.fail("no answer", 2)
    assert broker.shell.outcome == 2


@pytest.mark.parametrize(("answer", "done"), [("y", True), (" YES ", True), ("n", False), ("", False), ("yesterday", False)])
def test_a_person_is_asked(answer: str, done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Broker(interactive=True).shell
    monkeypatch.setattr(shell, "read_input", lambda prompt: answer)
    if done:
        shell.confirm("Much is lost.", "Go on?", yes=False)
    else:
        with pytest.raises(ShellError, match="nothing is done"):
            shell.confirm("Much is lost.", "Go on?", yes=False)


@pytest.mark.parametrize(("lost", "whole", "once"), [("", False, False), ("Much.", True, False), ("Much.", False, True)])
def test_nobody_is_asked_where_nothing_is_lost_or_yes_is_said(lost: str, whole: bool, once: bool) -> None:
    Broker(yes=whole).shell.confirm(lost, "Go on?", yes=once)


def test_without_a_person_what_ends_work_needs_yes(broker: Broker) -> None:
    with pytest.raises(ShellError, match="Nobody is there to be asked: say --yes if that is meant"):
        broker.shell.confirm("Much is lost.", "Go on?", yes=False)


def test_completion_offers_what_there_is(broker: Broker) -> None:
    names = ("kernels", "sessions", "pools", "hosts", "everything")
    offered = {name: [item.text for item in getattr(commands, name)(broker.shell)] for name in names}
    assert offered["pools"] == ["Main"]
    assert offered["hosts"] == ["alpha", "beta"]
    assert offered["kernels"] == ["abcdefgh", "abcxyz00", "detached"]
    assert offered["sessions"] == ["abcxyz00", "awaited0", "detached"]
    assert set(offered["everything"]) == {"abcdefgh", "abcxyz00", "detached", "awaited0", "Main", "alpha", "beta", "10.0.0.5:53211"}
