"""Single functions that Mathics3 lacks or has in part: programs, dates, choices, riffles."""

from __future__ import annotations

import subprocess
from typing import Any

from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import call, define

__all__ = ["correct_dates", "install_various"]

_ALL = Symbol("System`All")


def correct_dates() -> None:
    """Add the ISO formats of dates to those that Mathics3 knows."""
    from mathics.builtin.datentime import DATE_STRING_FORMATS

    DATE_STRING_FORMATS.update({
        "ISODate": "%Y-%m-%d",
        "ISODateTime": "%Y-%m-%dT%H:%M:%S",
        "ISOOrdinalDate": "%Y-%j",
        "ISOWeekDate": "%G-W%V-%u",
    })  # fmt: skip


def _run_process(expression: Any, evaluation: Any) -> Any:
    """Run a program to its end: ``RunProcess[command, property, input]``."""
    elements = [each for each in expression.elements if not each.has_form(("Rule", "RuleDelayed"), 2)]
    if not 1 <= len(elements) <= 3 or len(elements) != len(expression.elements):
        return None
    command = elements[0]
    words = [each.get_string_value() for each in (command.elements if isinstance(command, ListExpression) else (command,))]
    wanted = elements[1].get_string_value() if len(elements) > 1 and elements[1] is not _ALL else None
    given = elements[2].get_string_value() if len(elements) > 2 else ""
    if not words or None in words or given is None:
        return None
    try:
        done = subprocess.run(words, input=given.encode(), capture_output=True, check=False)
    except FileNotFoundError:
        evaluation.message("RunProcess", "pnfd", String(words[0]))
        return Symbol("System`$Failed")
    found = {
        "ExitCode": Integer(done.returncode),
        "StandardOutput": String(done.stdout.decode(errors="replace")),
        "StandardError": String(done.stderr.decode(errors="replace")),
    }
    if wanted is not None:
        return found.get(wanted)
    return call("Association", *(call("Rule", String(key), value) for key, value in found.items()))


def _random_choice(expression: Any, evaluation: Any) -> Any:
    """Choose one element, without a list around it."""
    if len(expression.elements) != 1:
        return None
    found = Expression(expression.head, expression.elements[0], Integer(1)).evaluate(evaluation)
    return found.elements[0] if isinstance(found, ListExpression) and len(found.elements) == 1 else None


def _riffle(expression: Any, evaluation: Any) -> Any:
    """Put nothing behind a single element, as nothing is put behind the last of several."""
    if len(expression.elements) != 2:
        return None
    listed, between = expression.elements
    single = isinstance(listed, ListExpression) and len(listed.elements) == 1
    return listed if single and not isinstance(between, ListExpression) else None


def install_various(definitions: Any) -> None:
    """Define the functions."""
    define(definitions, "RunProcess", _run_process)
    define(definitions, "RandomChoice", _random_choice)
    define(definitions, "Riffle", _riffle)
