"""Frames: the units that travel on the bus, and their fixed 64-byte header.

A frame belongs to a *channel*: one attachment of one client link to one kernel. Its header is a
fixed struct (never JSON), so that the broker forwards a frame by reading one number. Control
messages (kind ``CONTROL``) carry JSON in their payload; :mod:`kernelbus.bus.protocol.messages`
checks it when it arrives. This module does no I/O.

On ZeroMQ a frame is a message of two parts, header and payload (ZeroMQ RFC 23, multipart message).
Between parts of one process the :class:`Frame` object itself is handed over.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple

from kernelbus.bus.errors import FrameError

__all__ = ["HEADER_SIZE", "MAXIMUM_PAYLOAD", "Flag", "Frame", "Kind", "Lane", "control_frame", "decode_frame", "encode_header"]

#: Version of the header's layout; a peer that uses another version is refused.
VERSION = 1

# version, kind, flags, 4 reserved bytes, channel, sequence, offset, acknowledged, urgent
# acknowledged, consumed, length, reserved
_HEADER = struct.Struct("<BBH4xQQQQQQI4x")
HEADER_SIZE = _HEADER.size

#: No sender makes larger payloads; a larger one is refused before it is read.
MAXIMUM_PAYLOAD = 16 * 2**20


class Kind(IntEnum):
    """The kind of a frame."""

    CONTROL = 0  #: JSON for the broker or a part; belongs to no channel
    DATA = 1  #: bytes of the ordered stream
    END = 2  #: the ordered stream ends here; payload: reason code and text
    ACKNOWLEDGE = 3  #: nothing but the acknowledgement fields that every frame has
    PROBE = 4  #: asks for an ACKNOWLEDGE at once; `sequence` is the sender's next number
    URGENT = 5  #: a WSTP message: code and parameter, and the data offset at which it was sent
    RESET = 6  #: the sender of this frame does not know the channel


class Flag(IntFlag):
    """Flags on a frame."""

    NONE = 0
    GAP = 1  #: with ACKNOWLEDGE: frames after the acknowledged one were missing; send again from there
    REPLY = 2  #: with ACKNOWLEDGE: answers the PROBE whose sequence this frame repeats


class Lane(IntEnum):
    """The two connections of a part to the broker.

    BULK carries data, acknowledgements, probes and ends; CONTROL carries urgent frames and control
    messages. A gigabyte on the one does not delay an abort on the other.
    """

    CONTROL = 0
    BULK = 1


class Frame(NamedTuple):
    """One frame; all numbers are unsigned.

    `offset` and `consumed` count bytes of the ordered stream since the channel opened.
    """

    kind: Kind | int
    channel: int
    sequence: int = 0  #: ordered frames and urgent frames are numbered apart, each from 1
    offset: int = 0  #: stream offset of the first payload byte; of an URGENT frame, the offset at which it was sent
    acknowledged: int = 0  #: the next ordered sequence the sender of this frame waits for
    urgent_acknowledged: int = 0  #: the same for urgent frames
    consumed: int = 0  #: bytes of the peer's stream that have left the sender of this frame for good
    flags: int = 0
    payload: bytes | bytearray | memoryview = b""

    @property
    def lane(self) -> Lane:
        """The lane on which a frame of this kind travels."""
        return Lane.CONTROL if self.kind == Kind.URGENT or self.kind == Kind.CONTROL else Lane.BULK


def control_frame(payload: bytes) -> Frame:
    """Return a frame with the JSON text of a control message."""
    return Frame(Kind.CONTROL, 0, payload=payload)


def encode_header(frame: Frame) -> bytes:
    """Return the 64 bytes that precede the payload of `frame`."""
    return _HEADER.pack(
        VERSION,
        frame.kind,
        frame.flags,
        frame.channel,
        frame.sequence,
        frame.offset,
        frame.acknowledged,
        frame.urgent_acknowledged,
        frame.consumed,
        len(frame.payload),
    )


def decode_frame(header: bytes, payload: bytes | bytearray | memoryview) -> Frame:
    """Return the frame of a header and a payload.

    Raises:
        FrameError: the header has the wrong size or version, an unknown kind, or a length that is
            not the payload's.
    """
    if len(header) != HEADER_SIZE:
        raise FrameError(f"a frame's header has {len(header)} bytes instead of {HEADER_SIZE}")
    version, kind, flags, channel, sequence, offset, acknowledged, urgent, consumed, length = _HEADER.unpack(header)
    if version != VERSION:
        raise FrameError(f"a frame of version {version}; this side speaks version {VERSION}: run the same kernelbus on every machine")
    if kind > Kind.RESET:
        raise FrameError(f"a frame of unknown kind {kind}")
    if length != len(payload):
        raise FrameError(f"a frame announces {length} bytes and has {len(payload)}")
    if length > MAXIMUM_PAYLOAD:
        raise FrameError(f"a frame of {length} bytes; at most {MAXIMUM_PAYLOAD} are allowed")
    return Frame(kind, channel, sequence, offset, acknowledged, urgent, consumed, flags, payload)
