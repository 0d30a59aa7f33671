"""What kernels may do: users, folders, environments, limits, forbidden functions, the sandbox."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from asking import value
from serving import Part, wait_until, write_config

import wstp
from wstp import Expr, Function, Symbol

pytestmark = pytest.mark.timeout(240)

FAILED = Symbol("$Failed")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every user can enter, which those of pytest are not."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Part]:
    (folder / "own").mkdir()
    (folder / "own" / "json.py").write_text("raise SystemExit('a module of the working directory was imported')")
    pools = {
        "Main": {"MinimumKernelNumber": 1, "Default": True},
        "Shut": {
            "MinimumKernelNumber": 0, "Files": False, "Processes": False,
            "InitializationCode": f'made = Export["{folder}/in.txt", 1]',
        },
        "Variables": {
            "MinimumKernelNumber": 0, "Environment": {"GIVEN": "here", "SECRET": True, "LANG": False},
            "InitializationCode": "seen = Environment[\"GIVEN\"]", "WorkingDirectory": str(folder / "own"),
        },
        "Nobody": {"MinimumKernelNumber": 0, "User": "nobody", "MaximumFileSize": 2000},
        "Missing": {"MinimumKernelNumber": 0, "User": "nobody-of-that-name"},
        "Box": {"MinimumKernelNumber": 0, "Sandbox": "bubblewrap"},
    }  # fmt: skip
    config = write_config(folder / "c.conf", Pools=pools)
    environment = {"SECRET": "told", "OTHER_SECRET": "not told", "LANG": "C.UTF-8", "TMPDIR": str(folder)}
    with Part("serve", "-p", "0", "-l", "debug", "-c", config, environment=environment) as part:
        yield part
    left = [path.name for path in folder.iterdir() if path.name.startswith("kernelbus-kernels-")]
    assert left == [], "the folders of kernels are removed"


def attach(server: Part, pool: str) -> wstp.Link:
    link = wstp.connect(server.server, mode="uuid", timeout=10)
    link.put(in_pool(pool), end_packet=True)
    link.flush()
    while link.next_packet(120).head != Symbol("ReturnPacket"):
        pass
    assert link.next_packet(60).head == Symbol("InputNamePacket")
    return link


def in_pool(pool: str) -> Function:
    return Symbol("WSTPServer`ConnectKernel")(Symbol("Association")(Symbol("Rule")("Pool", pool)))


def code(text: str) -> Function:
    return Symbol("ToExpression")(text)


def evaluated(link: wstp.Link, text: str) -> Expr:
    return value(link, code(text))


def test_each_kernel_has_a_folder_of_its_own_which_goes_with_it(server: Part) -> None:
    with attach(server, "Main") as link, attach(server, "Main") as other:
        folder = Path(str(evaluated(link, "Directory[]")))
        assert folder != Path(str(evaluated(other, "Directory[]")))
        assert evaluated(link, 'Export["x.txt", "hello"]') == "x.txt"
        assert (folder / "x.txt").read_text() == "hello"
        link.put(Symbol("EvaluatePacket")(code("Quit[]")), end_packet=True)
        link.flush()
        wait_until(lambda: not folder.exists(), "the folder is removed with its kernel")


def test_the_environment_is_what_the_pool_says_and_has_no_secrets(server: Part) -> None:
    with attach(server, "Main") as link:
        assert evaluated(link, 'Environment["SECRET"]') == FAILED
        assert evaluated(link, 'Environment["LANG"]') == "C.UTF-8"
        assert Path(str(evaluated(link, 'Environment["HOME"]'))).is_absolute()
    with attach(server, "Variables") as link:
        assert evaluated(link, 'Environment /@ {"GIVEN", "SECRET", "OTHER_SECRET", "LANG"}') == ["here", "told", FAILED, FAILED]
        assert evaluated(link, "seen") == "here", "the initialisation has it too"
        # That its folder has a module of Python's name has not kept it from starting.
        assert str(evaluated(link, "Directory[]")).endswith("/own")


@pytest.mark.parametrize(
    "text",
    [
        'Import["/etc/hostname", "Text"]', 'Get["/etc/hostname"]', 'OpenRead["/etc/hostname"]', 'ReadList["/etc/hostname"]',
        'Export["x.txt", "hello"]', 'OpenWrite["x.txt"]', 'Put[1, "x.txt"]', 'DeleteFile["x.txt"]', 'CreateDirectory["d"]',
        'CopyFile["/etc/hostname", "x"]', 'FileNames["/etc/*"]', 'SetDirectory["/etc"]', 'Run["id > x.txt"]', 'Import["!id", "Text"]',
    ],
)  # fmt: skip
def test_what_is_forbidden_does_nothing_and_the_session_goes_on(server: Part, shut: wstp.Link, text: str) -> None:
    before = evaluated(shut, "Directory[]")
    folder = Path(str(before))
    seen = sorted(folder.iterdir())
    found = evaluated(shut, text)
    assert found in (FAILED, [], Symbol("Null")) or isinstance(found, Function), found
    assert sorted(folder.iterdir()) == seen
    assert evaluated(shut, "{2 + 2, Directory[]}") == [4, before]


@pytest.fixture(scope="module")
def shut(server: Part) -> Iterator[wstp.Link]:
    with attach(server, "Shut") as link:
        assert str(evaluated(link, "made")).endswith("in.txt"), "the initialisation may use files"
        yield link


def test_what_needs_no_files_of_others_works_without(shut: wstp.Link) -> None:
    assert evaluated(shut, "Length[Names[\"System`*\"]] > 100") == Symbol("True")
    assert evaluated(shut, "Integrate[x^2, x]") == evaluated(shut, "x^3/3")
    assert evaluated(shut, 'Needs["VectorAnalysis`"]; 5') == 5
    assert evaluated(shut, "DateList[][[1]] > 2000") == Symbol("True")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start kernels of another user")
def test_kernels_run_as_their_user_with_its_limits(server: Part) -> None:
    with attach(server, "Nobody") as link:
        pid = evaluated(link, "$ProcessID")
        assert isinstance(pid, int)
        assert psutil.Process(pid).username() == "nobody"
        assert evaluated(link, 'Export["small.txt", "hello"]') == "small.txt"
        long = 'StringJoin[Table["0123456789", {500}]]'
        assert evaluated(link, f'Export["big.txt", {long}]') == FAILED
        assert evaluated(link, 'FileByteCount["big.txt"]') == 2000


def test_a_user_that_does_not_exist_is_named(server: Part) -> None:
    with wstp.connect(server.server, mode="uuid", timeout=10) as link:
        link.put(in_pool("Missing"), end_packet=True)
        link.flush()
        wait_until(lambda: server.told("there is no user nobody-of-that-name on this machine: make one, or change User"), "it is said")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_sandbox_shows_little_and_lets_nothing_be_written(server: Part, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    with attach(server, "Box") as link:
        assert evaluated(link, f'Import["{secret}", "Text"]') == FAILED
        assert evaluated(link, f'Export["{tmp_path}/x.txt", 1]; FileNames["{tmp_path}/*"]') in ([], FAILED)
        assert not (tmp_path / "x.txt").exists()
        assert evaluated(link, 'Export["x.txt", "hello"]; Import["x.txt", "Text"]') == "hello"
        assert evaluated(link, "Length[FileNames[\"/proc/[0-9]*\"]] < 10") == Symbol("True")
        # An abort that needs a signal reaches the kernel and not the sandbox.
        link.put(Symbol("EvaluatePacket")(code("While[True]")), end_packet=True)
        link.flush()
        link.put_message(3)
        assert link.next_packet(60).args[0] == Symbol("$Aborted")
        assert evaluated(link, "1 + 1") == 2
