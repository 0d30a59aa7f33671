"""Server addresses, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.shell.address import Address, AddressError

LOCAL = "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("4000", Address(LOCAL, 4000)),
        (4000, Address(LOCAL, 4000)),
        ("  4000 ", Address(LOCAL, 4000)),
        ("4000@box", Address("box", 4000)),
        ("4000@::1", Address("::1", 4000)),
        ("4000@[fe80::1%eth0]", Address("fe80::1%eth0", 4000)),
        ("box", Address("box", 31415)),
        ("box.example.org:4000", Address("box.example.org", 4000)),
        ("10.0.0.7:4000", Address("10.0.0.7", 4000)),
        ("[::1]:4000", Address("::1", 4000)),
        ("[::1]", Address("::1", 31415)),
        ("wstp://box", Address("box", 31415)),
        ("WSTP://box/", Address("box", 31415)),
        ("wstp://box:4000/pool", Address("box", 4000, "pool")),
        ("wstps://box", Address("box", 31443, tls=True)),
        ("WSTPS://[fd00::1]/pool", Address("fd00::1", 31443, "pool", tls=True)),
        ("wstps://box:4000", Address("box", 4000, tls=True)),
        ("wstp://box/pool/", Address("box", 31415, "pool")),
        ("wstp://[::1]:4000/pool", Address("::1", 4000, "pool")),
        ("wstp://box/big%20pool%2F%C3%A9", Address("box", 31415, "big pool/é")),
        ("wstp://box/grüße", Address("box", 31415, "grüße")),
        (Address("a", 1, "b"), Address("a", 1, "b")),
    ],
)
def test_every_way_to_write_an_address(text: str | int | Address, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no host"),
        ("0", "'0' is no port"),
        ("65536@box", "'65536' is no port"),
        ("x@box", "'x' is no port"),
        ("4000@", "no host"),
        ("-linkname", "is no host"),
        ("box:", "'' is no port"),
        ("::1", "stands in brackets"),
        ("[::1", "comes an IPv6 address"),
        ("[::1]4000", "comes an IPv6 address"),
        ("[box]:4000", "'box' is no IPv6 address"),
        ("a b", "'a b' is no host"),
        ("4000@box,4001@box", "'box,4001@box' is no host"),
        ("http://box", "http:// is not for kernels"),
        ("wstp://", "no host"),
        ("wstp:///pool", "no host"),
        ("wstps://", "no host after wstps://"),
        ("wstps://4000", "after wstps:// comes HOST:PORT"),
        ("wstp://me@box/pool", "comes HOST:PORT"),
        ("wstp://4000", "comes HOST:PORT"),
        ("wstp://box/a/b", "alone"),
        ("wstp://box/a?b=1", "alone"),
        ("wstp://box/a%2", "hexadecimal"),
        ("wstp://box/%ff", "hexadecimal"),
        ("wstp://box/a%0Ab", "cannot be shown"),
        ("4000@box\nevil", "is no host"),
        ("٤٠٠٠", "is no port"),
    ],
)
def test_what_is_no_address_is_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(AddressError, match=words) as caught:
        Address.parse(text)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(repr(text))
    assert said.endswith("write PORT@HOST, HOST:PORT or wstp://HOST:PORT/POOL (wstps:// for TLS)")


def test_a_long_mistake_is_cut_short() -> None:
    with pytest.raises(AddressError) as caught:
        Address.parse("x" * 10_000 + "/")
    assert len(str(caught.value)) < 400


def test_what_links_are_made_from() -> None:
    assert Address("::1", 4000, "p").link_name == "4000@::1"
    spec = Address("::1", 4000, "p").spec
    assert (spec.host, spec.port, spec.uuid_mode) == ("::1", 4000, True)


@given(
    host=st.sampled_from(["box", "10.0.0.7", "::1", "fe80::1%eth0"]),
    port=st.integers(1, 65535),
    pool=st.text().filter(str.isprintable),
)
def test_what_is_written_is_read_again(host: str, port: int, pool: str) -> None:
    address = Address(host, port, pool)
    assert Address.parse(str(address)) == address


def test_under_tls_there_is_something_to_trust() -> None:
    address = Address.parse("wstps://box/pool")
    assert address.trusting(None) == address
    trusting = address.trusting("ca.pem")
    assert (trusting.ca_file, str(trusting), trusting.place) == ("ca.pem", "wstps://box:31443/pool", "wstps://box:31443")
    assert Address("box").place == "31415@box"
    with pytest.raises(AddressError, match=r"a file of certificates is for wstps://, and wstp://box:31415 is not under TLS"):
        Address("box").trusting("ca.pem")
