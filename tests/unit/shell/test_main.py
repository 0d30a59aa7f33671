"""The command line: the arguments of each command, and refusals in one line with status 2."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from kernelbus.bus.settings.config import Config
from kernelbus.shell import main as command
from kernelbus.shell.defaults import bus_endpoint
from kernelbus.shell.operations.shown import NOTHING, Shown

ROOT = Path(__file__).parents[3]


class Server:
    """Replaces the modules that run the parts, and records their calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> None:
        self.calls: list[tuple[str, Config, dict[str, Any]]] = []
        for part in ("serve", "broker", "frontend", "host"):
            module = types.ModuleType(f"kernelbus.shell.operations.{part}")
            setattr(module, f"run_{part}", self._note(part, status))
            monkeypatch.setitem(sys.modules, module.__name__, module)

    def _note(self, part: str, status: int) -> Any:
        def run(config: Config, **arguments: Any) -> int:
            self.calls.append((part, config, arguments))
            return status

        return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    monkeypatch.setattr("kernelbus.bus.settings.logs.setup", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return Server(monkeypatch)


class TestParts:
    @pytest.mark.parametrize(
        ("typed", "part", "arguments"),
        [
            ("serve", "serve", {"port": 31415, "interface": None, "bus_endpoint": None, "service": None, "shown": NOTHING}),
            (
                "serve -p 0 -i 0.0.0.0 --bus tcp://10.0.0.1:5",
                "serve",
                {"port": 0, "interface": "0.0.0.0", "bus_endpoint": "tcp://10.0.0.1:5", "service": None, "shown": NOTHING},
            ),
            (
                "serve --port 4 --interface eth.example",
                "serve",
                {"port": 4, "interface": "eth.example", "bus_endpoint": None, "service": None, "shown": NOTHING},
            ),
            ("broker", "broker", {"endpoint": bus_endpoint(), "shown": NOTHING, "advertise": False}),
            (
                "broker --bus ipc:///tmp/k --metrics-port 9",
                "broker",
                {"endpoint": "ipc:///tmp/k", "shown": Shown(metrics=("127.0.0.1", 9)), "advertise": False},
            ),
            (
                "broker --web-port 0 --web-interface ::1 --metrics-port 0 --metrics-interface ::",
                "broker",
                {"endpoint": bus_endpoint(), "shown": Shown(("::", 0), ("::1", 0)), "advertise": False},
            ),
            ("broker -a --bus ipc:///tmp/k", "broker", {"endpoint": "ipc:///tmp/k", "shown": NOTHING, "advertise": True}),
            (
                "frontend --bus tcp://b:1 -p 9 -i ::1",
                "frontend",
                {"endpoint": "tcp://b:1", "port": 9, "interface": "::1", "service": None},
            ),
            (
                "frontend -a",
                "frontend",
                {"endpoint": bus_endpoint(), "port": 31415, "interface": None, "service": ""},
            ),
            ("serve -a Lab", "serve", {"port": 31415, "interface": None, "bus_endpoint": None, "service": "Lab", "shown": NOTHING}),
            ("host", "host", {"endpoint": bus_endpoint()}),
            ("host --bus tcp://b:1", "host", {"endpoint": "tcp://b:1"}),
            ("host --bus discover", "host", {"endpoint": "discover"}),
        ],
    )
    def test_arguments(self, server: Server, typed: str, part: str, arguments: dict[str, Any]) -> None:
        assert command.main(typed.split()) == 0
        ((called, config, given),) = server.calls
        # None means that nothing was given.
        given, arguments = ({key: value for key, value in named.items() if value is not None} for named in (given, arguments))
        assert (called, config, given) == (part, Config(), arguments)

    @pytest.mark.parametrize("part", ["broker", "frontend", "host"])
    def test_the_files_endpoint_and_the_typed_one(self, server: Server, part: str, tmp_path: Path) -> None:
        (tmp_path / "k.conf").write_text('{"Bus": {"Endpoint": "tcp://file:1"}}')
        command.main([part, "-c", "k.conf"])
        command.main([part, "-c", "k.conf", "--bus", "tcp://typed:2"])
        assert [call[2]["endpoint"] for call in server.calls] == ["tcp://file:1", "tcp://typed:2"]

    def test_the_files_endpoint_for_serve(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "wstpserver.conf").write_text('{"Bus": {"Endpoint": "tcp://file:1"}}')
        command.main(["serve"])
        assert server.calls[0][2]["bus_endpoint"] == "tcp://file:1"

    def test_the_parts_status_is_the_commands(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        Server(monkeypatch, 7)
        assert command.main(["host"]) == 7

    def test_warnings_of_the_configuration_are_logged(
        self, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "wstpserver.conf").write_text('{"Pools": {"A": {"KernelPath": "/nowhere"}}}')
        assert command.main(["serve"]) == 0
        assert caplog.messages == list(server.calls[0][1].warnings)
        assert '"/nowhere" does not exist' in caplog.messages[0]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "kernelbus: the following arguments are required: COMMAND"),
        ("zork", "kernelbus: argument COMMAND: invalid choice: 'zork'"),
        ("serve --zork", "kernelbus serve: unknown argument --zork;"),
        ("status zork", "kernelbus status: argument PART: invalid choice: 'zork' (choose from 'pools', 'kernels', 'sessions', "
         "'hosts', 'links', 'frontends');"),
        (
            "serve -p 65536",
            "kernelbus serve: argument -p/--port: '65536' is not a port: give a number from 0",
        ),
        ("serve -p x", "kernelbus serve: argument -p/--port: 'x' is not a port"),
        ("serve -p", "kernelbus serve: argument -p/--port: expected one argument"),
        ("serve -l loud", 'kernelbus serve: "loud" is not a log level'),
        ("serve -f nowhere/k.log", "kernelbus serve: nowhere/k.log: cannot write this log file"),
        ("serve -c nowhere.conf", "kernelbus serve: nowhere.conf: there is no such configuration file"),
        ("broker --bus discover", 'kernelbus broker: "discover" is not a bus endpoint'),
        ("host --bus b:1", 'kernelbus host: "b:1" is not a bus endpoint'),
        ("eval", "kernelbus eval: there is nothing to evaluate"),
        ("eval -x+1", "kernelbus eval: unknown argument -x+1 (code that begins with - goes after --)"),
        ("eval --timeout 0 1", "kernelbus eval: argument --timeout: '0' is not a number of seconds above 0"),
        (
            "eval --timeout nan 1",
            "kernelbus eval: argument --timeout: 'nan' is not a number of seconds above 0",
        ),
        ("eval --server http://zork 1", "kernelbus eval: --server: 'http://zork' is no server's address: "),
        ("eval --server 1@a,2@b 1", "kernelbus eval: --server: '1@a,2@b' is no server's address: "),
        ("eval --server h --discover x 1", "kernelbus eval: --server names a server, and --discover looks for one: "),
        ("eval --discover x --continue-profile p 1", "kernelbus eval: --continue-profile goes to the profile's server: "),
        (
            "eval --discover 2+2",
            "kernelbus eval: there is nothing to evaluate: give CODE, - for standard input, or --file FILE; write --discover=",
        ),
        ("discover --timeout 0", "kernelbus discover: argument --timeout: '0' is not a number of seconds above 0"),
        ("discover -c nowhere.conf", "kernelbus discover: nowhere.conf: there is no such configuration file"),
        ("discover --interface 192.0.2.254", "kernelbus discover: 192.0.2.254 is no address of this machine: "),
        ("eval --kernel-id x --pool p 1", "kernelbus eval: --kernel-id names a kernel, whatever its pool is: "),
        ("eval --kernel-id x --continue-profile p 1", "kernelbus eval: a profile names its kernel: "),
        ("eval --continue-profile p --pool q 1", "kernelbus eval: --continue-profile goes to the profile's kernel"),
        ("eval --start-profile a --prefer-profile b 1", "kernelbus eval: argument --prefer-profile: not allowed with"),
        ("eval --start-profile ?! 1", "kernelbus eval: '?!' is no profile's name: "),
        ("eval --server wstp://h/p --pool q 1", "kernelbus eval: --pool q and the pool in --server wstp://h/p differ"),
    ],
)
def test_refusals(
    typed: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status: Any = command.main(typed.split())
    except SystemExit as left:
        status = left.code
    written = capsys.readouterr()
    assert status == 2
    assert written.out == ""
    assert written.err.startswith(words)
    assert written.err.count("\n") == 1


def test_a_bad_configuration_is_one_line_with_file_and_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "k.conf"
    file.write_text('{\n  "KepAlive": true\n}')
    assert command.main(["serve", "-c", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f'kernelbus serve: {file}:2: unknown key "KepAlive"')


def test_version() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "kernelbus.shell.main", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    try:
        told = version("kernelbus")
    except PackageNotFoundError:
        told = "(run from its source, not installed)"
    assert shown.stdout == f"kernelbus {told}\n"


@pytest.mark.parametrize(
    ("typed", "unwanted"),
    [
        (["--help"], {"kernelbus.bus.settings.config", "wstp", "numpy", "zmq", "marshmallow", "asyncio"}),
        (["eval", "--server", "x", "1"], {"bus", "zmq", "marshmallow", "cmd2", "zeroconf"}),
        (["broker", "-c", "/nowhere"], {"cmd2", "numpy", "mathics"}),
        (["broker", "--bus", "tcp://192.0.2.254:1"], {"cmd2", "numpy", "mathics", "wstp", "zeroconf", "prometheus_client"}),
        (["status", "--bus", "tcp://127.0.0.1:9", "--timeout", "0.1"], {"cmd2", "numpy", "wstp"}),
        (["keys", "list", "--keys", "/nowhere"], {"cmd2", "numpy", "wstp"}),
    ],
)
def test_a_command_imports_only_what_it_needs(typed: list[str], unwanted: set[str]) -> None:
    code = (
        "import sys\n"
        "from kernelbus.shell.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *typed], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert unwanted & set(run.stdout.splitlines()) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--version"], ["script", "-version"], ["check-config"]])
def test_output_that_cannot_be_written_is_said_in_one_line(words: list[str], unbuffered: str, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "kernelbus.shell.main", *words], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert ended.returncode == 1 and ended.stderr.endswith("cannot write the output: No space left on device\n")
    assert ended.stderr.count("\n") == 1


class TestConsole:
    @pytest.mark.parametrize(
        ("typed", "given"),
        [
            (
                "status",
                {"part": None, "watch": None, "as_json": False, "wide": False, "over": False, "timeout": 5.0, "bus": None},
            ),
            ("status pools --json", {"part": "pools", "as_json": True}),
            ("status --watch", {"part": None, "watch": 2.0}),
            ("status --watch pools", {"part": "pools", "watch": 2.0}),
            ("status hosts --watch 0.5", {"part": "hosts", "watch": 0.5}),
            ("status --watch=7 links", {"part": "links", "watch": 7.0}),
            ("status --wide --over", {"wide": True, "over": True}),
            ("status sessions --idle 7d --json", {"part": "sessions", "idle": 7 * 86400.0, "as_json": True}),
            ("status --idle 90s kernels", {"part": "kernels", "idle": 90.0}),
            ("status -c k.conf --bus tcp://b:1 --timeout 3", {"configuration_file": "k.conf", "bus": "tcp://b:1", "timeout": 3.0}),
        ],
    )
    def test_status(self, monkeypatch: pytest.MonkeyPatch, typed: str, given: dict[str, Any]) -> None:
        assert _given(monkeypatch, "kernelbus.shell.operations.status", "run_status", typed).items() >= given.items()

    @pytest.mark.parametrize(
        ("typed", "given"),
        [
            (
                "shell",
                {"commands": [], "script": None, "yes": False, "keep_going": False, "bus": None, "configuration_file": None},
            ),
            ("shell -c kernels -c pools", {"commands": ["kernels", "pools"]}),
            ("shell --yes --keep-going script", {"script": "script", "yes": True, "keep_going": True}),
            ("shell - --timeout 2 --bus tcp://b:1", {"script": "-", "timeout": 2.0, "bus": "tcp://b:1"}),
        ],
    )
    def test_shell(self, monkeypatch: pytest.MonkeyPatch, typed: str, given: dict[str, Any]) -> None:
        assert _given(monkeypatch, "kernelbus.shell.admin.app", "run_shell", typed).items() >= given.items()

    @pytest.mark.parametrize(
        "typed",
        [
            "status nonsense",
            "status --watch never",
            "status sessions --idle 7",
            "status --idle 7d",
            "status pools --idle 7d",
            "status --watch 0",
            "status pools hosts",
            "status hosts --watch pools",
            "shell a b",
        ],
    )
    def test_mistakes(self, typed: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as left:
            command.main(typed.split())
        assert left.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def _given(monkeypatch: pytest.MonkeyPatch, module: str, function: str, typed: str) -> dict[str, Any]:
    """Return the arguments, by name, with which the command line calls `function`."""
    signature = inspect.signature(getattr(import_module(module), function))
    seen: list[dict[str, Any]] = []

    def call(*arguments: Any, **named: Any) -> int:
        seen.append(dict(signature.bind(*arguments, **named).arguments))
        return 0

    monkeypatch.setattr(f"{module}.{function}", call)
    assert command.main(typed.split()) == 0
    return seen[0]
