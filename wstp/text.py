"""The six text encodings of the token stream, both ways (PROTOCOL.md section 5). No I/O."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Final

from wstp.features import OURS, Features

__all__ = ["ENCODINGS", "TextError", "count_characters", "decode_number", "decode_text", "encode_text", "joined"]

ENCODINGS: Final = b"ABCDEF"


class TextError(ValueError):
    """Bytes are no text in their encoding; the reader turns it into a `Misread`."""


# Named characters that a program can write into a 7-bit string. The language documents about a
# thousand names. Only those whose code point is certain are here; any other name stays as written.
_GREEK: Final = [
    "Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda", "Mu", "Nu", "Xi",
    "Omicron", "Pi", "Rho", "FinalSigma", "Sigma", "Tau", "Upsilon", "Phi", "Chi", "Psi", "Omega",
]  # fmt: skip
_NAMED = {name: chr(0x3B1 + at) for at, name in enumerate(_GREEK)}
_NAMED |= {f"Capital{name}": chr(0x391 + at) for at, name in enumerate(_GREEK) if name != "FinalSigma"}
_NAMED |= {
    "Infinity": "\u221e", "Degree": "\xb0", "Rule": "\uf522", "RuleDelayed": "\uf51f", "ExponentialE": "\uf74d",
    "ImaginaryI": "\uf74e", "ImaginaryJ": "\uf74f", "DifferentialD": "\uf74c", "Equal": "\uf431",
    "NotEqual": "\u2260", "LessEqual": "\u2264", "GreaterEqual": "\u2265", "Element": "\u2208", "And": "\u2227",
    "Or": "\u2228", "Not": "\xac", "Times": "\xd7", "Sqrt": "\u221a", "Integral": "\u222b", "Sum": "\u2211",
    "Product": "\u220f", "PartialD": "\u2202", "Del": "\u2207", "Function": "\uf4a1",
}  # fmt: skip
# A backslash before a newline is nothing: the text goes on in the next line.
_SIMPLE: Final = {"\\": "\\", '"': '"', "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_ESCAPE: Final = re.compile(
    r"\\(?:([\\\"ntrbf\n])|(:[0-9A-Fa-f]{4}(?:\\:[0-9A-Fa-f]{4})*)|\.([0-9A-Fa-f]{2})|\|([0-9A-Fa-f]{6})|([0-7]{3})|\[([A-Za-z][A-Za-z0-9]{0,40})\])"
)
_PARTIAL_ESCAPE: Final = re.compile(
    rb"\\(?::[0-9A-Fa-f]{0,3}|\.[0-9A-Fa-f]?|\|[0-9A-Fa-f]{0,5}|[0-7]{1,2}|\[[A-Za-z0-9]{0,41})?\Z"
)
_ESCAPE_BYTES: Final = re.compile(_ESCAPE.pattern.encode())
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ABOVE_7BIT: Final = re.compile(r"[^\x00-\x5b\x5d-\x7f]+")
# The bytes of one unit, and the codecs of either order, in the encodings that numbers may spoil.
_WIDE: Final = {69: (2, "utf-16-le", "utf-16-be"), 70: (4, "utf-32-le", "utf-32-be")}
_NOT_CONTINUATION: Final = bytes(byte for byte in range(256) if byte & 0xC0 != 0x80)
_CONTINUATION: Final = bytes(range(0x80, 0xC0))


def _unescape(match: re.Match[str]) -> str:
    simple, units, two, six, octal, name = match.groups()
    if simple is not None:
        return _SIMPLE[simple]
    if name:
        return _NAMED.get(name, match.group())
    if units:  # a run of escapes of four digits, pairs of surrogates among them
        return bytes.fromhex(units.replace(":", "").replace("\\", "")).decode("utf-16-be", "surrogatepass")
    code = int(two or six or octal, 8 if octal else 16)
    if code > sys.maxunicode:
        raise TextError(f"text has the escape {match.group()}, which is no character")
    return chr(code)


def _decode_a(data: bytes, chars: int) -> str:
    # The count is not checked: real peers differ in how they count a backslash sequence that they
    # do not know as an escape.
    text = data.decode("latin-1")
    return joined(_ESCAPE.sub(_unescape, text)) if "\\" in text else text


def joined(text: str) -> str:
    """Return the text with each pair of surrogates as the one character that it stands for.

    A surrogate without its other half stays.

    >>> joined("\\ud83d\\ude00"), joined("\\ude00\\ud83d")
    ('😀', '\\ude00\\ud83d')
    """
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def decode_text(encoding: int, data: bytes, chars: int) -> str:
    """Return the text in `data`.

    Args:
        encoding: the encoding's letter as a byte, one of `ENCODINGS`.
        data: the text's bytes.
        chars: the token's number of characters. In `C`, and as two escapes in `A`, a character
            beyond U+FFFF counts as two.
            A negative number stands for a count that could not be read.

    Raises:
        TextError: the bytes are no text in this encoding, or have another number of characters.

    >>> decode_text(ord("A"), rb"\\351 \\:03b1 \\:d83d\\:de00", 6)
    'é α 😀'
    """
    if chars < 0:
        raise TextError("text has a count of characters that cannot be read")
    try:
        if encoding == 68:  # D
            text = data.decode("utf-8")
        elif encoding == 65:  # A
            return _decode_a(data, chars)
        elif encoding == 66:  # B
            text = data.decode("latin-1")
        elif encoding == 67:  # C
            if len(data) != 2 * chars:
                raise TextError(f"text of {len(data) / 2:g} UCS-2 characters claims to have {chars}")
            return data.decode("utf-16-be", "surrogatepass")
        elif encoding == 69:  # E
            text = data.decode("utf-16-le")
        elif encoding == 70:  # F
            # Real peers take a lone surrogate here as a character of its own.
            text = data.decode("utf-32-le", "surrogatepass")
        else:
            raise TextError(f"text has the unknown encoding {encoding:#04x}")
    except UnicodeDecodeError as error:
        raise TextError(f"text is not {error.encoding}: {error.reason}") from None
    if len(text) != chars:
        raise TextError(f"text of {len(text)} characters claims to have {chars}")
    return joined(text) if encoding == 70 else text


def decode_number(encoding: int, data: bytes, chars: int) -> str:
    """Return the text of a number, as `decode_text` does.

    UTF-16 and UTF-32 of a program that gave no byte order mark come with swapped bytes, and behind
    a number there may be units that are no characters (docs/protocol.md). So the order is that of
    the first digit, such a unit becomes U+FFFD, and the count is not checked.

    Raises:
        TextError: the bytes are no text.

    >>> decode_number(ord("E"), b"\\x001\\x00.\\x005", 3)
    '1.5'
    """
    wide = _WIDE.get(encoding)
    if wide is None:
        return decode_text(encoding, data, chars)
    unit, little, big = wide
    swapped = len(data) >= unit and not any(data[: unit - 1])
    return data.decode(big if swapped else little, "replace")


def _escape(match: re.Match[str]) -> str:
    return "".join(map(_escaped, match.group()))


@lru_cache(maxsize=1 << 14)
def _escaped(character: str) -> str:
    code = ord(character)
    if code == 0x5C:
        return "\\\\"
    if code < 0x100:
        return f"\\{code:03o}"
    if code < 0x10000:
        return f"\\:{code:04x}"
    return f"\\:{0xD7C0 + (code >> 10):04x}\\:{0xDC00 + (code & 0x3FF):04x}"


def encode_text(text: str, features: Features = OURS) -> tuple[bytes, bytes, int]:
    r"""Return (encoding letter, bytes, number of characters) of a text for a peer.

    The encoding is UTF-8 where every reader takes it. Readers of UCS-2 (J/Link, .NET/Link) find no
    character beyond U+FFFF in UTF-8, UTF-16 or UTF-32, and those of UTF-8 and UTF-16 none in UCS-2.
    All find it in seven bits, as two escapes for the pair of surrogates, which count as two. UCS-2
    is for texts with a surrogate that has no other half.

    >>> encode_text("é"), encode_text("😀")
    ((b'D', b'\xc3\xa9', 1), (b'A', b'\\:d83d\\:de00', 2))
    """
    if features.utf8 and text.isascii():
        return b"D", text.encode("ascii"), len(text)
    try:
        chars = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        text = joined(text)
        data = text.encode("utf-16-be", "surrogatepass")
        chars = len(data) // 2
        if features.takes_encoding("C") and _SURROGATE.search(text):
            return b"C", data, chars
    else:
        if features.utf8 and chars == len(text):
            return b"D", text.encode("utf-8"), chars
    return b"A", _ABOVE_7BIT.sub(_escape, text).encode("ascii"), chars


def count_characters(encoding: int, data: bytes) -> tuple[int, int]:
    """Count the whole characters in a piece of text that begins where a character begins.

    Returns:
        The number of characters, and the number of their bytes. The rest is a part of a character.
        A UTF-16 high surrogate at the end counts as such a part. In `A` each escape is a character,
        those of surrogates too, and a backslash before a newline is none.
    """
    size = len(data)
    if encoding == 68:
        if data.isascii():
            return size, size
        whole = size
        for back in range(1, min(4, size) + 1):
            byte = data[size - back]
            if byte & 0xC0 != 0x80:
                need = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                if need > back:
                    whole = size - back
                break
        part = data if whole == size else data[:whole]
        return len(part.translate(None, _CONTINUATION)), whole
    if encoding == 66:
        return size, size
    if encoding == 67:
        return size // 2, size & ~1
    if encoding == 70:
        return size // 4, size & ~3
    if encoding == 69:
        whole = size & ~1
        if whole and data[whole - 1] & 0xFC == 0xD8:
            whole -= 2
        text = data[:whole].decode("utf-16-le", "surrogatepass")
        return len(text), whole
    if b"\\" not in data:
        return size, size
    partial = _PARTIAL_ESCAPE.search(data)
    # A backslash at the end of the piece may be the second half of an escaped backslash.
    if partial and (partial.start() - len(data[: partial.start()].rstrip(b"\\"))) % 2 == 0:
        data = data[: partial.start()]
    escapes = list(_ESCAPE_BYTES.finditer(data))
    spans = sum(match.end() - match.start() for match in escapes)
    characters = sum(len(match[2]) + 1 if match[2] else 6 * (match[1] != b"\n") for match in escapes) // 6
    return len(data) - spans + characters, len(data)
