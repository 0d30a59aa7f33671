"""The shape of tokens: where each begins and ends (PROTOCOL.md section 5). No I/O.

Their meaning is not known here. The tracker and the token reader share this module, so that both
follow one grammar.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from wstp.errors import LimitExceeded, RemoteProtocolError
from wstp.limits import Limits
from wstp.text import TextError, decode_text

__all__ = [
    "ARRAY",
    "END_PACKET",
    "FIXED_WIDTH",
    "FUNCTION",
    "INTEGER_TEXT",
    "NO_COUNT",
    "NUMBER_TEXTS",
    "PACKED",
    "REAL_TEXT",
    "STRING",
    "SYMBOL",
    "TEXT_TOKENS",
    "WIDTHS",
    "ArrayHeader",
    "Buffer",
    "Header",
    "encode_count",
    "encode_text_count",
    "read_header",
]

Buffer: TypeAlias = bytes | bytearray | memoryview

FUNCTION: Final = 0x46
SYMBOL: Final = 0x23
STRING: Final = 0x22
INTEGER_TEXT: Final = 0x2B
REAL_TEXT: Final = 0x2A
ARRAY: Final = 0x41
PACKED: Final = 0x50
END_PACKET: Final = 0x5D
NUMBER_TEXTS: Final = frozenset((INTEGER_TEXT, REAL_TEXT))
TEXT_TOKENS: Final = NUMBER_TEXTS | {SYMBOL, STRING}

# Bytes of one number of each binary type, by type byte.
WIDTHS: Final = {
    0xA0: 1, 0xA1: 1, 0xE2: 2, 0xE3: 2, 0xE4: 4, 0xE5: 4, 0xE6: 8, 0xE7: 8, 0xF4: 4, 0xF6: 8, 0xF8: 16,
}  # fmt: skip

# Stands for a text's count of characters that cannot be read, or contradicts the text's size.
NO_COUNT: Final = -1

# Bytes of one character, in the text encodings where all characters have one size: B, C and F.
FIXED_WIDTH: Final = {0x42: 1, 0x43: 2, 0x46: 4}


class Header(NamedTuple):
    """The part of a token before its body.

    Attributes:
        token: the token's first byte.
        body: where the body begins in the buffer.
        size: bytes of the body, its final newline included; 0 for `F` and `]`.
        number: the count of arguments (`F`), characters (texts; it may be `NO_COUNT`), numbers
            (`P`) or leaves (`A`).
        detail: the byte of the text's encoding, which may be no letter of `wstp.text.ENCODINGS`; or
            the type byte of the packed run.
    """

    token: int
    body: int
    size: int
    number: int
    detail: int


def encode_text_count(letter: bytes, chars: int) -> bytes:
    """Return a text's count of characters as bytes.

    Where all characters have one size, a space stands for any count from 64.
    """
    return b" " if chars >= 64 and letter[0] in FIXED_WIDTH else encode_count(chars)


def encode_count(number: int) -> bytes:
    """Return a count as bytes: one byte up to 63, digits and a space from 64."""
    return bytes((0x40 + number,)) if number < 64 else b"%d " % number


def _read_count(buffer: Buffer, at: int, end: int, base: int, limits: Limits) -> tuple[int, int] | None:
    """Return (count, where it ends), or None when more bytes are needed."""
    if at >= end:
        return None
    byte = buffer[at]
    if 0x40 <= byte <= 0x7F:
        return byte - 0x40, at + 1
    start = at
    # Real peers also take digits for small counts, and leading zeros; so do we.
    while at < end and 0x30 <= buffer[at] <= 0x39:
        at += 1
        if at - start > limits.count_digits:
            raise LimitExceeded(
                f"a count of more than {limits.count_digits} digits (count_digits) at byte {base + start}"
            )
    if at == end:
        return None
    if buffer[at] != 0x20 or at == start:
        raise RemoteProtocolError(f"not a count: byte {buffer[at]:#04x}", base + at)
    return int(bytes(buffer[start:at])), at + 1


def read_header(buffer: Buffer, at: int, end: int, base: int, limits: Limits) -> Header | None:
    """Read the token that begins at `at`, up to its body.

    A text's size alone says where it ends. So an unknown encoding or a wrong count of characters is
    no error here: only that text cannot be read, and what follows it can.

    Args:
        buffer: the bytes; `end` is where they end.
        base: what to add to a position in the buffer to get its offset in the stream, for errors.

    Returns:
        The header, or None when it is not complete yet (and no byte of it is wrong).

    Raises:
        RemoteProtocolError: a byte is wrong; the error names the first one.
        LimitExceeded: count_digits, token_size, symbol_size or array_header was passed.
    """
    token = buffer[at]
    width = WIDTHS.get(token)
    if width is not None:
        return Header(token, at + 1, width + 1, 1, token)
    if token in TEXT_TOKENS:
        counted = _read_count(buffer, at + 1, end, base, limits)
        if counted is None:
            return None
        size, position = counted
        if size < 2:
            raise RemoteProtocolError(f"a text of size {size} has no room for its newline", base + position - 1)
        bound = limits.symbol_size if token == SYMBOL else limits.token_size
        if size > bound:
            name = "symbol_size" if token == SYMBOL else "token_size"
            raise LimitExceeded(f"a text of {size} bytes at byte {base + at} is over {bound} ({name})")
        if position >= end:
            return None
        encoding = buffer[position]
        if position + 1 >= end:
            return None
        if buffer[position + 1] != 0x7E:
            raise RemoteProtocolError(f"byte {buffer[position + 1]:#04x} where '~' is due", base + position + 1)
        return _text_header(buffer, token, position + 2, end, size - 1, encoding, limits)
    if token == FUNCTION:
        counted = _read_count(buffer, at + 1, end, base, limits)
        return None if counted is None else Header(token, counted[1], 0, counted[0], 0)
    if token == END_PACKET:
        return Header(token, at + 1, 0, 0, 0)
    if token == PACKED:
        counted = _read_count(buffer, at + 1, end, base, limits)
        if counted is None or counted[1] >= end:
            return None
        count, position = counted
        width = WIDTHS.get(buffer[position])
        if width is None:
            raise RemoteProtocolError(f"unknown packed type {buffer[position]:#04x}", base + position)
        if count * width > limits.token_size:
            raise LimitExceeded(
                f"a packed run of {count * width} bytes at byte {base + at} is over"
                f" {limits.token_size} (token_size)"
            )
        return Header(token, position + 1, count * width + 1, count, buffer[position])
    if token == ARRAY:
        counted = _read_count(buffer, at + 1, end, base, limits)
        if counted is None or counted[1] >= end:
            return None
        leaves, position = counted
        if buffer[position] != 0x44:
            raise RemoteProtocolError(f"byte {buffer[position]:#04x} where 'D' is due", base + position)
        counted = _read_count(buffer, position + 1, end, base, limits)
        if counted is None:
            return None
        size, position = counted
        if size > limits.array_header:
            raise LimitExceeded(
                f"an array header of {size} bytes at byte {base + at} is over"
                f" {limits.array_header} (array_header)"
            )
        if size < 9:
            raise RemoteProtocolError(f"an array header of {size} bytes holds no dimension", base + position - 1)
        return Header(token, position, size + 1, leaves, 0)
    raise RemoteProtocolError(f"byte {token:#04x} begins no token", base + at)


def _text_header(
    buffer: Buffer, token: int, at: int, end: int, size: int, encoding: int, limits: Limits
) -> Header | None:
    """Read a text's count of characters, which begins at `at`.

    The count and the text, with its final newline, have `size` bytes.

    Where all characters have one size, the libraries write a space and no digits for 64 characters
    and more; the size tells how many there are. The libraries misread digits there, so digits are
    no count.
    """
    newline = at + size - 1
    stop = min(end, newline)
    uncounted = Header(token, at, size, NO_COUNT, encoding)
    place = at
    unit = FIXED_WIDTH.get(encoding)
    if at < stop and 0x40 <= buffer[at] <= 0x7F:
        return Header(token, at + 1, size - 1, buffer[at] - 0x40, encoding)
    if unit is not None:
        if at < stop and buffer[at] == 0x20 and not (size - 2) % unit:
            return Header(token, at + 1, size - 1, (size - 2) // unit, encoding)
        return None if at == stop < newline else uncounted
    while place < stop and 0x30 <= buffer[place] <= 0x39 and place - at < limits.count_digits:
        place += 1
    if place == stop < newline:
        return None
    if place in (newline, at) or buffer[place] != 0x20:
        return uncounted
    return Header(token, place + 1, newline - place, int(bytes(buffer[at:place])), encoding)


class ArrayHeader:
    """Read an array's header piece by piece, and check its dimensions and heads as they come.

    Attributes:
        leaves: the number of leaves that the header must multiply to.
        size: the header's bytes without the newline.
        dimensions: the dimensions read so far.
        heads: their head symbols' names; "" for one that cannot be read.
        data: the bytes so far.
    """

    __slots__ = ("_base", "_limits", "_parsed", "data", "dimensions", "heads", "leaves", "size")

    def __init__(self, leaves: int, size: int, base: int, limits: Limits) -> None:
        """Start a header of `size` bytes; its first byte has the offset `base` in the stream."""
        self.leaves = leaves
        self.size = size
        self.dimensions: list[int] = []
        self.heads: list[str] = []
        self.data = bytearray()
        self._parsed = 0
        self._base = base
        self._limits = limits

    @property
    def done(self) -> bool:
        """Tell whether the header is complete, its newline included."""
        return len(self.data) == self.size + 1

    @property
    def parsed(self) -> int:
        """Return the position in `data` of the first dimension that is not complete yet."""
        return self._parsed

    def feed(self, piece: Buffer) -> int:
        """Take bytes and return how many of them belong to the header.

        Raises:
            RemoteProtocolError: a byte is wrong, or the product of the dimensions is not the number
                of leaves.
        """
        taken = min(len(piece), self.size + 1 - len(self.data))
        self.data += piece[:taken]
        data, last, base = self.data, self.size - 1, self._base
        while self._parsed < min(len(data), self.size):
            at = self._parsed
            byte = data[at]
            if at == last or byte == 0x2E:
                if at != last or byte != 0x2E:
                    raise RemoteProtocolError("an array header does not end where it says", base + at)
                product = 1
                for dimension in self.dimensions:
                    product *= dimension
                if product != self.leaves:
                    raise RemoteProtocolError(
                        f"an array of {self.leaves} leaves has dimensions {self.dimensions[:8]}", base + at
                    )
                self._parsed += 1
                break
            if byte != FUNCTION:
                raise RemoteProtocolError(f"byte {byte:#04x} where an array's dimension is due", base + at)
            function = read_header(data, at, len(data), base, self._limits)
            if function is None or function.body >= len(data):
                break
            if data[function.body] != SYMBOL:
                raise RemoteProtocolError("an array's head is not a symbol", base + function.body)
            symbol = read_header(data, function.body, len(data), base, self._limits)
            if symbol is None:
                break
            after = symbol.body + symbol.size
            if after > last:
                raise RemoteProtocolError("an array's head is longer than its header", base + function.body)
            if after > len(data):
                break
            if data[after - 1] != 0x0A:
                raise RemoteProtocolError("no newline after an array's head", base + after - 1)
            try:
                name = decode_text(symbol.detail, bytes(data[symbol.body : after - 1]), symbol.number)
            except TextError:
                name = ""
            self.dimensions.append(function.number)
            self.heads.append(name)
            self._parsed = after
        if len(data) > self.size and data[self.size] != 0x0A:
            raise RemoteProtocolError("no newline after an array header", base + self.size)
        return taken
