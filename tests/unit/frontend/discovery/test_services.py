"""What is told by DNS-SD, and reading what others tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.protocol.reports import PoolStatus
from kernelbus.frontend.discovery.found import Broker, Listing, Pool, Record, Server, listing, read_text
from kernelbus.frontend.discovery.services import (
    BUS_TYPE,
    POOL_TYPE,
    Adapter,
    Reach,
    broker_service,
    keeps_name,
    reach,
    server_services,
    server_type,
    target,
    write_text,
)

TYPE = server_type("wstpserver")
LO = Adapter("lo", ("127.0.0.1", "::1"))
ETH = Adapter("eth0", ("192.0.2.7", "fd00::7"))
WIFI = Adapter("wlan0", ("198.51.100.3",))
SIX = Adapter("tun0", ("2001:db8::9",))
TEXTS = st.characters(exclude_categories=["Cs"])
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
            (["0.0.0.0"], [LO, ETH, WIFI], Reach(("127.0.0.1", "192.0.2.7", "198.51.100.3"), ("192.0.2.7", "198.51.100.3"))),
            (["0.0.0.0"], [LO], Reach(("127.0.0.1",), ("127.0.0.1",))),
            (["192.0.2.7"], [LO, ETH, WIFI], Reach(("192.0.2.7",), ("192.0.2.7",))),
            (["192.0.2.8"], [LO, ETH, WIFI], Reach()),
            (["127.0.0.1", "::1"], [LO, ETH], Reach(("127.0.0.1",), ("127.0.0.1", "::1"))),
            (["127.0.0.9"], [LO, ETH], Reach(("127.0.0.1",), ("127.0.0.9",))),
            (["::"], [LO, ETH, SIX], Reach(("127.0.0.1", "192.0.2.7", "2001:db8::9"), ("fd00::7", "2001:db8::9"))),
            (["::", "0.0.0.0"], [ETH], Reach(("192.0.2.7",), ("192.0.2.7", "fd00::7"))),
            ([], [LO, ETH], Reach()),
        ],
    )
    def test_where(self, bound: list[str], adapters: list[Adapter], expected: Reach) -> None:
        assert reach(bound, adapters) == expected

    def test_whoever_serves_this_machine_alone_tells_nobody_else(self) -> None:
        assert reach(["0.0.0.0"], [LO, ETH], local_only=True) == Reach(("127.0.0.1",), ("127.0.0.1",))


class TestServices:
    def test_the_text_of_a_server(self) -> None:
        (service,) = server_services("wstpserver", "", 31415, ["192.0.2.7", "fd00::7"], [pool_status("Main")])
        assert (service.label, service.type, service.port) == ("WSTPServer-Instance", "_wstpserver._tcp.local.", 31415)
        strings = [b"linkname=31415@192.0.2.7", b"protocol=TCPIP", b"interface=192.0.2.7", b"options=260", b"startOfList"]
        assert service.text == b"".join(bytes([len(string)]) + string for string in strings)

    def test_the_pools_of_a_server_that_has_its_name(self) -> None:
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

    def test_pools_whose_names_look_alike(self) -> None:
        pools = [pool_status("a.b"), pool_status("a-b"), pool_status("x" * 90), pool_status("x" * 91)]
        labels = [service.label for service in server_services("x", "", 9, ["::1"], pools, "WSTPServer-Instance")]
        assert labels[1:3] == ["a-b of WSTPServer-Instance", "a-b-2 of WSTPServer-Instance"]
        assert len(set(labels)) == 5
        assert [len(label) for label in labels[3:]] == [63, 63]

    def test_a_pool_whose_name_is_too_long_is_left_out(self) -> None:
        names = [service.key for service in server_services("x", "", 9, ["::1"], [pool_status("😀" * 90), pool_status("b")], "n")]
        assert names == ["server", "pool b"]

    def test_a_broker(self) -> None:
        service = broker_service("calc1.example", 31416, ["192.0.2.7"], KEY)
        assert (service.type, service.label) == (BUS_TYPE, "kernelbus on calc1-example")
        assert read_text(service.text) == {"key": KEY}
        assert broker_service("calc1", 31416, ["127.0.0.1"]).text == b"\0"

    def test_an_entry_that_is_too_long(self) -> None:
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


def record(text: bytes, *, type_: str = TYPE, label: str = "WSTPServer-Instance", **changes: Any) -> Record:
    values = {"host": "calc1-0.local.", "port": 31415, "addresses": ("192.0.2.7",), "local": False, **changes}
    return Record(type_, label, values["host"], values["port"], values["addresses"], text, values["local"])


class TestListing:
    def test_there_and_back(self) -> None:
        pools = [pool_status("Par", default=False, parallel=True, parallel_default=True, ready=0), pool_status("Main")]
        told = server_services("wstpserver", "lab", 31415, ["192.0.2.7", "fd00::7"], pools, "WSTPServer-Instance-lab")
        told += (broker_service("calc1", 31416, ["192.0.2.7", "fd00::7"], KEY),)
        heard = [record(one.text, type_=one.type, label=one.label, port=one.port, addresses=one.addresses) for one in told]
        main = Pool("Main", 2, 3, 4, 8, False, True, False)
        parallel = Pool("Par", 0, 3, 4, 8, True, False, True)
        assert listing(heard, "wstpserver") == Listing(
            (Server("WSTPServer-Instance-lab", "lab", ("192.0.2.7", "fd00::7"), 31415, (main, parallel)),),
            (Broker("kernelbus on calc1", ("tcp://192.0.2.7:31416", "tcp://[fd00::7]:31416"), KEY, False),),
        )

    def test_a_server_as_the_c_library_registers_it(self) -> None:
        text = write_text([("linkname", "31415@192.0.2.9"), ("protocol", "TCPIP"), ("options", "260"), ("startOfList", None)])
        (server,) = listing([record(text, port=0xB77A, label="My Server")], "WSTPServer").servers
        assert server == Server("My Server", "", ("192.0.2.9", "192.0.2.7"), 31415)
        assert server.link_name == "31415@192.0.2.9"

    def test_heard_on_loopback_and_elsewhere_it_is_one_server(self) -> None:
        text = write_text([("linkname", "31415@192.0.2.7")])
        heard = [record(text), record(text, local=True, addresses=("127.0.0.1",))]
        (server,) = listing(heard, "wstpserver").servers
        assert server.addresses == ("192.0.2.7", "127.0.0.1")

    def test_anothers_loopback_is_not_offered(self) -> None:
        text = write_text([("linkname", "31415@127.0.0.1")])
        addresses = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
        assert listing([record(text, addresses=addresses)], "wstpserver") == Listing()
        (server,) = listing([record(text, addresses=addresses, local=True)], "wstpserver").servers
        assert server.link_name == "31415@127.0.0.1"
        (server,) = listing([record(text, addresses=("192.0.2.7",))], "wstpserver").servers
        assert server.addresses == ("192.0.2.7",)

    @pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.251", "fe80::1", "example.org", "", "192.0.2.7;reboot", "1@2"])
    def test_addresses_that_cannot_be(self, address: str) -> None:
        text = write_text([("linkname", f"31415@{address}")])
        assert listing([record(text, addresses=(address,))], "wstpserver") == Listing()

    @pytest.mark.parametrize("name", ["0@192.0.2.7", "65536@192.0.2.7", "-1@192.0.2.7", "x@192.0.2.7", "²@192.0.2.7", "192.0.2.7", ""])
    def test_a_wrong_link_name_leaves_the_srv_record(self, name: str) -> None:
        (server,) = listing([record(write_text([("linkname", name)]))], "wstpserver").servers
        assert server.link_name == "31415@192.0.2.7"

    def test_other_protocols_and_types_are_not_ours(self) -> None:
        heard = [record(write_text([("protocol", "SharedMemory")])), record(b"", type_="_http._tcp.local.")]
        assert listing(heard, "wstpserver") == Listing()

    def test_a_pool_belongs_to_the_server_of_its_own_process(self) -> None:
        text = write_text([("linkname", "31415@192.0.2.7")])
        pool = write_text([("pool", "Main"), ("server", "WSTPServer-Instance"), ("ready", "99999999999"), ("maximum", "x")])
        heard = [record(text), record(pool, type_=POOL_TYPE, label="p", host="other.local.")]
        assert listing(heard, "wstpserver").servers[0].pools == ()
        heard.append(record(pool, type_=POOL_TYPE, label="q"))
        assert listing(heard, "wstpserver").servers[0].pools == (Pool("Main", 0, 0, 0, 0, False, False, False),)

    def test_a_broker_on_loopback_is_local(self) -> None:
        told = broker_service("calc1", 31416, ["127.0.0.1"])
        heard = record(told.text, type_=BUS_TYPE, label=told.label, port=31416, addresses=told.addresses, local=True)
        assert listing([heard], "x").brokers == (Broker("kernelbus on calc1", ("tcp://127.0.0.1:31416",), "", True),)

    def test_a_key_that_is_none_makes_no_broker(self) -> None:
        assert listing([record(write_text([("key", "short")]), type_=BUS_TYPE)], "x") == Listing()


class TestReading:
    def test_of_two_alike_the_first_holds_and_letters_case_does_not_count(self) -> None:
        assert read_text(b"\x05A=one\x05a=two\x01b\x03c=\xff\x02d=") == {"a": "one", "b": None, "d": ""}

    def test_what_makes_no_sense_is_passed_over(self) -> None:
        assert read_text(b"\x00\x02=x\x05a=\x1b[m\x04\xffb=1\x09c=cut") == {}

    @given(st.dictionaries(st.from_regex("[a-z]{1,9}", fullmatch=True), st.none() | st.text(TEXTS, max_size=50)))
    def test_what_is_written_can_be_read(self, entries: dict[str, str | None]) -> None:
        shown = {key: value for key, value in entries.items() if value is None or value.isprintable()}
        assert read_text(write_text(entries.items())) == shown

    @given(st.binary(max_size=400), st.booleans(), st.sampled_from([TYPE, POOL_TYPE, BUS_TYPE]), st.text(max_size=20))
    def test_garbage_does_no_harm(self, text: bytes, local: bool, type_: str, address: str) -> None:
        listing([record(text, type_=type_, local=local, addresses=(address, "192.0.2.7"))], "wstpserver")
