"""Expressions as token bytes and back, without recursion, in pieces of any size. No I/O.

`wstp.expr` has the table of expressions and Python values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np

from wstp.errors import EarlyEnd, LimitExceeded, LocalProtocolError, Misread, RemoteProtocolError
from wstp.expr import BigReal, Expr, Function, Symbol, make_function
from wstp.features import OURS, Features
from wstp.lexer import NUMBER_TEXTS, STRING, SYMBOL, Buffer
from wstp.limits import DEFAULT_LIMITS, Limits
from wstp.text import TextError, decode_text
from wstp.tokens import (
    NEED_DATA,
    ArrayToken,
    BigRealToken,
    EndPacketToken,
    FunctionToken,
    IntegerToken,
    MisreadToken,
    NeedData,
    PackedToken,
    RealToken,
    StringToken,
    SymbolToken,
    TokenReader,
    TokenWriter,
    encode_integer,
    encode_real,
    encode_singles,
    encode_string,
    encode_symbol,
    type_byte_of,
)

__all__ = ["END_PACKET", "EndPacket", "ExpressionReader", "write_expression"]


class EndPacket:
    """The type of `END_PACKET`, which `ExpressionReader.next_event()` returns for a `]`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "END_PACKET"


END_PACKET: Final = EndPacket()


_LIST: Final = Symbol("List")
_FAILED: Final = Symbol("$Failed")
_RANK: Final = 32  # the rank that every numpy can hold; arrays of a higher rank become nested lists
_int32 = struct.Struct("<i").unpack_from
_int64 = struct.Struct("<q").unpack_from
_real64 = struct.Struct("<d").unpack_from
_RUNS: Final[dict[int, tuple[int, np.dtype[Any]]]] = {
    0xE4: (6, np.dtype("<i4")), 0xF6: (10, np.dtype("<f8")), 0xE6: (10, np.dtype("<i8")),
}  # fmt: skip
_SHORT_TEXTS: Final = frozenset((SYMBOL, STRING))
_NOTHING: Final = object()  # stands for a value that has been put in its place already
_symbol_cache: dict[bytes, Symbol] = {b"GA~DList\n": _LIST, b"GD~DList\n": _LIST}


def _is_list(head: Expr) -> bool:
    # A head can be any value, an array too, for which `==` returns an array.
    return type(head) is Symbol and head.name == "List"


def _short_string(token: bytes) -> str | None:
    """Decode a string's token (without lead byte and size); None when it is not canonical."""
    chars = token[2] - 0x40
    if token[1] != 0x7E or token[-1] != 0x0A or not 0 <= chars <= 63:
        return None
    encoding, data = token[0], token[3:-1]
    try:
        if encoding == 68:
            text = data.decode("utf-8")
        elif encoding == 67:
            if len(data) != 2 * chars:
                return None
            return data.decode("utf-16-be", "surrogatepass")
        else:
            return None
    except UnicodeDecodeError:
        return None
    return text if len(text) == chars else None


class _Frame:
    """An open function; `due` arguments are still to come, and the head too while it is None."""

    __slots__ = ("args", "due", "head", "packed")

    def __init__(self, due: int) -> None:
        self.head: Expr | None = None
        self.args: list[Expr] = []
        self.due = due
        self.packed: np.ndarray[Any, Any] | None = None


class _OpenArray:
    """An open array, and the leaves that have come as packed runs and as single numbers."""

    __slots__ = ("due", "runs", "singles", "token")

    def __init__(self, token: ArrayToken) -> None:
        self.token = token
        self.due = token.leaves
        self.runs: list[np.ndarray[Any, Any] | list[Any]] = []
        self.singles: list[Any] | None = None

    def add_run(self, values: np.ndarray[Any, Any]) -> None:
        self.singles = None
        self.runs.append(values)
        self.due -= len(values)

    def add_number(self, value: Any) -> None:
        if self.singles is None:
            self.singles = []
            self.runs.append(self.singles)
        self.singles.append(value)
        self.due -= 1

    def leaves(self) -> np.ndarray[Any, Any] | list[Any]:
        """Return all leaves, as an array if they are machine numbers of one kind, else a list."""
        if len(self.runs) == 1 and isinstance(self.runs[0], np.ndarray):
            return self.runs[0]
        kinds: set[type] = set()
        for run in self.runs:
            if isinstance(run, np.ndarray):
                kinds.add(float if run.dtype.kind == "f" else int)
            else:
                kinds.update(map(type, run))
        if len(kinds) == 1 and kinds <= {int, float}:
            try:
                parts = [run if isinstance(run, np.ndarray) else _numbers(run) for run in self.runs]
                return np.concatenate(parts)
            except OverflowError:
                pass
        flat: list[Any] = []
        for run in self.runs:
            flat.extend(run.tolist() if isinstance(run, np.ndarray) else run)
        return flat


def _numbers(values: list[Any]) -> np.ndarray[Any, Any]:
    """Return numbers of one kind as the smallest array that a peer would have sent packed."""
    if isinstance(values[0], float):
        return np.array(values, dtype="<f8")
    wide = np.array(values, dtype="<i8")
    narrow = wide.astype("<i4")
    return narrow if np.array_equal(wide, narrow) else wide


class ExpressionReader:
    """Read expressions from pieces of a stream.

    >>> reader = ExpressionReader()
    >>> reader.feed(b"FA#GA~DPl")
    >>> reader.next()
    NEED_DATA
    >>> reader.feed(b'us\\n"HD~Ehello\\n]')
    >>> reader.next()
    Symbol('Plus')('hello')

    An expression that cannot be read, but whose end is known, raises a `PacketFault`. The next call
    reads what follows it:

    >>> reader.feed(b'FA#GA~DList\\n+HA~Etwice\\n"GD~Dnext\\n')
    >>> reader.next()
    Traceback (most recent call last):
        ...
    wstp.errors.Misread: "twice" was sent as a number, and is none that can be read
    >>> reader.next()
    'next'
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        """Start at offset 0, between expressions; `limits` are bounds on what is read."""
        self._limits = limits
        self._tokens = TokenReader(limits)
        self._misread: tuple[str, str, int] | None = None  # the first fault: its kind, text and offset
        self._stack: list[_Frame] = []
        self._array: _OpenArray | None = None
        self._start = 0
        self._inside = False
        self._result: Expr = None
        # The quick way checks no limits on texts, so it is only for limits that no short text can
        # pass.
        self._short_is_legal = min(limits.token_size, limits.symbol_size) >= 64

    @property
    def offset(self) -> int:
        """Return the offset just after what has been read."""
        return self._tokens.offset

    @property
    def unread(self) -> int:
        """Return how many bytes have been fed that belong to no expression returned yet."""
        inside = self._tokens.offset - self._start if self._inside else 0
        return self._tokens.unread + inside

    @property
    def inside(self) -> bool:
        """Tell whether an expression has begun and is not complete."""
        return self._inside

    def feed(self, data: Buffer) -> None:
        """Take the next bytes."""
        self._tokens.feed(data)

    def next(self) -> Expr | Literal[NeedData.NEED_DATA]:
        """Return the next complete top-level expression, or NEED_DATA; skip `]` tokens.

        Raises:
            Misread: a part of the expression cannot be read. The next call reads what follows it.
            EarlyEnd: a `]` came before the expression was complete; likewise.
            RemoteProtocolError: a byte is wrong. Every later call raises it too.
            LimitExceeded: a bound was passed. Every later call raises it too.
        """
        while True:
            event = self.next_event()
            if event is not END_PACKET:
                return event

    def next_event(self) -> Expr | EndPacket | Literal[NeedData.NEED_DATA]:
        """Return the next complete expression, END_PACKET for a `]`, or NEED_DATA.

        Raises as `next()` does.
        """
        tokens = self._tokens
        try:
            return self._read(tokens)
        except (RemoteProtocolError, LimitExceeded) as error:
            tokens.fail(error)
            raise

    def _wrong(self, text: str) -> RemoteProtocolError:
        return RemoteProtocolError(text, self._tokens.offset)

    def _read(self, tokens: TokenReader) -> Expr | EndPacket | Literal[NeedData.NEED_DATA]:
        stack = self._stack
        value: Expr
        while True:
            if self._array is None and tokens.plain and self._quick_tokens(tokens):
                return self._finish()
            token = tokens.next_token()
            if token is NEED_DATA:
                if not self._inside and tokens.unread:
                    self._begin()
                self._check_size()
                return NEED_DATA
            kind = type(token)
            if self._array is not None:
                array = self._array
                if kind is PackedToken:
                    assert isinstance(token, PackedToken)
                    if len(token.values) > array.due:
                        raise self._wrong(f"{len(token.values)} packed numbers where {array.due} are due")
                    array.add_run(token.values)
                elif isinstance(token, (IntegerToken, RealToken)):
                    array.add_number(token.value)
                elif isinstance(token, BigRealToken):
                    array.add_number(BigReal(token.text))
                elif isinstance(token, MisreadToken) and token.token in NUMBER_TEXTS:
                    array.add_number(self._misread_part("number", token.problem, token.offset))
                elif isinstance(token, EndPacketToken):
                    raise self._end_early()
                else:
                    raise self._wrong(f"a {kind.__name__} where an array's leaf is due")
                if array.due:
                    continue
                self._array = None
                value = self._shape(array.token, array.leaves())
            elif isinstance(token, FunctionToken):
                self._open(token.arguments)
                continue
            elif isinstance(token, SymbolToken):
                value = Symbol(token.name)
            elif isinstance(token, StringToken):
                value = token.text
            elif isinstance(token, (IntegerToken, RealToken)):
                value = token.value
            elif isinstance(token, BigRealToken):
                value = BigReal(token.text)
            elif isinstance(token, MisreadToken):
                what = "number" if token.token in NUMBER_TEXTS else "text"
                value = self._misread_part(what, token.problem, token.offset)
            elif isinstance(token, PackedToken):
                if not stack or stack[-1].head is None:
                    raise self._wrong("packed numbers where no arguments are due")
                frame = stack[-1]
                count = len(token.values)
                if count > frame.due:
                    raise self._wrong(f"{count} packed numbers where {frame.due} are due")
                if not frame.args and count == frame.due and _is_list(frame.head) and count:
                    frame.packed = token.values
                else:
                    frame.args.extend(token.values.tolist())
                frame.due -= count
                self._check_size()
                if frame.due:
                    continue
                value = self._close(frame)
            elif isinstance(token, ArrayToken):
                self._begin()
                if token.leaves:
                    self._array = _OpenArray(token)
                    continue
                value = self._shape(token, [])
            elif isinstance(token, EndPacketToken):
                if stack:
                    raise self._end_early()
                self._start = tokens.offset
                return END_PACKET
            else:
                raise AssertionError(f"unexpected {kind.__name__}")
            self._begin()
            if self._add(value):
                continue
            return self._finish()

    # -- steps

    def _begin(self) -> None:
        if not self._inside:
            self._inside = True

    def _misread_part(self, what: str, problem: str, offset: int) -> Symbol:
        """Remember the first fault, and return the symbol that stands in the place of the part."""
        if self._misread is None:
            self._misread = what, problem, offset
        return _FAILED

    def _end_early(self) -> EarlyEnd:
        """Drop the open expression, at whose `]` the reader stands, and return the error for it."""
        value: Expr = _FAILED
        for frame in reversed(self._stack):
            if frame.head is None:
                frame.head = value
            else:
                frame.args.append(value)
            value = frame.args if _is_list(frame.head) else make_function(frame.head, tuple(frame.args))
        offset = self._tokens.offset - 1
        self._stack.clear()
        self._array = None
        self._inside = False
        self._misread = None
        self._start = self._tokens.offset
        return EarlyEnd("end", "the packet ended before it was complete", value, offset)

    def _check_size(self) -> None:
        if self._inside and self.unread > self._limits.total_size:
            raise LimitExceeded(
                f"the expression at byte {self._start} is over {self._limits.total_size} bytes (total_size)"
            )

    def _open(self, count: int) -> None:
        if len(self._stack) >= self._limits.nesting_depth:
            raise LimitExceeded(
                f"byte {self._tokens.offset} is nested deeper than {self._limits.nesting_depth} (nesting_depth)"
            )
        self._inside = True
        self._stack.append(_Frame(count))

    def _quick_tokens(self, tokens: TokenReader) -> bool:
        """Read the commonest tokens while they are short, complete and right.

        Leave every other token to `_read()`. Return whether the expression is complete; it is in
        `_result` then.
        """
        buffer, at = tokens.buffer, tokens.at
        end = len(buffer)
        stack = self._stack
        depth = self._limits.nesting_depth if self._short_is_legal else 0
        frame = stack[-1] if stack else None
        value: Expr
        while end - at > 5:
            lead = buffer[at]
            if lead == 0x46:
                count = buffer[at + 1] - 0x40
                if not 0 <= count <= 63 or len(stack) >= depth:
                    break
                frame = _Frame(count)
                stack.append(frame)
                self._inside = True
                at += 2
                continue
            if lead in _SHORT_TEXTS:
                after = at + 3 + buffer[at + 1] - 0x40
                if not 0x43 <= buffer[at + 1] <= 0x7F or after > end or not depth:
                    break
                if lead == SYMBOL:
                    key = bytes(buffer[at + 1 : after])
                    value = _symbol_cache.get(key) or self._short_symbol(key)
                else:
                    value = _short_string(bytes(buffer[at + 2 : after]))
                if value is None:
                    break
                at = after
            elif lead == 0xE4:
                if (
                    frame is not None
                    and frame.due >= 16
                    and frame.head is not None
                    and end - at >= 96
                    and (count := self._run(frame, buffer, at, lead))
                ):
                    at += 6 * count
                    if frame.due:
                        continue
                    value = _NOTHING
                elif buffer[at + 5] == 0x0A:
                    value = _int32(buffer, at + 1)[0]
                    at += 6
                else:
                    break
            elif lead == 0xF6 or lead == 0xE6:
                if end - at < 10 or buffer[at + 9] != 0x0A:
                    break
                if (
                    frame is not None
                    and frame.due >= 16
                    and frame.head is not None
                    and end - at >= 160
                    and (count := self._run(frame, buffer, at, lead))
                ):
                    at += 10 * count
                    if frame.due:
                        continue
                    value = _NOTHING
                else:
                    value = (_real64 if lead == 0xF6 else _int64)(buffer, at + 1)[0]
                    at += 10
            else:
                break
            if frame is None:
                tokens.at = at
                self._result = value
                return True
            if value is _NOTHING:
                pass
            elif frame.head is None:
                frame.head = value
            else:
                frame.args.append(value)
                frame.due -= 1
            while not frame.due:
                value = self._close(frame)
                if not stack:
                    tokens.at = at
                    self._result = value
                    return True
                frame = stack[-1]
                if frame.head is None:
                    frame.head = value
                else:
                    frame.args.append(value)
                    frame.due -= 1
        tokens.at = at
        return False

    def _short_symbol(self, key: bytes) -> Symbol | None:
        """Decode and remember a symbol's token (without its lead byte).

        Return None when it is wrong or not canonical.
        """
        chars = key[3] - 0x40
        if key[2] != 0x7E or not 0 < chars <= 63 or key[-1] != 0x0A:
            return None
        try:
            symbol = Symbol(decode_text(key[1], key[4:-1], chars))
        except (TextError, ValueError):
            return None
        if len(_symbol_cache) >= 4096:
            _symbol_cache.clear()
            _symbol_cache.update({b"GA~DList\n": _LIST, b"GD~DList\n": _LIST})
        _symbol_cache[key] = symbol
        return symbol

    def _run(self, frame: _Frame, buffer: bytes | bytearray, at: int, lead: int) -> int:
        """Take a run of number tokens of one type at once; return how many, 0 for no long run."""
        width, dtype = _RUNS[lead]
        step = at + 15 * width
        if buffer[at + width] != lead or buffer[step] != lead or buffer[step + width - 1] != 0x0A:
            return 0
        count = min(frame.due, (len(buffer) - at) // width)
        table = np.frombuffer(buffer, np.uint8, count * width, at).reshape(count, width)
        right = (table[:, 0] == lead) & (table[:, -1] == 0x0A)
        if not right.all():
            count = int(right.argmin())
        if count:
            frame.args.extend(np.ascontiguousarray(table[:count, 1:-1]).view(dtype).ravel().tolist())
            frame.due -= count
        return count

    def _close(self, frame: _Frame) -> Expr:
        """Drop the innermost function, which is complete, and return its value."""
        self._stack.pop()
        if frame.packed is not None:
            return frame.packed
        if _is_list(frame.head):
            return frame.args
        return make_function(frame.head, tuple(frame.args))

    def _add(self, value: Expr) -> bool:
        """Put a value where it is due; tell whether more is due.

        When nothing more is due, the expression is in `_result`.
        """
        stack = self._stack
        while stack:
            frame = stack[-1]
            if frame.head is None:
                frame.head = value
            else:
                frame.args.append(value)
                frame.due -= 1
            if frame.due:
                return True
            value = self._close(frame)
        self._result = value
        return False

    def _finish(self) -> Expr:
        value, self._result = self._result, None
        self._check_size_of_result()
        self._inside = False
        self._start = self._tokens.offset
        if self._misread is not None:
            (what, problem, offset), self._misread = self._misread, None
            raise Misread(what, problem, value, offset)
        return value

    def _check_size_of_result(self) -> None:
        if self._tokens.offset - self._start > self._limits.total_size:
            raise LimitExceeded(
                f"the expression at byte {self._start} is over {self._limits.total_size} bytes (total_size)"
            )

    # -- arrays

    def _shape(self, token: ArrayToken, leaves: np.ndarray[Any, Any] | list[Any]) -> Expr:
        """Return an array's value from its leaves."""
        dimensions, heads = token.dimensions, token.heads
        if isinstance(leaves, np.ndarray) and len(dimensions) <= _RANK:
            if all(head == "List" for head in heads):
                return leaves.reshape(dimensions)
            if (
                heads[-1] == "Complex"
                and dimensions[-1] == 2
                and leaves.dtype.kind == "f"
                and len(heads) > 1
                and all(head == "List" for head in heads[:-1])
            ):
                dtype = np.dtype("<c8" if leaves.dtype.itemsize == 4 else "<c16")
                return leaves.view(dtype).reshape(dimensions[:-1])
        if heads == ("ByteArray",):
            if isinstance(leaves, np.ndarray) and leaves.dtype.itemsize == 1:
                return leaves.tobytes()
            values = leaves if isinstance(leaves, list) else leaves.tolist()
            if all(isinstance(value, int) and 0 <= value <= 255 for value in values):
                return bytes(values)
        nodes = 1
        total = 1
        for dimension in dimensions[:-1]:
            nodes *= dimension
            total += nodes
            if total > self._limits.array_nodes:
                problem = f"an array of {total} or more functions is over {self._limits.array_nodes} (array_nodes)"
                return self._misread_part("array", problem, self._tokens.offset)
        level: list[Any] = leaves.tolist() if isinstance(leaves, np.ndarray) else leaves
        count = nodes
        for dimension, head in zip(reversed(dimensions), reversed(heads), strict=True):
            symbol = None if head == "List" else self._head(head)
            groups = (level[at * dimension : (at + 1) * dimension] for at in range(count))
            level = list(groups) if symbol is None else [make_function(symbol, tuple(group)) for group in groups]
            position = len(dimensions) - 1
            dimensions = dimensions[:position]
            count = count // dimensions[-1] if dimensions and dimensions[-1] else 0
            if dimensions and not dimensions[-1]:
                count = _product(dimensions[:-1])
        return level[0]

    def _head(self, name: str) -> Symbol:
        return Symbol(name) if name else self._misread_part("text", "an array's head cannot be read", self._tokens.offset)


def _product(dimensions: tuple[int, ...]) -> int:
    product = 1
    for dimension in dimensions:
        product *= dimension
    return product


# -- writing

_DEPTH: Final = 1_000_000
_LISTED: Final = {0xE4, 0xE6, 0xF6}
_SHORT: Final = 1024  # bytes; longer lists are sent as arrays, as the libraries do


def write_expression(expr: Expr, features: Features = OURS) -> list[Buffer]:
    """Return the token bytes of an expression, as buffers to be written one after the other.

    Big arrays are not copied: do not change them before the buffers have been written. Arrays are
    sent packed when the peer takes their type, and number by number otherwise.

    Args:
        expr: the expression; `wstp.expr` has the table of Python values and what they mean.
        features: what the peer announced.

    Raises:
        TypeError: a value stands for no expression.
        LocalProtocolError: a list holds itself.

    >>> write_expression(Symbol("f")(1, "x"))
    [b'FB#DA~Af\\n\\xe4\\x01\\x00\\x00\\x00\\n"DD~Ax\\n']
    """
    writer = TokenWriter(features)
    put = writer.raw
    stack: list[Iterator[Expr]] = [iter((expr,))]
    while stack:
        for node in stack[-1]:
            kind = type(node)
            if kind is int:
                put(encode_integer(node))
            elif kind is str:
                put(encode_string(node, features))
            elif kind is Symbol:
                put(encode_symbol(node.name, features))
            elif kind is float:
                put(encode_real(node))
            elif kind is Function:
                head = node.head
                args = node.args
                writer.function(len(args))
                if type(head) is Symbol:
                    put(encode_symbol(head.name, features, True))
                    if args:
                        stack.append(iter(args))
                        break
                else:
                    stack.append(iter((head, *args)))
                    break
            elif kind is list or kind is tuple:
                writer.function(len(node))
                put(encode_symbol("List", features, True))
                if len(node) >= 32 and (dense := _dense(node)) is not None:
                    put(dense)
                elif node:
                    stack.append(iter(node))
                    break
            else:
                children = _put_other(writer, node)
                if children is not None:
                    stack.append(children)
                    break
        else:
            stack.pop()
            continue
        if len(stack) > _DEPTH:
            raise LocalProtocolError(f"nested deeper than {_DEPTH}: does a list hold itself?")
    return writer.take()


def _dense(values: list[Expr] | tuple[Expr, ...]) -> bytes | None:
    """Return the tokens of a list of machine numbers of one kind; None for any other list."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return encode_singles(np.array(values, dtype="<f8"))
    if kinds == {int}:
        try:
            wide = np.array(values, dtype="<i8")
        except OverflowError:
            return None
        if wide.min() >= -0x80000000 and wide.max() <= 0x7FFFFFFF:
            return encode_singles(wide.astype("<i4"))
    return None


def _put_other(writer: TokenWriter, node: Expr) -> Iterator[Expr] | None:
    """Put a value of a rarer type; return its parts when they are to be put one by one."""
    if isinstance(node, (bool, np.bool_)):
        writer.symbol("True" if node else "False")
    elif node is None:
        writer.symbol("Null")
    elif isinstance(node, np.ndarray):
        return _put_array(writer, node)
    elif isinstance(node, (bytes, bytearray, memoryview)):
        data = np.frombuffer(node, dtype=np.uint8)
        writer.array(data, ("ByteArray",))
    elif isinstance(node, BigReal):
        writer.big_real(node)
    elif isinstance(node, np.generic):
        item = node.item()
        if isinstance(item, np.generic):
            raise TypeError(f"cannot put a {node.dtype} without losing some of it")
        return iter((item,))
    elif isinstance(node, complex):
        return iter((make_function(Symbol("Complex"), (node.real, node.imag)),))
    elif isinstance(node, dict):
        rule = Symbol("Rule")
        rules = tuple(make_function(rule, pair) for pair in node.items())
        return iter((make_function(Symbol("Association"), rules),))
    elif isinstance(node, Symbol):
        writer.symbol(node)
    elif isinstance(node, Function):  # one of a subclass
        return iter((make_function(node.head, node.args),))
    elif isinstance(node, int):
        writer.integer(int(node))
    elif isinstance(node, float):
        writer.real(float(node))
    elif isinstance(node, str):
        writer.string(str(node))
    elif isinstance(node, (list, tuple)):
        writer.function(len(node))
        writer.symbol("List", head=True)
        return iter(node)
    else:
        raise TypeError(f"cannot put a {type(node).__module__}.{type(node).__qualname__}: it stands for no expression")
    return None


_convert: Final[dict[str, str]] = {"i1": "<i2", "u2": "<i4", "u4": "<i8", "f2": "<f4"}


def _put_array(writer: TokenWriter, values: np.ndarray[Any, Any]) -> Iterator[Expr] | None:
    if values.ndim == 0:
        return iter((values[()],))
    kind = values.dtype.kind
    code = values.dtype.str[1:]
    heads = ["List"] * values.ndim
    if kind == "c" and values.dtype.itemsize <= 16:
        real = np.dtype("<f4" if values.dtype.itemsize == 8 else "<f8")
        numbers = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        if not values.size:
            return iter((values.tolist(),))
        numbers = numbers.view(real).reshape(*values.shape, 2)
        writer.array(numbers, [*heads, "Complex"])
        return None
    if code in _convert:
        with np.errstate(invalid="ignore"):
            values = values.astype(_convert[code])
    elif code == "u8":
        if values.size and values.max() > 0x7FFFFFFFFFFFFFFF:
            return iter((values.tolist(),))
        values = values.astype("<i8")
    elif kind in "iuf" and type_byte_of(values) is not None:
        values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    elif kind in "bOU":
        return iter((values.tolist(),))
    else:
        raise TypeError(f"cannot put an array of {values.dtype}")
    if values.ndim == 1 and (not values.size or (values.nbytes <= _SHORT and type_byte_of(values) in _LISTED)):
        writer.function(values.size)
        writer.symbol("List", head=True)
        if values.size:
            writer.packed(values)
        return None
    writer.array(values, heads)
    return None


