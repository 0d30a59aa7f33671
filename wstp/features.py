"""What a peer announces in the greeting (PROTOCOL.md section 4), as values. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["OURS", "Features"]


@dataclass(frozen=True, slots=True)
class Features:
    """Hold what one side of a link announced.

    Attributes:
        numericsid: the name of the machine's numeric formats, `boxer` for instance.
        tokens: binary number types taken in packed runs, as their type byte minus 128.
        formats: text encodings taken: 1 is `A`, 2 `B`, ... 6 `F`.
        textid: the peer library's build date.
        envid: the environment id that the program set, usually empty.
    """

    numericsid: str = "boxer"
    tokens: tuple[int, ...] = (33, 98, 100, 102, 116, 118)
    formats: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    textid: str = ""
    envid: str = ""
    packed_types: frozenset[int] = field(init=False, repr=False, compare=False)
    utf8: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "packed_types", frozenset(token + 128 for token in self.tokens))
        object.__setattr__(self, "utf8", 4 in self.formats)

    def takes_packed(self, type_byte: int) -> bool:
        """Tell whether the peer takes packed runs of the binary type `type_byte` (0xE4 for
        instance).
        """
        return type_byte in self.packed_types

    def takes_encoding(self, letter: str) -> bool:
        """Tell whether the peer takes the text encoding `letter`, one of "A" to "F"."""
        return ord(letter) - 64 in self.formats


# One fixed set for every peer and machine: two links that both negotiated with us carry
# interchangeable streams, which is what lets a server between them forward bytes unread.
OURS = Features(textid="Jan  1 2020")
