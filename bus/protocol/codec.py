"""Encode control messages as JSON; decode and check those that come.

Rules of this module: no I/O. It imports every module that registers messages, so that the register
of :mod:`kernelbus.bus.protocol.schema` is complete wherever a message is decoded. Each message is
checked once, when it is decoded, and nowhere after that.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from marshmallow import ValidationError

from kernelbus.bus.errors import MessageError
from kernelbus.bus.protocol import messages as _messages
from kernelbus.bus.protocol import orders as _orders
from kernelbus.bus.protocol import reports as _reports
from kernelbus.bus.protocol.schema import MAXIMUM_TEXT, Message, fault, load, registered

__all__ = ["MODULES", "decode", "encode"]

#: The modules that register messages.
MODULES = (_messages, _orders, _reports)


def encode(message: Message) -> bytes:
    """Return the JSON text of `message`.

    Texts that are too long for the schema are cut, since a message that the receiver refuses is
    lost.
    """
    content = {"message": type(message).__name__, **_shortened(dataclasses.asdict(message))}  # type: ignore[call-overload]
    # In ASCII, since a text may hold half a surrogate pair, which no other encoding can express.
    return json.dumps(content, separators=(",", ":")).encode()


def _shortened(content: Any) -> Any:
    if isinstance(content, str):
        return content if len(content) <= MAXIMUM_TEXT else content[: MAXIMUM_TEXT - 1] + "…"
    if isinstance(content, dict):
        return {key: _shortened(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_shortened(value) for value in content]
    return content


def decode(payload: bytes | bytearray | memoryview) -> Message:
    """Decode a control message and check it against its schema.

    Raises:
        MessageError: the payload is not JSON, not a known message, or not what its schema allows,
            which includes unknown keys; the text names the message and the key. The error has the
            request's number and sender where those can be read.
    """
    try:
        content = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a control message is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("message"), str):
        raise MessageError("a control message does not say which it is ('message' is missing)")
    name = content.pop("message")
    cls = registered(name)
    if cls is None:
        raise _refusal(f"an unknown control message {name[:80]!r}", content)
    try:
        return load(cls, content)
    except ValidationError as error:
        raise _refusal(f"control message {name}: {fault(error)}", content) from None


def _refusal(text: str, content: dict[str, Any]) -> MessageError:
    request, sender = content.get("request"), content.get("sender")
    known = type(request) is int and 0 <= request < 2**64
    return MessageError(text, request if known else None, sender[:200] if isinstance(sender, str) else "")
