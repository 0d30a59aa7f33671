"""Test that ZAP requests (ZeroMQ RFC 27) are decoded, answered, and refused when malformed."""

from __future__ import annotations

import secrets

import pytest
import zmq
from zmq.utils import z85

from kernelbus.bus.security.zap import ZapError, accept, parse_request, refuse

KEY = bytes(range(32))
REQUEST = [b"", b"1.0", b"7", b"kernelbus", b"::ffff:10.0.0.5", b"\x01identity", b"CURVE", KEY]


def test_a_request_says_who_asks() -> None:
    request = parse_request(REQUEST)
    assert request == (b"7", "10.0.0.5", z85.encode(KEY).decode())
    assert parse_request([*REQUEST[:4], b"fe80::1", *REQUEST[5:]]).address == "fe80::1"


def test_keys_are_written_as_zeromq_writes_them() -> None:
    for _ in range(50):
        key = secrets.token_bytes(32)
        assert parse_request([*REQUEST[:-1], key]).key == z85.encode(key).decode()


@pytest.mark.parametrize(
    ("at", "frame", "fault"),
    [
        (0, b"x", "of 8 frames"),
        (1, b"2.0", r"version b'2.0' instead of b'1.0'"),
        (1, b"", "version"),
        (2, b"", "number of 0 bytes"),
        (2, b"x" * 256, "number of 256 bytes"),
        (3, b"", "domain b''"),
        (3, b"other", "domain b'other', which is not 'kernelbus'"),
        (6, b"NULL", "mechanism b'NULL'"),
        (6, b"PLAIN", "mechanism b'PLAIN'"),
        (7, KEY[:-1], "1 credentials, which are not one key"),
        (7, b"", "1 credentials"),
    ],
)
def test_a_malformed_frame_is_refused(at: int, frame: bytes, fault: str) -> None:
    with pytest.raises(ZapError, match=fault) as error:
        parse_request([*REQUEST[:at], frame, *REQUEST[at + 1 :]])
    assert error.value.request == (b"7" if at not in (0, 2) else None)


@pytest.mark.parametrize("count", range(len(REQUEST)))
def test_a_request_that_is_too_short_is_refused(count: int) -> None:
    with pytest.raises(ZapError) as error:
        parse_request(REQUEST[:count])
    assert error.value.request == (b"7" if count > 2 else None), "what has a number is answered"


def test_a_request_that_is_too_long_is_refused() -> None:
    with pytest.raises(ZapError, match="2 credentials"):
        parse_request([*REQUEST, KEY])


def test_answers_are_as_zeromq_reads_them() -> None:
    assert accept(b"7", "key") == [b"", b"1.0", b"7", b"200", b"OK", b"key", b""]
    assert refuse(b"7", "é") == [b"", b"1.0", b"7", b"400", b"?", b"", b""]
    assert zmq.has("curve")
