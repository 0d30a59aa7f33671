"""The features that a peer announces in its greeting (PROTOCOL.md section 4). No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["OURS", "Features"]

# The date of no library's build: it tells our own links from others.
_OUR_TEXTID = "Jan  1 2020"


@dataclass(frozen=True, slots=True)
class Features:
    """What one side of a link announced.

    >>> peer = Features(tokens=(98, 100), formats=(1,))
    >>> peer.takes_packed(0xE4), peer.takes_packed(0xF6), peer.takes_encoding("D")
    (True, False, False)

    Attributes:
        numericsid: the name of the machine's numeric formats, for instance `boxer`.
        tokens: the binary number types that it takes in packed runs: their type bytes minus 128.
        formats: the text encodings that it takes: 1 is `A`, 2 is `B`, ... 6 is `F`.
        textid: the build date of its library.
        envid: the environment id that the program set, usually empty.
        version: the version of the protocol that it speaks, 5 or 6.
        packed_types: the type bytes of `tokens`.
        utf8: whether it takes UTF-8, the encoding `D`.
        reads_on: whether it reads on after message 9. The C library on Linux does not (section 7);
            only of our own links this is known.
    """

    numericsid: str = "boxer"
    tokens: tuple[int, ...] = (33, 98, 100, 102, 116, 118)
    formats: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    textid: str = ""
    envid: str = ""
    version: int = 6
    packed_types: frozenset[int] = field(init=False, repr=False, compare=False)
    utf8: bool = field(init=False, repr=False, compare=False)
    reads_on: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "packed_types", frozenset(token + 128 for token in self.tokens))
        object.__setattr__(self, "utf8", 4 in self.formats)
        object.__setattr__(self, "reads_on", self.textid == _OUR_TEXTID)

    def takes_packed(self, type_byte: int) -> bool:
        """Tell whether the peer takes packed runs of the binary type `type_byte`, say 0xE4."""
        return type_byte in self.packed_types

    def takes_encoding(self, letter: str) -> bool:
        """Tell whether the peer takes the text encoding `letter`, one of "A" to "F"."""
        return ord(letter) - 64 in self.formats


# Every peer on every machine is offered this one set. So any two links that negotiated with us
# carry interchangeable streams, and a server between them can forward bytes without decoding them.
OURS = Features(textid=_OUR_TEXTID)
