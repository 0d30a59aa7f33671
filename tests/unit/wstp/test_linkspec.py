"""Link specifications."""

from __future__ import annotations

from typing import Any

import pytest

from wstp import LinkSpec, LinkSpecError


@pytest.mark.parametrize(
    ("given", "host", "port", "message_host", "message_port", "uuid"),
    [
        ("-linkmode connect -linkname 31415 -linkprotocol TCPIP -linkoptions 4", None, 31415, None, None, True),
        ("-wstp -subkernel -linkmode Connect -linkprotocol TCPIP -linkname 1@h,2@g", "h", 1, "g", 2, False),
        (["prog", "-LinkMode", "connect", "-LinkName", "1@h,2"], "h", 1, "h", 2, False),
        ("-linkname '5@::1' -linkoptions 260", "::1", 5, "::1", None, True),
        ("7@[::1]", "::1", 7, "::1", None, False),
        (31415, None, 31415, None, None, False),
        ("31415", None, 31415, None, None, False),
        ("-linkname 31415 -linkhost far", "far", 31415, "far", None, False),
        ("-linkname 1 -linkoptions 0x104", None, 1, None, None, True),
        ("-linkmode listen -linkprotocol tcpip", None, 0, None, None, False),
        (LinkSpec(name="3@x"), "x", 3, "x", None, False),
    ],
)
def test_understood(given: Any, host: Any, port: Any, message_host: Any, message_port: Any, uuid: bool) -> None:
    spec = LinkSpec.parse(given)
    assert (spec.host, spec.port, spec.message_host, spec.message_port) == (host, port, message_host, message_port)
    assert spec.uuid_mode == uuid
    assert spec.is_tcp
    assert LinkSpec.parse(spec.to_argv()) == spec


@pytest.mark.parametrize(
    "given",
    ["", "hello", "x@host", "1@", "99999", "1@a,2@b,3@c", "-linkname", "-wstp", "-linkname '1",
     "-linkmode borrow -linkname 1", "-linkname 1 -linkoptions x"],
)  # fmt: skip
def test_not_understood(given: str) -> None:
    with pytest.raises(LinkSpecError):
        LinkSpec.parse(given)
    with pytest.raises(ValueError, match=r"."):
        LinkSpec.parse(given)


def test_launch_is_parsed_but_is_no_tcp_link() -> None:
    spec = LinkSpec.parse("-linkmode launch -linkname 'math -mathlink'")
    assert spec.mode == "launch"
    assert spec.name == "math -mathlink"
    assert not spec.is_tcp
