"""Test the header of frames: what is encoded is decoded again, and what is malformed is refused."""

from __future__ import annotations

import pytest

from kernelbus.bus.channel.frames import (
    HEADER_SIZE,
    MAXIMUM_PAYLOAD,
    Flag,
    Frame,
    Kind,
    Lane,
    control_frame,
    decode_frame,
    encode_header,
)
from kernelbus.bus.errors import FrameError

FRAME = Frame(
    Kind.ACKNOWLEDGE,
    channel=2**64 - 1,
    sequence=2,
    offset=2**40,
    acknowledged=4,
    urgent_acknowledged=5,
    consumed=2**63,
    flags=int(Flag.GAP | Flag.REPLY),
    payload=b"payload",
)


@pytest.mark.parametrize("kind", Kind)
def test_a_frame_survives_its_encoding(kind: Kind) -> None:
    frame = FRAME._replace(kind=kind)
    assert decode_frame(encode_header(frame), frame.payload) == frame


def test_a_header_has_64_bytes_and_a_fixed_place_for_each_field() -> None:
    header = encode_header(FRAME)
    assert len(header) == HEADER_SIZE == 64
    assert header[:4] == bytes([1, Kind.ACKNOWLEDGE, 3, 0])
    numbers = [int.from_bytes(header[start : start + 8], "little") for start in range(8, 56, 8)]
    assert numbers == [2**64 - 1, 2, 2**40, 4, 5, 2**63]
    assert header[56:] == bytes([7, 0, 0, 0, 0, 0, 0, 0])


def test_a_payload_is_passed_on_without_a_copy() -> None:
    payload = memoryview(bytearray(b"payload"))
    assert decode_frame(encode_header(FRAME), payload).payload is payload


@pytest.mark.parametrize(
    ("header", "payload", "fault"),
    [
        (b"", b"", "0 bytes instead of 64"),
        (encode_header(FRAME) + b"\0", b"payload", "65 bytes instead of 64"),
        (b"\x02" + encode_header(FRAME)[1:], b"payload", "version 2; this side speaks version 1"),
        (b"\x01\x07" + encode_header(FRAME)[2:], b"payload", "unknown kind 7"),
        (encode_header(FRAME), b"payloa", "announces 7 bytes and has 6"),
        (encode_header(Frame(Kind.DATA, 1, payload=bytes(MAXIMUM_PAYLOAD + 1))), bytes(MAXIMUM_PAYLOAD + 1), "at most 16777216"),
    ],
)
def test_a_malformed_frame_is_refused(header: bytes, payload: bytes, fault: str) -> None:
    with pytest.raises(FrameError, match=fault):
        decode_frame(header, payload)


def test_the_largest_payload_is_accepted() -> None:
    frame = Frame(Kind.DATA, 1, payload=bytes(MAXIMUM_PAYLOAD))
    assert decode_frame(encode_header(frame), frame.payload) == frame


def test_urgent_and_control_frames_travel_on_the_control_lane() -> None:
    lanes = {kind: Frame(kind, 1).lane for kind in Kind}
    assert [kind for kind, lane in lanes.items() if lane is Lane.CONTROL] == [Kind.CONTROL, Kind.URGENT]


def test_a_control_frame_belongs_to_no_channel() -> None:
    assert control_frame(b"{}") == Frame(Kind.CONTROL, 0, payload=b"{}")
