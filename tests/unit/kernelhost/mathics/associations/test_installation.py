"""The functions of associations are part of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernelbus.kernelhost.mathics.associations import installation, keyed


@pytest.mark.parametrize("name", ["KeyMap", "Lookup", "AssociateTo", "KeyUnion"])
def test_functions_are_system_symbols(name: str, value: Callable[[str], str]) -> None:
    assert value(f"Context[{name}]") == '"System`"'
    assert "Protected" in value(f"Attributes[{name}]")
    assert value(f"Unprotect[{name}]\nClearAll[{name}]\nKeyMap[f, <|a -> 1|>]") == "<|f[a] -> 1|>"


def test_operator_forms(value: Callable[[str], str], definitions: Any) -> None:
    assert set(keyed.FIRST_LAST) & set(keyed.LAST_FIRST) == set()
    assert installation.install_associations
    assert value("KeyMap[f][<|a -> 1|>]") == "<|f[a] -> 1|>"
    assert value("KeyTake[a][<|a -> 1, b -> 2|>]") == "<|a -> 1|>"
