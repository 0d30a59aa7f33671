"""The command `kernelbus keys`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from kernelbus.bus.security.keys import KeyStore, is_key
from kernelbus.shell.main import main
from kernelbus.shell.operations.keys import run_keys

Typed = tuple[int, str, str]


class Machine:
    """A machine's `kernelbus keys`, with a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = KeyStore(folder)
        self._capsys = capsys

    def __call__(self, action: str, *words: str) -> Typed:
        status = main(["keys", action, "--keys", str(self.store.folder), *words])
        return (status, *self._capsys.readouterr())


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path / "here", capsys)


@pytest.fixture
def there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path / "there", capsys)


def test_what_one_machine_prints_can_be_typed_on_the_other(here: Machine, there: Machine) -> None:
    status, told, errors = here("new")
    assert (status, errors) == (0, "")
    command = re.search(r"^  (kernelbus keys allow .*)$", told, re.MULTILINE)
    assert command
    words = shlex.split(command[1])
    assert words[:3] == ["kernelbus", "keys", "allow"]
    there("new")
    assert there(*words[2:], "on", "the", "shelf") == (0, f"{words[4]} is allowed\n", "")
    pair = here.store.pair()
    assert pair is not None
    assert there.store.allowed() == {pair.public: words[4]}
    status, listed, _ = there("list")
    assert status == 0
    assert [line.split(None, 2)[1:] for line in listed.splitlines()] == [[words[4], "this machine"], [words[4], "on the shelf"]]
    assert there("revoke", words[4]) == (0, f"{words[4]} is no longer allowed\n", "")
    assert not there.store.allowed()


def test_scripts_are_told_what_they_ask_for_and_no_more(here: Machine) -> None:
    here("new", "-q")
    status, key, _ = here("show", "-q")
    assert status == 0
    assert is_key(key.strip())
    assert json.loads(here("show", "--json")[1])["key"] == key.strip()
    here("allow", "0" * 40, "lab1")
    listed = json.loads(here("list", "--json")[1])
    assert listed["allowed"] == [{"key": "0" * 40, "name": "lab1", "comment": ""}]
    assert listed["key"] == key.strip()


def test_the_secret_is_never_shown(here: Machine) -> None:
    told = here("new")[1]
    pair = here.store.pair()
    assert pair is not None
    for action in (["show"], ["show", "--json"], ["list"], ["list", "--json"], ["allow", pair.secret, "x"]):
        told += "".join(map(str, here(*action)))
    assert pair.secret not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show"], "kernelbus keys show: this machine has no key pair: make one with kernelbus keys new --keys /"),
        (["allow", "abc", "lab1"], 'kernelbus keys allow: "abc" is not a key: one has 40 characters, and this 3'),
        (["revoke", "lab1"], "allowed: no key is named"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(here: Machine, words: list[str], told: str) -> None:
    status, output, errors = here(*words)
    assert (status, output) == (2, "")
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_this_machine_needs_no_allowing_and_no_second_pair(here: Machine) -> None:
    here("new")
    key = here("show", "-q")[1].strip()
    assert "is always allowed here" in here("allow", key, "me")[2]
    assert here("new")[0] == 2
    status, told, _ = here("new", "--force")
    assert status == 0
    assert key not in told
    assert "once it is started anew" in told


def test_the_configuration_says_where_keys_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.conf"
    file.write_text('{"Bus": {"Keys": "own"}}')
    assert main(["keys", "new", "-c", str(file)]) == 0
    assert KeyStore(tmp_path / "own").pair() is not None
    file.write_text('{"Bus": {"Kees": "own"}}')
    capsys.readouterr()
    assert main(["keys", "show", "-c", str(file)]) == 2
    assert 'did you mean "Keys"?' in capsys.readouterr().err


def test_the_folder_is_the_configurations_unless_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Path] = []

    def note(store: KeyStore) -> int:
        seen.append(store.folder)
        return 7

    file = tmp_path / "k.conf"
    file.write_text(f'{{"Bus": {{"Keys": "{tmp_path}/configured"}}}}')
    assert run_keys(note, program="p", configuration_file=str(file)) == 7
    # The configuration may be what is broken.
    assert run_keys(note, program="p", folder=str(tmp_path / "named"), configuration_file="/nowhere") == 7
    assert seen == [tmp_path / "configured", tmp_path / "named"]
    assert run_keys(note, program="p", configuration_file="/nowhere") == 2
    assert capsys.readouterr().err.startswith("p: /nowhere: ")
