"""Schemas that are made of messages: what they let pass, and how they describe it."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest
from marshmallow import ValidationError
from schemas import faults

from kernelbus.bus.protocol.schema import (
    MAXIMUM_TEXT,
    Message,
    control_message,
    dump,
    fault,
    json_schema,
    load,
    registered,
    schema_of,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Inner(Message):
    number: int
    text: str = "t"


@dataclasses.dataclass(frozen=True, slots=True)
class Outer(Message):
    kind: Literal["one", "two"]
    inner: Inner
    many: list[Inner] = dataclasses.field(default_factory=list)
    limit: int | None = None
    share: float = 0.5
    on: bool = False


WHOLE = {
    "kind": "two",
    "inner": {"number": 1, "text": "t"},
    "many": [{"number": 2**64 - 1, "text": "é"}],
    "limit": None,
    "share": 0.0,
    "on": True,
}


def test_content_becomes_the_message_and_back() -> None:
    message = load(Outer, WHOLE)
    assert message == Outer("two", Inner(1), [Inner(2**64 - 1, "é")], None, 0.0, True)
    assert dump(message) == WHOLE
    assert load(Outer, {"kind": "one", "inner": {"number": 1}}) == Outer("one", Inner(1))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "three"}, "kind: "),
        ({"inner": {"number": -1}}, "inner.number: "),
        ({"inner": {"number": 2**64}}, "inner.number: "),
        ({"inner": {"number": "1"}}, "inner.number: "),
        ({"inner": {"number": 1, "colour": "red"}}, "inner.colour: "),
        ({"many": [{"number": 1}, {"text": "x"}]}, "many.1.number: "),
        ({"inner": {"number": 1, "text": "x" * (MAXIMUM_TEXT + 1)}}, "inner.text: "),
        ({"limit": 1.5}, "limit: "),
        ({"share": -0.5}, "share: "),
        ({"on": "yes"}, "on: "),
        ({"on": None}, "on: "),
    ],
)
def test_a_fault_is_named_with_the_path_of_its_key(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as error:
        load(Outer, {**WHOLE, **change})
    assert fault(error.value).startswith(path)


def test_a_schema_is_made_once() -> None:
    assert schema_of(Outer) is schema_of(Outer)


def test_the_json_schema_lets_pass_what_is_dumped_and_nothing_else() -> None:
    schema = json_schema(Outer)
    assert schema["title"] == "Outer"
    assert list(schema["$defs"]) == ["Inner"]
    assert faults(schema, dump(Outer("one", Inner(1), [Inner(2)], 3))) == []
    assert faults(schema, {**WHOLE, "kind": "three"})
    assert faults(schema, {**WHOLE, "inner": {"number": -1, "text": "t"}})
    assert faults(schema, {key: value for key, value in WHOLE.items() if key != "on"}), "every key is written"


def test_only_what_is_registered_travels_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelbus.bus.protocol.schema._REGISTER", {})
    assert control_message(Outer) is Outer
    assert registered("Outer") is Outer
    assert registered("Inner") is None
