"""Which discovered brokers may be joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zmq

from kernelbus.bus.settings.config import Config
from kernelbus.frontend.discovery.found import Broker
from kernelbus.frontend.discovery.services import Adapter, Reach
from kernelbus.shell.operations import findbus
from kernelbus.shell.operations.findbus import Candidate, DiscoveredBus, advertise_broker, candidates

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


def test_one_whose_key_is_trusted_comes_before_one_without_a_key() -> None:
    found, _ = candidates([broker("", "tcp://127.0.0.1:1", local=True), broker(KEY)], NAMES)
    assert [candidate.key for candidate in found] == [KEY, ""]


def test_a_key_that_only_looks_like_one() -> None:
    assert candidates([broker("#" * 40)], {"#" * 40: "x"})[0] == []


@pytest.mark.asyncio
async def test_of_several_the_one_that_is_taken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    for names, told in ((["one", "one"], []), (["one", "one", "two"], ["one is taken, and not two"])):
        found = [Candidate(f"tcp://127.0.0.1:{number}", "", name) for number, name in enumerate(names, 1)]

        async def look(seconds: float, found: list[Candidate] = found) -> list[Candidate]:
            return found

        bus = DiscoveredBus(Config(), context)
        monkeypatch.setattr(bus, "_look", look)
        caplog.clear()
        await bus.find()
        assert bus.endpoint == "tcp://127.0.0.1:1"
        assert [record.message.split(": ")[1].split(";")[0] for record in caplog.records if "several" in record.message] == told
    context.term()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("bound", "addresses"),
    [
        ("tcp://[::]:1", ("192.0.2.7", "fd00::7")),
        ("tcp://0.0.0.0:1", ("192.0.2.7",)),
        ("tcp://[fd00::7]:1", ("fd00::7",)),
        ("tcp://eth0:1", ("192.0.2.7", "fd00::7")),
    ],
)
async def test_a_broker_is_advertised_at_all_addresses_at_which_it_listens(
    bound: str, addresses: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[Reach] = []

    class Advertising:
        def __init__(self, reach: Callable[[Sequence[Adapter]], Reach], *_: object, **__: object) -> None:
            where.append(reach([Adapter("lo", ("127.0.0.1",)), Adapter("eth0", ("192.0.2.7", "fd00::7"))]))

        async def run(self) -> None:
            pass

    monkeypatch.setattr(findbus, "Advertiser", Advertising)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    await advertise_broker(Config(), bound, "calc1")
    assert [told.addresses for told in where] == [addresses]
