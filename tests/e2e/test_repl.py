"""`kernelbus repl` where a kernel asks, disobeys, or loses its client; and returning by a profile.

Tests kernelbus.shell.clients.repl, with its kernelbus.shell.clients.console and
kernelbus.shell.clients.events.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from people import Terminal, client_environment, run
from serving import Part, wait_until, write_config

POOLS = {"Main": {"MinimumKernelNumber": 1, "MaximumKernelNumber": 20}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    config = write_config(tmp_path_factory.mktemp("repl") / "k.conf", Pools=POOLS, Limits={"AbortTimeout": 300})
    with Part("serve", "-p", "0", "-c", config) as part:
        yield part


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return client_environment(tmp_path)


def until_there(file: Path) -> str:
    """Return code that evaluates until a file exists."""
    return f'While[!FileExistsQ["{file}"], Pause[0.02]]'


class Client:
    """A client with pipes, read line by line."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kernelbus.shell.main", *words],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr

    def enter(self, text: str) -> None:
        self.stdin.write(text + "\n")
        self.stdin.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()


def test_questions_are_answered_from_a_pipe(server: Part, environment: dict[str, str]) -> None:
    typed = 'x = Input["n? "]\n40+2\nInputString["name? "]\nAnna B\nDialog[]\nx+1\nReturn[7]\nInput[]\n'
    status, out, error = run(environment, "repl", "--server", server.server, typed=typed)
    assert out == "Out[1]= 42\nOut[2]= Anna B\n(Dialog) Out[4]= 43\nOut[3]= 7\n"
    assert (status, error) == (1, "kernelbus repl: the kernel asks for input (?), and there are no more lines\n")


@pytest.mark.parametrize("way", ["profile", "id"])
def test_who_comes_back_is_asked_again(way: str, server: Part, environment: dict[str, str]) -> None:
    if way == "id":
        kernel = run(environment, "connect", "-q", "--server", server.server)[1].strip()
        first = again = ("repl", "--server", server.server, f"--kernel-id={kernel}")
    else:
        first = ("repl", "--server", server.server, "--start-profile", "asks")
        again = ("repl", "--continue-profile", "asks")
    assert run(environment, *first, typed='x = Input["n? "]\n')[:2] == (1, "")
    assert run(environment, *again, typed="41\nDialog[]\nx + 1\n") == (0, "Out[1]= 41\n(Dialog) Out[3]= 42\n", "")
    assert run(environment, *again, typed="Return[2 x]\nx\n") == (0, "Out[2]= 82\nOut[3]= 41\n", "")
    assert run(environment, *again, typed="Quit[]\n") == (0, "", "")


def test_questions_and_aborts_in_a_terminal(server: Part, environment: dict[str, str], tmp_path: Path) -> None:
    with Terminal(environment, "repl", "--server", server.server) as terminal:
        terminal.until(r"In\[1\]:=")
        terminal.type('x = Input["how many? "]\r')
        terminal.until(r"\nhow many\?")
        terminal.type("41\r")
        terminal.until(r"Out\[1\]= 41")
        terminal.until(r"In\[2\]:=")
        terminal.type("Dialog[]\r")
        terminal.until(r"\(Dialog\) In\[3\]:=")
        terminal.type("Return[x+1]\r")
        terminal.until(r"Out\[2\]= 42")
        terminal.until(r"In\[3\]:=")
        terminal.type('InputString["name? "]\r')
        terminal.until(r"\nname\?")
        terminal.type("\x03")
        terminal.until(r"Out\[3\]= \$Aborted")
        terminal.until(r"In\[4\]:=")
        terminal.type("Print[begun]; Pause[100]\r")
        terminal.until(r"\nbegun")
        terminal.type("\x03")
        # Below the ^C that the terminal shows.
        terminal.until(r"\^C\s*\nOut\[4\]= \$Aborted")
        terminal.until(r"In\[5\]:=")
        # An evaluation that obeys no abort until it has ended.
        terminal.type(f"AbortProtect[Print[begun]; {until_there(tmp_path / 'go')}]\r")
        terminal.until(r"\nbegun")
        # The time-out of the abort is 300 s here.
        terminal.press_twice(r"It has not obeyed the abort, and the server ends it in \d{3} s\.")
        terminal.until(r"\[w\]ait for it, interrupt \[m\]enu, \[l\]eave it evaluating, \[q\]uit and end it\?")
        terminal.type("m\r")
        terminal.until(r"\nInterrupt>")
        terminal.type("c\r")
        terminal.press_twice(r"end it\?")
        terminal.type("l\r")
        terminal.until(r"evaluates on\. It is kept for 24 hours without use, and longer while nobody needs its place\. To come back to it:")
        kernel = terminal.until(r"--kernel-id=[\w-]+")
        assert terminal.process.wait(30) == 0
    (tmp_path / "go").touch()
    with Terminal(environment, "repl", "--server", server.server, kernel) as terminal:
        terminal.until(r"Out\[5\]= \$Aborted")
        terminal.until(r"In\[6\]:=")
        terminal.type("AbortProtect[Print[begun]; Pause[200]]\r")
        terminal.until(r"\nbegun")
        terminal.press_twice(r"end it\?")
        terminal.type("q\r")
        assert terminal.process.wait(30) == 0
    assert run(environment, "connect", "--server", server.server, kernel)[0] == 2


def test_a_wrong_answer_to_the_menu_is_explained(server: Part, environment: dict[str, str]) -> None:
    with Terminal(environment, "repl", "--server", server.server) as terminal:
        terminal.until(r"In\[1\]:=")
        terminal.type("Interrupt[]; 5\r")
        for answer in ("what?", "c"):
            terminal.until(r"\nInterrupt>")
            terminal.type(f"{answer}\r")
            if answer != "c":
                terminal.until(r"Your options are:")
        terminal.until(r"Out\[1\]= 5")


def test_a_lost_frontend_costs_a_pause_and_nothing_said(environment: dict[str, str], tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "k.conf", Pools=POOLS, Bus={"HeartbeatInterval": 0.2, "HeartbeatTimeout": 1.0, "Journal": "journal.sqlite"}
    )
    with Part("broker", "--bus", "tcp://127.0.0.1:0", "-c", config, ready="Broker listening") as broker:
        options = ("--bus", broker.endpoint, "-l", "debug", "-c", config)
        with (
            Part("host", *options, ready="has joined") as host,
            Part("frontend", "-p", "0", *options) as frontend,
            Client(environment, "repl", "--server", frontend.server, "--start-profile", "p") as client,
        ):
            for line in ("x = 5", f"Print[before]; {until_there(tmp_path / 'go')}; Print[during]; x + 1", "x + 2"):
                client.enter(line)
            assert [client.stdout.readline() for _ in range(2)] == ["Out[1]= 5\n", "before\n"]
            port = str(frontend.port)
            frontend.kill()
            said = client.stderr.readline()
            if said.startswith("kernelbus repl: waiting for a kernel"):  # a busy machine starts them slowly
                said = client.stderr.readline()
            assert re.match(rf"The connection to {frontend.server} is lost \(.*\)\. Trying to get back", said)
            (tmp_path / "go").touch()
            wait_until(lambda: host.logged("is detached"), "the host detaches the kernel")
            with Part("frontend", "-p", port, *options):
                assert client.stderr.readline() == "Back at the kernel.\n"
                client.stdin.close()
                assert client.stdout.read() == "during\nOut[2]= 6\nOut[3]= 7\n"
                assert client.process.wait(30) == 0


def test_a_resume_point_that_is_too_old_is_said_with_the_way_on(server: Part, environment: dict[str, str], tmp_path: Path) -> None:
    assert run(environment, "eval", "--server", server.server, "--start-profile", "old", "x = 5")[0] == 0
    file = tmp_path / "state/kernelbus/profiles/old.json"
    old = file.read_text()
    # More than the server keeps of output that was taken.
    code = 'With[{line = StringJoin[Table["x", {100000}]]}, Do[Print[line], {15}]]'
    assert run(environment, "eval", "--continue-profile", "old", code)[0] == 0
    file.write_text(old)
    for client in (["eval", "x + 1"], ["repl"]):
        status, out, error = run(environment, *client, "--continue-profile", "old", typed="x + 1\n")
        assert (status, out, error.count("\n")) == (2, "", 1)
        assert f"kernelbus {client[0]}: profile {file}: resume point " in error and "is too old" in error
    advice = shlex.split(error.rpartition("say ")[2])
    assert run(environment, "repl", *advice, typed="x + 1\n") == (0, "Out[1]= 6\n", "")
    assert run(environment, "eval", "--continue-profile", "old", "x + 2") == (0, "7\n", "")


def test_what_is_killed_at_any_moment_is_continued_without_a_gap(server: Part, environment: dict[str, str], tmp_path: Path) -> None:
    """Only output that the killed client showed last, before it noted that, is shown twice."""
    chance = random.Random(7)
    assert run(environment, "eval", "--server", server.server, "--start-profile", "k", "n = 0")[0] == 0
    file = tmp_path / "state/kernelbus/profiles/k.json"
    shown = 0
    for number in range(10):
        with Client(environment, "eval", "--continue-profile", "k", "Do[Print[++n]; Pause[0.003], {60}]") as client:
            lines = []
            for _ in range(chance.randrange(80)):
                lines.append(client.stdout.readline())
                if not lines[-1]:
                    break
            client.process.kill()
            lines += client.stdout.readlines()
        # The last line may be incomplete.
        values = [int(line) for line in lines if line.strip().isdigit() and line.endswith("\n")]
        assert values == list(range(values[0], values[0] + len(values))) if values else True
        if values:
            assert values[0] <= shown + 1, (number, shown, values)
            shown = max(shown, values[-1])
    status, out, _ = run(environment, "eval", "--continue-profile", "k", "n")
    *rest, total = [int(line) for line in out.splitlines() if line.isdigit()]
    assert status == 0
    assert [*range(rest[0] if rest else total + 1, total + 1)] == rest
    assert (rest[0] if rest else total + 1) <= shown + 1
    # When output pauses, the resume point is written at once, so that nothing is shown twice.
    point = json.loads(file.read_text())["ResumePoint"]
    with Client(environment, "eval", "--continue-profile", "k", f"Print[a]; Print[b]; {until_there(tmp_path / 'go')}") as client:
        assert [client.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
        # The answer to the question that eval asks first, and the two values.
        wait_until(lambda: json.loads(file.read_text())["ResumePoint"] == point + 3, "the profile follows")
    (tmp_path / "go").touch()
    assert run(environment, "eval", "--continue-profile", "k", "c") == (0, "Null\nc\n", "")


def test_a_kernel_that_may_go_on_is_not_killed_for_an_abort(environment: dict[str, str], tmp_path: Path) -> None:
    config = write_config(tmp_path / "k.conf", Pools=POOLS, Limits={"AbortTimeout": 6})
    with Part("serve", "-p", "0", "-l", "debug", "-c", config) as part, Terminal(environment, "repl", "--server", part.server) as terminal:
        terminal.until(r"In\[1\]:=")
        terminal.type(f"AbortProtect[Print[begun]; Pause[9]; {until_there(tmp_path / 'go')}; Print[ended]]\r")
        terminal.until(r"\nbegun")
        terminal.press_twice(r"the server ends it in \d s\.\s+.* end it\?")
        terminal.type("x\r")
        terminal.until(r"the server ends it in \d s\.\s+.* end it\?")
        terminal.type("w\r")
        wait_until(lambda: part.logged("its client lets it go on"), "the server hears of it")
        (tmp_path / "go").touch()
        # After more than the time-out.
        terminal.until(r"ended\r")
        terminal.until(r"In\[2\]:=")
        assert not part.logged("it is killed")
        terminal.type("\x04")
        terminal.until(r"waits\. It is kept for 2 days without use, and longer while nobody needs its place\. To come back to it:")


def test_an_administrators_order_to_detach_holds(environment: dict[str, str], tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        config = write_config(tmp_path / "k.conf", Pools=POOLS)
        server = stack.enter_context(Part("serve", "-p", "0", "-l", "debug", "--bus", "tcp://127.0.0.1:0", "-c", config))
        terminal = stack.enter_context(Terminal(environment, "repl", "--server", server.server))
        kernel = terminal.until(r"Kernel \S{8} ").split()[1]
        terminal.until(r"In\[1\]:=")
        status, out, _ = run(environment, "shell", "--bus", server.endpoint, "-c", f"session detach {kernel}")
        assert status == 0
        assert re.search(r"is detached from \S+; it is kept for 172800 s without use", out)
        terminal.until(r"the kernel was detached by .*; it is kept, and is found again by its id\.")
        back = terminal.until(r"To come back to the kernel:\s+kernelbus repl .*--kernel-id=\S+")
        assert terminal.process.wait(30) == 1
        again = stack.enter_context(Terminal(environment, *shlex.split(back.partition("kernelbus ")[2])))
        again.until(rf"Back at kernel {kernel}")
