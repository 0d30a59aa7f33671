"""The hook that refuses files and programs, in processes of its own: it stays for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kernelbus.kernelhost.mathics.engine.process import is_installed

ROOT = Path(__file__).parents[5] / "src"


def tried(files: bool, processes: bool, *statements: str) -> list[str]:
    """Return what becomes of statements in a process that is confined."""
    code = f"""
import glob, os, socket, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from kernelbus.kernelhost.mathics.evaluation.confinement import confine
confine({files}, {processes})
for statement in {statements!r}:
    try:
        exec(statement)
    except PermissionError as error:
        print(str(error).rpartition("(")[2].strip(")"))
    except OSError as error:
        print(type(error).__name__)
    else:
        print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


READING = ["open('/etc/passwd')", "open('/proc/self/root/etc/passwd')", "open('/proc/self/environ')", "os.open('/etc/passwd', os.O_RDONLY)"]
WRITING = ["open('x', 'w')", "os.open('x', os.O_CREAT | os.O_WRONLY)", "os.mkdir('x')", "os.remove('x')", "open(os.__file__, 'a')"]
LOOKING = ["os.listdir('/etc')", "os.scandir('/etc')", "glob.glob('/etc/*')", "os.chdir('/')"]
CONNECTING = ["socket.create_connection(('127.0.0.1', 1))"]
STARTING = ["os.system('true')", "subprocess.run(['true'])", "os.fork() or os._exit(0)", "os.posix_spawn('/bin/true', ['true'], {})"]
OWN = ["open(os.__file__)", "os.listdir(os.path.dirname(os.__file__))", "import colorsys",
       "open('/dev/null', 'w')", "open('/proc/self/statm')", "os.fdopen(os.pipe()[0])"]  # fmt: skip


def test_files_and_connections_are_refused() -> None:
    statements = [*READING, *WRITING, *LOOKING, *CONNECTING]
    assert tried(False, True, *statements) == ["Files"] * len(statements)


def test_programs_are_refused() -> None:
    assert tried(True, False, *STARTING) == ["Processes"] * len(STARTING)


@pytest.mark.parametrize(("files", "processes"), [(False, False), (False, True), (True, False)])
def test_pythons_own_files_are_read(files: bool, processes: bool) -> None:
    assert tried(files, processes, *OWN) == ["done"] * len(OWN)


def test_what_is_not_forbidden_is_allowed() -> None:
    assert tried(False, True, "subprocess.run(['true'])") == ["done"]
    assert tried(True, False, "open('/etc/passwd')", *CONNECTING) == ["done", "ConnectionRefusedError"]


@pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")
def test_the_second_engine_is_started_and_other_programs_are_not() -> None:
    statements = [
        "from kernelbus.kernelhost.mathics.engine.process import engine; assert engine.ask('1 + 1').text == '2'",
        "assert engine.ask('FileExistsQ[\"/etc/passwd\"]').text == 'False'",
        "subprocess.run(['true'])",
    ]
    assert tried(False, False, *statements) == ["done", "done", "Processes"]
