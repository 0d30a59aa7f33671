"""Have Mathics3 read numbers as the language does, and tell the precision that they were given.

* ``-0.`` keeps its sign, and ``Abs`` takes it away.
* A number without a mark is a machine number if it has up to 17 digits.
* A machine number beyond the machine's range (``1.*^400``, ``10.^400``) is one of arbitrary
  precision.
* ``17.`30.2304`` has that precision, and ``Precision`` and ``Accuracy`` know it.
"""

from __future__ import annotations

import math
from typing import Any

from kernelbus.kernelhost.mathics.forms.reals import MACHINE_DIGITS, MAXIMUM_EXPONENT

__all__ = ["add_number_messages", "mend_numbers"]

#: A number with up to so many significant digits and no precision mark is a machine number.
_MACHINE_DIGITS = 17
#: The largest exponent of two of a number: that of ``10^MAXIMUM_EXPONENT``.
_MAXIMUM_BITS = int(MAXIMUM_EXPONENT * math.log2(10))


def mend_numbers() -> None:
    """Change Mathics3's functions; call this after they are loaded."""
    _mend_reading()
    _mend_precision()
    _mend_absolute_values()
    _mend_range()


def add_number_messages(definitions: Any) -> None:
    """Add the messages that Mathics3 lacks."""
    from kernelbus.kernelhost.mathics.native import add_message

    text = "`1` is too small to represent as a normalized machine number; precision may be lost."
    add_message(definitions, "General", "munfl", text)


def _mend_reading() -> None:
    import sympy
    from mathics.core.parser.convert import Converter, GenericConverter

    from kernelbus.kernelhost.mathics.forms.precision import machine_real, precise_real

    theirs = GenericConverter.convert_Number

    def convert_number(self: Any, node: Any) -> Any:
        read = theirs(self, node)
        if node.base != 10:
            return read
        digits = len(node.value.replace(".", "").lstrip("-0"))
        if read[0] == "PrecisionReal" and node.suffix is None and digits <= _MACHINE_DIGITS:
            read = "MachineReal", float(read[1][1])
        if read[0] == "MachineReal" and (math.isinf(read[1]) or (not read[1] and node.value.strip("-0."))):
            # A sign is in the value or beside it.
            return "PrecisionReal", ("DecimalString", f"{'-' * (node.sign < 0)}{node.value}E{node.exp}"), MACHINE_DIGITS
        return read

    def make_precise(self: Any, value: Any, digits: float) -> Any:
        number = sympy.Rational(*value[1:]) if value[0] == "Rational" else value[1]
        return precise_real(number, max(float(digits), 0.0))

    GenericConverter.convert_Number = convert_number
    Converter._make_PrecisionReal = make_precise
    Converter._make_MachineReal = lambda self, value: machine_real(value)


def _mend_precision() -> None:
    import mathics.builtin.atomic.numbers as builtins
    import mathics.eval.numbers.numbers as numbers
    import mpmath

    from kernelbus.kernelhost.mathics.forms.precision import digits_of

    their_precision, their_accuracy = numbers.eval_Precision, numbers.eval_Accuracy

    def precision(number: Any) -> Any:
        digits = digits_of(number)
        return their_precision(number) if digits is None or number.is_zero else digits

    def accuracy(number: Any) -> Any:
        digits = digits_of(number)
        if digits is None:
            return their_accuracy(number)
        return digits if number.is_zero else digits - float(mpmath.log(abs(number.to_mpmath()), 10))

    # Both call themselves, by the name in their module, for the parts of an expression.
    numbers.eval_Precision = builtins.eval_Precision = precision
    numbers.eval_Accuracy = builtins.eval_Accuracy = accuracy


def _mend_absolute_values() -> None:
    import mathics.eval.numeric as numeric
    from mathics.core.atoms import MachineReal, MachineReal0

    theirs = numeric.eval_Abs_number
    numeric.eval_Abs_number = lambda n: MachineReal0 if type(n) is MachineReal and n.value == 0 else theirs(n)


def _mend_range() -> None:
    """Have results beyond the machine's range be numbers of arbitrary precision.

    A function that finds that its result is too large is applied again, to the same numbers with a
    precision of their own. A number beyond ``10^MAXIMUM_EXPONENT`` is too large for that, too, and
    is ``Overflow[]``, as a number that is entered. A result that is too small for a machine number
    is zero, with the message ``General::munfl``.
    """
    from mathics.core.atoms import MachineReal, PrecisionReal
    from mathics.core.rules import FunctionApplyRule

    their_apply, their_new = FunctionApplyRule.apply_function, PrecisionReal.__new__

    def apply_function(self: Any, expression: Any, *arguments: Any) -> Any:
        try:
            result = their_apply(self, expression, *arguments)
            if type(result) is MachineReal and not result.value and _underflows(expression):
                arguments[-1].message("General", "munfl", expression)
            return result
        except OverflowError:
            if expression.has_form("N", 1) and isinstance(expression.elements[0], PrecisionReal):
                # There is no machine number that it could be.
                return expression.elements[0]
            precise = _precise(expression)
            if precise is expression:
                raise
            return precise.evaluate(arguments[-1])

    def new(cls: Any, value: Any) -> Any:
        made = their_new(cls, value)
        _, _, exponent, bits = made._value._mpf_
        if exponent + bits > _MAXIMUM_BITS:
            cls._precision_reals.pop(made._value, None)
            raise OverflowError
        return made

    FunctionApplyRule.apply_function = apply_function
    PrecisionReal.__new__ = new


def _underflows(expression: Any) -> bool:
    """Tell whether a product or a power that is zero has no factor that is zero."""
    from mathics.core.atoms import Number

    if expression.get_head_name() not in ("System`Power", "System`Times"):
        return False
    factors = expression.elements if expression.get_head_name() == "System`Times" else expression.elements[:1]
    return all((isinstance(each, Number) and not each.is_zero) or each.get_name() == "System`E" for each in factors)


def _precise(expr: Any) -> Any:
    """Return an expression with numbers of arbitrary precision for its machine numbers."""
    from mathics.core.atoms import Complex, MachineReal
    from mathics.core.expression import Expression

    from kernelbus.kernelhost.mathics.forms.precision import complex_number, precise_real

    if isinstance(expr, MachineReal):
        return precise_real(repr(float(expr.value)), MACHINE_DIGITS)
    if isinstance(expr, Complex):
        parts = _precise(expr.real), _precise(expr.imag)
        return expr if parts == (expr.real, expr.imag) and parts[0] is expr.real else complex_number(*parts)
    if not isinstance(expr, Expression):
        return expr
    elements = [_precise(element) for element in expr.elements]
    if all(made is element for made, element in zip(elements, expr.elements, strict=True)):
        return expr
    return Expression(expr.head, *elements)
