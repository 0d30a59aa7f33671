"""The eight bytes of a message on the message connection."""

from __future__ import annotations

import pytest

from wstp import LocalProtocolError, Message, MessageCode, MessageReader, RemoteProtocolError, encode_message

CASES = [
    (Message(3), b"\0\0\0\x03\0\0\0\0"),
    (Message(5, -2), b"\0\0\0\x05\xff\xff\xff\xfe"),
    (Message(255, 2**31 - 1), b"\0\0\0\xff\x7f\xff\xff\xff"),
]


@pytest.mark.parametrize(("message", "data"), CASES)
@pytest.mark.parametrize("step", [1, 3, 4, 8])
def test_both_directions(message: Message, data: bytes, step: int) -> None:
    assert encode_message(message.code, message.parameter) == data
    reader = MessageReader()
    found = [found for at in range(0, 16, step) for found in reader.feed((data * 2)[at : at + step])]
    assert found == [message, message]
    assert reader.finish() == []


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"\0\0\0\x09", [Message(9)]), (b"\0\0\0\x09\0", [Message(9)]), (b"\0\0\0\x03", []), (b"\0\0", [])],
)
def test_the_end_of_the_connection(data: bytes, found: list[Message]) -> None:
    reader = MessageReader()
    assert reader.feed(data) == []
    assert reader.finish() == found
    assert reader.finish() == []


def test_wrong_codes() -> None:
    reader = MessageReader()
    assert reader.feed(b"\0\0\0\x03\0\0\0\0") == [Message(MessageCode.ABORT)]
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            reader.feed(b"GET / HT")
        assert caught.value.offset == 8
    for code, parameter in [(0, 0), (256, 0), (3, 2**31), (-1, 0)]:
        with pytest.raises(LocalProtocolError):
            encode_message(code, parameter)
