"""Define functions that Mathics3 lacks, from ``functions.m`` and files like it.

They become part of the language like Mathics3's own functions: in ``System` ``, protected, and
untouched by what clears a user's definitions. Reading the file takes some tens of milliseconds,
once for all kernels that are forked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mathics.core.attributes import A_PROTECTED, attribute_string_to_number
from mathics.core.parser.feed import MathicsMultiLineFeeder
from mathics.core.parser.util import SystemDefinitions, parse
from mathics.core.rules import Rule

from kernelbus.kernelhost.mathics.native import definition_of

__all__ = ["add_functions"]


def add_functions(definitions: Any, name: str = "functions.m") -> None:
    """Define what is in a file beside this module.

    Raises:
        ValueError: something in the file is neither a definition nor ``SetAttributes``.
    """
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    feeder = MathicsMultiLineFeeder(text, "")
    while not feeder.empty():
        item = parse(SystemDefinitions(), feeder)
        if item is None:
            continue
        if item.has_form("SetDelayed", 2):
            pattern, value = item.elements
            defined = (pattern.elements[0] if pattern.has_form("Condition", 2) else pattern).get_lookup_name()
            if not definition_of(definitions, defined).add_rule(Rule(pattern, value)):
                raise ValueError(f"{name}, line {feeder.lineno}: no definition of {defined}")
        elif item.has_form("SetAttributes", 2):
            _set_attributes(definitions, *item.elements)
        else:
            raise ValueError(f"{name}, line {feeder.lineno}: neither a definition nor SetAttributes")
    definitions.clear_cache()


def _set_attributes(definitions: Any, symbols: Any, attributes: Any) -> None:
    """Give symbols these attributes and ``Protected``, and no others."""
    bits = A_PROTECTED
    for attribute in attributes.elements if attributes.has_form("List", None) else (attributes,):
        bits |= attribute_string_to_number[attribute.get_name()]
    for symbol in symbols.elements if symbols.has_form("List", None) else (symbols,):
        definition_of(definitions, symbol.get_name()).attributes = bits
