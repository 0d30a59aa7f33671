"""The clients for people against a server with the embedded kernel.

Profiles, `repl` in a pipe and in a terminal, and `connect`. Tests kernelbus.shell.clients.connect
and its siblings as people run them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from people import Terminal, client_environment, run
from serving import Part, wait_until, write_config


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(
        tmp_path_factory.mktemp("clients") / "k.conf", Pools={"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 20}}
    )
    with Part("serve", "-p", "0", "-c", config) as part:
        yield part


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return client_environment(tmp_path)


def test_a_profile_leads_back_to_its_kernel(server: Part, environment: dict[str, str], tmp_path: Path) -> None:
    assert run(environment, "eval", "--server", server.server, "--start-profile", "work", "x = 5") == (0, "5\n", "")
    file = tmp_path / "state/kernelbus/profiles/work.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(environment, "eval", "--continue-profile", "work", "x + 1", "x + 2") == (0, "6\n7\n", "")
    kernel = json.loads(file.read_text())["Kernel"]
    assert run(environment, "eval", "--server", server.server, f"--kernel-id={kernel}", "x + 3") == (0, "8\n", "")
    # Killed during an evaluation: the next client shows the later output, and none of the earlier.
    assert run(environment, "eval", "--continue-profile", "work", "x + 4") == (0, "8\n9\n", "")
    with subprocess.Popen(
        [sys.executable, "-m", "kernelbus.shell.main", "eval", "--continue-profile", "work", "Print[seen]; Pause[1]; Print[missed]; 77"],
        env=environment, stdout=subprocess.PIPE, text=True,
    ) as killed:  # fmt: skip
        assert killed.stdout is not None
        assert killed.stdout.readline() == "seen\n"
        killed.kill()
    status, out, error = run(environment, "eval", "--continue-profile", "work", "x + 5")
    assert (status, out.removeprefix("seen\n"), error) == (0, "missed\n77\n10\n", "")
    status, out, error = run(environment, "eval", "--server", "1", "--continue-profile", "work", "1")
    assert (status, out) == (2, "") and f"profile {file} is of server {server.server}, not of 1@127.0.0.1" in error
    assert run(environment, "connect", "--continue-profile", "work", "--close-kernel")[0] == 0
    status, out, error = run(environment, "eval", "--continue-profile", "work", "1")
    assert (status, out) == (2, "") and f"profile {file}: its kernel is gone" in error
    assert run(environment, "eval", "--prefer-profile", "work", "x")[:2] == (0, "x\n")
    assert run(environment, "connect", "--continue-profile", "work", "--close-kernel")[0] == 0


def test_a_kernel_got_for_later_keeps_what_it_says(server: Part, environment: dict[str, str]) -> None:
    status, out, _ = run(environment, "connect", "-q", "--server", server.server)
    kernel = f"--kernel-id={out.strip()}"
    assert status == 0
    assert run(environment, "repl", "--server", server.server, kernel, typed="y = 3\n$Line\n")[1] == "Out[1]= 3\nOut[2]= 2\n"
    assert run(environment, "connect", "--server", server.server, kernel)[0] == 0
    assert run(environment, "repl", "--server", server.server, kernel, typed="y\nQuit[]\n") == (0, "Out[3]= 3\n", "")
    assert run(environment, "connect", "--server", server.server, kernel)[0] == 2


def test_lines_from_a_pipe(server: Part, environment: dict[str, str]) -> None:
    # One kernel is ready, and its parent.
    before = wait_until(lambda: len(server.children()) if len(server.children()) > 1 else 0, "a kernel is ready", 60)
    typed = "2+2\nPrint[a]; 1/0\n\nf[1,\n2]\nGraphics[Disk[]]\nPlus[\n"
    status, out, error = run(environment, "repl", "--server", server.server, typed=typed)
    assert (status, out) == (1, "Out[1]= 4\na\nOut[2]= ComplexInfinity\nOut[3]= f[1, 2]\nOut[4]= -Graphics-\n")
    assert [line.split(": ")[0] for line in error.splitlines()] == ["Power::infy", "kernelbus repl", "Syntax::sntxi"]
    assert 'Export["picture.png", Out[4]] saves it' in error
    wait_until(lambda: len(server.children()) <= before, "the kernel is ended and replaced")


def test_in_a_terminal(server: Part, environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"KERNELBUS_PICTURES": "iterm"}
    with Terminal(environment, "repl", "--server", server.server) as terminal:
        terminal.until(r"In\[1\]:=")
        terminal.type("z = 2+2\r")
        terminal.until(r"Out\[1\]= 4")
        terminal.until(r"In\[2\]:=")
        terminal.type("Print[begun]; While[True]\r")
        terminal.until(r"\nbegun")
        terminal.type("\x03")
        terminal.until(r"\$Aborted")
        terminal.until(r"In\[3\]:=")
        terminal.type("f[1,\r")
        terminal.until(r"f\[1,\r")
        terminal.type("2]\r")
        terminal.until(r"Out\[3\]= f\[1, 2\]")
        terminal.until(r"In\[4\]:=")
        terminal.type("FactorInte\t")
        # The terminal repeats typed text only when it redraws the line.
        terminal.until("ger")
        terminal.type("[12]\r")
        terminal.until(r"\{\{2, 2\}, \{3, 1\}\}")
        terminal.until(r"In\[5\]:=")
        terminal.type("Plot[x, {x, 0, 1}]\r")
        terminal.until(r"Out\[5\]= -Graphics-")
        terminal.until(r"\x1b\]1337;File=inline=1;size=\d+:iVBORw0")
        terminal.until(r"In\[6\]:=")
        terminal.type("\x04")
        terminal.until("To come back to it:")
        kernel = terminal.until(r"--kernel-id=[\w-]+")
        assert terminal.process.wait(30) == 0
    history = tmp_path / "state/kernelbus/history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "+f[1,\n+2]\n" in history.read_text()
    with Terminal(environment, "repl", "--server", server.server, kernel) as terminal:
        terminal.until(r"In\[6\]:=")
        terminal.type("z\r")
        terminal.until(r"Out\[6\]= 4")
        terminal.until(r"In\[7\]:=")
        terminal.type("Quit\r")
        terminal.until("The kernel has ended")
        assert terminal.process.wait(30) == 0


def test_profiles_are_listed_checked_and_removed_and_none_is_lost_by_mistake(
    server: Part, environment: dict[str, str], tmp_path: Path
) -> None:
    assert run(environment, "profiles") == (0, "", "")
    for name in ("one", "two"):
        assert run(environment, "eval", "--server", server.server, "--start-profile", name, "x = 5")[0] == 0
    status, out, error = run(environment, "eval", "--server", server.server, "--start-profile", "one", "x")
    assert (status, out) == (2, "")
    assert "profile one leads to kernel" in error and "is still there (detached, after 1 evaluation): --continue-profile one" in error
    with Terminal(environment, "repl", "--server", server.server, "--start-profile", "one") as terminal:
        terminal.until(r"Leave it, and write the profile for another kernel\? \[y/N\]")
        terminal.type("n\r")
        terminal.until(r"kernelbus repl: nothing is done")
        assert terminal.process.wait(30) == 2
    status, out, _ = run(environment, "profiles", "check")
    assert (status, out.count("detached, after 1 evaluation")) == (0, 2)
    assert run(environment, "profiles", "remove", "two", "--close-kernel") == (0, "", "")
    assert [row["profile"] for row in json.loads(run(environment, "profiles", "list", "--json")[1])] == ["one"]
    assert run(environment, "eval", "--continue-profile", "one", "x", "Quit[]")[1] == "5\n"
    status, out, _ = run(environment, "profiles", "check", "one")
    assert status == 1 and "its kernel is gone" in out
    status, out, error = run(environment, "eval", "--prefer-profile", "one", "x")
    assert (status, out) == (0, "x\n")
    assert re.fullmatch(r"kernelbus eval: profile one: its kernel is gone \(.*\); this is a new one\n", error)
