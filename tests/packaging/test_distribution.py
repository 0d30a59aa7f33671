"""What `pip install` puts on a machine: the distributions, built, installed elsewhere and used."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from environments import Environment, closure

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = f"kernelbus-{PROJECT['version']}"

# pip counts as a part of the tests' own environment here, and not of ours.
pytestmark = pytest.mark.timeout(600)


def needed(*extras: str) -> list[Distribution]:
    """Return the libraries that kernelbus requires with these extras, as pyproject.toml has them.
    """
    wanted = [*PROJECT["dependencies"]]
    waiting = list(extras)
    while waiting:
        for text in PROJECT["optional-dependencies"][waiting.pop()]:
            own = re.fullmatch(r"kernelbus\[([\w,]+)\]", text)
            if own:
                waiting += own[1].split(",")
            else:
                wanted.append(text)
    return list(closure(wanted).values())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel from it; give the folder that has both."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], check=True, timeout=300, stdout=subprocess.DEVNULL
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel that was built of the source distribution."""
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with everything."""
    environment = Environment(tmp_path_factory.mktemp("whole") / "venv")
    environment.link(needed("all"))
    environment.install(wheel)
    return environment


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment without extras: what a machine that has only a broker installs."""
    environment = Environment(tmp_path_factory.mktemp("bare") / "venv")
    environment.link(needed())
    environment.install(wheel)
    return environment


def run(environment: Environment, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment to its end."""
    program, *rest = words
    command = [str(environment.folder / "bin" / program), *rest]
    return subprocess.run(command, cwd=folder, env=surroundings(folder), capture_output=True, text=True, timeout=240, check=False)


def surroundings(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG_", "VIRTUAL_ENV"))}
    return {**kept, "HOME": str(folder), "PYTHONUNBUFFERED": "1"}


@contextmanager
def served(environment: Environment, folder: Path, *words: str, ready: str) -> Iterator[re.Match[str]]:
    """Have a part of the server run until the block is left; give what its line of readiness says.
    """
    command = [str(environment.folder / "bin" / "kernelbus"), *words]
    with subprocess.Popen(command, cwd=folder, env=surroundings(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as part:
        try:
            assert part.stdout is not None
            found = re.search(ready, line := part.stdout.readline())
            assert found, line + (part.stderr.read() if part.stderr else "")
            yield found
        finally:
            part.send_signal(signal.SIGTERM)
            part.communicate(timeout=60)


# ---- what is in them -----------------------------------------------------------------------------


def test_a_wheel_has_every_module_and_what_they_read(wheel: Path) -> None:
    expected = {"kernelbus/__init__.py", "kernelbus/wolframclient.py", "kernelbus/py.typed", "kernelbus/status.schema.json"}
    for part in ("wstp", "bus", "frontend", "kernelhost", "shell", "configs"):
        for path in (ROOT / part).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                name = path.relative_to(ROOT).as_posix()
                expected.add(name if part == "wstp" else f"kernelbus/{name}")
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert found == expected


def test_a_wheel_of_the_tree_is_that_of_the_source_distribution(wheel: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, ROOT],
        check=True, timeout=300, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (direct,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(direct) as one, zipfile.ZipFile(wheel) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
        for name in one.namelist():
            assert one.read(name) == other.read(name), name


def test_a_source_distribution_has_what_it_is_built_and_tested_from(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if not member.isfile()], "no links: not every system has them"
    names = {member.name.removeprefix(f"{NAME}/") for member in members}
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("this tree is no checkout: git does not say what belongs to it")
    left_out = {name for name in tracked.stdout.splitlines() if name not in names and not name.startswith((".ci/", "src/"))}
    assert left_out == set()


def test_their_checkers_find_nothing_to_say(built: Path, wheel: Path) -> None:
    for words in (["twine", "check", "--strict", *built.iterdir()], ["check_wheel_contents", wheel]):
        done = subprocess.run([sys.executable, "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_made_of_what_its_file_copies(wheel: Path, tmp_path: Path) -> None:
    """The Dockerfile copies what a wheel is built of, and no rule keeps that out."""
    context = tmp_path / "context"
    copied = re.findall(r"^COPY (?!--from)(.+) (\S+)$", (ROOT / "configs/Dockerfile").read_text(), re.MULTILINE)
    let_through = [line[1:] for line in (ROOT / "configs/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for names, target in copied:
        for name in names.split():
            assert any(name == kept or name.startswith(f"{kept}/") for kept in let_through), name
            source, to = ROOT / name, context / target
            if source.is_dir():
                shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, to)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, context],
        check=True, timeout=300, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (image,) = tmp_path.glob("*.whl")
    assert sorted(zipfile.ZipFile(image).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


# ---- what is installed, and works ----------------------------------------------------------------


def test_nothing_else_is_taken(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    before = {path.name for path in environment.packages.iterdir()}
    environment.install(wheel)
    assert {path.name for path in environment.packages.iterdir()} - before == {"kernelbus", "wstp", f"{NAME}.dist-info"}


def test_an_installed_server_evaluates(whole: Environment, tmp_path: Path) -> None:
    with served(whole, tmp_path, "serve", "-p", "0", ready=r"Listening for new connections on port (\d+)") as found:
        done = run(whole, tmp_path, "kernelbus", "eval", "--server", f"{found[1]}@127.0.0.1", "2+2")
        assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
        # A busy machine starts kernels slowly.
        assert re.fullmatch(r"(kernelbus eval: waiting for a kernel: .*\n)*", done.stderr)
        program = f"from kernelbus import KernelPool, connect\nwith connect({found[1]}) as session: print(session.evaluate('2+3'))"
        done = run(whole, tmp_path, "python", "-c", program)
        assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_the_names_of_the_parts_are_left_to_others(whole: Environment, tmp_path: Path) -> None:
    parts = ("bus", "frontend", "kernelhost", "shell")
    program = f"import importlib.util; print([name for name in {parts} if importlib.util.find_spec(name)])"
    done = run(whole, tmp_path, "python", "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_broker_alone_needs_no_extras(bare: Environment, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/bus"
    installed = run(bare, tmp_path, "python", "-c", "import numpy")
    assert "No module named 'numpy'" in installed.stderr
    with served(bare, tmp_path, "broker", "--bus", endpoint, ready="Broker listening at"):
        done = run(bare, tmp_path, "kernelbus", "status", "--bus", endpoint)
    assert done.stderr == ""
    # Degraded: no host has joined.
    assert re.match(rf"Broker \S+ \(kernelbus {PROJECT['version']}\) is degraded", done.stdout)


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (["eval", "2+2"], "numpy", "wstp"),
        (["repl"], "prompt_toolkit", "admin"),
        (["shell"], "cmd2", "admin"),
        (["discover"], "zeroconf", "discovery"),
        (["broker", "--bus", "ipc://bus", "--metrics-port", "0"], "prometheus_client", "metrics"),
        (["frontend", "--bus", "ipc://bus"], "ifaddr", "wstp"),
        (["host", "--bus", "ipc://bus"], "numpy", "wstp"),
        (["serve", "-p", "0"], "numpy", "wstp"),
        (["jupyter", "install"], "ipykernel", "jupyter"),
    ],
)
def test_what_is_missing_is_named_in_one_line(bare: Environment, tmp_path: Path, words: list[str], missing: str, extra: str) -> None:
    done = run(bare, tmp_path, "kernelbus", *words)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert re.match(rf"kernelbus {words[0]}( install)?: ", line)
    assert f"{missing} is not installed: pip install 'kernelbus[{extra}]'" in line
