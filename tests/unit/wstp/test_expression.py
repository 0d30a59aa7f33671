"""Numbers whose text is none: an error for most, a `Misread` for a tolerant reader, which reads on
behind it.
"""

from __future__ import annotations

import numpy as np
import pytest

from wstp import (
    NEED_DATA,
    BigReal,
    ExpressionReader,
    LimitExceeded,
    Limits,
    Misread,
    RemoteProtocolError,
    Symbol,
    write_expression,
)

S = Symbol
BIG = 10**29
REAL = BigReal("1.234567890123456789012345`25.")


def wire(expr: object) -> bytes:
    return b"".join(bytes(part) for part in write_expression(expr))


def wrong(expr: object) -> bytes:
    """Give an expression's bytes with its big numbers misspelt, as long as they were."""
    return wire(expr).replace(str(BIG).encode(), b"abc" * 10).replace(REAL.text.encode(), b"x" * len(REAL.text))


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_reading_goes_on(step: int) -> None:
    cases = [
        (BIG, S("$Failed"), "abc" * 10),
        (S("f")(1, BIG, "s"), S("f")(1, S("$Failed"), "s"), "abc" * 10),
        ([REAL, 2.5, BIG], [S("$Failed"), 2.5, S("$Failed")], "x" * len(REAL.text)),
        (S("f")(S("g")(BIG), [1] * 40), None, "abc" * 10),
    ]
    for sent, expected, text in cases:
        reader = ExpressionReader(tolerant=True)
        data = wrong(sent) + wire(S("next")(1))
        found = []
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while (value := reader.next()) is not NEED_DATA:
                found.append(value)
        first, second = found
        assert isinstance(first, Misread)
        assert first.text == text
        assert expected is None or first.expr == expected
        assert second == S("next")(1)


def test_a_leaf_of_an_array() -> None:
    packed = wire(np.arange(4, dtype="<i4").reshape(2, 2))
    header = packed[: packed.index(b"PD")]
    reader = ExpressionReader(tolerant=True)
    reader.feed(header + wire(0) + wrong(BIG) + wire(2) + wire(3) + wire("next"))
    assert reader.next() == Misread("abc" * 10, [[0, S("$Failed")], [2, 3]])
    assert reader.next() == "next"


def test_it_is_an_error_for_others() -> None:
    for expr in (BIG, REAL):
        reader = ExpressionReader()
        reader.feed(wrong(expr))
        with pytest.raises(RemoteProtocolError):
            reader.next()


def test_an_integer_of_too_many_digits() -> None:
    limits = Limits(integer_digits=20)
    strict, tolerant = ExpressionReader(limits), ExpressionReader(limits, tolerant=True)
    for reader in (strict, tolerant):
        reader.feed(wire([BIG, 5]))
    with pytest.raises(LimitExceeded):
        strict.next()
    assert tolerant.next() == Misread(str(BIG), [S("$Failed"), 5])


def test_what_is_no_token_is_an_error_all_the_same() -> None:
    reader = ExpressionReader(tolerant=True)
    reader.feed(b"\x01\x02\x03")
    with pytest.raises(RemoteProtocolError):
        reader.next()
