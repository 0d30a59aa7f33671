"""Control messages and the door they are checked at."""

from __future__ import annotations

import json

import pytest

from bus.errors import MessageError
from bus.messages import (
    Acquired,
    Heartbeat,
    KernelReport,
    Message,
    Open,
    PoolReport,
    Register,
    decode,
    encode,
)

EXAMPLES: list[Message] = [
    Heartbeat(),
    Open(2**63, "127.0.0.1:5", "Pool", True, "id"),
    Acquired(1, KernelReport("k", "P", "attached", 3, 1, "In[1]:= ", True, 4, 5)),
    Register("id", "host", "é", "1", [PoolReport("P", True, False, 1, 2, 3, 4, 5, 6, 7, "why")], [KernelReport("k", "P", "x", 1)], []),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"[]", "'message' is missing"),
        ({"message": "Frobnicate"}, "unknown control message 'Frobnicate'"),
        ({"message": "Open", "client": "a"}, "Open: channel: Missing"),
        ({"message": "Open", "client": "a", "channel": "1"}, "Open: channel: "),
        ({"message": "Open", "client": "a", "channel": -1}, "Open: channel: "),
        ({"message": "Open", "client": "a", "channel": 1, "colour": 1}, "Open: colour: Unknown"),
        ({"message": "Open", "client": "a" * 5000, "channel": 1}, "Open: client: "),
    ],
)
def test_what_the_schema_refuses_is_named(content: object, words: str) -> None:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(MessageError, match=words):
        decode(payload)
