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

from kernelbus.bus.errors import MessageError, VersionError
from kernelbus.bus.protocol import messages as _messages
from kernelbus.bus.protocol import orders as _orders
from kernelbus.bus.protocol import reports as _reports
from kernelbus.bus.protocol.schema import MAXIMUM_TEXT, Message, fault, load, registered
from kernelbus.bus.protocol.version import PROTOCOL, Version
from kernelbus.bus.settings.schema import MAXIMUM_POOLS

__all__ = ["MAXIMUM_ENTRIES", "MODULES", "decode", "encode"]

#: The modules that register messages.
MODULES = (_messages, _orders, _reports)


#: How many entries a list of a message may have. The check of an entry takes a tenth of a
#: millisecond, and everybody waits for it.
MAXIMUM_ENTRIES = 20_000


def encode(message: Message) -> bytes:
    """Return the JSON text of `message`.

    Texts that are too long for the schema are cut, since a message that the receiver refuses is
    lost.
    """
    content = {"message": type(message).__name__, "protocol": str(PROTOCOL), **_shortened(dataclasses.asdict(message))}  # type: ignore[call-overload]
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

    A message that does not say its version is taken for one of this major's first.

    Raises:
        VersionError: the sender speaks another major version of the protocol.
        MessageError: the payload is not JSON, not a known message, or not what its schema allows,
            which includes unknown keys, unless the sender's version is later; the text names the
            message and the key. The error has the request's number and sender where those can be
            read, and says whether a later version would know the message.
    """
    try:
        content = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a control message is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("message"), str):
        raise MessageError("a control message does not say which it is ('message' is missing)")
    name = content.pop("message")
    version = Version.of(content.pop("protocol", f"{PROTOCOL.major}.0"))
    if version is None or version.major != PROTOCOL.major:
        spoken = f"version {version}" if version is not None else "no known version"
        text = f"{spoken} of the bus protocol, and this program speaks {PROTOCOL}: upgrade the older of the two"
        raise _refusal(text, content, VersionError)
    cls = registered(name)
    if cls is None:
        unknown = _refusal(f"an unknown control message {name[:80]!r}", content)
        unknown.later = version > PROTOCOL
        raise unknown
    for key, value in content.items():
        most = MAXIMUM_POOLS if key == "pools" else MAXIMUM_ENTRIES
        if isinstance(value, list) and len(value) > most:
            raise _refusal(f"control message {name}: {key} has {len(value)} entries, and {most} at most are allowed", content)
    try:
        return load(cls, content, lenient=version > PROTOCOL)
    except ValidationError as error:
        raise _refusal(f"control message {name}: {fault(error)}", content) from None


def _refusal(text: str, content: dict[str, Any], kind: type[MessageError] = MessageError) -> MessageError:
    request, sender = content.get("request"), content.get("sender") or content.get("name")
    known = type(request) is int and 0 <= request < 2**64
    return kind(text, request if known else None, sender[:200] if isinstance(sender, str) else "")
