"""Follow a token stream without decoding it: find where expressions begin and end. No I/O.

A server between two links needs this. Bulk is skipped by its length. Runs of scalars and short
texts are skipped by compiled regular expressions. Between two feeds the tracker keeps a token's
header at most. The marks depend on the stream only, and not on how it was cut into pieces. The only
values that are decoded are the head of a packet, and on request its first argument.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final, TypeAlias

from wstp.completion import Completion, Unfinished, break_off, complete
from wstp.errors import LimitExceeded, RemoteProtocolError
from wstp.lexer import (
    ARRAY,
    END_PACKET,
    FUNCTION,
    INTEGER_TEXT,
    PACKED,
    REAL_TEXT,
    STRING,
    SYMBOL,
    TEXT_TOKENS,
    WIDTHS,
    ArrayHeader,
    Buffer,
    Header,
    read_header,
)
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.text import ENCODINGS, TextError, count_characters, decode_text

__all__ = ["Argument", "End", "Head", "Mark", "PacketEnd", "Start", "Tracker", "TrackerState"]


# Marks are not frozen: a frozen one takes three times as long to make, and every packet makes four
# of them at each of two trackers.
@dataclass(slots=True)
class Start:
    """A top-level expression begins; `offset` is that of its first byte."""

    offset: int


@dataclass(slots=True)
class Head:
    """The head of a top-level expression is known.

    Attributes:
        offset: the offset just after the head's token, an array's header, or an atom.
        name: the head symbol's name; None when the head is no symbol, cannot be read, or the
            expression is an atom. It can be empty, when the symbol has no name.
        arguments: the number of arguments; 0 for an atom.
    """

    offset: int
    name: str | None
    arguments: int


@dataclass(slots=True)
class Argument:
    """The first argument of a packet whose name was asked for.

    Attributes:
        offset: the offset just after it.
        value: the argument.
    """

    offset: int
    value: str | int | float


@dataclass(slots=True)
class End:
    """A top-level expression ends.

    Attributes:
        offset: the offset just after its last byte.
        early: whether a `]` ended it before it was complete. A `PacketEnd` for that `]` follows.
    """

    offset: int
    early: bool = False


@dataclass(slots=True)
class PacketEnd:
    """An end-of-packet token; `offset` is that just after it."""

    offset: int


Mark: TypeAlias = Start | Head | Argument | End | PacketEnd


class TrackerState(Enum):
    """Where the stream stands."""

    IDLE = "between expressions"
    INSIDE = "inside an expression"
    FAILED = "after an error"


_SCALARS: Final = {0xA0: "<b", 0xA1: "<B", 0xE2: "<h", 0xE3: "<H", 0xE4: "<i", 0xE5: "<I", 0xE6: "<q", 0xE7: "<Q",
                   0xF4: "<f", 0xF6: "<d"}  # fmt: skip
_NUMBERS: Final = frozenset(WIDTHS) | {INTEGER_TEXT, REAL_TEXT}
_STARTERS: Final = frozenset(WIDTHS) | TEXT_TOKENS | {FUNCTION, ARRAY}
_ARGUMENT_SIZE: Final = 1 << 16
_BLOCKS: Final = (1024, 64, 8)
_QUICK_SIZE: Final = 64


def _number_pattern() -> bytes:
    order = (0xE4, 0xF6, 0xE6, 0xA1, 0xE2, 0xF4, 0xA0, 0xE3, 0xE5, 0xE7, 0xF8)
    return b"|".join(re.escape(bytes((token,))) + b"." * WIDTHS[token] + b"\n" for token in order)


def _text_pattern(leads: bytes, longest: int) -> bytes:
    sizes = b"|".join(
        re.escape(bytes((0x40 + size,))) + b"[A-F]~[@-\x7f]" + b".{%d}\n" % (size - 3)
        for size in range(3, longest + 1)
    )
    return leads + b"(?:" + sizes + b")"


@cache
def _blocks(numbers_only: bool) -> tuple[tuple[int, re.Pattern[bytes]], ...]:
    """Return pairs (count, pattern that matches so many arguments), the largest count first.

    An argument here is a scalar, a short text, or a function with a symbol as head and up to four
    of these. Lists of numbers, of strings, of points and of rules are made of such arguments.
    """
    scalar = _number_pattern()
    if numbers_only:
        item = scalar + b"|" + _text_pattern(rb"[+*]", 63)
    else:
        scalar += b"|" + _text_pattern(rb'["#+*]', 63)
        symbol = _text_pattern(b"#", 40)
        functions = b"|".join(
            re.escape(bytes((0x40 + count,))) + symbol + (b"(?:" + scalar + b"){%d}" % count if count else b"")
            for count in range(5)
        )
        item = scalar + b"|F(?:" + functions + b")"
    return tuple((count, re.compile(b"(?:" + item + b"){%d}+" % count, re.DOTALL)) for count in _BLOCKS)


def _text(header: Header, data: bytes) -> str | None:
    """Return a text; None when it cannot be read. What passes on is not the tracker's to judge."""
    try:
        return decode_text(header.detail, data, header.number)
    except TextError:
        return None


class Tracker:
    """Follow one token stream; `feed()` takes bytes in pieces of any size.

    >>> tracker = Tracker(want_first_argument=["TextPacket"])
    >>> for mark in tracker.feed(b'FA#MA~JTextPacket\\n"HD~Ehello\\n]'):
    ...     print(mark)
    Start(offset=0)
    Head(offset=18, name='TextPacket', arguments=1)
    Argument(offset=29, value='hello')
    End(offset=29, early=False)
    PacketEnd(offset=30)

    Attributes:
        marks_before_error: the marks before the error, after a feed that raised one.
    """

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, want_first_argument: Collection[str] = frozenset()
    ) -> None:
        """Start at offset 0, between expressions.

        Args:
            limits: bounds; a bound that is passed raises `LimitExceeded`.
            want_first_argument: the packets, by their head's name, whose first argument is marked
                when it is an atom of at most 64 KiB.
        """
        self._limits = limits
        self._wanted = frozenset(want_first_argument)
        self._position = 0
        self._carry = b""
        self._error: RemoteProtocolError | LimitExceeded | None = None
        # One entry for each open function: the arguments due, or ~arguments while its head is due.
        self._stack: list[int] = []
        self._array_left = -1  # leaves due of the open array; -1 when no array is open
        self._array_fresh = True
        self._array: ArrayHeader | None = None
        self._inside = False
        self._start = 0
        self._top_arguments = 0
        self._argument_due = False
        # The body that is being skipped.
        self._body: Header | None = None
        self._left = 0
        self._seen_chars = 0
        self._cut = b""  # the first bytes of a character that is cut in two
        self._last = b""  # the last bytes of a text
        self._collected: bytearray | None = None
        self._cooldown = 0
        # The patterns check no limits, so they are only for limits that nothing they match can
        # pass.
        self._quick = min(limits.token_size, limits.symbol_size) >= _QUICK_SIZE
        self.marks_before_error: list[Mark] = []

    def want_first_argument(self, heads: Collection[str]) -> None:
        """Mark the first argument of these packets, from the next packet's head on."""
        self._wanted = frozenset(heads)

    @property
    def position(self) -> int:
        """Return how many bytes have been fed."""
        return self._position

    @property
    def state(self) -> TrackerState:
        """Return whether the stream stands between expressions, inside one, or after an error."""
        if self._error is not None:
            return TrackerState.FAILED
        return TrackerState.INSIDE if self._inside else TrackerState.IDLE

    @property
    def idle(self) -> bool:
        """Tell whether the stream stands between expressions."""
        return not self._inside and self._error is None

    @property
    def skippable(self) -> int:
        """Return how many of the next bytes are the rest of a body, which is passed over fast."""
        return self._left if self._body is not None and self._array is None else 0

    @property
    def depth(self) -> int:
        """Return how many functions are open."""
        return len(self._stack)

    def feed(self, data: Buffer) -> list[Mark]:
        """Take the next bytes, and return the marks that they complete.

        After an error `marks_before_error` has the marks before it, and every later call raises it
        too.

        Raises:
            RemoteProtocolError: a byte is wrong; its offset is counted from the tracker's start.
            LimitExceeded: a bound was passed.
        """
        if self._error is not None:
            raise self._error
        marks: list[Mark] = []
        try:
            self._run(data, marks)
        except (RemoteProtocolError, LimitExceeded) as error:
            self._error = error
            self.marks_before_error = marks
            raise
        return marks

    def _run(self, data: Buffer, marks: list[Mark]) -> None:
        base = self._position - len(self._carry)
        buffer: Buffer = self._carry + bytes(data) if self._carry else data
        self._position += len(data)
        self._carry = b""
        end = len(buffer)
        at = 0
        stack = self._stack
        limits = self._limits
        while at < end:
            if self._body is not None:
                at = self._skip(buffer, at, end, base, marks)
                continue
            if self._array_left < 0 and self._quick:
                at = self._glide(buffer, at, end, base, marks)
                if at == end:
                    break
            token = buffer[at]
            if token == END_PACKET:
                if self._inside:
                    self._end_early(base + at, marks)
                at += 1
                marks.append(PacketEnd(base + at))
                continue
            if self._array_left >= 0:
                if token not in _NUMBERS and token != PACKED:
                    raise RemoteProtocolError(f"byte {token:#04x} where an array's leaf is due", base + at)
                if self._array_left >= 8 and self._quick and not self._cooldown and token != PACKED:
                    count, at = self._many(buffer, at, end, self._array_left, True)
                    if count:
                        self._check_total(base + at)
                        self._array_fresh = False
                        self._array_left -= count
                        if not self._array_left:
                            self._array_left = -1
                            self._close_atom(base + at, marks, array=True)
                        continue
            elif stack:
                due = stack[-1]
                if (
                    due >= 8
                    and self._quick
                    and not self._cooldown
                    and not self._argument_due
                    and token != PACKED
                    and len(stack) < limits.nesting_depth
                ):
                    count, at = self._many(buffer, at, end, due, False)
                    if count:
                        self._check_total(base + at)
                        stack[-1] = due - count
                        if due == count:
                            self._collapse(base + at, marks)
                        continue
                if token == PACKED and due < 0:
                    raise RemoteProtocolError("packed numbers where a head is due", base + at)
            elif not self._inside:
                if token not in _STARTERS:
                    raise RemoteProtocolError(f"byte {token:#04x} begins no expression", base + at)
                self._inside = True
                self._start = base + at
                marks.append(Start(base + at))
            if self._cooldown:
                self._cooldown -= 1
            header = read_header(buffer, at, end, base, limits)
            if header is None:
                break
            self._check_total(base + header.body + header.size)
            if token == FUNCTION:
                if len(stack) >= limits.nesting_depth:
                    raise LimitExceeded(
                        f"byte {base + at} is nested deeper than {limits.nesting_depth} (nesting_depth)"
                    )
                if not stack:
                    self._top_arguments = header.number
                elif len(stack) == 1 and stack[0] > 0:
                    self._argument_due = False
                stack.append(~header.number)
                at = header.body
            elif token in WIDTHS:
                after = header.body + header.size
                if after > end:
                    break
                if buffer[after - 1] != 0x0A:
                    raise RemoteProtocolError("no newline after a number", base + after - 1)
                if self._argument_due and len(stack) == 1:
                    self._mark_argument(token, bytes(buffer[header.body : after - 1]), base + after, marks)
                at = after
                if self._array_left > 0:
                    self._leaves(1, base + at, marks)
                else:
                    self._close_atom(base + at, marks)
            else:
                self._open_body(header, base)
                if token == PACKED:
                    due = self._array_left if self._array_left >= 0 else stack[-1]
                    if header.number > due:
                        raise RemoteProtocolError(f"{header.number} packed numbers where {due} are due", base + at)
                at = header.body
        if at < end:
            self._carry = bytes(buffer[at:end])

    def _glide(self, buffer: Buffer, at: int, end: int, base: int, marks: list[Mark]) -> int:
        """Pass over short tokens that are complete, which is all that small packets consist of.

        Do what `_run()` does, in fewer steps. Stop before any token that is not short, not complete
        or not right, and leave it to `_run()`.
        """
        stack = self._stack
        depth = self._limits.nesting_depth
        last = self._start + self._limits.total_size - base
        while at < end:
            token = buffer[at]
            if stack:
                if self._cooldown:
                    self._cooldown -= 1
                elif stack[-1] >= 8:
                    return at
            elif token == END_PACKET:
                at += 1
                marks.append(PacketEnd(base + at))
                continue
            elif not self._inside:
                if token not in _STARTERS:
                    return at
                self._inside = True
                self._start = base + at
                last = at + self._limits.total_size
                marks.append(Start(base + at))
            if token == FUNCTION:
                if at + 1 >= end or not 0x40 <= buffer[at + 1] <= 0x7F or len(stack) >= depth:
                    return at
                count = buffer[at + 1] - 0x40
                if not stack:
                    self._top_arguments = count
                elif len(stack) == 1 and stack[0] > 0:
                    self._argument_due = False
                stack.append(~count)
                at += 2
                continue
            if self._argument_due:
                return at
            name: str | None = None
            width = WIDTHS.get(token)
            if width is not None:
                after = at + width + 2
                if after > end or after > last or buffer[after - 1] != 0x0A:
                    return at
            elif token in TEXT_TOKENS:
                if at + 6 > end or not 0x43 <= buffer[at + 1] <= 0x7F:
                    return at
                after = at + buffer[at + 1] - 0x40 + 3
                if (
                    after > end
                    or after > last
                    or buffer[after - 1] != 0x0A
                    or buffer[at + 2] not in ENCODINGS
                    or buffer[at + 3] != 0x7E
                    or not 0x40 <= buffer[at + 4] <= 0x7F
                ):
                    return at
                if len(stack) == 1 and stack[0] < 0 and token == SYMBOL:
                    try:
                        name = decode_text(buffer[at + 2], bytes(buffer[at + 5 : after - 1]), buffer[at + 4] - 0x40)
                    except TextError:
                        return at
            else:
                return at
            at = after
            self._close_atom(base + at, marks, name)
        return at

    def _check_total(self, offset: int) -> None:
        if offset - self._start > self._limits.total_size:
            raise LimitExceeded(
                f"the expression at byte {self._start} is over {self._limits.total_size} bytes (total_size)"
            )

    def _many(self, buffer: Buffer, at: int, end: int, due: int, numbers_only: bool) -> tuple[int, int]:
        """Pass over as many arguments as the patterns match; return (how many, where they end)."""
        total = 0
        for count, pattern in _blocks(numbers_only):
            while due >= count and (end - at) >= 3 * count:
                match = pattern.match(buffer, at, end)
                if match is None:
                    break
                at = match.end()
                due -= count
                total += count
        if total == 0:
            # The next token is of another kind (or the buffer ends). Try no patterns for a while,
            # so that a stream of other tokens does not pay for them at each one.
            self._cooldown = 8
        return total, at

    # -- bodies

    def _open_body(self, header: Header, base: int) -> None:
        self._body = header
        self._left = header.size
        self._seen_chars = 0
        self._cut = b""
        self._last = b""
        self._collected = None
        stack = self._stack
        if header.token == ARRAY:
            self._array = ArrayHeader(header.number, header.size - 1, base + header.body, self._limits)
        elif (header.token == SYMBOL and len(stack) == 1 and stack[0] < 0) or (
            self._argument_due and len(stack) == 1 and header.token != PACKED and header.size <= _ARGUMENT_SIZE
        ):
            self._collected = bytearray()

    def _skip(self, buffer: Buffer, at: int, end: int, base: int, marks: list[Mark]) -> int:
        """Pass over the open body, or the part of it that has come; return where that ends."""
        header = self._body
        assert header is not None
        if self._array is not None:
            return self._skip_array_header(self._array, buffer, at, end, base, marks)
        after = at + self._left
        if after > end:
            piece_end = min(end, after - 1)
            if header.token != PACKED:
                piece = bytes(buffer[at:piece_end])
                if self._collected is not None:
                    self._collected += piece
                cut = self._cut + piece
                chars, whole = count_characters(header.detail, cut)
                self._seen_chars += chars
                self._cut = cut[whole:]
                self._last = (self._last + piece[-4:])[-4:]
            self._left = after - end
            return end
        if buffer[after - 1] != 0x0A:
            raise RemoteProtocolError("no newline after a token", base + after - 1)
        self._body = None
        offset = base + after
        if header.token == PACKED:
            if self._array_left >= 0:
                self._leaves(header.number, offset, marks)
            else:
                if len(self._stack) == 1:
                    self._argument_due = self._argument_due and header.number == 0
                self._stack[-1] -= header.number
                if not self._stack[-1]:
                    self._collapse(offset, marks)
            return after
        name: str | None = None
        if self._collected is not None:
            data = bytes(self._collected) + bytes(buffer[at : after - 1])
            self._collected = None
            if self._stack[0] > 0:
                self._mark_argument(header.token, data, offset, marks, header)
            else:
                name = _text(header, data)
        if self._array_left > 0:
            self._leaves(1, offset, marks)
        else:
            self._close_atom(offset, marks, name)
        return after

    def _skip_array_header(
        self, array: ArrayHeader, buffer: Buffer, at: int, end: int, base: int, marks: list[Mark]
    ) -> int:
        window = buffer[at : min(end, at + self._left)]
        taken = array.feed(window)
        self._left -= taken
        at += taken
        if array.done:
            self._body = None
            self._array = None
            if not self._stack:
                marks.append(Head(base + at, array.heads[0] or None, array.dimensions[0]))
            elif len(self._stack) == 1 and self._stack[0] > 0:
                self._argument_due = False
            if array.leaves:
                self._array_left = array.leaves
                self._array_fresh = True
            else:
                self._close_atom(base + at, marks, array=True)
        return at

    def _leaves(self, count: int, offset: int, marks: list[Mark]) -> None:
        self._array_left -= count
        self._array_fresh = False
        if not self._array_left:
            self._array_left = -1
            self._close_atom(offset, marks, array=True)

    # -- ends

    def _mark_argument(
        self, token: int, data: bytes, offset: int, marks: list[Mark], header: Header | None = None
    ) -> None:
        self._argument_due = False
        if header is None:
            form = _SCALARS.get(token)
            if form is not None:
                marks.append(Argument(offset, struct.unpack(form, data)[0]))
            return
        text = _text(header, data)
        if text is not None and token in (STRING, SYMBOL):
            marks.append(Argument(offset, text))

    def _close_atom(self, offset: int, marks: list[Mark], name: str | None = None, array: bool = False) -> None:
        """Count off an atom or array that ends at `offset`.

        `name` is the symbol's name when it is the head of a top-level expression.
        """
        stack = self._stack
        if not stack:
            if not array:
                marks.append(Head(offset, None, 0))
            marks.append(End(offset))
            self._inside = False
            return
        due = stack[-1]
        if due < 0:
            due = ~due
            if len(stack) == 1:
                marks.append(Head(offset, name, due))
                self._argument_due = due > 0 and name in self._wanted
        else:
            due -= 1
            if len(stack) == 1:
                self._argument_due = False
        stack[-1] = due
        if not due:
            self._collapse(offset, marks)

    def _end_early(self, offset: int, marks: list[Mark]) -> None:
        """Drop the open expression: a `]` follows at `offset`, as the libraries' readers do."""
        self._stack.clear()
        self._array_left = -1
        self._argument_due = False
        self._inside = False
        marks.append(End(offset, early=True))

    def _collapse(self, offset: int, marks: list[Mark]) -> None:
        """Close every function that has nothing due."""
        stack = self._stack
        while stack and not stack[-1]:
            stack.pop()
            if not stack:
                marks.append(End(offset))
                self._inside = False
                return
            due = stack[-1]
            if due < 0:
                stack[-1] = ~due
                if len(stack) == 1:
                    marks.append(Head(offset, None, ~due))
            else:
                stack[-1] = due - 1

    # -- completion

    def completion(self) -> Completion:
        """Return the bytes that complete the open expression legally; none between expressions.

        The open token is filled up, texts with spaces or letters, numbers with zeros. Every missing
        head and argument becomes the symbol Null, every missing array leaf a zero. The result is
        lazy: `size` is its length, to iterate over it gives its buffers, `bytes()` assembles it.

        Raises:
            RemoteProtocolError: the stream is in error.
            LimitExceeded: no completion was found. Only a cut array header can be made so that it
                has none.

        >>> tracker = Tracker()
        >>> tracker.feed(b'FB#GA~DPlus\\n"HD~Ehel')
        [Start(offset=0), Head(offset=12, name='Plus', arguments=2)]
        >>> bytes(tracker.completion())
        b'  \\n#GA~DNull\\n'
        """
        if self._error is not None:
            raise self._error
        return complete(self._unfinished()) if self._inside else Completion(())

    def break_off(self, most: int) -> bytes | None:
        """Return bytes after which a reader reports the open expression as broken, and goes on.

        They end the open token, and then the packet by an early `]` (PROTOCOL.md section 11). None
        come between expressions.

        Args:
            most: how many bytes may be needed.

        Returns:
            None if more are needed, or if the reader would not notice: nothing would be missing.

        Raises:
            RemoteProtocolError, LimitExceeded: as `completion` does.

        >>> tracker = Tracker()
        >>> tracker.feed(b'FB#GA~DPlus\\n"HD~Ehel')
        [Start(offset=0), Head(offset=12, name='Plus', arguments=2)]
        >>> tracker.break_off(100)
        b'  \\n]'
        """
        if self._error is not None:
            raise self._error
        if not self._inside:
            return b""
        rest = break_off(self._unfinished())
        return None if rest is None or rest.size > most else bytes(rest)

    def _unfinished(self) -> Unfinished:
        return Unfinished(
            stack=tuple(self._stack),
            array_left=self._array_left,
            array_fresh=self._array_fresh,
            carry=self._carry,
            body=self._body,
            left=self._left,
            seen_chars=self._seen_chars,
            cut=self._cut,
            last=self._last,
            array=self._array,
        )
