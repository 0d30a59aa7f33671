"""A missing package of an extra: one line on standard error, status 2."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import load
from kernelbus.shell.extras import MissingExtra, missing, needed, require
from kernelbus.shell.operations.host import check_kernels

# Refuses the packages named by the first argument, as if they were not installed.
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
"""
COMMAND = f"{HIDING}\nfrom kernelbus.shell.main import main\nsys.exit(main(sys.argv[2:]))"
EVERYTHING = "numpy,mathics,packaging,sympy,cmd2,prompt_toolkit,zeroconf,ifaddr,prometheus_client,ipykernel,jupyter_client"


def run(hidden: str, *words: str, program: str = COMMAND, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, hidden, *words]
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)


def test_a_module_of_an_extra_says_what_to_install() -> None:
    program = (
        f"{HIDING}\n"
        "from kernelbus.shell.extras import MissingExtra\n"
        "try:\n"
        "    import kernelbus.wolframclient\n"
        "except MissingExtra as error:\n"
        "    print(error)"
    )
    assert run("wolframclient", program=program).stdout == "wolframclient is not installed: pip install 'kernelbus[wolframclient]'\n"


@pytest.mark.parametrize(
    ("hidden", "typed", "package", "extra"),
    [
        ("cmd2", "shell", "cmd2", "admin"),
        ("numpy", "eval 1", "numpy", "wstp"),
        ("numpy", "connect", "numpy", "wstp"),
        ("numpy", "repl", "numpy", "wstp"),
        ("numpy", "frontend", "numpy", "wstp"),
        ("numpy", "host", "numpy", "wstp"),
        ("ifaddr", "serve", "ifaddr", "wstp"),
        ("numpy", "serve", "numpy", "wstp"),
        ("zeroconf", "discover", "zeroconf", "discovery"),
        ("zeroconf", "eval --discover x -- 1", "zeroconf", "discovery"),
        ("ifaddr", "connect --discover", "ifaddr", "wstp"),
        ("zeroconf", "repl --discover", "zeroconf", "discovery"),
        ("zeroconf", "serve -a", "zeroconf", "discovery"),
        ("ifaddr", "frontend -a", "ifaddr", "wstp"),
        ("zeroconf", "frontend --bus discover", "zeroconf", "discovery"),
        ("zeroconf", "host --bus discover", "zeroconf", "discovery"),
        ("zeroconf", "broker -a", "zeroconf", "discovery"),
        ("prometheus_client", "broker --metrics-port 0", "prometheus_client", "metrics"),
        ("prometheus_client", "serve --metrics-port 0", "prometheus_client", "metrics"),
        ("mathics", "serve -c embedded.conf", "Mathics3", "embedded"),
        ("packaging", "host -c embedded.conf", "packaging", "embedded"),
    ],
)
def test_a_missing_package_is_one_line(hidden: str, typed: str, package: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "embedded.conf").write_text('{"Pools": {"A": {"KernelPath": "embedded"}}}')
    done = run(hidden, *typed.split(), cwd=tmp_path)
    told = f"kernelbus {typed.split()[0]}: {package} is not installed: pip install 'kernelbus[{extra}]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@pytest.mark.parametrize("module", ["kernelbus.shell.main", "kernelbus.shell.jupyter.__main__"])
def test_the_kernel_of_notebooks_needs_ipykernel(module: str) -> None:
    told = "ipykernel is not installed: pip install 'kernelbus[jupyter]'\n"
    program = f"{HIDING}\nfrom {module} import main\nsys.exit(main(sys.argv[2:]))"
    words = ["jupyter", "install", "--user"] if module == "kernelbus.shell.main" else ["-f", "kernel.json"]
    done = run("ipykernel", *words, program=program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"kernelbus {' '.join(words[:2]) if words[0] == 'jupyter' else 'jupyter'}: {told}"


def test_a_prompt_needs_prompt_toolkit_before_a_kernel_is_attached() -> None:
    program = f"{HIDING}\nsys.stdin.isatty = sys.stdout.isatty = lambda: True\n{COMMAND.removeprefix(HIDING)}"
    done = run("prompt_toolkit", "repl", "--server", "9@127.0.0.1", program=program)
    assert done.returncode == 2
    assert done.stderr == "kernelbus repl: prompt_toolkit is not installed: pip install 'kernelbus[admin]'\n"


@pytest.mark.parametrize(
    ("typed", "status", "told"),
    [
        ("status --bus tcp://127.0.0.1:9 --timeout 1", 2, "kernelbus status: "),
        ("keys list --keys keys", 0, "this machine has no key pair"),
        ("broker --bus tcp://192.0.2.254:1", 2, "192.0.2.254"),
        ("--help", 0, ""),
    ],
)
def test_what_needs_no_extra_does_without_all_of_them(typed: str, status: int, told: str, tmp_path: Path) -> None:
    done = run(EVERYTHING, *typed.split(), cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert told in done.stderr
    assert "not installed" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["KernelPool", "connect"])
def test_a_python_program_is_told_what_to_install(name: str) -> None:
    program = f"{HIDING}\ntry:\n    from kernelbus import {name}\nexcept ImportError as error:\n    print(error.name, error, sep='|')"
    done = run("numpy", program=program)
    assert (done.stderr, done.stdout) == ("", "numpy|numpy is not installed: pip install 'kernelbus[wstp]'\n")


class TestPoolsWithTheEmbeddedKernel:
    @pytest.fixture(autouse=True)
    def _no_mathics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # None stands for a module that cannot be imported.
        monkeypatch.setitem(sys.modules, "mathics", None)

    def check(self, folder: Path, **kernels: str) -> None:
        file = folder / "k.conf"
        file.write_text(json.dumps({"Pools": {name: {"KernelPath": path} for name, path in kernels.items()}}))
        check_kernels(load(file))

    def test_other_pools_are_served(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.check(tmp_path, A="embedded", B=sys.executable, C="embedded")
        told = "no kernels can be started for A, C: Mathics3 is not installed: pip install 'kernelbus[embedded]'"
        assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.ERROR, told)]

    def test_without_other_pools_there_is_nothing_to_serve(self, tmp_path: Path) -> None:
        with pytest.raises(MissingExtra, match="Mathics3 is not installed"):
            self.check(tmp_path, A="embedded")

    def test_pools_with_other_kernels_need_none(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.check(tmp_path, A=sys.executable)
        assert not caplog.records


def test_a_missing_second_engine_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "woxi", None)
    file = tmp_path / "k.conf"
    pools = {"A": "embedded", "B": "embedded", "C": sys.executable}
    file.write_text(json.dumps({"Pools": {name: {"KernelPath": path} for name, path in pools.items()}}))
    check_kernels(load(file))
    told = (
        "functions that Mathics3 lacks stay unevaluated, for want of a second engine:"
        " woxi is not installed: pip install 'kernelbus[engine]'"
    )
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, told)]
    caplog.clear()
    monkeypatch.delitem(sys.modules, "woxi")
    check_kernels(load(file))
    assert not caplog.records


def test_what_is_installed_is_not_missing() -> None:
    for extra in ("wstp", "embedded", "engine", "admin", "discovery", "metrics"):
        assert missing(extra) is None
        require(extra)


def test_another_module_that_cannot_be_found_is_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as caught, needed():
        import no_such_module  # noqa: F401
    assert not isinstance(caught.value, MissingExtra)
