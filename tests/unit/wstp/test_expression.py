"""Expressions: numbers with a wrong text, limits, and the values that can be put."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wstp import (
    NEED_DATA,
    BigReal,
    EarlyEnd,
    ExpressionReader,
    Features,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    Misread,
    PacketFault,
    RemoteProtocolError,
    Symbol,
    same,
    write_expression,
)
from wstp.expression import END_PACKET
from wstp.limits import DEFAULT_LIMITS

S = Symbol
BIG = 10**29
REAL = BigReal("1.234567890123456789012345`25.")


def wire(expr: object) -> bytes:
    return b"".join(bytes(part) for part in write_expression(expr))


def wrong(expr: object) -> bytes:
    """Return an expression's bytes in which big numbers have a wrong text of the same length."""
    return wire(expr).replace(str(BIG).encode(), b"abc" * 10).replace(REAL.text.encode(), b"x" * len(REAL.text))


def read_all(data: bytes, step: int, limits: Limits = DEFAULT_LIMITS) -> list[Any]:
    """Return the expressions of a stream, and a fault in the place of each that is not read."""
    reader = ExpressionReader(limits)
    found: list[Any] = []
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        while True:
            try:
                event = reader.next_event()
            except PacketFault as fault:
                event = fault
            if event is NEED_DATA:
                break
            found.append(event)
    assert reader.unread == 0
    assert not reader.inside
    return found


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_number_that_is_none(step: int) -> None:
    cases = [
        (BIG, S("$Failed"), "abc" * 10),
        (S("f")(1, BIG, "s"), S("f")(1, S("$Failed"), "s"), "abc" * 10),
        ([REAL, 2.5, BIG], [S("$Failed"), 2.5, S("$Failed")], "x" * len(REAL.text)),
        (S("f")(S("g")(BIG), [1] * 40), S("f")(S("g")(S("$Failed")), [1] * 40), "abc" * 10),
    ]
    for sent, expected, text in cases:
        fault, after = read_all(wrong(sent) + wire(S("next")(1)), step)
        assert isinstance(fault, Misread)
        assert (fault.what, fault.expr) == ("number", expected)
        assert str(fault) == f'"{text}" was sent as a number, and is none that can be read'
        assert wrong(sent)[fault.offset] in b"+*"
        assert after == S("next")(1)


def test_a_leaf_of_an_array() -> None:
    packed = wire(np.arange(4, dtype="<i4").reshape(2, 2))
    header = packed[: packed.index(b"PD")]
    fault, after = read_all(header + wire(0) + wrong(BIG) + wire(2) + wire(3) + wire("next"), 10_000)
    assert (type(fault), fault.expr, after) == (Misread, [[0, S("$Failed")], [2, 3]], "next")


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(
    ("data", "what", "expr"),
    [
        (b'FA#DA~Af\n"DD~A\xff\n', "text", S("f")(S("$Failed"))),
        (b"FA#DD~A\xff\n" + wire(1), "text", S("$Failed")(1)),
        (b"FA#CD~@\n" + wire(1), "text", S("$Failed")(1)),
        (b"FAFA#CD~@\n" + wire(1) + wire(2), "text", S("$Failed")(1)(2)),
        (b"AADJFA#DD~A\xff\n.\nPA\xa1\x07\n", "text", S("$Failed")(7)),
        (b"AADIFA#CD~@\n.\nPA\xa1\x07\n", "text", S("$Failed")(7)),
        (b"+lA~i" + b"9" * 41 + b"\n", "number", S("$Failed")),
        (b"FB#DA~Af\n+DA~Ax\n\"DD~A\xff\n", "number", S("f")(S("$Failed"), S("$Failed"))),
        (b"A99 DUF99 #DA~Af\nFA#DA~Ag\n.\nP99 \xa1" + bytes(99) + b"\n", "array", S("$Failed")),
        (b"F@#DD~A\xff\n", "text", S("$Failed")()),
    ],
)
def test_what_cannot_be_read(data: bytes, what: str, expr: Any, step: int) -> None:
    fault, end, after = read_all(data + b"]" + wire("next"), step, Limits(integer_digits=40, array_nodes=50))
    assert (type(fault), fault.what, fault.expr) == (Misread, what, expr)
    assert end is END_PACKET
    assert after == "next"


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(
    ("data", "expr"),
    [
        (b"FA", S("$Failed")()),
        (b"FAFA", S("$Failed")()()),
        (b"FB#DA~Af\n", S("f")(S("$Failed"))),
        (b"FB#DA~Af\n" + wire("x"), S("f")("x", S("$Failed"))),
        (b"FB#DA~Af\nFB" + wire(S("List")), S("f")([S("$Failed")])),
        (b"FAFA#DA~Af\n", S("f")(S("$Failed"))()),
        (b"FAFA#DA~Af\n" + wire(1), S("f")(1)(S("$Failed"))),
        (b"F200 " + wire(S("List")) + wire(1) * 40, [*[1] * 40, S("$Failed")]),
        (b"FC" + wire(S("List")) + b"PB\xa1\x05\x06\n", [5, 6, S("$Failed")]),
        (b"AADMFA#GA~DList\n.\n", S("$Failed")),
        (b"FA#DA~Af\nABDMFB#GA~DList\n.\n" + wire(1), S("f")(S("$Failed"))),
        (b"FB#DA~Af\n+DA~Ax\n", S("f")(S("$Failed"), S("$Failed"))),
        (b"FA#DA~Af\n" * 3000, None),
        (b"F1000000000000000 " + wire(S("List")), [S("$Failed")]),
    ],
)
def test_an_early_end_of_packet(data: bytes, expr: Any, step: int) -> None:
    """The reader goes on behind it, as the C library does after error 24."""
    fault, after = read_all(data + b"]" + wire("next"), step)
    assert (type(fault), fault.what, fault.offset) == (EarlyEnd, "end", len(data))
    assert expr is None or fault.expr == expr
    assert after == "next"


def test_what_is_no_token_is_an_error_all_the_same() -> None:
    reader = ExpressionReader()
    reader.feed(b"\x01\x02\x03")
    with pytest.raises(RemoteProtocolError):
        reader.next()


@pytest.mark.parametrize(
    ("data", "limits", "bound"),
    [
        (b"FAFAFAFA", {"nesting_depth": 3}, "nesting_depth"),
        (b'FB#DA~Af\n"DD~Ax\n"DD~Ax\n', {"total_size": 15}, "total_size"),
        (b"FZ#DA~Af\n" + b"\xe4\0\0\0\0\n" * 26, {"total_size": 100}, "total_size"),
        (b"F9 #DA~Af\n" + b'"80 D~77 ', {"total_size": 50, "token_size": 200}, None),
    ],
)
def test_limits_of_expressions(data: bytes, limits: dict[str, int], bound: str | None) -> None:
    reader = ExpressionReader(Limits(**limits))
    reader.feed(data)
    if bound is None:
        assert reader.next() is NEED_DATA
    else:
        with pytest.raises(LimitExceeded, match=bound):
            reader.next()


def test_an_array_that_unfolds_to_too_much() -> None:
    header = b"F1000000000000000 #DA~Af\nF@#GA~DList\n."
    reader = ExpressionReader()
    reader.feed(b"A@D%d %b\n" % (len(header), header) if len(header) >= 64 else b"A@D%c%b\n" % (0x40 + len(header), header))
    with pytest.raises(Misread, match="array_nodes"):
        reader.next()


def test_a_claim_allocates_nothing() -> None:
    reader = ExpressionReader(Limits(token_size=1 << 61, count_digits=19))
    reader.feed(b"F1000000000000000 #GA~DList\nP1000000000000000 \xf6")
    reader.feed(bytes(100_000))
    assert reader.next() is NEED_DATA
    assert reader.unread < 200_000


def test_big_arrays_are_not_copied() -> None:
    values = np.arange(10_000.0)
    buffers = write_expression(values)
    assert any(isinstance(part, memoryview) and np.shares_memory(np.frombuffer(part, np.uint8), values) for part in buffers)


LITTLE = Features(tokens=(), formats=(1,))


@pytest.mark.parametrize(
    ("expr", "data"),
    [
        (np.array([1, 2], "i4"), b"FB#GA~DList\n\xe4\1\0\0\0\n\xe4\2\0\0\0\n"),
        (b"\x05", b"AADRFA#LA~IByteArray\n.\n\xa1\x05\n"),
        (Symbol("α"), b"#IA~A\\:03b1\n"),
        ("é\\", b'"IA~B\\351\\\\\n'),
        ("😀", b'"OA~B\\:d83d\\:de00\n'),
    ],
)
def test_a_peer_that_takes_little(expr: Any, data: bytes) -> None:
    assert b"".join(write_expression(expr, LITTLE)) == data


@pytest.mark.parametrize("value", [object(), np.array(["2020"], "M8[Y]"), {1}, f"{1}".encode, np.longdouble(1) / 3])
def test_what_stands_for_no_expression(value: Any) -> None:
    with pytest.raises(TypeError):
        write_expression([1, value])


@pytest.mark.parametrize(
    ("value", "expr"),
    [
        (True, Symbol("True")), (None, Symbol("Null")), (np.bool_(False), Symbol("False")), (np.int16(3), 3), (np.float32(0.5), 0.5),
        (1 + 2j, Symbol("Complex")(1.0, 2.0)), ({"a": 1}, Symbol("Association")(Symbol("Rule")("a", 1))), ((1, 2), [1, 2]),
        (np.array(5), 5), (np.array([True, False]), [Symbol("True"), Symbol("False")]),
        (bytearray(b"x"), b"x"), (np.array([1, None]), [1, Symbol("Null")]),
        (np.array([1, 2], ">i8"), np.array([1, 2], "i8")), (np.arange(6.0).reshape(2, 3).T, np.array([[0.0, 3], [1, 4], [2, 5]])),
        (np.array([1], "i1"), np.array([1], "i2")), (np.array([1], "u2"), np.array([1], "i4")), (np.array([1], "u4"), np.array([1], "i8")),
        (np.array([1], "u8"), np.array([1], "i8")),
        (np.array([1 << 63], "u8"), [1 << 63]), (np.array([1], "f2"), np.array([1], "f4")),
        (np.zeros((0, 3)), []), (np.zeros((2, 0)), [[], []]), (np.zeros(0), []), (b"", b""), (np.zeros((1,) * 40), None), ("", ""),
    ],
)  # fmt: skip
def test_other_values_that_can_be_put(value: Any, expr: Any) -> None:
    reader = ExpressionReader()
    reader.feed(b"".join(write_expression(value)))
    found = reader.next()
    if expr is None:
        for _ in range(40):
            (found,) = found
        expr = 0.0
    assert same(found, expr)


def test_a_list_that_holds_itself() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(LocalProtocolError):
        write_expression(circle)
