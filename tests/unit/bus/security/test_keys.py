"""Test this machine's key pair, and the file of the machines that it trusts."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest
import zmq

from kernelbus.bus.security.keys import KeysError, KeyStore, check_key, default_folder, is_key


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "made" / "keys")


def key() -> str:
    """Return a public key that the file may contain."""
    while True:
        made = zmq.curve_keypair()[0].decode()
        if made[0] not in "#-":
            return made


def write(store: KeyStore, text: str, mode: int = 0o600) -> None:
    store.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store.allowed_file.write_text(text)
    store.allowed_file.chmod(mode)


# ---- the pair


def test_a_pair_is_made_for_its_owner_alone_and_read_again(store: KeyStore) -> None:
    assert store.pair() is None
    old = os.umask(0)
    try:
        made = store.new()
    finally:
        os.umask(old)
    assert store.secret_file.stat().st_mode & 0o777 == 0o600
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert store.pair() == made == KeyStore(store.folder).pair()
    assert zmq.curve_public(made.secret.encode()) == made.public.encode()
    assert made.secret not in repr(made)
    assert os.listdir(store.folder) == ["machine.key"]


def test_a_second_pair_is_made_only_by_force(store: KeyStore) -> None:
    first = store.new()
    with pytest.raises(KeysError, match=r"machine.key: this machine has a key pair already; with --force"):
        store.new()
    assert store.pair() == first
    assert store.new(force=True) != first


def test_keys_are_no_options_and_no_comments(store: KeyStore) -> None:
    assert all(store.new(force=True).public[0].isalnum() for _ in range(50))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o644])
def test_a_secret_that_others_can_read_or_write_is_refused(store: KeyStore, mode: int) -> None:
    store.new()
    store.secret_file.chmod(mode)
    with pytest.raises(KeysError, match=rf"machine.key: others can read or write it \(mode {mode:04o}\).* chmod 600 /"):
        store.pair()


def test_a_folder_that_others_can_write_is_refused(store: KeyStore) -> None:
    store.new()
    store.folder.chmod(0o770)
    for use in (store.pair, store.new, lambda: store.allow(key(), "n")):
        with pytest.raises(KeysError, match=r"keys: others can write it \(mode 0770\).* chmod 700 /"):
            use()


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
def test_files_of_another_user_are_refused(store: KeyStore) -> None:
    store.new()
    os.chown(store.secret_file, 12345, 12345)
    with pytest.raises(KeysError, match=r"machine.key: it is user 12345's"):
        store.pair()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a while")
def test_files_that_this_user_may_not_read_are_said_to_be() -> None:
    with tempfile.TemporaryDirectory() as folder:  # only root can enter the folders that pytest makes
        os.chmod(folder, 0o711)
        store = KeyStore(Path(folder, "keys"))
        store.new()
        os.seteuid(12345)
        try:
            for use in (store.pair, store.allowed):
                with pytest.raises(KeysError, match="this user may not read it"):
                    use()
        finally:
            os.seteuid(0)


def test_a_damaged_file_of_the_pair_is_refused_without_showing_it(store: KeyStore) -> None:
    made, other = store.new(), KeyStore(store.folder.parent / "other").new()
    for text, fault in (
        ("", "machine.key: a key is missing"),
        (f"public {made.public}\n", "machine.key: a key is missing"),
        (f"public {made.public}\nsecret {other.secret}\n", "machine.key: the public key is not the secret key's"),
        (f"# one\npublic {made.public}\nsecret {made.secret[:-1]}\n", "machine.key:3: this is neither"),
        (f"secret {made.secret}\nsecret {made.secret}\n", "machine.key:2: this is neither"),
        ("public \udcff", "not a text file"),
    ):
        store.secret_file.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(KeysError, match=fault) as error:
            store.pair()
        assert made.secret[:-1] not in str(error.value)


# ---- the machines that are trusted


def test_a_machine_is_allowed_and_revoked_by_key_or_name(store: KeyStore) -> None:
    one, two = key(), key()
    store.allow(one, "lab1", "  in the \n corner ")
    store.allow(two, "lab2")
    assert store.allowed() == {one: "lab1", two: "lab2"}
    assert store.entries()[one].comment == "in the corner"
    assert store.find("lab2") == store.find(two) == two
    assert store.revoke("lab1") == (one, "lab1")
    assert store.revoke(two) == (two, "lab2")
    assert not store.allowed()
    assert store.allowed_file.stat().st_mode & 0o777 == 0o600


def test_a_machine_that_is_allowed_again_is_renamed(store: KeyStore) -> None:
    one = key()
    store.allow(one, "lab1", "note")
    store.allow(one, "lab9")
    assert store.entries()[one][:2] == ("lab9", "note")
    assert len(store.allowed()) == 1


def test_what_a_person_wrote_in_the_file_stays(store: KeyStore) -> None:
    one, two, three = key(), key(), key()
    write(store, f"# ours\n\n{one}\t lab1   with  two  spaces\n   # end")
    store.allow(two, "lab2")
    store.allow(three, "lab3")
    store.revoke("lab2")
    assert store.allowed_file.read_text() == f"# ours\n\n{one}\t lab1   with  two  spaces\n   # end\n{three} lab3\n"


def test_the_file_is_read_again_when_it_has_changed_and_not_otherwise(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = key(), key()
    store.allow(one, "lab1")
    same = store.allowed()
    assert store.allowed() is same
    KeyStore(store.folder).allow(two, "lab2")
    assert store.allowed() == {one: "lab1", two: "lab2"}
    store.allowed_file.unlink()
    assert store.allowed() == {}
    write(store, f"{two} lab3\n")
    assert store.allowed() == {two: "lab3"}
    reads: list[object] = []
    monkeypatch.setattr(store, "_read", lambda *given, **more: reads.append(given))
    store.allowed()
    assert not reads


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{0} lab1\nabc lab2\n", r'allowed:2: "abc" is not a key: one has 40 characters, and this 3'),
        ("\n#\n{0}\n", r"allowed:3: a name for the machine belongs behind its key"),
        ("{0} lab1\n{0} lab2\n", r"allowed:2: this key is on line 1 already"),
        ("{0} lab1\n{1} lab1\n", r"allowed:2: the name lab1 is on line 1 already"),
        ("{0} 'lab1'\n", r"allowed:1: a name for the machine"),
        ("secret {0}\n", r"allowed:1: "),
    ],
)
def test_a_line_that_cannot_be_read_is_named(store: KeyStore, text: str, fault: str) -> None:
    write(store, text.format(key(), key()))
    for _ in range(2):  # a fault is reported again
        with pytest.raises(KeysError, match=fault):
            store.allowed()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_of_trusted_machines_that_others_can_write_is_refused(store: KeyStore, mode: int) -> None:
    write(store, "", 0o644)
    assert store.allowed() == {}
    store.allowed_file.chmod(mode)
    with pytest.raises(KeysError, match=rf"allowed: others can write it \(mode {mode:04o}\)"):
        store.allowed()


def test_what_cannot_be_allowed(store: KeyStore, tmp_path: Path) -> None:
    pair, one = store.new(), key()
    store.allow(one, "lab1")
    with pytest.raises(KeysError, match="this is the secret key of this machine"):
        store.allow(pair.secret, "lab2")
    with pytest.raises(KeysError, match="this file holds a secret key"):
        store.allow(store.secret_file.read_text(), "lab2")
    with pytest.raises(KeysError, match="allowed:2: lab1 is another key's name"):
        store.allow(key(), "lab1")
    for name in ("", "two words", "-x", "#x", "a'b", "x" * 101):
        with pytest.raises(KeysError, match="cannot name a machine"):
            store.allow(key(), name)
    for text in ("", "x", "é" * 40, pair.public[:-1], pair.public + "x", "#" * 40, "-" + pair.public[1:], str(store.secret_file)):
        with pytest.raises(KeysError):
            store.allow(text, "lab2")
    assert store.allowed() == {one: "lab1"}


def test_who_is_not_known_is_told_the_nearest_name(store: KeyStore) -> None:
    with pytest.raises(KeysError, match="no key is allowed here"):
        store.revoke("lab1")
    store.allow(key(), "headnode")
    with pytest.raises(KeysError, match='no key is named "heednode": did you mean "headnode"'):
        store.revoke("heednode")
    with pytest.raises(KeysError, match=re.escape("is not allowed here")):
        store.revoke(key())


def test_what_a_key_is() -> None:
    assert all(is_key(half.decode()) for _ in range(20) for half in zmq.curve_keypair())
    assert not is_key("#" * 40)  # five such characters exceed 32 bits
    assert is_key("0" * 40)
    with pytest.raises(KeysError, match="begins with -"):
        check_key("-" + "0" * 39)


def test_where_keys_are_kept() -> None:
    assert default_folder({"HOME": "/h"}) == Path("/h/.config/kernelbus/keys")
    assert default_folder({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == Path("/x/kernelbus/keys")
