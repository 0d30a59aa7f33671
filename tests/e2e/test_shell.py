"""The admin shell and `kernelbus status` against live servers, in this process and as commands.

Tests kernelbus.shell.admin.commands, kernelbus.shell.admin.looking and
kernelbus.shell.admin.steering, through cmd2's bridge for programs.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import secrets
import socket
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from asking import EVALUATE, ask, command, connect, order
from cmd2.py_bridge import PyBridge
from schemas import faults
from serving import Part, stand_in_pool, wait_until, write_config

import wstp
from kernelbus.bus.channel.frames import control_frame, decode_frame, encode_header
from kernelbus.bus.client import AdminClient
from kernelbus.bus.protocol.codec import decode
from kernelbus.bus.protocol.orders import Answer
from kernelbus.bus.protocol.reports import KernelStatus, Status
from kernelbus.shell.admin.app import AdminShell
from kernelbus.shell.admin.live import WATCHABLE
from kernelbus.shell.admin.names import Names
from kernelbus.shell.main import main
from kernelbus.shell.operations.tables import COLUMNS, NEVER
from wstp import Symbol

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "status.schema.json").read_text())
KINDS = {
    "pools": "PoolStatus",
    "kernels": "KernelStatus",
    "sessions": "KernelStatus",
    "hosts": "HostStatus",
    "links": "LinkStatus",
    "frontends": "FrontendStatus",
}
HOST = socket.gethostname()


class Console:
    """A shell in this process, and the server that it administers."""

    def __init__(self, part: Part, config: Path, content: dict[str, Any]) -> None:
        self.part, self.config, self.content = part, config, content
        self.client = AdminClient(part.endpoint, secrets.token_bytes, sender="ann@lab", timeout=20)
        self.names_client = AdminClient(part.endpoint, secrets.token_bytes, sender="ann@lab", timeout=20)
        self.shell = AdminShell(self.client, Names(self.names_client), interactive=False)
        self._bridge = PyBridge(self.shell)

    def run(self, line: str, outcome: int = 0) -> tuple[str, str]:
        """Run a line; return its output and its errors."""
        told = self._bridge(line)
        assert self.shell.outcome == outcome, (told.stdout, told.stderr)
        return told.stdout, told.stderr

    def out(self, line: str) -> str:
        out, err = self.run(line)
        assert err == ""
        return out

    def fails(self, line: str) -> str:
        out, err = self.run(line, 1)
        assert out == ""
        return err

    def status(self) -> Status:
        return self.client.status(links=True)

    def kernel(self, link: wstp.Link) -> KernelStatus:
        """The kernel that a link has, once the broker knows all about it."""
        identity = order(link, command("KernelID"))

        def found() -> KernelStatus | None:
            return next((kernel for kernel in self.status().kernels if kernel.kernel == identity and kernel.client), None)

        return wait_until(found, "the kernel is attached")

    def until(self, kernel: KernelStatus, *states: str) -> None:
        """Wait until a kernel is in one of these states; without any, until it is gone."""
        wanted = [[state] for state in states] or [[]]
        wait_until(lambda: [other.state for other in self.status().kernels if other.kernel == kernel.kernel] in wanted, f"it is {wanted}")

    def complete(self, line: str) -> list[str]:
        self.shell.names.forget()
        begin = len(line) - len(re.split(r"[\s]", line)[-1])
        return [item.text for item in self.shell.complete(line[begin:], line, begin, len(line))]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("shell")
    content = {"Pools": {"Main": stand_in_pool(folder, MaximumKernelNumber=30), "Quick": stand_in_pool(folder, KeepAlive=False)}}
    config = write_config(folder / "kernelbus.conf", **content)
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, "--bus", "tcp://127.0.0.1:0") as part:
        made = Console(part, config, content)
        wait_until(lambda: made.status().health == "healthy" and all(pool.ready for pool in made.status().pools), "kernels are ready")
        yield made
        made.client.close()
        made.names_client.close()


@pytest.fixture
def link(console: Console) -> Iterator[wstp.Link]:
    with connect(console.part) as made:
        yield made


@pytest.fixture
def answering(console: Console, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A person's answers, in turn, and the questions."""
    answers: list[str] = []
    asked: list[str] = []

    def answer(prompt: str = "", **options: object) -> str:
        asked.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr(console.shell, "interactive", True)
    monkeypatch.setattr(console.shell, "read_input", answer)
    yield answers
    assert not answers, "not everything was asked"


# ---- what shows something ----------------------------------------------------------------------


@pytest.mark.parametrize("part", KINDS)
def test_tables(console: Console, link: wstp.Link, part: str) -> None:
    console.kernel(link)
    lines = console.out(part).splitlines()
    assert set(lines[0].split()) <= {word for column in COLUMNS[part] if column.rank != NEVER for word in column.heading.split()}
    assert all(column.heading in lines[0] for column in COLUMNS[part] if column.rank == 0)
    rows = json.loads(console.out(f"{part} --json"))
    assert len(rows) == len(lines) - 1 > 0
    for row in rows:
        assert faults({**SCHEMA["$defs"][KINDS[part]], "$defs": SCHEMA["$defs"]}, row) == []
    wide = console.out(f"{part} --wide").splitlines()[0]
    assert len(wide) >= len(lines[0]) and (part in ("links", "frontends") or len(wide) > len(lines[0]))


def test_status(console: Console, link: wstp.Link) -> None:
    client = console.kernel(link).client
    out = console.out("status")
    assert re.match(rf"Broker {HOST} \(kernelbus \S+\) is healthy; up \S+ \w+\n", out)
    assert "POOL" in out and "HOST" in out and "FRONTEND" in out
    told = json.loads(console.out("status --json"))
    assert faults(SCHEMA, told) == []
    assert client in [entry["client"] for entry in told["links"]]


def test_show(console: Console, link: wstp.Link) -> None:
    kernel = console.kernel(link)
    out = console.out(f"show {kernel.kernel[:6]}")
    assert kernel.kernel in out and re.search(r"\d\d:\d\d:\d\d  .*attached to ", out)
    told = json.loads(console.out(f"show {kernel.kernel} --json"))["kernels"][0]
    assert told["pool"] == "Main" and kernel.client in told["story"][-1]["text"]
    assert re.search(r"kernels started", console.out("show Main")) and kernel.kernel[:8] in console.out("show Main")
    out = console.out(f"show {HOST}")
    assert "Cores" in out and "Accepted" in out, "the host and the frontend"
    assert kernel.kernel in console.out(f"show {kernel.client}")
    assert console.fails("show Mian") == 'nothing is called Mian: did you mean "Main"?\n'


def test_ids_that_begin_with_a_hyphen_are_ids(console: Console) -> None:
    assert "nothing is called -abcdefghij" in console.fails("show -abcdefghij")
    assert "there is no kernel -abcdefghij" in console.fails("kernel abort -abcdefghij")
    assert json.loads(console.run("kernel abort -abcdefghij --json", 1)[0])["code"] == "unknown-kernel"
    assert "-abcdefghij" in console.run("kernel -abcdefghij", 1)[1]


def test_version(console: Console) -> None:
    assert console.part.endpoint in console.out("version")
    assert json.loads(console.out("version --json"))["name"] == HOST


# ---- what changes something --------------------------------------------------------------------


def test_kernel_start(console: Console) -> None:
    before = len(console.status().kernels)
    assert f"host {HOST}: " in console.out("kernel start Quick")
    wait_until(lambda: len(console.status().kernels) > before, "one more kernel is there")
    assert "there is no pool Quikc: did you mean" in console.fails("kernel start Quikc")
    assert "there is no host nowhere" in console.fails("kernel start Quick --host nowhere")


def test_kernel_abort(console: Console, link: wstp.Link) -> None:
    kernel = console.kernel(link)
    link.put(EVALUATE(Symbol("Wait")()), end_packet=True)
    link.flush()
    wait_until(lambda: [other.busy for other in console.status().kernels if other.kernel == kernel.kernel] == [True], "it evaluates")
    assert kernel.kernel[:8] in console.out(f"kernel interrupt {kernel.kernel[:5]}")
    assert kernel.kernel[:8] in console.out(f"kernel abort {kernel.kernel[:5]}")
    assert link.next_packet(timeout=20).args[0] == Symbol("$Aborted")
    console.until(kernel, "attached")
    told = json.loads(console.run(f"kernel interrupt {kernel.kernel} --json", 1)[0])
    assert (told["code"], told["target"]) == ("kernel-idle", kernel.kernel)
    near = kernel.kernel[:7] + ("y" if kernel.kernel[7] == "x" else "x")
    assert f"did you mean {kernel.kernel[:8]}?" in console.fails(f"kernel abort {near}")


def test_kernel_close_asks_what_is_to_be_lost(console: Console, link: wstp.Link, answering: list[str]) -> None:
    kernel = console.kernel(link)
    answering.append("n")
    out, err = console.run(f"kernel close {kernel.kernel[:6]}", 1)
    assert out == f"kernel {kernel.kernel[:8]} of pool Main has client {kernel.client}; the client loses its session.\n"
    assert err == "nothing is done\n"
    assert ask(link, "still there") == [Symbol("ReturnPacket")("still there")]
    answering.append("y")
    assert f"host {HOST}: " in console.out(f"kernel close {kernel.kernel[:6]}")
    with pytest.raises((wstp.LinkClosed, wstp.LinkLost)):
        list(iter(lambda: link.get(timeout=20), None))


def test_kernel_restart_of_what_nobody_has_does_not_ask(console: Console) -> None:
    def ready() -> list[str]:
        return [kernel.kernel for kernel in console.status().kernels if kernel.pool == "Main" and kernel.state == "ready"]

    (kernel, *_) = wait_until(ready, "a kernel is ready")
    console.out(f"kernel restart {kernel}")
    wait_until(lambda: ready() and kernel not in ready(), "another is ready")


def test_with_nobody_there_what_ends_work_needs_yes(console: Console, link: wstp.Link) -> None:
    kernel = console.kernel(link)
    assert "Nobody is there to be asked: say --yes if that is meant" in console.fails(f"kernel close {kernel.kernel}")
    assert ask(link, 1) == [Symbol("ReturnPacket")(1)]
    console.out(f"kernel restart {kernel.kernel} --yes")
    console.until(kernel)


def test_session(console: Console, link: wstp.Link, answering: list[str]) -> None:
    kernel = console.kernel(link)
    console.out(f"session detach {kernel.kernel[:6]}")
    console.until(kernel, "detached")
    answering.append("yes")
    assert "has a session without a client since" in console.out(f"session close {kernel.kernel[:6]}")
    console.until(kernel)
    assert kernel.kernel[:8] in console.out("sessions --over")
    assert "there is no session" in console.fails(f"session close {kernel.kernel}")


def test_pool(console: Console, answering: list[str]) -> None:
    def quick() -> Any:
        return next(pool for pool in console.status().pools if pool.pool == "Quick")

    console.out("pool resize Quick --minimum 2 --maximum 3")
    wait_until(lambda: (quick().minimum, quick().maximum) == (2, 3), "it is resized")
    assert "to what? give minimum, maximum, or both" in console.fails("pool resize Quick")
    assert "is not a number of kernels" in console.run("pool resize Quick --minimum some", 1)[1]
    console.out("pool pause Quick")
    wait_until(lambda: quick().state == "paused", "it is paused")
    answering.append("")
    out, err = console.run("pool drain Quick", 1)
    assert "refuses whoever wants a kernel until it is resumed" in out and err == "nothing is done\n"
    assert quick().state == "paused"
    console.out("pool drain Quick --yes")
    wait_until(lambda: quick().state == "draining" and not quick().ready, "it is drained")
    console.out("pool resume Quick; pool resize Quick --minimum 1")
    wait_until(lambda: quick().state == "serving" and quick().ready, "it serves again")


def test_host(console: Console, answering: list[str]) -> None:
    answering.append("y")
    assert f"Host {HOST} starts no more kernels" in console.out(f"host drain {HOST}")
    wait_until(lambda: console.status().hosts[0].state == "draining", "it is drained")
    console.out(f"host resume {console.status().hosts[0].id}")
    wait_until(lambda: console.status().health == "healthy", "it serves again")
    answering.append("y")
    assert "drain it, or end the server" in console.run(f"host evict {HOST}", 1)[1]
    assert "there is no host" in console.fails("host drain nowhere")


def test_reload_and_the_exit_status(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    def kernelbus(*words: str) -> int:
        return main(["status", "--bus", console.part.endpoint, *words])

    wait_until(lambda: console.status().health == "healthy", "all is well")
    assert kernelbus() == 0
    broken = {"KernelPath": str(console.config.parent / "none"), "MinimumKernelNumber": 1}
    changed = {"Pools": {**console.content["Pools"], "Broken": broken}, "Limits": {"Chunk": 65536}}
    try:
        write_config(console.config, **changed)
        out = console.out("reload")
        assert f"host {HOST}: changed: Pools.Broken is new" in out
        assert "needs a restart: Limits.Chunk: " in out
        wait_until(lambda: console.status().health == "degraded", "it is degraded")
        capsys.readouterr()
        assert kernelbus() == 1
        assert "  pool Broken: its kernels do not start: " in capsys.readouterr().out
        assert kernelbus("kernels", "--json") == 1, "whichever part was asked for"
        assert json.loads(capsys.readouterr().out)
        console.config.write_text("{")
        assert str(console.config) in console.fails("reload")
    finally:
        write_config(console.config, **console.content)
        console.out("reload")
    wait_until(lambda: console.status().health == "healthy", "all is well again")
    assert "nothing has changed" in console.out("reload")


def test_log_level(console: Console) -> None:
    assert f"frontend {HOST}: logs at level trace" in console.out("log-level trace")
    assert json.loads(console.out("log-level 2 --json"))["ok"]
    assert "invalid choice" in console.run("log-level loud", 1)[1]
    assert console.part.logged(r"ann@lab \(\w+; as claimed\) orders: log-level trace"), "with its sender"


def test_what_no_schema_lets_pass_is_refused_and_logged_with_its_sender(console: Console) -> None:
    order = {"message": "KernelOrder", "request": 77, "sender": "eve@lab", "kernel": "abc", "action": "explode"}
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.IDENTITY, secrets.token_bytes(16) + b"\0")
        dealer.connect(console.part.endpoint)
        frame = control_frame(json.dumps(order).encode())
        dealer.send_multipart([encode_header(frame), frame.payload])
        assert dealer.poll(20_000)
        header, payload = dealer.recv_multipart()
    answer = decode(decode_frame(header, payload).payload)
    assert isinstance(answer, Answer)
    assert (answer.request, answer.ok, answer.code) == (77, False, "malformed")
    assert "KernelOrder: action: Must be one of: abort, interrupt, close, restart." in answer.lines[0]
    wait_until(lambda: console.part.logged(r"\(eve@lab\) sent control message KernelOrder: action"), "it is logged")


# ---- what goes on until it is left -------------------------------------------------------------


def test_trace(console: Console, link: wstp.Link) -> None:
    kernel = console.kernel(link)
    stop = threading.Event()

    def evaluate() -> None:
        while not stop.is_set():
            ask(link, 42)
            time.sleep(0.01)

    thread = threading.Thread(target=evaluate)
    thread.start()
    try:
        lines = console.out(f"trace {kernel.kernel[:6]} --count 4").splitlines()
        assert len(lines) == 4
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  (to  |from)  (EvaluatePacket|ReturnPacket) +  \d+ B$", line) for line in lines), lines
        told = [json.loads(line) for line in console.out(f"trace {kernel.kernel} --count 2 --json").splitlines()]
        assert [event["kernel"] for event in told] == [kernel.kernel] * 2
    finally:
        stop.set()
        thread.join()
    console.out(f"trace {kernel.kernel} --seconds 0.2")
    assert "there is no kernel" in console.fails("trace nonesuch")


def test_watch(console: Console) -> None:
    out = console.out("watch -n 0.05 --count 3 pools --json")
    assert out.count('"pool": "Main"') == 3
    assert "cannot be watched" in console.fails("watch kernel close x")
    assert set(WATCHABLE) >= set(KINDS) | {"status", "show"}


def test_top(console: Console) -> None:
    out = console.out("top -n 0.1 --count 2")
    assert out.count("CPU%") == 2
    rows = json.loads(console.out("top -n 0.1 --json"))
    assert {row["kernel"] for row in rows} <= {kernel.kernel for kernel in console.status().kernels}


# ---- the shell itself --------------------------------------------------------------------------


def test_a_line_of_commands_ends_at_the_first_that_fails(console: Console) -> None:
    out, err = console.run("version; nonesuch; version", 1)
    assert out.count("kernelbus") == 1 and "there is no command nonesuch" in err
    assert "did you mean kernels?" in console.fails("kernls")


def test_output_goes_to_files_and_through_pipes(console: Console, tmp_path: Path) -> None:
    assert console.out(f"pools > {tmp_path}/pools.txt") == ""
    assert "Main" in (tmp_path / "pools.txt").read_text()
    assert console.out(f"pools | grep -c Main > {tmp_path}/count.txt") == ""
    assert (tmp_path / "count.txt").read_text() == "1\n"


def test_nothing_of_cmd2_that_runs_programs_is_left(console: Console) -> None:
    for line in ("shell ls", "!ls", "edit", "run_pyscript x", "py", "ipy", "alias list", "macro list", "set", "shortcuts"):
        assert "there is no command" in console.run(line, 1)[1], line
    console.out("version")
    assert "there is no editor" in console.run("history -e 1", 1)[1]


def test_every_command_has_a_category_help_and_examples(console: Console) -> None:
    own = [name for name in console.shell.get_visible_commands() if name not in ("help", "history", "quit", "run_script")]
    assert len(own) == 18
    overview = console.out("help")
    for category in ("See how it stands", "Steer it", "Follow it"):
        assert category in overview
    for name in own:
        assert name in overview
        assert "Examples:" in console.out(f"help {name}"), name
        assert "Examples:" in console.out(f"{name} --help"), name


def test_completion_knows_what_is_there(console: Console) -> None:
    # cmd2 takes a word that begins with a hyphen for an option, and completes options.
    kernels = _kernels(console)
    kernel = next(kernel for kernel in kernels if not kernel.kernel.startswith("-"))
    assert kernel.kernel[:8] in console.complete("kernel abort ")
    assert console.complete(f"kernel close {kernel.kernel[:7]}") == [kernel.kernel[:8]]
    assert kernel.kernel[:8] in console.complete("session detach ")
    assert console.complete("pool drain Qu") == ["Quick"]
    assert console.complete("host evict ") == [HOST]
    assert console.complete("kernel start Main --host ") == [HOST]
    assert {"Main", HOST, kernel.kernel[:8], kernel.client} <= set(console.complete("show "))
    assert console.complete("kernel inte") == ["interrupt"]
    assert "kernels" in console.complete("watch ")
    assert console.complete("log-level tr") == ["trace"]
    assert kernel.kernel[:8] in console.complete("trace ")
    kernels.close()


def _kernels(console: Console) -> Generator[KernelStatus, None, None]:
    for _ in range(10):
        with connect(console.part) as link:
            yield console.kernel(link)


def test_the_command_line(console: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def kernelbus(*words: str) -> tuple[int, str, str]:
        status = main(["shell", "--bus", console.part.endpoint, *words])
        told = capsys.readouterr()
        return status, told.out, told.err

    status, out, err = kernelbus("-c", "kernels; pools")
    assert (status, err) == (0, "") and "KERNEL" in out and "POOL " in out
    script = tmp_path / "script"
    script.write_text("# what is there\nversion   # of both\n\nnonesuch\npools; hosts\n")
    status, out, err = kernelbus(str(script))
    assert status == 1 and "kernelbus" in out and "POOL" not in out and "there is no command nonesuch" in err
    status, out, err = kernelbus("--keep-going", str(script))
    assert status == 1 and "kernelbus" in out and "POOL" in out
    version = kernelbus("-c", "version")[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(script.read_text()))
    assert kernelbus("-")[:2] == (1, version)
    monkeypatch.undo()
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")
    assert "latin: it is not UTF-8" in kernelbus(str(tmp_path / "latin"))[2]
    assert kernelbus(str(tmp_path / "none"))[::2] == (2, f"kernelbus shell: {tmp_path}/none: No such file or directory\n")


def test_the_status_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    assert main(["status", "--bus", endpoint, "--json"]) == 2
    told = capsys.readouterr()
    hint = "is the server running, and was it started with another --bus?"
    assert (told.out, told.err) == ("", f"kernelbus status: no broker at {endpoint}: {hint}\n")
    assert main(["shell", "--bus", endpoint, "-c", "status; pools"]) == 2
    assert capsys.readouterr().err.count("no broker at") == 1
    assert main(["status", "--bus", "nonsense"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_status_by_the_command_line(console: Console, link: wstp.Link, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    console.kernel(link)
    config = write_config(tmp_path / "bus.conf", Bus={"Endpoint": console.part.endpoint})
    assert main(["status", "-c", str(config), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert faults(SCHEMA, told) == [] and told["links"]
    for part, kind in KINDS.items():

        def agree(part: str = part, kind: str = kind) -> bool:
            assert main(["status", "-c", str(config), part, "--json"]) == 0
            rows = json.loads(capsys.readouterr().out)
            assert rows and not any(faults({**SCHEMA["$defs"][kind], "$defs": SCHEMA["$defs"]}, row) for row in rows)
            assert main(["status", "-c", str(config), part]) == 0
            return len(capsys.readouterr().out.splitlines()) == len(rows) + 1

        # Between the two requests the pool may have started or ended a kernel.
        wait_until(agree, f"as many lines as there are {part}")


# ---- brokers and hosts that come and go --------------------------------------------------------


def test_brokers_and_hosts_that_come_and_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bus = {"HeartbeatInterval": 0.2, "HeartbeatTimeout": 2.0}
    config = write_config(tmp_path / "kernelbus.conf", Pools={"P": stand_in_pool(tmp_path)}, Bus=bus, Limits={"HostTimeout": 2.5})

    def status() -> int:
        return main(["status", "--bus", endpoint, "-c", str(config)])

    with contextlib.ExitStack() as stack:
        # A path, since another process could take an unused port meanwhile.
        endpoint = f"ipc://{tmp_path}/bus"
        broker = stack.enter_context(Part("broker", "--bus", endpoint, "-c", config, ready="Broker listening"))
        assert status() == 1
        assert "no kernel host has registered" in capsys.readouterr().out
        host = stack.enter_context(Part("host", "--bus", endpoint, "-c", config, ready="has joined"))
        wait_until(lambda: status() == 0, "all is well")
        client = AdminClient(endpoint, secrets.token_bytes, sender="ann@lab")
        stack.callback(client.close)
        shell = AdminShell(client, Names(client), interactive=False)
        bridge = PyBridge(shell)
        assert bridge("hosts").stdout and shell.outcome == 0
        broker.kill()
        told = bridge("hosts; version")
        assert (shell.outcome, told.stdout) == (2, "") and told.stderr.count("\n") == 1, told
        # The message depends on whether the connection's end has been read by then.
        assert f"no broker at {endpoint}" in told.stderr or f"the broker at {endpoint} went away" in told.stderr
        assert shell.complete("", "pool drain ", 11, 11).error, "completion says so, too"
        assert status() == 2
        stack.enter_context(Part("broker", "--bus", endpoint, "-c", config, ready="Broker listening"))
        wait_until(lambda: status() == 0, "the host has come back to it")
        assert "P" in bridge("hosts").stdout and shell.outcome == 0
        host.kill()
        wait_until(lambda: status() == 1, "the host is missed")
        wait_until(lambda: "lost" in bridge("hosts").stdout, "it is lost")
        capsys.readouterr()
        assert status() == 1 and f"host {HOST} is gone" in capsys.readouterr().out
        assert f"host {HOST} is forgotten" in bridge(f"host evict {HOST}").stdout
        other = stack.enter_context(Part("host", "--bus", endpoint, "-c", config, ready="has joined"))
        wait_until(lambda: status() == 0, "all is well again")
        told = bridge(f"host evict {HOST}")
        assert "Nobody is there to be asked" in told.stderr and "ends, and with it " in told.stderr
        bridge(f"host evict {HOST} --yes")
        assert shell.outcome == 0
        assert other.process.wait(20) == 0
