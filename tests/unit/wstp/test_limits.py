"""The bounds: an error names each one that a stream passes."""

from __future__ import annotations

import dataclasses

import pytest

from wstp import ExpressionReader, LimitExceeded, Misread
from wstp.handshake import Greeting
from wstp.limits import DEFAULT_LIMITS, Limits

STREAMS = {
    "token_size": b'"99 D',
    "total_size": b"F9 #DA~Af\n" + b"\xe4\0\0\0\0\n" * 9,
    "nesting_depth": b"FAFAFA",
    "count_digits": b"F1234",
    "symbol_size": b"#99 D",
    "array_header": b"AAD99 ",
    "array_nodes": b"A99 D%cF99 #DA~Af\nFA#DA~Ag\n.\nP99 \xa1%b\n" % (0x40 + 21, bytes(99)),
    "integer_digits": b"+KA~H12345678\n",
}

# Only one value is too large: what follows it can be read.
ONE_VALUE = {"array_nodes", "integer_digits"}


@pytest.mark.parametrize("name", STREAMS)
def test_a_bound_that_is_passed_is_named(name: str) -> None:
    small = {"count_digits": 3, "nesting_depth": 2, "integer_digits": 4}.get(name, 20)
    reader = ExpressionReader(dataclasses.replace(DEFAULT_LIMITS, **{name: small}))
    reader.feed(STREAMS[name])
    with pytest.raises(Misread if name in ONE_VALUE else LimitExceeded, match=name):
        reader.next()
    # The same bytes are no fault of the default bounds.
    reader = ExpressionReader()
    reader.feed(STREAMS[name])
    reader.next()


def test_a_greeting_is_bounded_too() -> None:
    with pytest.raises(LimitExceeded, match="greeting_size"):
        Greeting(limits=Limits(greeting_size=100)).receive(b"Math Link 6\n-a " + b"x" * 100)


def test_every_bound_is_tried() -> None:
    assert {field.name for field in dataclasses.fields(Limits)} == {*STREAMS, "greeting_size"}
