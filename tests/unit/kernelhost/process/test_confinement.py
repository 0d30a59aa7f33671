"""What a kernel's process gets, and that it holds there."""

from __future__ import annotations

import json
import os
import pwd
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbus.bus.settings.config import PoolConfig
from kernelbus.kernelhost.process.confinement import Confinement, confinement_of, passed_on, person
from kernelbus.kernelhost.process.tree import MARK

HOST = {"PATH": "/bin", "LC_ALL": "C", "WOLFRAM_USERBASE": "/w", "DATABASE_PASSWORD": "secret", "KERNELBUS_TOKEN": "secret"}


def test_no_secrets_of_the_host_are_passed_on() -> None:
    assert passed_on(HOST, {}) == {"PATH": "/bin", "LC_ALL": "C", "WOLFRAM_USERBASE": "/w"}


def test_a_pool_says_what_else_is_passed_on_and_what_is_not() -> None:
    given = {"DATABASE_PASSWORD": True, "MISSING": True, "PATH": False, "LC_ALL": "de_DE", "NEW": ""}
    assert passed_on(HOST, given) == {"DATABASE_PASSWORD": "secret", "LC_ALL": "de_DE", "NEW": "", "WOLFRAM_USERBASE": "/w"}


def test_a_user_has_his_own_home() -> None:
    me = person(pwd.getpwuid(os.getuid()).pw_name)
    confined = confinement_of(PoolConfig("P", environment=(("LOGNAME", "other"),)), "m", "", me, {"HOME": "/elsewhere", "LANG": "C"})
    assert confined.variables() == {"HOME": "/elsewhere", "USER": me.name, "LOGNAME": "other", "LANG": "C", MARK: "m"}


def test_who_does_not_exist_is_named() -> None:
    with pytest.raises(LookupError, match="there is no user nobody-of-that-name on this machine"):
        person("nobody-of-that-name")


def test_json_can_carry_it() -> None:
    pool = PoolConfig("P", maximum_open_files=64, maximum_cpu_time=7)
    confined = confinement_of(pool, "m", "/f", person(pwd.getpwuid(os.getuid()).pw_name), {"PATH": "/bin"})
    assert Confinement.read(json.loads(json.dumps(list(confined)))) == confined
    assert Confinement.read(json.loads(json.dumps(list(Confinement())))) == Confinement()


def inside(confined: Confinement, code: str) -> str:
    """Return what a process prints that has entered a confinement."""
    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=confined.enter, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_process_enters_its_folder_and_has_its_limits(tmp_path: Path) -> None:
    pool = PoolConfig("P", maximum_open_files=64, maximum_cpu_time=7, maximum_file_size=1000)
    confined = confinement_of(pool, "m", str(tmp_path), None, {})
    kinds = [resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE]
    code = f"import os, resource; print(os.getcwd(), *(resource.getrlimit(kind) for kind in {kinds}))"
    assert inside(confined, code) == f"{tmp_path} (64, 64) (7, 7) (1000, 1000)"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can take on another user")
def test_a_process_takes_on_its_user() -> None:
    nobody = person("nobody")
    said = subprocess.run(["id", "-u"], preexec_fn=Confinement(user=nobody).enter, capture_output=True, text=True, check=True)
    assert int(said.stdout) == nobody.uid
    said = subprocess.run(["id", "-G"], preexec_fn=Confinement(user=nobody).enter, capture_output=True, text=True, check=True)
    assert {int(group) for group in said.stdout.split()} == set(nobody.groups)
