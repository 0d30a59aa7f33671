"""Write numbers as ``ScientificForm``, ``EngineeringForm``, ``PaddedForm`` and their like do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mathics.core.atoms import Integer, MachineReal, PrecisionReal

__all__ = ["NUMBER_FORMS", "Written", "written"]

NUMBER_FORMS = frozenset({"AccountingForm", "EngineeringForm", "PaddedForm", "ScientificForm"})

#: Significant digits, unless another number is asked for.
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Written:
    """Hold a number's text.

    Attributes:
        mantissa: its digits, with sign and padding.
        exponent: the power of ten beside them, "" for none.
    """

    mantissa: str
    exponent: str = ""


def _digits(value: float, count: int) -> str:
    """Return up to so many significant digits of a number between 1 and 1000, with its point."""
    whole = len(str(int(abs(value))))
    text = f"{value:.{max(count - whole, 0)}f}"
    text = text.rstrip("0") if "." in text else text
    return text if "." in text else f"{text}."


def _scientific(value: float, count: int, step: int) -> Written:
    if not value:
        return Written("0.")
    exponent = math.floor(math.log10(abs(value)))
    # Rounding may give one digit more.
    if float(f"{abs(value) / 10.0**exponent:.{count - 1}f}") >= 10:
        exponent += 1
    exponent -= exponent % step
    return Written(_digits(value / 10.0**exponent, count), str(exponent) if exponent else "")


def written(name: str, number: Any, spec: Sequence[Any]) -> Written | None:
    """Return a number as a form writes it; None if the form leaves it as it is.

    Args:
        name: the form's name, one of :data:`NUMBER_FORMS`.
        number: an element.
        spec: the form's arguments behind the number.
    """
    exact = isinstance(number, Integer)
    if not exact and not isinstance(number, (MachineReal, PrecisionReal)):
        return None
    value = float(number.value)
    count, places = _DIGITS, None
    if spec:
        first = spec[0]
        if isinstance(first, Integer):
            count = int(first.value)
        elif first.has_form("List", 2) and all(isinstance(each, Integer) for each in first.elements):
            count, places = (int(each.value) for each in first.elements)
        else:
            return None
    if count < 1:
        return None
    if name == "ScientificForm":
        return None if exact else _scientific(value, count, 1)
    if name == "EngineeringForm":
        return None if exact else _scientific(value, count, 3)
    if exact:
        text = str(number.value)
    elif places is not None:
        text = f"{value:.{places}f}"
    else:
        text = _digits(value, count)
    if name == "AccountingForm":
        return Written(f"({text.removeprefix('-')})" if value < 0 else text)
    # Room for the sign, and for the point of a real number.
    return Written(text.rjust(count + 1 + (not exact)))
