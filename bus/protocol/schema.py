"""Make the schema of each message from its fields, and keep the register of control messages.

Rules of this module: no I/O, and no message of its own. A message is a frozen dataclass, and its
marshmallow schema is made from its fields, so that the two cannot differ. The type of a field says
what may stand in it: ``bool``, ``int`` (unsigned, 64 bits), ``float`` (0 or more), ``str``, a
``Literal`` of texts, another message, a list of one of these, or one of these or ``None``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from marshmallow import Schema, ValidationError, fields, validate

__all__ = ["MAXIMUM_TEXT", "Message", "control_message", "dump", "fault", "json_schema", "load", "registered", "schema_of"]

#: Characters of the longest text in a message.
MAXIMUM_TEXT = 4096

#: Elements of the longest list in a message.
MAXIMUM_LIST = 100_000


class Message:
    """Base of the messages.

    Channel numbers are unsigned 64-bit integers; times are in seconds; texts are for people.
    """

    __slots__ = ()


_SCHEMAS: dict[type[Message], Schema] = {}
_HINTS: dict[type[Message], dict[str, Any]] = {}


_REGISTER: dict[str, type[Message]] = {}

_Kind = TypeVar("_Kind", bound=type[Message])


def control_message(cls: _Kind) -> _Kind:
    """Register a dataclass as a control message, which travels under the name of its class.

    Use it as a decorator over the dataclass. Messages that only stand inside others are not
    registered. The schema is made at once, so that the first message of its kind does not wait for
    it.
    """
    schema_of(cls)
    _REGISTER[cls.__name__] = cls
    return cls


def registered(name: str) -> type[Message] | None:
    """Return the control message that travels under `name`, or None."""
    return _REGISTER.get(name)


def schema_of(cls: type[Message]) -> Schema:
    """Return the schema of a kind of message; it is made once."""
    if cls not in _SCHEMAS:
        made = {name: _field(hint, required) for name, hint, required in _fields(cls)}
        _SCHEMAS[cls] = Schema.from_dict(typing.cast("dict[str, Any]", made), name=cls.__name__)()
    return _SCHEMAS[cls]


def load(cls: type[Message], content: dict[str, Any], lenient: bool = False) -> Message:
    """Check `content` against the schema of `cls` and return the message that it makes.

    Args:
        cls: the kind of message.
        content: its keys and values.
        lenient: pass over keys that the schema does not have, also in the messages inside it.

    Raises:
        marshmallow.ValidationError: the schema refuses it.
    """
    return typing.cast("Message", _build(cls, schema_of(cls).load(_known(cls, content) if lenient else content)))


def dump(message: Message) -> dict[str, Any]:
    """Return what `message` holds as JSON values, by its schema."""
    return dict(schema_of(type(message)).dump(message))


def fault(error: ValidationError) -> str:
    """Return the first fault that a schema has found, with the path of its key."""
    path: list[str] = []
    current: Any = error.messages
    while isinstance(current, dict):
        key = next(iter(current))
        path.append(str(key)[:80])
        current = current[key]
    return f"{'.'.join(path)}: {current[0] if isinstance(current, list) else current}"


def json_schema(cls: type[Message]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a kind of message.

    The messages inside it are under ``$defs``.
    """
    kinds: dict[str, Any] = {}
    _describe_class(cls, kinds)
    top = kinds.pop(cls.__name__)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": cls.__name__, **top, "$defs": kinds}


# ---- types and what they allow -------------------------------------------------------------------


def _hints(cls: type[Message]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls)
    return _HINTS[cls]


def _fields(cls: type[Message]) -> Iterator[tuple[str, Any, bool]]:
    """Yield the name, the type and whether it is required, of each field."""
    hints = _hints(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        yield field.name, hints[field.name], required


def _optional(hint: Any) -> tuple[Any, bool]:
    """Return X and True for ``X | None``, and any other type with False."""
    if get_origin(hint) is types.UnionType:
        (inner,) = [argument for argument in get_args(hint) if argument is not type(None)]
        return inner, True
    return hint, False


def _field(hint: Any, required: bool) -> fields.Field[Any]:
    """Return the marshmallow field for a type."""
    hint, optional = _optional(hint)
    extra: dict[str, Any] = {"required": required, "allow_none": optional}
    if hint is bool:
        return fields.Boolean(truthy={True}, falsy={False}, **extra)
    if hint is int:
        return fields.Integer(strict=True, validate=validate.Range(0, 2**64 - 1), **extra)
    if hint is float:
        return fields.Float(validate=validate.Range(0), **extra)
    if hint is str:
        return fields.String(validate=validate.Length(max=MAXIMUM_TEXT), **extra)
    if get_origin(hint) is Literal:
        return fields.String(validate=validate.OneOf(get_args(hint)), **extra)
    if get_origin(hint) is list:
        return fields.List(_field(get_args(hint)[0], True), validate=validate.Length(max=MAXIMUM_LIST), **extra)
    return fields.Nested(schema_of(hint), **extra)


def _known(hint: Any, content: Any) -> Any:
    """Return `content` without the keys that messages of this type do not have."""
    hint, _ = _optional(hint)
    if get_origin(hint) is list and isinstance(content, list):
        return [_known(get_args(hint)[0], item) for item in content]
    if not (isinstance(hint, type) and issubclass(hint, Message) and isinstance(content, dict)):
        return content
    hints = _hints(hint)
    return {key: _known(hints[key], value) for key, value in content.items() if key in hints}


def _build(cls: Any, content: dict[str, Any]) -> Any:
    """Make a message of `cls`, and the messages inside it, of content that a schema has checked."""
    hints = _hints(cls)
    for key, value in content.items():
        hint, _ = _optional(hints[key])
        if isinstance(value, dict):
            content[key] = _build(hint, value)
        elif isinstance(value, list):
            content[key] = [_build(get_args(hint)[0], item) if isinstance(item, dict) else item for item in value]
    return cls(**content)


def _describe_class(cls: type[Message], kinds: dict[str, Any]) -> None:
    """Add the JSON Schema of a message to `kinds`, by its name."""
    if cls.__name__ in kinds:
        return
    kinds[cls.__name__] = described = {"type": "object", "properties": {}, "required": []}
    properties, required = {}, []
    for name, hint, _ in _fields(cls):
        properties[name] = _describe(hint, kinds)
        # `dump` writes every key, also those that a reader may do without.
        required.append(name)
    described.update(properties=properties, required=required)


def _describe(hint: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a type; add the messages in it to `kinds`."""
    hint, optional = _optional(hint)
    if optional:
        return {"anyOf": [_describe(hint, kinds), {"type": "null"}]}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) is list:
        return {"type": "array", "items": _describe(get_args(hint)[0], kinds)}
    plain: dict[Any, dict[str, Any]] = {
        bool: {"type": "boolean"},
        int: {"type": "integer", "minimum": 0},
        float: {"type": "number", "minimum": 0},
        str: {"type": "string"},
    }
    if hint in plain:
        return plain[hint]
    _describe_class(hint, kinds)
    return {"$ref": f"#/$defs/{hint.__name__}"}
