"""What a peer announces, and what follows from it."""

from __future__ import annotations

from wstp.features import OURS, Features


def test_what_we_announce_takes_what_real_libraries_write() -> None:
    assert [type_byte for type_byte in range(0x80, 0x100) if OURS.takes_packed(type_byte)] == [0xA1, 0xE2, 0xE4, 0xE6, 0xF4, 0xF6]
    assert [letter for letter in "ABCDEFG" if OURS.takes_encoding(letter)] == list("ABCDEF")
    assert OURS.utf8


def test_a_peer_that_takes_little() -> None:
    peer = Features(tokens=(), formats=(1,))
    assert not any(peer.takes_packed(type_byte) for type_byte in range(256))
    assert [letter for letter in "ABCDEF" if peer.takes_encoding(letter)] == ["A"]
    assert not peer.utf8
