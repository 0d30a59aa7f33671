"""The message connection: eight bytes a message (PROTOCOL.md section 6). No I/O."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from wstp.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Message", "MessageCode", "MessageReader", "encode_message"]

_FORM = struct.Struct(">ii")
_CODE = struct.Struct(">i")


class MessageCode(IntEnum):
    """The message codes of PROTOCOL.md section 6; 128 to 255 are the user's own."""

    TERMINATE = 1
    INTERRUPT = 2
    ABORT = 3
    END_PACKET = 4
    SYNCHRONIZE = 5
    DYING = 6
    WAITING_ACKNOWLEDGMENT = 7
    MARK_TOP_LEVEL = 8
    CLOSING = 9
    AUTHENTICATE_FAILURE = 10
    SUSPEND = 11
    RESUME = 12


@dataclass(frozen=True, slots=True)
class Message:
    """An out-of-band message.

    Attributes:
        code: 1 to 255; `MessageCode` names the first twelve.
        parameter: a signed 32-bit integer.
    """

    code: int
    parameter: int = 0


def encode_message(code: int, parameter: int = 0) -> bytes:
    """Return the eight bytes of a message.

    Raises:
        LocalProtocolError: the code is not in 1..255 or the parameter does not fit 32 bits.

    >>> encode_message(MessageCode.ABORT).hex(" ", 4)
    '00000003 00000000'
    """
    if not 1 <= code <= 255:
        raise LocalProtocolError(f"message code {code} is not in 1..255")
    if not -(1 << 31) <= parameter < 1 << 31:
        raise LocalProtocolError(f"message parameter {parameter} does not fit a signed 32-bit integer")
    return _FORM.pack(code, parameter)


class MessageReader:
    """Cut the bytes of a message connection into messages; keep at most seven bytes between feeds.

    >>> reader = MessageReader()
    >>> reader.feed(bytes.fromhex("00000003 00"))
    []
    >>> reader.feed(bytes.fromhex("000000"))
    [Message(code=3, parameter=0)]
    """

    def __init__(self) -> None:
        self._rest = b""
        self._offset = 0
        self._error: RemoteProtocolError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """Take the next bytes and return the messages that they complete.

        Raises:
            RemoteProtocolError: a code is outside 1..255. Every later call raises it too.
        """
        if self._error is not None:
            raise self._error
        buffer = self._rest + bytes(data)
        messages: list[Message] = []
        position = 0
        while len(buffer) - position >= 4:
            (code,) = _CODE.unpack_from(buffer, position)
            if not 1 <= code <= 255:
                self._error = RemoteProtocolError(
                    f"message code {code} is not in 1..255", self._offset + position
                )
                raise self._error
            if len(buffer) - position < 8:
                break
            messages.append(Message(*_FORM.unpack_from(buffer, position)))
            position += 8
        self._rest = buffer[position:]
        self._offset += position
        return messages

    def finish(self) -> list[Message]:
        """Take note that the connection has ended, and return what that completes.

        A library that closes may send code 9 without its parameter (PROTOCOL.md section 7); that
        counts as CLOSING.
        """
        rest, self._rest = self._rest, b""
        if len(rest) >= 4 and rest[:4] == b"\0\0\0\x09":
            return [Message(MessageCode.CLOSING, 0)]
        return []
