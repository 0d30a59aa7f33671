"""Which discovered server is picked, and how the list is shown."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest

from kernelbus.frontend.discovery.found import Broker, Listing, Pool, Server
from kernelbus.shell.clients import discover
from kernelbus.shell.clients.discover import DiscoveryError, candidates


def server(service: str, *pools: tuple[str, int], address: str = "192.0.2.7") -> Server:
    known = tuple(Pool(name, ready, 1, 0, 8, name == "Par", number == 0, False) for number, (name, ready) in enumerate(pools))
    return Server(f"WSTPServer-Instance-{service}", service, (address,), 31415, known)


LAB = server("lab", ("Main", 0), ("Par", 5))
OFFICE = server("office", ("Main", 2), address="192.0.2.8")
FOREIGN = Server("My Server", "", ("192.0.2.9",), 31415)


def shares(servers: list[Server], pool: str = "", times: int = 2000) -> dict[str, float]:
    """Return how often each server comes first."""
    random = Random(7).random
    first = Counter(candidates(servers, pool=pool, random=random)[0].service for _ in range(times))
    return {service: count / times for service, count in first.items()}


class TestChoice:
    def test_clients_spread_over_the_servers(self) -> None:
        even = shares([server(name, ("Main", 3), address=f"192.0.2.{number}") for number, name in enumerate("abc")])
        assert all(0.28 < share < 0.39 for share in even.values()) and len(even) == 3
        # Each comes once, in whatever order.
        assert {found.service for found in candidates([LAB, OFFICE])} == {"lab", "office"}

    def test_numbers_count_against_a_server_and_never_for_it(self) -> None:
        a, b = server("a", ("Main", 1)), server("b", ("Main", 999_999_999), address="192.0.2.8")
        assert 0.45 < shares([a, b])["b"] < 0.55
        none = server("none", ("Main", 0), ("Par", 5), address="192.0.2.9")
        assert 0.15 < shares([a, none])["none"] < 0.25
        assert 0.45 < shares([server("a", ("Par", 1)), none], pool="Par")["none"] < 0.55

    def test_who_advertises_many_servers_gets_no_more(self) -> None:
        many = [server(f"many{number}", ("Main", 1)) for number in range(20)]
        assert 0.4 < shares([*many, server("one", ("Main", 1), address="192.0.2.8")])["one"] < 0.6

    def test_a_known_server_comes_first_at_its_known_address(self) -> None:
        moved = Server("WSTPServer-Instance-two", "two", ("fd00::9", "192.0.2.9"), 4000, LAB.pools)
        known = {("192.0.2.9", 4000): "token"}
        for _ in range(20):
            first = candidates([OFFICE, moved, FOREIGN], known=known)[0]
            assert (first.service, first.addresses) == ("two", ("192.0.2.9", "fd00::9"))
        assert candidates([OFFICE, moved], known={("192.0.2.9", 4001)}, random=lambda: 0.5)[0].addresses != ("192.0.2.9", "fd00::9")

    def test_then_come_the_servers_of_this_machine(self) -> None:
        here, both = server("here", ("Main", 0), address="192.0.2.1"), Server("both", "both", ("192.0.2.1", "192.0.2.8"), 1)
        for _ in range(20):
            order = candidates([OFFICE, both, here, LAB], known={("192.0.2.7", 31415)}, here={"192.0.2.1"})
            assert order[:2] == [LAB, here], "an address of another machine beside it says nothing"

    def test_a_known_server_is_meant_where_several_may_be(self) -> None:
        twin = server("lab", address="192.0.2.9")
        assert candidates([LAB, twin], "lab", known={("192.0.2.9", 31415)}) == [twin]
        assert candidates([LAB, OFFICE], only=True, known={("192.0.2.7", 31415)}) == [LAB]

    @pytest.mark.parametrize("name", ["lab", "LAB", "WSTPServer-Instance-lab"])
    def test_by_name(self, name: str) -> None:
        assert candidates([LAB, OFFICE], name) == [LAB]

    def test_by_pool(self) -> None:
        assert candidates([FOREIGN, LAB, OFFICE], pool="Par") == [LAB]

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
            candidates(servers, name, pool, only=only)
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
