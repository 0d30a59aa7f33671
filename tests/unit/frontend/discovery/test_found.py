"""Reading what others announce by DNS-SD, true or not."""

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
    broker_service,
    server_services,
    server_type,
    write_text,
)

TYPE = server_type("wstpserver")
TEXTS = st.characters(exclude_categories=["Cs"])
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def pool_status(name: str, ready: int = 2, default: bool = True, parallel: bool = False) -> PoolStatus:
    return PoolStatus(name, "serving", default, parallel, parallel, 1, 1, ready, 3, 1, 4, 0, 0.0, 2, 8)


def record(text: bytes, *, type_: str = TYPE, label: str = "WSTPServer-Instance", **changes: Any) -> Record:
    values = {"host": "calc1-0.local.", "port": 31415, "addresses": ("192.0.2.7",), "local": False, **changes}
    return Record(type_, label, values["host"], values["port"], values["addresses"], text, values["local"])


class TestListing:
    def test_what_services_announces_is_read_back(self) -> None:
        pools = [pool_status("Par", ready=0, default=False, parallel=True), pool_status("Main")]
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

    def test_a_loopback_address_of_another_machine_is_left_out(self) -> None:
        text = write_text([("linkname", "31415@127.0.0.1")])
        addresses = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
        assert listing([record(text, addresses=addresses)], "wstpserver") == Listing()
        (server,) = listing([record(text, addresses=addresses, local=True)], "wstpserver").servers
        assert server.link_name == "31415@127.0.0.1"
        (server,) = listing([record(text, addresses=("192.0.2.7",))], "wstpserver").servers
        assert server.addresses == ("192.0.2.7",)

    @pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.251", "fe80::1", "example.org", "", "192.0.2.7;reboot", "1@2"])
    def test_addresses_that_cannot_be_used_are_left_out(self, address: str) -> None:
        text = write_text([("linkname", f"31415@{address}")])
        assert listing([record(text, addresses=(address,))], "wstpserver") == Listing()

    @pytest.mark.parametrize("name", ["0@192.0.2.7", "65536@192.0.2.7", "-1@192.0.2.7", "x@192.0.2.7", "²@192.0.2.7", "192.0.2.7", ""])
    def test_a_wrong_link_name_leaves_the_srv_record(self, name: str) -> None:
        (server,) = listing([record(write_text([("linkname", name)]))], "wstpserver").servers
        assert server.link_name == "31415@192.0.2.7"

    def test_other_protocols_and_types_are_left_out(self) -> None:
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

    def test_a_broker_with_a_malformed_key_is_left_out(self) -> None:
        assert listing([record(write_text([("key", "short")]), type_=BUS_TYPE)], "x") == Listing()


class TestReading:
    def test_the_first_of_equal_keys_counts_in_any_case(self) -> None:
        assert read_text(b"\x05A=one\x05a=two\x01b\x03c=\xff\x02d=") == {"a": "one", "b": None, "d": ""}

    def test_malformed_entries_are_ignored(self) -> None:
        assert read_text(b"\x00\x02=x\x05a=\x1b[m\x04\xffb=1\x09c=cut") == {}

    @given(st.dictionaries(st.from_regex("[a-z]{1,9}", fullmatch=True), st.none() | st.text(TEXTS, max_size=50)))
    def test_what_is_written_can_be_read(self, entries: dict[str, str | None]) -> None:
        shown = {key: value for key, value in entries.items() if value is None or value.isprintable()}
        assert read_text(write_text(entries.items())) == shown

    @given(st.binary(max_size=400), st.booleans(), st.sampled_from([TYPE, POOL_TYPE, BUS_TYPE]), st.text(max_size=20))
    def test_random_bytes_raise_nothing(self, text: bytes, local: bool, type_: str, address: str) -> None:
        listing([record(text, type_=type_, local=local, addresses=(address, "192.0.2.7"))], "wstpserver")
