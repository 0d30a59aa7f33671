"""The examples in wstp's docstrings: each runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import wstp

MODULES = ["wstp", *(f"wstp.{module.name}" for module in pkgutil.iter_modules(wstp.__path__))]

# The public names that stand for something a user calls; each shows how in its docstring.
WITH_EXAMPLES = [
    "wstp",
    "wstp.aio",
    "wstp.Symbol",
    "wstp.Function",
    "wstp.BigReal",
    "wstp.same",
    "wstp.ExpressionReader",
    "wstp.EarlyEnd",
    "wstp.Misread",
    "wstp.write_expression",
    "wstp.Features",
    "wstp.Limits",
    "wstp.LinkSpec",
    "wstp.Link",
    "wstp.Listener",
    "wstp.connect",
    "wstp.listen",
    "wstp.MessageReader",
    "wstp.encode_message",
    "wstp.TokenReader",
    "wstp.TokenWriter",
    "wstp.Tracker",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_a_public_name_shows_an_example(name: str) -> None:
    home, _, attribute = name.rpartition(".")
    found = importlib.import_module(name) if name in MODULES else getattr(importlib.import_module(home), attribute)
    assert ">>> " in (found.__doc__ or "")


@pytest.mark.parametrize("name", wstp.__all__)
def test_a_public_name_has_a_docstring(name: str) -> None:
    found = getattr(wstp, name)
    if isinstance(found, type) or callable(found):
        assert found.__doc__
