"""Recorded bytes of a real library are decoded as meant, and written so that they decode again.

We write scalars, symbols and functions byte for byte as recorded. We differ in texts recorded in
other encodings than UTF-8, in integers put as 8 or 16 bits (we write 32), and in lists that the
library packed as a run of arguments (we write arrays).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wstp import (
    NEED_DATA,
    BigReal,
    Expr,
    ExpressionReader,
    Features,
    Function,
    Symbol,
    Tracker,
    write_expression,
)
from wstp.tracker import End
from wstp.transcoder import Transcoder, covers

HERE = Path(__file__).parent
RECORDS = [record for record in json.loads((HERE / "tokens.json").read_text())["records"] if record["expr"] is not None]
JLINK = json.loads((HERE / "jlink.json").read_text())["records"]
REALS = json.loads((HERE / "reals.json").read_text())["records"]


def meant(content: Any) -> Any:
    """Return a recording's expression as nested tuples: (head, arguments...) or (kind, text)."""
    if "head" in content:
        return ("f", meant(content["head"]), *(meant(argument) for argument in content["args"]))
    ((kind, value),) = content.items()
    if kind == "real":
        return ("real", "nan" if math.isnan(float(value)) else repr(float(value)))
    return (kind, value)


def seen(expression: Expr) -> Any:
    """Return a value that was read as such nested tuples, packed data number by number."""
    match expression:
        case np.ndarray():
            return listed(expression)
        case np.integer() | int():
            return ("integer", str(int(expression)))
        case np.floating() | float():
            return ("real", "nan" if math.isnan(float(expression)) else repr(float(expression)))
        case np.complexfloating() | complex():
            value = complex(expression)
            return ("f", ("symbol", "Complex"), seen(value.real), seen(value.imag))
        case str():
            return ("string", expression)
        case Symbol():
            return ("symbol", expression.name)
        case BigReal():
            return ("bigreal", expression.text)
        case bytes():
            return ("f", ("symbol", "ByteArray"), *(("integer", str(byte)) for byte in expression))
        case list():
            return ("f", ("symbol", "List"), *(seen(item) for item in expression))
        case Function():
            return ("f", seen(expression.head), *(seen(argument) for argument in expression.args))
    raise AssertionError(type(expression))


def listed(array: Any) -> Any:
    return ("f", ("symbol", "List"), *(listed(item) if isinstance(item, np.ndarray) else seen(item) for item in array))


def read(data: bytes, step: int | None = None) -> Expr:
    reader = ExpressionReader()
    for at in range(0, len(data), step or len(data)):
        reader.feed(data[at : at + (step or len(data))])
    expression = reader.next()
    assert expression is not NEED_DATA
    assert reader.next() is NEED_DATA
    return expression


def written(expression: Expr) -> bytes:
    return b"".join(bytes(piece) for piece in write_expression(expression))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["label"][:60])
def test_a_recording_decodes_and_is_written_again(record: dict[str, Any]) -> None:
    data = bytes.fromhex(record["hex"])
    expression = read(data)
    assert seen(expression) == meant(record["expr"])
    assert seen(read(data, step=1)) == meant(record["expr"])
    again = written(expression)
    assert seen(read(again)) == meant(record["expr"])
    ends = [mark.offset for mark in Tracker().feed(data) if isinstance(mark, End)]
    assert ends == [len(data)]


def test_most_recordings_are_written_byte_for_byte() -> None:
    same = {record["label"] for record in RECORDS if written(read(bytes.fromhex(record["hex"]))) == bytes.fromhex(record["hex"])}
    different = sorted(record["label"] for record in RECORDS if record["label"] not in same)
    scalars = [r["label"] for r in RECORDS if r["label"].startswith(("integer", "real", "arbitrary", "symbol", "expression"))]
    assert same >= set(scalars), sorted(set(scalars) - same)
    assert len(same) > 0.75 * len(RECORDS), different


@pytest.mark.parametrize("record", JLINK, ids=lambda record: record["call"][:40])
def test_what_a_java_client_sends_is_an_evaluate_packet(record: dict[str, Any]) -> None:
    expression = read(bytes.fromhex(record["hex"]).removesuffix(b"]"))
    assert isinstance(expression, Function)
    assert expression.head == Symbol("EvaluatePacket")
    assert len(expression.args) == 1


@pytest.mark.parametrize("call", sorted({record["call"] for record in REALS}))
def test_a_real_put_as_text_is_read_with_its_precision(call: str) -> None:
    records = [record for record in REALS if record["call"] == call]
    assert len(records) == 15
    for record in records:
        data = bytes.fromhex(record["hex"])
        assert read(data) == read(data, step=1) == BigReal(record["means"]), record["text"]
        ends = [mark.offset for mark in Tracker().feed(b"FA#GA~DList\n" + data) if isinstance(mark, End)]
        assert ends == [12 + len(data)]
        assert read(written(read(data))) == BigReal(record["means"])


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["label"][:60])
def test_a_peer_that_takes_little_is_sent_little(record: dict[str, Any]) -> None:
    little = Features(tokens=(), formats=(1,))
    assert not covers(little, Features())
    data = bytes.fromhex(record["hex"])
    transcoder = Transcoder(little)
    out = b"".join(bytes(piece) for at in range(0, len(data), 7) for piece in transcoder.feed(data[at : at + 7]))
    assert out.endswith(b"]")
    assert seen(read(out.removesuffix(b"]"))) == meant(record["expr"])
    assert max(byte for byte in read_texts(out)) < 0x80


def read_texts(data: bytes) -> bytes:
    """Return the bytes of every text token."""
    from wstp.tokens import NEED_DATA as MORE
    from wstp.tokens import StringToken, SymbolToken, TokenReader

    reader = TokenReader()
    reader.feed(data)
    texts = b"a"
    before = 0
    while (token := reader.next_token()) is not MORE:
        if isinstance(token, StringToken | SymbolToken):
            texts += data[before : reader.offset]
        before = reader.offset
    return texts
