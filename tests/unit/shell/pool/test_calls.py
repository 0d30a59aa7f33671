"""Calls of functions as expressions."""

from __future__ import annotations

import pytest

from kernelbus.shell.pool.calls import attaching_time, call_of, function_of, time_limit, too_long
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


def test_a_limit_is_a_number_of_seconds_or_none() -> None:
    assert [time_limit(limit) for limit in (None, 0, 2.5, 1e30, float("inf"))] == [None, 0.0, 2.5, None, None]
    assert attaching_time(None) == attaching_time(1e9) > attaching_time(60.0) == 60.0
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match=f"timeout is {wrong}: it is a number of seconds from 0 up, or None for no limit"):
            time_limit(wrong)
    with pytest.raises(TypeError, match="timeout is a number of seconds or None, not 'soon'"):
        time_limit("soon")  # type: ignore[arg-type]
    assert str(too_long(0.5)) == "it took longer than 0.5 s, and was aborted"
