"""The output of `kernelbus check-config`: its meaning, the origin of each value, and all faults."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from kernelbus.bus.settings.config import Config, load, loads
from kernelbus.bus.settings.schema import spelled
from kernelbus.shell.main import main
from kernelbus.shell.operations.checkconfig import explain

ROOT = Path(__file__).parents[4]
EVERYTHING = """\ufeff{
    "AllowStealingKernels": true, # why not
    "Pools": {
        "Ma\\"in #1 \u00e4": {
            "KernelPath": "bin/kernel",
            "KernelOptions": "-a 'b c' # \\"d\\"",
            "InitializationFile": "start.m",
            "InitializationCode": "f[x_] := \\"{\\"\\n(* } *)",
        },
        "Other": {"Default": true, "MinimumKernelNumber": 30, "ParallelKernelDefault": true, "KernelPath": ""},
        "Third": {"MaximumKernelNumber": 1, "KernelPath": "wolfram", "SessionIdleTimeout": 3600},
    },
    "Bus": {"Endpoint": "ipc:///tmp/a b", "Journal": "state/j.sqlite", "HeartbeatTimeout": 7},
    "Limits": {"KernelMemory": 0, "Window": 2097152, "DetachedQuestionTimeout": 60},
}
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory and a home without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("KERNELBUS_KERNEL", "embedded")


def check(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    status = main(["check-config", *map(str, words)])
    told = capsys.readouterr()
    return status, told.out, told.err


def meaning(config: Config) -> Config:
    return dataclasses.replace(config, source=None, warnings=())


def vars_of(section: Any) -> dict[str, Any]:
    return {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}


def leaves(value: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= leaves(inner, f"{path}{key}.") if isinstance(inner, dict) and inner else {path + key: inner}
    return found


@pytest.mark.parametrize("text", ["{}", EVERYTHING, (ROOT / "configs/wstpserver.conf").read_text()])
def test_what_it_prints_means_the_same(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text(text, encoding="utf-8")
    status, out, _ = check(capsys, file)
    assert status == 0
    # Read from another folder: relative paths have become absolute.
    assert meaning(loads(out, "/elsewhere/k.conf")) == meaning(load(file))
    status, out, _ = check(capsys, file, "--json")
    assert status == 0
    assert meaning(loads(json.dumps(json.loads(out)["configuration"]), "/elsewhere/k.conf")) == meaning(load(file))


def test_every_key_is_shown_with_where_its_value_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text(EVERYTHING, encoding="utf-8")
    _, out, _ = check(capsys, file)
    lines = out.splitlines()
    assert lines[0] == f'# What "{file}" means on this machine.'
    for expected in (
        '    "AllowStealingKernels": true,  # line 2',
        '    "AllowSilentKernelReplacement": false,  # default',
        '        "Ma\\"in #1 ä": {  # line 4',
        f'            "KernelPath": "{tmp_path}/bin/kernel",  # line 5',
        '            "MaximumKernelNumber": 30,  # default',
        '            # "KernelPath": left out; here the embedded kernel: as KERNELBUS_KERNEL says (line 10)',
        f'        "Journal": "{tmp_path}/state/j.sqlite",  # line 13',
        '        "KernelMemory": 0,  # line 14',
        '        "Links": 1000,  # default',
        '            "SessionIdleTimeout": 3600.0,  # line 11; a session that is over it ends',
        '            # "LeftoverTimeout": left out; 20 s: a session that is over it ends only when its place is needed',
        '            # "DetachedQuestionTimeout": left out; that of Limits, 60 s: a session that is over it ends',
        '            # "AttachedIdleTimeout": left out; no session is ended for that',
        '            # "TimeoutsApply": left out; that of Limits',
        '        "DetachedQuestionTimeout": 60.0,  # line 14; a session that is over it ends',
    ):
        assert expected in lines
    shown = re.findall(r'^ *(?:# )?"(\w+)":', out, re.MULTILINE)
    sections = [Config(), *(value for value in vars_of(Config()).values() if dataclasses.is_dataclass(value))]
    keys = {spelled(name) for section in sections for name in vars_of(section)} - {"Source", "Warnings"}
    assert {"Endpoint", "Links"} <= keys
    assert keys <= set(shown)
    assert [shown.count(key) for key in ("InitializationFile", "ReservePreviouslyConnectedKernels")] == [3, 3]


def test_what_a_key_without_a_value_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, errors = check(capsys)
    assert (status, errors) == (0, "")
    places = [tmp_path / "home/config/kernelbus/wstpserver.conf", "/etc/kernelbus/wstpserver.conf"]
    assert out.startswith(
        "# There is no configuration file: these are the defaults. Looked for:\n"
        + "".join(f'#   "{place}"\n' for place in ("wstpserver.conf", *places))
        + '{\n    "AllowStealingKernels": false,  # default\n'
    )
    assert re.search(r'# "KernelMemory": left out; three quarters of what this machine has, here [\d.]+ [GM]iB \(\d+\)\n', out)
    assert re.search(r'# "Endpoint": left out; a socket that is named for the port for clients, by default "', out)
    assert '# "KernelPath": left out; here the embedded kernel: as KERNELBUS_KERNEL says\n' in out
    assert '# "InitializationCode": none\n' in out


def test_the_file_that_is_found_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "home/config/kernelbus"
    folder.mkdir(parents=True)
    (folder / "wstpserver.conf").write_text('{"Limits": {"Links": 5}}')
    status, out, _ = check(capsys)
    assert status == 0
    assert out.startswith(f'# What "{folder}/wstpserver.conf" means on this machine.\n')
    assert '        "Links": 5,  # line 1\n' in out


def test_warnings_are_told_and_are_no_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text('{"Pools": {\n"A": {\n"KernelPath": "/no/kernel"}}}')
    status, out, errors = check(capsys, file)
    text = f'{file}:3: Pools.A.KernelPath: "/no/kernel" does not exist: this pool has no kernels while that is so'
    assert (status, errors) == (0, text + "\n")
    assert f"# Warning: {text}\n" in out
    status, out, errors = check(capsys, file, "--json")
    assert (status, errors) == (0, text + "\n")
    assert json.loads(out)["warnings"] == [text]


def test_every_fault_is_one_line_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text('{"Pools": {"A": {\n"KepAlive": true,\n"MinimumKernelNumber": -1}},\n"Limits": {"Links": "many"}, "Bus": []}')
    expected = [
        f'{file}:2: unknown key "KepAlive" in Pools.A: did you mean "KeepAlive"?',
        f"{file}:3: Pools.A.MinimumKernelNumber: -1 kernels are too few: write 0 or more",
        f'{file}:4: Limits.Links: "many" is not a whole number of links: write one, without quotes',
        f"{file}:4: Bus: this must be an object: write its keys and values in braces, {{ }}",
    ]
    status, out, errors = check(capsys, file)
    assert (status, out) == (2, "")
    assert sorted(errors.splitlines()) == sorted(expected)
    status, out, errors = check(capsys, file, "--json")
    assert status == 2
    told = json.loads(out)
    assert (told["file"], told["valid"], sorted(told["problems"])) == (str(file), False, sorted(expected))


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, "my.conf") == (2, "", "my.conf: there is no such configuration file\n")


def test_json_says_what_is_a_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text(EVERYTHING, encoding="utf-8")
    _, out, _ = check(capsys, file, "--json")
    told = json.loads(out)
    assert told["lines"]["Limits.Window"] == 14
    assert told["lines"]["Pools.Other.KernelPath"] == 10
    assert "Limits.Links" in told["defaults"]
    assert told["unset"]["Pools.Other.KernelPath"] == "left out; here the embedded kernel: as KERNELBUS_KERNEL says"
    given, defaults, unset = set(told["lines"]), set(told["defaults"]), set(told["unset"])
    assert not given & defaults
    assert set(leaves(told["configuration"])) == (given | defaults) - unset


def test_each_value_says_where_it_comes_from() -> None:
    lines = list(explain(Config(), {}))
    assert lines[0] == "# There is no configuration file: these are the defaults. Looked for:"
    assert (lines[-1], [line for line in lines if "# line" in line]) == ("}", [])
    given = list(explain(Config(source=Path("/etc/k.conf")), {("AllowStealingKernels",): 3}))
    assert given[0] == '# What "/etc/k.conf" means on this machine.'
    assert [line.partition(":")[0].strip() for line in given if line.endswith("# line 3")] == ['"AllowStealingKernels"']
