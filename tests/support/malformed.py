"""Packets that cannot be read, in each kind, and what the embedded kernel says of them."""

from __future__ import annotations

from wstp import Function, Symbol
from wstp.lexer import encode_count

__all__ = ["ARGUMENTS", "FAILED", "INTEGER", "head", "text"]

#: The answer to a packet that cannot be read.
FAILED = Function("ReturnPacket", Symbol("$Failed"))


def text(lead: bytes, encoding: bytes, chars: bytes, data: bytes) -> bytes:
    """Return a text's token with a right size, whatever else is wrong with it."""
    return lead + encode_count(len(chars) + len(data) + 2) + encoding + b"~" + chars + data + b"\n"


def head(name: bytes, arguments: int = 1) -> bytes:
    return b"F" + encode_count(arguments) + text(b"#", b"A", encode_count(len(name)), name)


INTEGER = b"\xe4\1\0\0\0\n"
#: What stands in a packet, and how the kernel names it: the tag and some words of its message.
ARGUMENTS = [
    (text(b"+", b"A", b"C", b"12x"), "number", '"12x" was sent as a number'),
    (text(b"+", b"D", b"D", b"12a4"), "number", '"12a4" was sent as a number'),
    (text(b"+", b"A", b"1000001 ", b"9" * 1_000_001), "number", "An integer has 1000001 digits, over 1000000"),
    (text(b"*", b"A", b"E", b"xx.yy"), "number", '"xx.yy" was sent as a number'),
    (text(b'"', b"D", b"B", b"\xff\xfe"), "text", "A string's text is not utf-8"),
    (text(b'"', b"E", b"A", b"\x00\xdc"), "text", "A string's text is not utf-16"),
    (text(b'"', b"F", b"A", b"\x00\x00\x00a"), "text", "A string's text is not utf-32"),  # without a byte order mark
    (text(b'"', b"D", b"E", b"abc"), "text", "3 characters claims to have 5"),
    (text(b'"', b"D", b"B", b"abc"), "text", "3 characters claims to have 2"),
    (text(b'"', b"C", b"100 ", b"\0x" * 100), "text", "a count of characters that cannot be read"),
    (text(b'"', b"Z", b"A", b"x"), "text", "the unknown encoding 0x5a"),
    (text(b"#", b"A", b"@", b""), "text", "A symbol has no name"),
    (text(b"#", b"D", b"A", b"\xff"), "text", "A symbol's text is not utf-8"),
    (head(b"", 1) + INTEGER, "text", "A symbol has no name"),
    (head(b"List") * 2000 + text(b"+", b"A", b"C", b"12x"), "number", '"12x"'),
    (b"ABDYFA#GA~DList\nFB#GA~DList\n.\n" + INTEGER + text(b"+", b"A", b"C", b"12x"), "number", '"12x"'),
    (b"AADIFA#CA~@\n.\nPA\xa1\7\n", "text", "An array's head cannot be read"),
    (head(b"Plus", 2) + INTEGER + b"]", "end", "The packet ended before it was complete"),
    (b"]", "end", "The packet ended before it was complete"),
    (b"FA]", "end", "The packet ended before it was complete"),
    (b"ABDMFB#GA~DList\n.\n" + INTEGER + b"]", "end", "The packet ended before it was complete"),
]
