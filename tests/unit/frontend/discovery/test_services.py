"""What is announced by DNS-SD: interfaces, addresses, names and TXT records."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.bus.protocol.reports import PoolStatus
from kernelbus.frontend.discovery.found import read_text
from kernelbus.frontend.discovery.services import (
    BUS_TYPE,
    POOL_TYPE,
    Adapter,
    Reach,
    broker_service,
    keeps_name,
    reach,
    server_services,
    target,
    write_text,
)

LO = Adapter("lo", ("127.0.0.1", "::1"))
ETH = Adapter("eth0", ("192.0.2.7", "fd00::7"))
WIFI = Adapter("wlan0", ("198.51.100.3",))
SIX = Adapter("tun0", ("2001:db8::9",))
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def pool_status(name: str, **counts: Any) -> PoolStatus:
    values = {
        "state": "serving", "default": True, "parallel_default": False, "parallel": False, "hosts": 1, "starting": 1, "ready": 2,
        "attached": 3, "busy": 1, "detached": 4, "waiting": 0, "longest": 0.0, "minimum": 2, "maximum": 8, **counts,
    }  # fmt: skip
    return PoolStatus(name, **values)


class TestReach:
    @pytest.mark.parametrize(
        ("bound", "adapters", "expected"),
        [
            (
                ["0.0.0.0"],
                [LO, ETH, WIFI],
                Reach(("127.0.0.1", "192.0.2.7", "fd00::7", "198.51.100.3"), ("192.0.2.7", "198.51.100.3")),
            ),
            (["0.0.0.0"], [LO], Reach(("127.0.0.1",), ("127.0.0.1",))),
            (["192.0.2.7"], [LO, ETH, WIFI], Reach(("192.0.2.7", "fd00::7"), ("192.0.2.7",))),
            (["192.0.2.8"], [LO, ETH, WIFI], Reach()),
            (["127.0.0.1", "::1"], [LO, ETH], Reach(("127.0.0.1",), ("127.0.0.1", "::1"))),
            (["127.0.0.9"], [LO, ETH], Reach(("127.0.0.1",), ("127.0.0.9",))),
            (["::"], [LO, ETH, SIX], Reach(("127.0.0.1", "192.0.2.7", "fd00::7", "2001:db8::9"), ("fd00::7", "2001:db8::9"))),
            (["::", "0.0.0.0"], [ETH], Reach(("192.0.2.7", "fd00::7"), ("192.0.2.7", "fd00::7"))),
            ([], [LO, ETH], Reach()),
        ],
    )
    def test_where_a_listener_can_be_reached(self, bound: list[str], adapters: list[Adapter], expected: Reach) -> None:
        assert reach(bound, adapters) == expected

    def test_a_server_of_this_machine_alone_is_announced_on_loopback(self) -> None:
        assert reach(["0.0.0.0"], [LO]) == Reach(("127.0.0.1",), ("127.0.0.1",))


class TestServices:
    def test_the_txt_record_of_a_server(self) -> None:
        (service,) = server_services("wstpserver", "", 31415, ["192.0.2.7", "fd00::7"], [pool_status("Main")])
        assert (service.label, service.type, service.port) == ("WSTPServer-Instance", "_wstpserver._tcp.local.", 31415)
        strings = [b"linkname=31415@192.0.2.7", b"protocol=TCPIP", b"interface=192.0.2.7", b"options=260", b"startOfList"]
        assert service.text == b"".join(bytes([len(string)]) + string for string in strings)

    def test_pools_are_announced_under_the_name_of_their_server(self) -> None:
        _, pool = server_services("x", "lab", 9, ["192.0.2.7"], [pool_status("Main")], "WSTPServer-Instance-lab-2")
        assert (pool.type, pool.label, pool.unique) == (POOL_TYPE, "Main of WSTPServer-Instance-lab-2", False)
        assert read_text(pool.text) == {
            "pool": "Main", "ready": "2", "attached": "3", "detached": "4", "maximum": "8", "parallel": "0", "default": "1",
            "pdefault": "0", "server": "WSTPServer-Instance-lab-2", "linkname": "9@192.0.2.7",
        }  # fmt: skip

    @pytest.mark.parametrize("service", ["lab", "lab.example", "ü" * 40, "x" * 300, "a b", "tab\there"])
    @pytest.mark.parametrize("name", ["WSTPServer-Instance-lab", "WSTPServer-Instance-" + "x" * 43])
    def test_names_fit_into_labels(self, service: str, name: str) -> None:
        for told in server_services("x", service, 9, ["192.0.2.7"], [pool_status("p.q" * 33)], name):
            assert 1 <= len(told.label.encode()) <= 63
            assert "." not in told.label
            assert told.label.isprintable()

    def test_pools_with_similar_names_have_different_labels(self) -> None:
        pools = [pool_status("a.b"), pool_status("a-b"), pool_status("x" * 90), pool_status("x" * 91)]
        labels = [service.label for service in server_services("x", "", 9, ["::1"], pools, "WSTPServer-Instance")]
        assert labels[1:3] == ["a-b of WSTPServer-Instance", "a-b-2 of WSTPServer-Instance"]
        assert len(set(labels)) == 5
        assert [len(label) for label in labels[3:]] == [63, 63]

    def test_a_pool_whose_name_is_too_long_is_left_out(self) -> None:
        names = [service.key for service in server_services("x", "", 9, ["::1"], [pool_status("😀" * 90), pool_status("b")], "n")]
        assert names == ["server", "pool b"]

    def test_the_txt_record_of_a_broker(self) -> None:
        service = broker_service("calc1.example", 31416, ["192.0.2.7"], KEY)
        assert (service.type, service.label) == (BUS_TYPE, "kernelbus on calc1-example")
        assert read_text(service.text) == {"key": KEY}
        assert broker_service("calc1", 31416, ["127.0.0.1"]).text == b"\0"

    def test_an_entry_that_is_too_long_is_refused(self) -> None:
        with pytest.raises(ValueError, match="pool is too long"):
            write_text([("pool", "x" * 251)])

    def test_the_older_of_two_keeps_the_name(self) -> None:
        old, new = target("calc1.example", 1000, 65535), target("müll", 2000, 0)
        assert old == "calc1-0000000003e8ffff.local."
        assert keeps_name(old, new.upper())
        assert not keeps_name(new, old)
        assert not keeps_name(old, "macbook.local.")
        one, other = target("a", 5, 1), target("a", 5, 2)
        assert keeps_name(one, other)
        assert not keeps_name(other, one)
