"""Calls of functions as expressions."""

from __future__ import annotations

import pytest

from kernelbus.shell.pool.calls import call_of, function_of
from wstp import Symbol


def test_a_call_with_options() -> None:
    rule = Symbol("Rule")(Symbol("WorkingPrecision"), 30)
    assert call_of("NIntegrate", [{2, 1}], {"WorkingPrecision": 30}) == Symbol("NIntegrate")([1, 2], rule)
    assert call_of(" Global`f ", [], {}) == Symbol("Global`f")()
    assert function_of("#^2 &") == Symbol("ToExpression")("#^2 &")
    assert function_of(Symbol("f")(1)) == Symbol("f")(1)


def test_an_argument_that_cannot_travel_is_named() -> None:
    with pytest.raises(TypeError, match=r"argument 2, at \[0\], is of type object"):
        call_of("f", [1, [object()]], {})
    with pytest.raises(TypeError, match="Method is of type object"):
        call_of("f", [], {"Method": object()})


@pytest.mark.parametrize("wrong", ["", print, 5])
def test_what_names_no_function(wrong: object) -> None:
    with pytest.raises(TypeError, match="function"):
        function_of(wrong)
