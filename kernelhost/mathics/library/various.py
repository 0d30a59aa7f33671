"""Single functions that Mathics3 lacks or has in part: programs, dates, choices, riffles."""

from __future__ import annotations

import platform
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
from mathics.core.atoms import Integer, MachineReal, String
from mathics.core.attributes import A_FLAT, A_HOLD_ALL, A_ONE_IDENTITY, A_PROTECTED
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolTrue

from kernelbus.kernelhost.mathics.native import NativeRule, call, define, definition_of

__all__ = ["correct_dates", "install_various", "system_id"]

_ALL = Symbol("System`All")
_RIGHT_COMPOSITION = Symbol("System`RightComposition")


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


def _block_random(expression: Any, evaluation: Any) -> Any:
    """Evaluate, and go on with the random numbers from before: ``BlockRandom[expr]``."""
    elements = expression.elements
    if not elements or not all(each.has_form(("Rule", "RuleDelayed"), 2) for each in elements[1:]):
        return None
    from mathics.builtin.numbers.randomnumbers import get_random_state

    definitions = evaluation.definitions
    before, ours, theirs = numpy.random.get_state(), random.getstate(), definitions.get_config_value("$RandomState")
    if theirs is None:
        # The first random number would make one.
        theirs = get_random_state()
        definitions.set_config_value("$RandomState", theirs)
    try:
        for rule in elements[1:]:
            if rule.elements[0].get_name() == "System`RandomSeeding":
                call("SeedRandom", rule.elements[1]).evaluate(evaluation)
        return elements[0].evaluate(evaluation)
    finally:
        numpy.random.set_state(before)
        random.setstate(ours)
        definitions.set_config_value("$RandomState", theirs)


#: How long ``RepeatedTiming`` evaluates again and again, seconds.
_REPEATED = 0.5


def _repeated_timing(expression: Any, evaluation: Any) -> Any:
    """``RepeatedTiming[expr]``, ``RepeatedTiming[expr, t]``: the middle of several times."""
    elements = expression.elements
    if not 1 <= len(elements) <= 2:
        return None
    limit = _REPEATED if len(elements) == 1 else elements[1].evaluate(evaluation).round_to_float(evaluation)
    if limit is None:
        return None
    times: list[float] = []
    until = time.monotonic() + limit
    while True:
        began = time.perf_counter()
        result = elements[0].evaluate(evaluation)
        times.append(time.perf_counter() - began)
        if time.monotonic() >= until or (len(times) >= 4 and sum(times) >= limit):
            break
    return ListExpression(MachineReal(sorted(times)[len(times) // 2]), result)


def _uuid(expression: Any, evaluation: Any) -> Any:
    """``CreateUUID[]``, ``CreateUUID["base"]``."""
    elements = expression.elements
    base = elements[0].get_string_value() if elements else ""
    return None if len(elements) > 1 or base is None else String(base + str(uuid.uuid4()))


def system_id(system: str = sys.platform, machine: str | None = None) -> str:
    """Return what ``$SystemID`` is on a system, as Python names it."""
    machine = machine or platform.machine()
    machine = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64"}.get(machine, machine)
    return {"linux": "Linux", "darwin": "MacOSX", "win32": "Windows"}.get(system, system) + f"-{machine}"


def _absolute(expression: Any, evaluation: Any) -> Any:
    """Take numbers out of the absolute value of a product. Mathics3 takes everything out."""
    if len(expression.elements) != 1:
        return None
    inner = expression.elements[0]
    if inner.has_form("Abs", 1):
        return inner
    if not inner.has_form("Times", None):
        return None
    numbers = [each for each in inner.elements if call("NumericQ", each).evaluate(evaluation) is SymbolTrue]
    if not numbers or len(numbers) == len(inner.elements):
        return None if numbers else expression
    rest = [each for each in inner.elements if each not in numbers]
    return call("Times", *(call("Abs", each) for each in numbers), call("Abs", call("Times", *rest)))


def _permutations(expression: Any, evaluation: Any) -> Any:
    """Return each permutation once, also of elements that are the same."""
    elements = expression.elements
    if not elements or not isinstance(elements[0], ListExpression) or len(elements) > 2:
        return None
    items = elements[0].elements
    if len(set(items)) == len(items):
        return None
    lengths = _lengths(elements[1], len(items)) if len(elements) == 2 else [len(items)]
    return None if lengths is None else ListExpression(*(ListExpression(*each) for length in lengths for each in _arranged(items, length)))


def _lengths(spec: Any, most: int) -> list[int] | None:
    """Return the lengths that ``n``, ``{n}``, ``{least, most}`` or ``All`` stands for."""
    if spec is _ALL or spec.has_form("DirectedInfinity", 1):
        return list(range(most + 1))
    if isinstance(spec, Integer):
        return list(range(min(int(spec.value), most) + 1))
    if isinstance(spec, ListExpression) and 1 <= len(spec.elements) <= 3 and all(isinstance(each, Integer) for each in spec.elements):
        first, *more = (int(each.value) for each in spec.elements)
        step = more[1] if len(more) == 2 else 1
        return [each for each in range(first, (more[0] if more else first) + 1, step or 1) if 0 <= each <= most]
    return None


def _arranged(items: Sequence[Any], length: int) -> Iterator[tuple[Any, ...]]:
    if not length:
        yield ()
        return
    seen = set()
    for at, item in enumerate(items):
        if item not in seen:
            seen.add(item)
            for rest in _arranged((*items[:at], *items[at + 1 :]), length - 1):
                yield item, *rest


def _compose(expression: Any, evaluation: Any) -> Any:
    """Apply the functions of a ``RightComposition``, the first one first."""
    functions = expression.head
    if functions.head is not _RIGHT_COMPOSITION:
        return None
    arguments = expression.elements
    for function in functions.elements:
        arguments = (Expression(function, *arguments),)
    return arguments[0] if functions.elements else call("Sequence", *arguments)


def install_various(definitions: Any) -> None:
    """Define the functions."""
    define(definitions, "BlockRandom", _block_random)
    define(definitions, "RepeatedTiming", _repeated_timing)
    for name, attributes in (("BlockRandom", A_HOLD_ALL), ("RepeatedTiming", A_HOLD_ALL)):
        definition_of(definitions, f"System`{name}").attributes = attributes | A_PROTECTED
    define(definitions, "CreateUUID", _uuid)
    definition_of(definitions, "System`$SystemID").ownvalues = [Rule(Symbol("System`$SystemID"), String(system_id()), system=True)]
    composition = definition_of(definitions, _RIGHT_COMPOSITION.name)
    composition.attributes |= A_FLAT | A_ONE_IDENTITY | A_PROTECTED
    composition.subvalues = [NativeRule(Expression(_RIGHT_COMPOSITION, Expression(Symbol("System`BlankNullSequence"))), _compose)]
    define(definitions, "RunProcess", _run_process)
    define(definitions, "RandomChoice", _random_choice)
    define(definitions, "Abs", _absolute)
    define(definitions, "Permutations", _permutations)
    define(definitions, "Riffle", _riffle)
