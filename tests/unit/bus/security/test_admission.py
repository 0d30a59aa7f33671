"""Test which machines a running broker admits and cuts off, and what it logs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import zmq

from kernelbus.bus.security.admission import Admission
from kernelbus.bus.security.keys import KeyStore


def key() -> str:
    while True:
        made = zmq.curve_keypair()[0].decode()
        if made[0] not in "#-":
            return made


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    made = KeyStore(tmp_path / "keys")
    made.new()
    return made


@pytest.fixture
def admission(store: KeyStore, caplog: pytest.LogCaptureFixture) -> Admission:
    caplog.set_level(logging.INFO, "kernelbus")
    pair = store.pair()
    assert pair is not None
    return Admission(KeyStore(store.folder), pair)


def test_this_machine_and_those_allowed_are_admitted(admission: Admission, store: KeyStore) -> None:
    one, two = key(), key()
    assert admission.decide(admission.pair.public, "127.0.0.1", 0)
    assert not admission.decide(one, "10.0.0.5", 0)
    store.allow(one, "lab1")
    assert admission.decide(one, "10.0.0.5", 0), "without a restart, and at once"
    assert not admission.decide(two, "10.0.0.5", 0)
    assert (admission.name(one), admission.name(two)) == ("lab1", None)
    assert admission.refused == 2


def test_a_refusal_is_logged_once_a_minute_for_each_key_and_address(
    admission: Admission, store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = key(), key()
    for now in (0, 1, 59, 60, 61):
        admission.decide(one, "10.0.0.5", now)
    assert len(caplog.records) == 2
    admission.decide(one, "10.0.0.6", 61)
    admission.decide(two, "10.0.0.5", 61)
    assert len(caplog.records) == 4
    assert f"a machine at 10.0.0.5 is refused: its key {one} is not allowed here" in caplog.records[0].message
    assert f"kernelbus keys allow '{one}' NAME --keys {store.folder}" in caplog.records[0].message
    assert caplog.records[0].fields == {"key": one, "address": "10.0.0.5"}  # type: ignore[attr-defined]
    assert (admission.refused, admission.refusals[one].count, admission.refusals[one].address) == (7, 6, "10.0.0.6")


def test_who_tries_many_keys_fills_neither_memory_nor_log(admission: Admission, caplog: pytest.LogCaptureFixture) -> None:
    keys = [key() for _ in range(100)]
    for each in keys:
        admission.decide(each, "10.0.0.5", 0)
    assert admission.refused == 100
    assert list(admission.refusals) == keys[-32:]
    assert len(caplog.records) == 20
    for now in (61, 62):
        admission.look(now)
    admission.decide(keys[0], "10.0.0.5", 62)
    assert len(caplog.records) == 21


def test_a_key_missing_at_two_looks_is_revoked(admission: Admission, store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    one = key()
    store.allow(one, "lab1")
    assert admission.decide(one, "10.0.0.5", 0)
    store.revoke("lab1")
    assert not admission.look(1)
    assert admission.name(one) == "lab1"
    assert admission.look(2)
    assert admission.name(one) is None
    assert "machine lab1 is no longer allowed: it is cut off" in caplog.text
    for now in (2, 3):
        admission.ignore(one, now)
    assert admission.ignored == 2
    assert caplog.text.count("is ignored, since it is no longer allowed") == 1
    assert not admission.look(3)
    store.allow(one, "lab1")
    assert not admission.look(4)
    assert admission.name(one) == "lab1"


def test_a_file_that_is_away_for_a_moment_revokes_nobody(admission: Admission, store: KeyStore) -> None:
    one = key()
    store.allow(one, "lab1")
    assert admission.decide(one, "10.0.0.5", 0)
    text = store.allowed_file.read_text()
    store.allowed_file.unlink()  # as editors do it
    assert not admission.look(1)
    store.allowed_file.write_text(text)
    store.allowed_file.chmod(0o600)
    assert not admission.look(2)
    assert not admission.look(3)
    assert admission.name(one) == "lab1"


def test_a_mistake_in_the_file_changes_nothing_but_the_log(
    admission: Admission, store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    one = key()
    store.allow(one, "lab1")
    admission.look(1)
    text = store.allowed_file.read_text()
    store.allowed_file.write_text("nonsense\n")
    for now in range(2, 6):
        assert not admission.look(now)
        assert admission.decide(one, "10.0.0.5", now)
        assert not admission.decide(key(), "10.0.0.5", now)
    assert caplog.text.count("allowed:1: ") == 1
    assert "until then, the machines that were allowed before stay allowed" in caplog.text
    store.allowed_file.write_text(text.replace("lab1", "lab2"))
    admission.look(6)
    assert admission.name(one) == "lab2"


def test_peers_without_a_key_to_show_are_counted(admission: Admission, caplog: pytest.LogCaptureFixture) -> None:
    for now in range(3):
        admission.failed(True, now)
        admission.failed(False, now)
    assert admission.refused == 6
    assert [record.message for record in caplog.records] == [
        "a connection that comes without keys is refused (1 refused so far)",
        f"a connection that expects another key than this machine's, {admission.pair.public}, is refused (2 refused so far)",
    ]
