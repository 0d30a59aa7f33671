"""Test which endpoints need keys, and which keys a part shows and expects."""

from __future__ import annotations

import logging
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from kernelbus.bus.errors import EndpointError
from kernelbus.bus.security.curve import Handshake, Introduction, client_security, is_local
from kernelbus.bus.security.keys import KeysError, KeyStore
from kernelbus.bus.settings.config import BusConfig, Config

#: An address reserved for documentation, which no machine has (RFC 5737).
ELSEWHERE = "tcp://192.0.2.1:31416"
HERE = "tcp://127.0.0.1:31416"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    made = KeyStore(tmp_path / "keys")
    made.new()
    return made


def config(store: KeyStore, **more: Any) -> Config:
    return Config(bus=BusConfig(keys=str(store.folder), **more))


def key() -> str:
    while True:
        made = zmq.curve_keypair()[0].decode()
        if made[0] not in "#-":
            return made


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.8.7", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
def test_loopback_is_local(address: str) -> None:
    assert is_local(f"tcp://{address}:31416")


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "*", "[::]", "10.0.0.1", "192.0.2.1", "[fe80::1%eth0]", "[::ffff:10.0.0.1]", "name.invalid", "eth0", "a@127.0.0.1"],
)
def test_all_else_is_not(address: str) -> None:
    assert not is_local(f"tcp://{address}:31416")


def test_a_name_is_local_only_if_all_its_addresses_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for addresses, local in ((["127.0.0.1", "::1"], True), (["127.0.0.1", "10.0.0.1"], False), ([], False)):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
        assert is_local("tcp://box:1") is local


def test_ipc_is_local_where_a_file_keeps_others_out() -> None:
    assert is_local("ipc:///run/bus")
    with pytest.raises(EndpointError, match="open to every user of this machine: name a path"):
        is_local("ipc://@bus")


def test_a_local_broker_needs_no_keys(tmp_path: Path) -> None:
    assert client_security(HERE, config(KeyStore(tmp_path / "none"))) is None


def test_the_only_key_that_is_allowed_is_the_brokers(store: KeyStore) -> None:
    broker = key()
    store.allow(broker, "headnode")
    found = client_security(ELSEWHERE, config(store))
    assert found is not None
    assert (found.server, found.server_name, found.pair) == (broker, "headnode", store.pair())


def test_of_several_keys_the_configuration_says_which_is_the_brokers(store: KeyStore) -> None:
    one, two, three = key(), key(), key()
    store.allow(one, "lab1")
    store.allow(two, "headnode")
    with pytest.raises(KeysError, match=r"Name it as Bus/BrokerKey in the configuration: one of headnode, lab1"):
        client_security(ELSEWHERE, config(store))
    for said, server in (("headnode", two), (one, one), (three, three)):
        found = client_security(ELSEWHERE, config(store, broker_key=said))
        assert found is not None
        assert found.server == server
    with pytest.raises(KeysError, match=r'Bus/BrokerKey is neither a key nor the name of one: .*did you mean "headnode"'):
        client_security(ELSEWHERE, config(store, broker_key="headnod"))


def test_what_is_missing_is_said_with_the_command(store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeysError, match=r"the key of the broker at tcp://192.0.2.1:31416 is not known.*keys allow KEY NAME --keys /"):
        client_security(ELSEWHERE, config(store))
    none = config(KeyStore(tmp_path / "none"))
    because = "because the configuration says so (Bus/Keys)"
    for known, why in (
        (none, because),
        (replace(none, source=tmp_path / "c.conf"), because.replace("the configuration", f"{tmp_path}/c.conf")),
    ):
        where = re.escape(f"there are none in {tmp_path}/none, where they are looked for {why}: make them with kernelbus keys new --keys /")
        with pytest.raises(KeysError, match=where):
            client_security(ELSEWHERE, known)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    nothing = re.escape("because there is no configuration; -c FILE reads the one of the server, which may name others (Bus/Keys)")
    with pytest.raises(KeysError, match=f"none in {tmp_path}/kernelbus/keys, where they are looked for {nothing}"):
        client_security(ELSEWHERE, Config())
    with pytest.raises(KeysError, match=r"because /c.conf names no other \(Bus/Keys\); -c FILE reads another configuration: make"):
        client_security(ELSEWHERE, Config(source=Path("/c.conf")))


def test_a_broker_on_an_address_of_this_machine_has_this_machines_key(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.allow(key(), "lab1")
    store.allow(key(), "lab2")
    monkeypatch.setattr("kernelbus.bus.security.curve.is_local", lambda endpoint: False)
    for said in (None, "headnode"):  # all machines share one configuration
        found = client_security("tcp://127.0.0.1:1", config(store, broker_key=said))
        assert found is not None
        assert found.pair == store.pair()
        assert found.server == found.pair.public


# ---- introductions over several attempts


def test_on_loopback_keys_are_shown_first_and_not_insisted_on(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    introduction = Introduction(HERE, config(store))
    shown = introduction.begin()
    assert shown is not None
    assert shown.server == shown.pair.public
    assert introduction.heard(Handshake.MISMATCH, shown)
    assert introduction.current is None
    assert not introduction.heard(Handshake.DONE, None)
    assert introduction.begin() is None, "what was right the last time"
    # A broker on all interfaces replaces it, and requires keys on loopback.
    assert introduction.heard(Handshake.MISMATCH, None)
    assert introduction.current == shown
    # A server that is no broker is not tried without end.
    assert not introduction.heard(Handshake.MISMATCH, shown)
    assert not caplog.records


def test_an_attempt_that_shows_what_is_outdated_is_made_again(store: KeyStore) -> None:
    introduction = Introduction(HERE, config(store))
    shown = introduction.begin()
    assert introduction.heard(Handshake.MISMATCH, shown)
    assert introduction.heard(Handshake.MISMATCH, shown), "the other lane, or another connection, found it out"
    assert introduction.current is None


def test_on_loopback_keys_that_cannot_be_used_do_not_matter_until_they_are_asked_for(
    store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.secret_file.chmod(0o644)
    introduction = Introduction(HERE, config(store))
    assert introduction.begin() is None
    assert not caplog.records
    assert not introduction.heard(Handshake.MISMATCH, None)
    assert "others can read or write it" in introduction.trouble


def test_on_loopback_missing_keys_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = KeyStore(tmp_path / "none")
    introduction = Introduction(HERE, config(store))
    for _ in range(3):
        introduction.begin()
        assert not introduction.heard(Handshake.MISMATCH, introduction.current)
    assert [record.message for record in caplog.records] == [introduction.trouble]
    assert ": make them with kernelbus keys new" in introduction.trouble
    store.new()
    introduction.begin()
    assert introduction.heard(Handshake.MISMATCH, introduction.current)
    assert introduction.current is not None


def test_each_trouble_is_said_once_and_its_end(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kernelbus")
    broker = key()
    store.allow(broker, "headnode")
    introduction = Introduction(ELSEWHERE, config(store))
    pair = store.pair()
    assert pair is not None
    for outcome in [Handshake.REFUSED] * 2 + [Handshake.BROKEN] * 3 + [Handshake.MISMATCH] * 2 + [Handshake.DONE] * 2:
        assert not introduction.heard(outcome, introduction.current)
    refused, broken, mismatch, done = (record.message for record in caplog.records)
    assert f"does not allow this machine's key: say there: kernelbus keys allow '{pair.public}' " in refused
    assert f"most likely its key is not {broker} (headnode)" in broken
    assert "speaks without keys, so that anyone could be it" in mismatch
    assert "takes this machine's connections now" in done
    assert introduction.trouble == ""


def test_one_broken_handshake_of_an_attempt_is_no_wrong_key(store: KeyStore) -> None:
    store.allow(key(), "headnode")
    introduction = Introduction(ELSEWHERE, config(store))
    for _ in range(5):
        introduction.begin()
        introduction.heard(Handshake.BROKEN, introduction.current)
    assert introduction.trouble == ""


def test_on_loopback_a_broker_without_keys_may_end_the_handshake(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    """libzmq does not always read that the mechanisms do not match before the connection ends."""
    introduction = Introduction(HERE, config(store))
    shown = introduction.begin()
    assert shown is not None
    assert not introduction.heard(Handshake.BROKEN, shown), "a single one may be a broker that is shutting down"
    assert introduction.heard(Handshake.BROKEN, shown)
    assert introduction.current is None
    assert not introduction.heard(Handshake.DONE, None)
    assert introduction.trouble == ""
    assert not caplog.records
    # If it does want keys, its own key is another.
    shown = Introduction(HERE, config(store)).begin()
    introduction = Introduction(HERE, config(store))
    introduction.begin()
    introduction.heard(Handshake.BROKEN, shown)
    introduction.heard(Handshake.BROKEN, shown)
    assert not introduction.heard(Handshake.MISMATCH, None)
    assert "most likely its key is not" in introduction.trouble


def test_keys_are_read_anew_for_each_attempt(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    one, two = key(), key()
    store.allow(one, "headnode")
    introduction = Introduction(ELSEWHERE, config(store))
    store.revoke("headnode")
    store.allow(two, "headnode")
    found = introduction.begin()
    assert found is not None
    assert found.server == two
    store.secret_file.chmod(0o644)
    assert introduction.begin() == found, "the last keys that could be used"
    assert "others can read or write it" in introduction.trouble
