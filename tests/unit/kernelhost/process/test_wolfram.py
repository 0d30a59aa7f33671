"""Where a WolframKernel is found, and which of its output is a refusal by its licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbus.kernelhost.process import starting as process
from kernelbus.kernelhost.process import wolfram
from kernelbus.kernelhost.process.wolfram import find_kernel, licence_refusal


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("place", ["Executables/WolframKernel", "Executables/math", "Contents/MacOS/WolframKernel", "wolfram"])
def test_the_installation_that_is_named_comes_first(tmp_path: Path, place: str) -> None:
    found = program(tmp_path / "installed" / place)
    program(tmp_path / "bin" / "WolframKernel")
    environment = {"WOLFRAM_INSTALLATION_DIRECTORY": str(tmp_path / "installed"), "PATH": str(tmp_path / "bin")}
    assert find_kernel(environment, "linux", {}) == str(found)


@pytest.mark.parametrize("name", ["WolframKernel", "MathKernel"])
def test_then_comes_path(tmp_path: Path, name: str) -> None:
    found = program(tmp_path / "bin" / name)
    environment = {"WOLFRAM_INSTALLATION_DIRECTORY": str(tmp_path / "nowhere"), "PATH": str(tmp_path / "bin")}
    assert find_kernel(environment, "linux", {}) == str(found)


@pytest.mark.parametrize("name", ["wolfram", "math"])
def test_a_common_name_must_lead_into_an_installation(tmp_path: Path, name: str) -> None:
    program(tmp_path / "bin" / name)
    environment = {"PATH": str(tmp_path / "bin")}
    assert find_kernel(environment, "linux", {}) is None
    (tmp_path / "bin" / name).unlink()
    (tmp_path / "bin" / name).symlink_to(program(tmp_path / "14.0" / "Executables" / name))
    assert find_kernel(environment, "linux", {}) == str(tmp_path / "bin" / name)


def test_then_come_the_usual_places_latest_version_first(tmp_path: Path) -> None:
    usual = {"linux": [f"{tmp_path}/Wolfram/*/Executables/WolframKernel"]}
    assert find_kernel({}, "linux", usual) is None
    for version in ("9.0", "14.1", "13.3.1"):
        program(tmp_path / "Wolfram" / version / "Executables" / "WolframKernel")
    assert find_kernel({}, "linux", usual) == f"{tmp_path}/Wolfram/14.1/Executables/WolframKernel"
    assert find_kernel({}, "plan9", usual) is None


@pytest.mark.parametrize("choice", ["embedded", "/opt/my/kernel"])
def test_the_environment_chooses_for_pools_without_a_path(monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    monkeypatch.setenv("KERNELBUS_KERNEL", choice)
    wolfram.default_kernel.cache_clear()
    try:
        command = process.kernel_command(None, "", (), False)
        assert (process.embedded_arguments(command) is not None) == (choice == "embedded")
        assert choice == "embedded" or command[0] == choice
    finally:
        wolfram.default_kernel.cache_clear()


@pytest.mark.parametrize(
    "line",
    [
        "Mathematica cannot find a valid password.",
        "No valid password found.",
        "Your Wolfram Engine installation is not activated or is experiencing a license-related problem.",
        "The maximum number of controlling kernels allowed by your license are already running.",
        "The number of licensed kernel processes has been exceeded.",
        "Cannot connect to the license server mathlm.example.org",
        "The Wolfram Engine could not be activated using your Wolfram ID.",
    ],
)
def test_a_licence_refusal_is_recognised(line: str) -> None:
    said = f"exited with status 1; it said last: Kernel 14.0 for Linux | {line} | Enter your name:"
    assert licence_refusal(said) == line


@pytest.mark.parametrize(
    "said",
    ["exited with status 1; it said last: Segmentation fault", "did not get ready in 60 s", "exited with status 1; it said last: no link"],
)
def test_other_failures_are_not_taken_for_one(said: str) -> None:
    assert licence_refusal(said) is None
