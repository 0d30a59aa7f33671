"""Check values against a JSON Schema, as far as kernelbus's own schemas use the language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["faults"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """Return what in `value` is not as `schema` says, each with its path."""
    return list(_faults(schema, schema, value, "$"))


def _faults(whole: dict[str, Any], schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    known = {"$schema", "$defs", "$ref", "title", "type", "properties", "required", "items", "enum", "anyOf", "minimum"}
    assert schema.keys() <= known, f"a keyword that is not checked: {schema.keys() - known}"
    if "$ref" in schema:
        yield from _faults(whole, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, path)
        return
    if "anyOf" in schema:
        if all(list(_faults(whole, one, value, path)) for one in schema["anyOf"]):
            yield f"{path}: {value!r} is none of {schema['anyOf']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "type" in schema:
        if not isinstance(value, _TYPES[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
            yield f"{path}: {value!r} is no {schema['type']}"
            return
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{path}: {value!r} is less than {schema['minimum']}"
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{path}: {key} is missing"
    for key, described in schema.get("properties", {}).items():
        if key in value:
            yield from _faults(whole, described, value[key], f"{path}.{key}")
    if "items" in schema:
        for number, item in enumerate(value):
            yield from _faults(whole, schema["items"], item, f"{path}[{number}]")
