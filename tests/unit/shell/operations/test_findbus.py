"""Which discovered brokers may be joined."""

from __future__ import annotations

import zmq

from kernelbus.frontend.discovery.found import Broker
from kernelbus.shell.operations.findbus import Candidate, candidates

KEY, OTHER = (zmq.curve_keypair()[0].decode() for _ in range(2))
NAMES = {KEY: "calc1"}


def broker(key: str, *endpoints: str, local: bool = False) -> Broker:
    return Broker("kernelbus on calc1", endpoints or ("tcp://192.0.2.7:1",), key, local)


def test_one_whose_key_is_trusted_at_all_its_addresses() -> None:
    assert candidates([broker(KEY, "tcp://192.0.2.7:1", "tcp://[fd00::7]:1")], NAMES) == (
        [Candidate("tcp://192.0.2.7:1", KEY, "calc1"), Candidate("tcp://[fd00::7]:1", KEY, "calc1")],
        [],
    )


def test_one_whose_key_is_not() -> None:
    found, (line,) = candidates([broker(OTHER)], NAMES)
    assert not found
    assert line == f"kernelbus on calc1 at tcp://192.0.2.7:1 is not joined: the key that it claims, {OTHER}, is not trusted here"


def test_without_a_key_only_on_this_machines_loopback() -> None:
    assert candidates([broker("", "tcp://127.0.0.1:1", local=True)], {}) == ([Candidate("tcp://127.0.0.1:1", "", "kernelbus on calc1")], [])
    assert candidates([broker("")], NAMES) == ([], ["kernelbus on calc1 at tcp://192.0.2.7:1 is not joined: it has no key"])


def test_a_key_that_only_looks_like_one() -> None:
    assert candidates([broker("#" * 40)], {"#" * 40: "x"})[0] == []
