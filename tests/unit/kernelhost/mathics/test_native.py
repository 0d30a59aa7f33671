"""Functions of the language that are written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mathics.core.atoms import Integer

from kernelbus.kernelhost.mathics.native import (
    add_message,
    call,
    define,
    define_operator,
    definition_of,
)


def test_a_native_function_comes_before_rules_and_after_the_users(value: Callable[[str], str], definitions: Any) -> None:
    builtin = dict(definitions.builtin)
    try:
        del definitions.builtin["System`Floor"]
        define(definitions, "Floor", lambda expression, evaluation: Integer(7) if len(expression.elements) == 1 else None)
        definitions.clear_cache()
        assert value("Floor[x]") == "7"
        assert value("Floor[x, y]") == "Floor[x, y]"
        assert value("Unprotect[Floor]\nFloor[2] = 5\nFloor[2]") == "5"
    finally:
        definitions.builtin = builtin
        definitions.clear_cache()


def test_an_operator_form_and_a_message(value: Callable[[str], str], definitions: Any) -> None:
    builtin = dict(definitions.builtin)
    try:
        define_operator(definitions, "Zonk", 1, lambda operator, last: (last, *operator))
        add_message(definitions, "Zonk", "no", "No `1`.")
        definitions.clear_cache()
        assert value("Zonk[1][2]") == "Zonk[2, 1]"
        assert value("Zonk[1, 2][3]") == "Zonk[1, 2][3]"
        assert value("Zonk::no") == '"No `1`."'
        assert definition_of(definitions, "System`Zonk").messages
        assert str(call("Zonk", Integer(1))) == "System`Zonk[1]"
    finally:
        definitions.builtin = builtin
        definitions.clear_cache()
