"""``Enclose`` and ``Confirm``: stop at what is a failure, and give it as the value of the whole.

What is confirmed is looked at once it has been evaluated. A failure is thrown to the innermost
``Enclose`` around it, whose value becomes ``Failure["ConfirmationFailed", <|...|>]``, or a function
of that.
"""

from __future__ import annotations

from typing import Any

from mathics.core.atoms import String
from mathics.core.attributes import A_HOLD_ALL, A_HOLD_FIRST, A_PROTECTED
from mathics.core.expression import Expression
from mathics.core.interrupt import WLThrowInterrupt
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull, SymbolTrue
from mathics.eval.patterns import Matcher

from kernelbus.kernelhost.mathics.native import NativeRule, call, define, definition_of

__all__ = ["install_enclosing"]

_TAG = Symbol("kernelbus`Enclosed")
_FAILED, _ABORTED, _MISSING, _FAILURE = (Symbol(f"System`{name}") for name in ("$Failed", "$Aborted", "Missing", "Failure"))


def _is_failure(value: Any) -> bool:
    return value in (_FAILED, _ABORTED) or value.get_head() in (_MISSING, _FAILURE)


def _fail(kind: str, value: Any, template: str, information: Any, **more: Any) -> None:
    """Throw a failure.

    Raises:
        WLThrowInterrupt: always.
    """
    rules = {
        "MessageTemplate": String(template),
        "MessageParameters": ListExpression(value),
        "ConfirmationType": String(kind),
        "Expression": value,
        **more,
        "Information": information,
    }
    association = call("Association", *(call("Rule", String(key), each) for key, each in rules.items()))
    raise WLThrowInterrupt(call("Failure", String("ConfirmationFailed"), association), _TAG)


def _confirm(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (1, 2):
        return None
    value, *information = expression.elements
    if _is_failure(value):
        _fail("Confirm", value, "`` encountered.", information[0] if information else SymbolNull)
    return value


def _confirm_by(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (2, 3):
        return None
    value, test, *information = expression.elements
    if Expression(test, value).evaluate(evaluation) is not SymbolTrue:
        _fail("ConfirmBy", value, "Test failed for ``.", information[0] if information else SymbolNull, Function=test)
    return value


def _confirm_match(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (2, 3):
        return None
    value, form, *information = expression.elements
    if not Matcher(form, evaluation).match(value, evaluation):
        _fail("ConfirmMatch", value, "`` does not match.", information[0] if information else SymbolNull, Pattern=form)
    return value


def _confirm_assert(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (1, 2):
        return None
    test, *information = expression.elements
    value = test.evaluate(evaluation)
    if value is not SymbolTrue:
        more = information[0].evaluate(evaluation) if information else SymbolNull
        _fail("ConfirmAssert", value, "Assertion `` failed.", more, HeldTest=call("HoldForm", test))
    return SymbolNull


def _confirm_quiet(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) not in (1, 2, 3):
        return None
    marker = Symbol("kernelbus`messages")
    value = call("Quiet", call("Check", expression.elements[0], marker)).evaluate(evaluation)
    if value is marker or _is_failure(value):
        failed = _FAILED if value is marker else value
        _fail("ConfirmQuiet", failed, "Messages or a failure encountered.", SymbolNull)
    return value


def _enclose(expression: Any, evaluation: Any) -> Any:
    if not 1 <= len(expression.elements) <= 3:
        return None
    depth = evaluation.recursion_depth
    try:
        return expression.elements[0].evaluate(evaluation)
    except WLThrowInterrupt as thrown:
        if thrown.tag is not _TAG:
            raise
        evaluation.recursion_depth = depth
        failure = thrown.value.evaluate(evaluation)
    if len(expression.elements) == 1:
        return failure
    handler = expression.elements[1].evaluate(evaluation)
    return Expression(failure, handler) if isinstance(handler, String) else Expression(handler, failure)


def _property(expression: Any, evaluation: Any) -> Any:
    """Return a property of a failure: ``failure["Expression"]``."""
    failure = expression.head
    if failure.get_head() is not _FAILURE or len(failure.elements) != 2 or len(expression.elements) != 1:
        return None
    if expression.elements[0].get_string_value() == "Tag":
        return failure.elements[0]
    return Expression(failure.elements[1], *expression.elements)


def install_enclosing(definitions: Any) -> None:
    """Define the functions."""
    for name, function, attributes in (
        ("Confirm", _confirm, A_PROTECTED),
        ("ConfirmBy", _confirm_by, A_PROTECTED),
        ("ConfirmMatch", _confirm_match, A_PROTECTED),
        ("ConfirmAssert", _confirm_assert, A_HOLD_ALL | A_PROTECTED),
        ("ConfirmQuiet", _confirm_quiet, A_HOLD_ALL | A_PROTECTED),
        ("Enclose", _enclose, A_HOLD_FIRST | A_PROTECTED),
    ):
        define(definitions, name, function)
        definition_of(definitions, f"System`{name}").attributes = attributes
    definition_of(definitions, _FAILURE.name).subvalues.insert(0, NativeRule(Expression(_FAILURE), _property))
