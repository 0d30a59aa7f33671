"""Find the bytes that end a cut token stream legally. No I/O.

A server writes them to a kernel whose client died in the middle of an expression. The bytes that
came cannot be taken back. So the open token is filled up to the sizes that it announced, even in
the middle of a count, of an encoded character or of an array header. Then every missing part is put
in the shortest form. `wstp.tracker.Tracker.completion` uses this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from wstp.errors import LimitExceeded
from wstp.lexer import (
    ARRAY,
    FIXED_WIDTH,
    FUNCTION,
    PACKED,
    REAL_TEXT,
    STRING,
    SYMBOL,
    TEXT_TOKENS,
    WIDTHS,
    ArrayHeader,
    Header,
    encode_count,
    encode_text_count,
)
from wstp.text import count_characters

__all__ = ["Completion", "Unfinished", "break_off", "complete"]

_NULL: Final = b"#GA~DNull\n"
_ZERO: Final = b"\xa1\x00\n"
_CHUNK: Final = 1 << 18
_TRIES: Final = 200_000

# The characters that fill strings, symbols and numbers: one of each number of UTF-8 bytes, 1 to 4.
_SPACES: Final = (b" ", "\xa0".encode(), "\u2003".encode(), "\U0001f600".encode())
_LETTERS: Final = (b"a", "\xe9".encode(), "\u6587".encode(), "\U0001d41a".encode())
_DIGITS: Final = (b"0", "\xe9".encode(), "\u6587".encode(), "\U0001d41a".encode())

Part = tuple[bytes, int]  # some bytes, and how many times they are repeated


@dataclass(frozen=True, slots=True)
class Completion:
    """The completing bytes, not assembled; to iterate gives buffers of at most 256 KiB."""

    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """Return the number of bytes in all."""
        return sum(len(unit) * times for unit, times in self.parts)

    def __iter__(self) -> Iterator[bytes]:
        pending = bytearray()
        for unit, times in self.parts:
            left = times
            per_chunk = max(1, _CHUNK // max(1, len(unit)))
            block = b""
            while left:
                now = min(left, per_chunk)
                if now * len(unit) < _CHUNK // 2:
                    pending += unit * now
                    if len(pending) >= _CHUNK // 2:
                        yield bytes(pending)
                        pending.clear()
                else:
                    if pending:
                        yield bytes(pending)
                        pending.clear()
                    if now != per_chunk or not block:
                        block = unit * now
                    yield block
                left -= now
        if pending:
            yield bytes(pending)

    def __bytes__(self) -> bytes:
        return b"".join(self)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The point at which a tracker stands in the stream.

    Attributes:
        stack: for each open function its arguments due, or `~arguments` while its head is due.
        array_left: the leaves due of the open array; -1 when no array is open.
        array_fresh: whether no leaf of the open array has come.
        carry: the bytes of a token whose header is not complete.
        body: the header of the token whose body is open.
        left: the bytes due of that body.
        seen_chars: the whole characters of the open text.
        cut: the first bytes of a character of it that is cut in two.
        last: the last bytes of the open text.
        array: the open array header.
    """

    stack: tuple[int, ...] = ()
    array_left: int = -1
    array_fresh: bool = True
    carry: bytes = b""
    body: Header | None = None
    left: int = 0
    seen_chars: int = 0
    cut: bytes = b""
    last: bytes = b""
    array: ArrayHeader | None = None


@dataclass(slots=True)
class _Work:
    stack: list[int]
    array_left: int
    array_fresh: bool
    parts: list[Part] = field(default_factory=list)

    def put(self, unit: bytes, times: int = 1) -> None:
        if unit and times > 0:
            self.parts.append((unit, times))

    def take(self, count: int) -> None:
        """Count off `count` arguments or leaves."""
        if self.array_left >= 0:
            self.array_left -= count
            self.array_fresh = False
        elif self.stack:
            self._count_off(count)

    def _count_off(self, count: int) -> None:
        due = self.stack[-1]
        self.stack[-1] = ~due if due < 0 else due - count


def complete(state: Unfinished) -> Completion:
    """Return the completion of a stream that stands inside an expression.

    Raises:
        LimitExceeded: no legal rest was found for a cut array header.
    """
    work, missing = _finish_open(state)
    work.put(_NULL, missing)
    return Completion(tuple(work.parts))


def break_off(state: Unfinished) -> Completion | None:
    """Return what ends the packet so that its reader reports an error, and can read the next.

    This is the rest of the open token, and a `]` where parts of the expression are missing.

    Returns:
        None if nothing would be missing: the reader would take the packet for a whole one.

    Raises:
        LimitExceeded: as `complete` does.
    """
    work, missing = _finish_open(state)
    if not missing:
        return None
    work.put(b"]")
    return Completion(tuple(work.parts))


def _finish_open(state: Unfinished) -> tuple[_Work, int]:
    """Complete the open token and the open array; return how many Nulls complete the expression."""
    work = _Work(list(state.stack), state.array_left, state.array_fresh)
    if state.body is not None:
        _finish_body(work, state, state.body)
    elif state.carry:
        _finish_token(work, state.carry)
    if work.array_left >= 0:
        left = work.array_left
        if left and work.array_fresh:
            _put_packed(work, left)
        else:
            work.put(_ZERO, left)
        work.array_left = -1
        work.take(1)
    # Every open function is completed by Nulls alone, and is one part of the function around it.
    missing = 0
    part = 0
    for due in reversed(work.stack):
        missing += (~due + 1 if due < 0 else due) - part
        part = 1
    return work, missing


def _put_packed(work: _Work, count: int) -> None:
    work.put(b"P" + encode_count(count) + b"\xa1")
    work.put(b"\0", count)
    work.put(b"\n")


# -- counts


def _split_count(data: bytes, at: int) -> tuple[int | None, bytes, int]:
    """Read a count that may be cut; return (value or None, digits so far, where it ends)."""
    if at < len(data) and 0x40 <= data[at] <= 0x7F:
        return data[at] - 0x40, b"", at + 1
    end = at
    while end < len(data) and 0x30 <= data[end] <= 0x39:
        end += 1
    digits = data[at:end]
    if end < len(data):
        return int(digits), digits, end + 1
    return None, digits, end


def _split_chars(data: bytes, at: int, encoding: int, room: int) -> tuple[int | None, bytes, int]:
    """Read a count of characters as `_split_count` does; `room` bytes hold it and the text."""
    if encoding in FIXED_WIDTH and data[at : at + 1] == b" ":
        return (room - 1) // FIXED_WIDTH[encoding], b"", at + 1
    return _split_count(data, at)


def _end_count(digits: bytes, wanted: int) -> tuple[int, bytes]:
    """Return (count, the bytes that end it).

    The count is `wanted` if its digits so far allow that, else the nearest that they allow.
    """
    if not digits:
        return wanted, encode_count(wanted)
    if b"%d" % wanted == digits or (wanted >= 64 and (b"%d" % wanted).startswith(digits)):
        return wanted, (b"%d" % wanted)[len(digits) :] + b" "
    if int(digits) == 0:
        return (wanted, b"%d " % wanted) if wanted >= 64 else (64, b"64 ")
    longer = digits
    while int(longer) < 64:
        longer += b"0"
    return int(longer), longer[len(digits) :] + b" "


# -- tokens whose header is cut


def _finish_token(work: _Work, carry: bytes) -> None:
    token = carry[0]
    if token in WIDTHS:
        work.put(b"\0" * (1 + WIDTHS[token] - len(carry)) + b"\n")
        work.take(1)
    elif token == FUNCTION:
        count, rest = _end_count(_split_count(carry, 1)[1], 0)
        work.put(rest)
        work.stack.append(~count)
    elif token in TEXT_TOKENS:
        found = _end_text_header(carry, None)
        if found is None:
            raise LimitExceeded("no legal rest was found for a cut text")
        rest, encoding, chars, size = found
        work.put(rest)
        for unit, times in _fill_text(token, encoding, size, chars, b"", b""):
            work.put(unit, times)
        work.put(b"\n")
        work.take(1)
    elif token == PACKED:
        value, digits, end = _split_count(carry, 1)
        due = work.array_left if work.array_left >= 0 else work.stack[-1]
        rest = b""
        if value is None:
            value, rest = _end_count(digits, due)
            if value > due:
                value, rest = int(digits), b" "
        assert end == len(carry)
        work.put(rest + b"\xa1")
        work.put(b"\0", value)
        work.put(b"\n")
        work.take(value)
    elif token == ARRAY:
        _finish_array_start(work, carry)


def _finish_array_start(work: _Work, carry: bytes) -> None:
    leaves, digits, end = _split_count(carry, 1)
    rest = b""
    if leaves is None:
        leaves, rest = _end_count(digits, 1)
    if end >= len(carry):
        rest += b"D"
        digits = b""
    else:
        digits = carry[end + 1 :]
    plain = b"F" + encode_count(leaves) + b"#GA~DList\n."
    sizes = [len(plain)]
    if digits:
        stem = int(digits)
        sizes = [stem, *range(stem * 10, stem * 10 + 10), *range(stem * 100, stem * 100 + 100)]
        sizes = [size for size in sizes if size >= 9]
    for size in sizes:
        header = _array_header(leaves, b"", size)
        if header is not None:
            work.put(rest + (b"%d " % size)[len(digits) :] if digits else rest + encode_count(size))
            work.put(header + b"\n")
            _open_leaves(work, leaves)
            return
    raise LimitExceeded("no legal rest was found for a cut array header")


def _open_leaves(work: _Work, leaves: int) -> None:
    if leaves:
        work.array_left, work.array_fresh = leaves, True
    else:
        work.take(1)


def _finish_body(work: _Work, state: Unfinished, header: Header) -> None:
    if state.array is not None:
        array = state.array
        rest = _rest_of_array_header(array)
        work.put(rest)
        _open_leaves(work, array.leaves)
        return
    if header.token == PACKED:
        work.put(b"\0", state.left - 1)
        work.put(b"\n")
        work.take(header.number)
        return
    chars = header.number - state.seen_chars
    for unit, times in _fill_text(header.token, header.detail, state.left - 1, chars, state.cut, state.last):
        work.put(unit, times)
    work.put(b"\n")
    work.take(1)


# -- texts


def _chars_range(encoding: int, size: int) -> tuple[int, int]:
    """Return the least and the greatest number of characters in `size` bytes; (1, 0) for none."""
    if encoding == 66:
        return size, size
    if encoding == 67:
        return (size // 2, size // 2) if size % 2 == 0 else (1, 0)
    if encoding == 70:
        return (size // 4, size // 4) if size % 4 == 0 else (1, 0)
    if encoding == 69:
        return (-(-size // 4), size // 2) if size % 2 == 0 else (1, 0)
    if encoding == 68:
        return -(-size // 4), size
    return -(-size // 6), size


def _pick_chars(encoding: int, room: int, digits: bytes) -> tuple[int, bytes] | None:
    """Choose a text's count of characters; return (count, the bytes of the count) or None.

    The count and the text have `room` bytes together. `digits` of the count have come already.
    """
    if encoding in FIXED_WIDTH:
        low, high = _chars_range(encoding, room - 1)
        return None if low > high else (high, encode_text_count(bytes((encoding,)), high))
    # Try first as many characters as the bytes can hold: a character of several bytes is no digit.
    for most in (True, False):
        for length in range(1, 21):
            low, high = _chars_range(encoding, room - length)
            if room < length or low > high:
                continue
            if most:
                low = high
            if length == 1:
                if not digits and low <= 63:
                    count = min(high, 63)
                    return count, encode_count(count)
                continue
            places = length - 1 - len(digits)
            if places < 0:
                continue
            stem = int(digits or b"0") * 10**places
            low, high = max(low, stem), min(high, stem + 10**places - 1)
            if low <= high and (digits or high >= 10 ** (length - 2)):
                return high, b"%0*d " % (length - 1, high)
    return None


def _end_text_header(prefix: bytes, total: int | None) -> tuple[bytes, int, int, int] | None:
    """End the header of a text token of which `prefix` has come.

    Args:
        prefix: the token's bytes so far; the header is not complete.
        total: the number of bytes that the whole token must have; None for any number.

    Returns:
        (bytes that end the header, encoding, number of characters, number of the text's bytes), or
        None when nothing fits.
    """
    token = prefix[0]
    size, digits, end = _split_count(prefix, 1)
    if size is None:
        options: list[tuple[int, bytes]] = []
        if total is None:
            options.append(_end_count(digits, 7))
        else:
            for length in (1, *range(2, 12)):
                candidate = total - 2 - length
                if candidate < 3 or (length == 1 and (digits or candidate > 63)):
                    continue
                written = encode_count(candidate) if length == 1 else b"%d " % candidate
                if len(written) == length and written.startswith(digits):
                    options.append((candidate, written[len(digits) :]))
        for _, rest in options:
            found = _end_text_header(prefix + rest, total)
            if found is not None:
                return rest + found[0], *found[1:]
        return None
    if total is not None and end + 1 + size != total:
        return None
    rest = b""
    after = prefix[end:]
    encoding = after[0] if after else (0x44 if token == STRING else 0x41)
    rest += b"" if after else bytes((encoding,))
    rest += b"" if len(after) >= 2 else b"~"
    room = size - 2
    if room < 1:
        return None
    value, digits, count_end = _split_chars(prefix, end + 2, encoding, room)
    if value is not None and len(after) > 2:
        return rest, encoding, value, room - (count_end - end - 2)
    picked = _pick_chars(encoding, room, digits)
    if picked is None:
        return None
    count, written = picked
    return rest + written[len(digits) :], encoding, count, room - len(written)


def _fill_text(token: int, encoding: int, size: int, chars: int, cut: bytes, last: bytes) -> list[Part]:
    """Return the last `size` bytes of a text, which hold `chars` characters."""
    units = _LETTERS if token == SYMBOL else _SPACES if token == STRING else _DIGITS
    if encoding == 66:
        parts = [(units[0], size)]
    elif encoding == 67:
        parts = [(units[0], 1)] if cut else []
        parts.append((b"\0" + units[0], (size - len(cut)) // 2))
    elif encoding == 70:
        missing = -len(cut) % 4
        parts = [(b"\0" * missing, 1), (units[0] + b"\0\0\0", (size - missing) // 4)]
    elif encoding == 69:
        parts = _fill_utf16(units, size, chars, cut)
    elif encoding == 68:
        parts = _fill_utf8(units, size, chars, cut)
    else:
        parts = _fill_escaped(units, size, chars, cut)
    if any(times < 0 for _, times in parts) or sum(len(unit) * times for unit, times in parts) != size:
        # The token's counts contradict each other. Nothing makes it a text, but its size can be
        # kept.
        return [(units[0], size)]
    if token == REAL_TEXT and last.rstrip(b"\0").endswith(b"*") and size:
        # Only '^' can follow the '*' of an exponent.
        whole = bytearray(b"".join(unit * times for unit, times in parts))
        at = whole.find(b"0")
        if at >= 0:
            whole[at] = 0x5E
        return [(bytes(whole), 1)]
    return parts


def _fill_utf16(units: tuple[bytes, ...], size: int, chars: int, cut: bytes) -> list[Part]:
    options = [b""]
    if len(cut) == 1:
        options = [b"\0", b"\xd8\x00\xdc"]
        if chars == 0:
            options = [b"\xdc"]
    elif len(cut) == 2:
        options = [b"\x00\xdc"]
    elif len(cut) == 3:
        options = [b"\xdc"]
    for start in options:
        left = size - len(start)
        due = chars - (1 if cut else 0)
        pairs = (left - 2 * due) // 2
        if left >= 0 and left % 2 == 0 and 0 <= pairs <= due:
            pair = units[3].decode().encode("utf-16-le")
            return [(start, 1), (pair, pairs), (units[0] + b"\0", due - pairs)]
    return [(units[0] + b"\0", size // 2), (b"\0", size % 2)]


def _fill_utf8(units: tuple[bytes, ...], size: int, chars: int, cut: bytes) -> list[Part]:
    start = b""
    if cut:
        length = 2 if cut[0] < 0xE0 else 3 if cut[0] < 0xF0 else 4
        start = b"\x80" * (length - len(cut))
        if len(cut) == 1 and cut[0] in (0xE0, 0xF0):
            start = (b"\xa0" if cut[0] == 0xE0 else b"\x90") + start[1:]
        size -= len(start)
        chars -= 1
    extra = size - chars
    if chars < 0 or not 0 <= extra <= 3 * chars:
        return [(start, 1), (units[0], max(0, size))]
    parts = [(start, 1), (units[3], extra // 3)]
    used = extra // 3
    if extra % 3:
        parts.append((units[extra % 3], 1))
        used += 1
    parts.append((units[0], chars - used))
    return parts


def _fill_escaped(units: tuple[bytes, ...], size: int, chars: int, cut: bytes) -> list[Part]:
    code = units[0][0]
    kinds = {b"": [b""]}
    if cut:
        mark = cut[1:2]
        if mark == b"":
            starts = [b"\\", b"%03o" % code, b".%02x" % code, b":%04x" % code, b"|%06x" % code, b"[Mu]"]
        elif mark == b"[":
            starts = [b"]", b"u]", b"a]", b"Mu]"] if len(cut) > 2 else [b"Mu]", b"Pi]", b"Eta]", b"Beta]"]
        else:
            want = {b":": 6, b".": 4, b"|": 8}.get(mark, 4)
            starts = [b"0" * (want - len(cut))]
        kinds = {cut: starts}
    for start in next(iter(kinds.values())):
        left = size - len(start)
        due = chars - (1 if cut else 0)
        extra = left - due
        if left < 0 or due < 0 or extra < 0:
            continue
        sixes, rest = divmod(extra, 5)
        fours, twos = (1, rest - 3) if rest >= 3 else (0, rest)
        if sixes + fours + twos <= due:
            return [
                (start, 1),
                (b"\\:%04x" % code, sixes),
                (b"\\%03o" % code, fours),
                (b"\\\\", twos),
                (units[0], due - sixes - fours - twos),
            ]
    # No known reader checks the count of characters of an escaped text, so any legal bytes serve.
    start = next((s for s in next(iter(kinds.values())) if len(s) <= size), b"")
    return [(start, 1), (units[0], size - len(start))]


# -- array headers


def _rest_of_array_header(array: ArrayHeader) -> bytes:
    have = bytes(array.data)
    if len(have) == array.size:
        return b"\n"
    product = 1
    for dimension in array.dimensions:
        product *= dimension
    prefix = have[array.parsed :]
    found: bytes | None = None
    if array.leaves == 0 and product == 0:
        found = _array_header(None, prefix, array.size - array.parsed, first=False)
    elif product and array.leaves % product == 0:
        first = not array.dimensions
        found = _array_header(array.leaves // product, prefix, array.size - array.parsed, first)
    if found is None:
        raise LimitExceeded("no legal rest was found for a cut array header")
    return found[len(prefix) :] + b"\n"


def _array_header(leaves: int | None, prefix: bytes, size: int, first: bool = True) -> bytes | None:
    """Return `size` bytes of dimensions and '.' that begin with `prefix`, or None.

    The dimensions multiply to `leaves`; None stands for any product.
    """
    if size == 1:
        return b"." if not first and leaves in (1, None) else None
    for count, rest in _dimension_choices(leaves, prefix):
        for others in _products(rest):
            for lengths in _lengths(size - 1, max(9, len(prefix)), len(others)):
                dimensions = [count, *others]
                made: list[bytes] = []
                for at, (dimension, length) in enumerate(zip(dimensions, lengths, strict=True)):
                    one = _dimension(dimension, prefix if at == 0 else b"", length)
                    if one is None:
                        break
                    made.append(one)
                else:
                    return b"".join(made) + b"."
    return None


def _products(rest: int | None) -> list[list[int]]:
    """Return lists of dimensions that multiply to `rest`."""
    if rest is None:
        return [[], [1], [1, 1]]
    return [[], [1], [1, 1]] if rest == 1 else [[rest], [1, rest], [rest, 1], [1, 1, rest]]


def _lengths(total: int, least: int, others: int) -> Iterator[tuple[int, ...]]:
    """Yield ways to cut `total` bytes into dimensions.

    The first has `least` bytes or more, each of the `others` nine or more.
    """
    if others == 0:
        yield (total,)
        return
    for last in range(9, min(total, 96)):
        for lengths in _lengths(total - last, least, others - 1):
            if min(lengths) >= 9:
                yield (*lengths, last)


def _dimension_choices(leaves: int | None, prefix: bytes) -> Iterator[tuple[int, int | None]]:
    """Yield (first dimension, product of the others)."""
    value, digits, _ = _split_count(prefix, 1) if len(prefix) > 1 else (None, b"", 0)
    if value is not None:
        candidates: list[int] = [value]
    elif digits:
        stem = int(digits)
        candidates = [leaves] if leaves and (b"%d" % leaves).startswith(digits) else []
        candidates.append(stem)
        if leaves:
            tries = 0
            for places in range(1, 19):
                low = stem * 10**places
                high = low + 10**places - 1
                if low > leaves or tries > _TRIES:
                    break
                # Walk the shorter of two ranges: the dimension's values, or the values that it
                # leaves to the other dimensions.
                if high - low <= leaves // low:
                    walk = (c for c in range(low, high + 1) if leaves % c == 0)
                    tries += high - low
                else:
                    walk = (leaves // q for q in range(leaves // low, leaves // (high + 1), -1) if leaves % q == 0)
                    tries += leaves // low
                if tries <= _TRIES:
                    candidates.extend(c for c in walk if low <= c <= high)
    else:
        candidates = [1 if leaves is None else leaves, 1]
    for candidate in candidates:
        if leaves is None:
            yield candidate, None
        elif leaves == 0:
            yield candidate, (0 if candidate else None)
        elif candidate and leaves % candidate == 0:
            yield candidate, leaves // candidate


def _dimension(count: int, prefix: bytes, length: int) -> bytes | None:
    """Return one dimension of exactly `length` bytes that begins with `prefix`, or None."""
    value, digits, end = _split_count(prefix, 1) if len(prefix) > 1 else (None, b"", 1)
    if value is not None:
        start = prefix[:end]
        token = prefix[end:] or b"#"
    else:
        written = b"%d " % count if digits else encode_count(count)
        if not written.startswith(digits):
            return None
        start = b"F" + written
        token = b"#"
    total = length - len(start)
    if total < 7:
        return None
    symbol = _symbol(token, total)
    return None if symbol is None else start + symbol


def _symbol(prefix: bytes, total: int) -> bytes | None:
    """Return a symbol token of exactly `total` bytes that begins with `prefix`, or None."""
    size, _, end = _split_count(prefix, 1)
    if size is not None and len(prefix) > end + 2:
        chars, _, body = _split_chars(prefix, end + 2, prefix[end], size - 2)
        if chars is not None:
            if end + 1 + size != total:
                return None
            text = prefix[body:]
            left = total - len(prefix) - 1
            if left < 0:
                return None
            seen, whole = count_characters(prefix[end], text)
            parts = _fill_text(SYMBOL, prefix[end], left, chars - seen, text[whole:], text[-4:])
            made = prefix + b"".join(unit * times for unit, times in parts if times > 0) + b"\n"
            return made if len(made) == total else None
    found = _end_text_header(prefix, total)
    if found is None or found[3] < 1:
        return None
    rest, encoding, chars, room = found
    parts = [(b"List", 1)] if room == 4 == chars else _fill_text(SYMBOL, encoding, room, chars, b"", b"")
    made = prefix + rest + b"".join(unit * times for unit, times in parts if times > 0) + b"\n"
    return made if len(made) == total else None
