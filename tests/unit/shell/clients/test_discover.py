"""Which discovered server is picked, and how the list is shown."""

from __future__ import annotations

import json

import pytest

from kernelbus.frontend.discovery.found import Broker, Listing, Pool, Server
from kernelbus.shell.clients import discover
from kernelbus.shell.clients.discover import DiscoveryError, choose


def server(service: str, *pools: tuple[str, int], address: str = "192.0.2.7") -> Server:
    known = tuple(Pool(name, ready, 1, 0, 8, name == "Par", number == 0, False) for number, (name, ready) in enumerate(pools))
    return Server(f"WSTPServer-Instance-{service}", service, (address,), 31415, known)


LAB = server("lab", ("Main", 0), ("Par", 5))
OFFICE = server("office", ("Main", 2), address="192.0.2.8")
FOREIGN = Server("My Server", "", ("192.0.2.9",), 31415)


class TestChoice:
    def test_ready_kernels_of_the_pool_that_is_asked_for_decide(self) -> None:
        assert choose([FOREIGN, LAB, OFFICE]) is OFFICE
        assert choose([FOREIGN, LAB, OFFICE], pool="Par") is LAB
        assert choose([LAB, OFFICE], pool="Main") is OFFICE
        assert choose([FOREIGN]) is FOREIGN

    @pytest.mark.parametrize("name", ["lab", "LAB", "WSTPServer-Instance-lab"])
    def test_by_name(self, name: str) -> None:
        assert choose([LAB, OFFICE], name) is LAB

    @pytest.mark.parametrize(
        ("servers", "name", "pool", "only", "words"),
        [
            ([], "", "", False, "no server is advertised here (kernelbus serve -a advertises): name one with --server PORT@HOST"),
            ([LAB, OFFICE], "lib", "", False, "no server called lib is advertised here: there is WSTPServer-Instance-lab, WSTPServer-In"),
            ([LAB, OFFICE], "", "Zork", False, "no server that is advertised here has a pool Zork: there is Main, Par"),
            ([LAB, OFFICE], "office", "Par", False, "no server that is advertised here as office has a pool Par: there is Main"),
            ([FOREIGN], "", "Par", False, "no server that is advertised here has a pool Par: no pools are advertised"),
            (
                [LAB, server("lab", address="192.0.2.9")],
                "lab",
                "",
                False,
                "several servers are called lab: WSTPServer-Instance-lab at 31415@192.0.2.7, WSTPServer-Instance-lab at 31415@192.0.2.9; ",
            ),
            ([LAB, OFFICE], "", "", True, "the kernel may be on any of several servers: WSTPServer-Instance-lab at "),
        ],
    )
    def test_what_cannot_be_picked(self, servers: list[Server], name: str, pool: str, only: bool, words: str) -> None:
        with pytest.raises(DiscoveryError) as raised:
            choose(servers, name, pool, only=only)
        assert str(raised.value).startswith(words)


class TestShowing:
    @pytest.fixture
    def found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def look(*_: object) -> Listing:
            return Listing((LAB, FOREIGN), (Broker("kernelbus on calc1", ("tcp://192.0.2.7:31416",), "", False),))

        monkeypatch.setattr(discover, "_look", look)

    @pytest.mark.usefixtures("found")
    def test_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert discover.run_discover("x") == 0
        assert capsys.readouterr().out == (
            "server                   link name        pool            ready  attached  detached  maximum\n"
            "WSTPServer-Instance-lab  31415@192.0.2.7  Main (default)  0      1         0         8\n"
            "                                          Par (parallel)  5      1         0         8\n"
            "My Server                31415@192.0.2.9\n"
            "\n"
            "broker              endpoint               public key\n"
            "kernelbus on calc1  tcp://192.0.2.7:31416  none\n"
        )

    @pytest.mark.usefixtures("found")
    def test_for_programs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert discover.run_discover("x", as_json=True) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["servers"][1] == {
            "instance": "My Server", "service": "", "addresses": ["192.0.2.9"], "port": 31415, "link_name": "31415@192.0.2.9", "pools": [],
        }  # fmt: skip
        assert told["servers"][0]["pools"][1] == {
            "pool": "Par", "ready": 5, "attached": 1, "detached": 0, "maximum": 8, "parallel": True, "default": False,
            "parallel_default": False,
        }  # fmt: skip
        assert told["brokers"] == [{"instance": "kernelbus on calc1", "endpoints": ["tcp://192.0.2.7:31416"], "key": "", "local": False}]

    def test_nothing(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        async def look(*_: object) -> Listing:
            return Listing()

        monkeypatch.setattr(discover, "_look", look)
        assert discover.run_discover("x") == 1
        assert capsys.readouterr().err == "kernelbus discover: nothing is advertised (kernelbus serve -a advertises); looked for 3 s\n"
        assert discover.run_discover("x", as_json=True) == 1
        assert json.loads(capsys.readouterr().out) == {"servers": [], "brokers": []}
