"""Kernelspecs on disk: kernelbus.shell.notebooks and kernelbus.shell.jupyter.install."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from kernelbus.shell.main import main


@pytest.fixture(autouse=True)
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    return tmp_path


def installed(*words: str) -> int:
    return main(["jupyter", "install", *words])


def test_a_kernelspec_that_jupyter_finds(jupyter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--server", "wstp://host:5", "--pool", "Big One", "--no-start", "--name", "big", "--display-name", "Big"]
    assert installed("--prefix", str(jupyter), *words) == 0
    spec = KernelSpecManager().get_kernel_spec("big")
    assert capsys.readouterr().out == f"Kernel big (Big) is installed in {spec.resource_dir}\n"
    assert spec.argv[0] == sys.executable
    assert spec.argv[5:] == ["--server", "wstp://host:5", "--pool", "Big One", "--no-start"]
    assert (spec.display_name, spec.interrupt_mode) == ("Big", "message")
    logos = {path.name for path in Path(spec.resource_dir).iterdir()}
    assert logos == {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    assert json.loads((Path(spec.resource_dir) / "kernel.json").read_text())["metadata"]["supported_encryption"] == ["curve"]


@pytest.mark.parametrize(("words", "kept"), [(["--discover", "lab"], "--discover=lab"), (["--discover"], "--discover=")])
def test_a_server_that_is_advertised(jupyter: Path, words: list[str], kept: str) -> None:
    assert installed("--prefix", str(jupyter), *words) == 0
    assert KernelSpecManager().get_kernel_spec("kernelbus").argv[5:] == [kept]


def test_install_list_and_remove(jupyter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed("--user", "--server", "5@host") == installed("--user", "--server", "6@host") == 0
    capsys.readouterr()
    assert main(["jupyter", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("\t") == [
        "kernelbus", "Wolfram Language (kernelbus)", str(jupyter / "user" / "kernels" / "kernelbus"), "--server 6@host"
    ]  # fmt: skip
    assert main(["jupyter", "remove", "kernelbus"]) == 0
    assert main(["jupyter", "remove", "kernelbus"]) == 1
    assert "there is no kernel kernelbus of kernelbus: kernelbus jupyter list" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--server", "http://x"], "kernelbus jupyter install: --server: 'http://x' is no server's address"),
        (["--server", "5@host", "--discover"], "--server names a server, and --discover looks for one: leave one of them out"),
        (["--ca-file", "x"], "--ca-file is for a server under TLS"),
        (["--name", "a b"], "'a b' is no kernel's name"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = installed("--user", *words)
    except SystemExit as left:
        status = left.code  # type: ignore[assignment]
    said = capsys.readouterr().err
    assert status == 2 and told in said and said.count("\n") == 1


def test_a_place_that_cannot_be_written(jupyter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (jupyter / "file").touch()
    assert installed("--prefix", str(jupyter / "file")) == 2
    assert capsys.readouterr().err.startswith("kernelbus jupyter install: the kernelspec cannot be written: ")
