"""Have functions of the language answered by the second engine.

:func:`install` makes every name of the language known, and gives the functions of the tables
(:mod:`kernelbus.kernelhost.mathics.engine.names`) rules that ask the engine. What comes back is
evaluated once more. An expression that comes back as it went, or that the engine does not know,
stays as it is. While an answer is evaluated, the expression that was asked for is not asked for
again, so that no loop arises.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy
from mathics.core.atoms import Number, String
from mathics.core.attributes import A_PROTECTED, attribute_string_to_number
from mathics.core.definitions import Definition
from mathics.core.evaluation import Output
from mathics.core.rules import BaseRule

from kernelbus.kernelhost.mathics.engine.agreement import agree
from kernelbus.kernelhost.mathics.engine.names import Better, read_better, read_functions, read_names
from kernelbus.kernelhost.mathics.engine.process import EngineError, engine, is_installed
from kernelbus.kernelhost.mathics.engine.reading import read
from kernelbus.kernelhost.mathics.engine.sending import MOST_TEXT, Question, TooLarge, written
from kernelbus.kernelhost.mathics.engine.talk import Answer, Message

__all__ = ["AskRule", "Delegate", "install", "pass_on", "say"]

_log = logging.getLogger("kernelhost.mathics")

#: How long the engine may take for what Mathics3 has a function for, seconds.
_PATIENCE: Final = 10.0
#: How long it may take to give another form of what Mathics3 has found, seconds.
_FORM_PATIENCE: Final = 1.0
#: How many questions are remembered to which the answer was the question.
_REMEMBERED: Final = 512


class Delegate:
    """Ask the engine for the values of expressions."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._left: OrderedDict[str, None] = OrderedDict()

    def value(self, expr: Any, evaluation: Any, *, quiet: bool = False, patience: float = _PATIENCE) -> Any | None:
        """Return what an expression is, evaluated; None if the engine leaves it as it is.

        What the engine says and prints is said and printed here.

        Args:
            expr: the expression, with its arguments evaluated as its attributes want it.
            evaluation: the running evaluation.
            quiet: whether nothing is said if the engine gives no value: somebody else is asked.
            patience: how long the engine may take then, seconds.
        """
        name = expr.get_lookup_name().removeprefix("System`")
        definitions = evaluation.definitions
        try:
            question = written(expr, definitions)
        except TooLarge as large:
            if not quiet:
                why = f"its arguments are {large.size} bytes of text, and at most {MOST_TEXT} are sent to the second engine"
                say(evaluation, "Kernel", "large", f"{name} is not evaluated: {why}.")
            return None
        if question in self._asked or question in self._left:
            return None
        answer = self._answer(question, name, evaluation, patience if quiet else None)
        if answer is None:
            return None
        result = None if answer.wrong else read(answer.text, definitions)
        if result is not None and result.sameQ(expr):
            result = None
        if result is None and quiet:
            return None
        pass_on(answer, evaluation)
        if result is None:
            if answer.wrong:
                say(evaluation, "Kernel", "engine", f"{name} is not evaluated: {answer.wrong.splitlines()[0]}")
            if not answer.events and not question.random:
                self._remember(question)
            return None
        self._asked.add(question)
        try:
            return result.evaluate(evaluation)
        finally:
            self._asked.discard(question)

    def _answer(self, question: Question, name: str, evaluation: Any, seconds: float | None) -> Answer | None:
        seed = int(numpy.random.randint(0, 2**62)) if question.random else None
        try:
            return engine.ask(question, seed=seed, seconds=seconds)
        except EngineError as error:
            _log.warning("%s: %s", name, error)
            if seconds is None:
                say(evaluation, "Kernel", "engine", f"{name} is not evaluated: {error}.")
            return None

    def _remember(self, question: str) -> None:
        self._left[question] = None
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)


def pass_on(answer: Answer, evaluation: Any) -> None:
    """Issue the messages of an answer and print what it printed, in order."""
    for event in answer.events:
        if isinstance(event, Message):
            if event.symbol != "General" or event.tag != "stop":
                say(evaluation, event.symbol, event.tag, event.text)
        else:
            for line in event.text.removesuffix("\n").split("\n"):
                evaluation.print_out(String(line))


def say(evaluation: Any, symbol: str, tag: str, text: str) -> None:
    """Issue a message whose text is given, whatever text the session has for its name."""
    definitions = evaluation.definitions
    theirs = definitions.get_value

    def get_value(name: str, position: str, pattern: Any, running: Any) -> Any:
        return String("`1`") if position == "System`Messages" else theirs(name, position, pattern, running)

    definitions.get_value = get_value
    try:
        evaluation.message(symbol, tag, String(text))
    finally:
        del definitions.get_value


class AskRule(BaseRule):
    """Apply to every expression of one function.

    It has no pattern to match: thousands of these are made, and most are never used. ``value`` is
    given an expression and the evaluation, and returns what the expression is, None for itself.
    """

    # Mathics3 orders a symbol's rules by these; this one stays where it is put.
    pattern_precedence = element_order = (True, ())

    def __init__(self, value: Callable[[Any, Any], Any | None]) -> None:
        self.location = None
        self.system = True
        self._value = value

    def apply(self, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None) -> Any:
        """Return the value of an expression, or None; see :class:`mathics.core.rules.BaseRule`."""
        return self._value(expression, evaluation)


#: What is raised where Mathics3 does not expect what it was given.
_FAULTS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)


class _Better(AskRule):
    """Apply before Mathics3's own rules for a function."""

    def __init__(self, delegate: Delegate, entry: Better, theirs: list[Any]) -> None:
        super().__init__(delegate.value)
        self._delegate = delegate
        self._first = entry.first
        self._form = entry.form
        self._heads = re.compile(entry.heads) if entry.heads else None
        self._theirs = theirs

    def apply(self, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None) -> Any:
        """Return the value of an expression; None: Mathics3's rules decide."""
        heads = self._heads
        if heads is not None and not any(heads.fullmatch(each.get_head_name().removeprefix("System`")) for each in expression.elements):
            return None
        if self._first:
            return self._delegate.value(expression, evaluation, quiet=True)
        # What they say about an expression that they leave is kept until the engine leaves it, too.
        said, theirs = _Said(), evaluation.output
        evaluation.output = said
        try:
            try:
                result, fault = self._by_theirs(expression, evaluation, fully), None
            except _FAULTS as error:
                result, fault = None, error
            if result is None:
                result = self._delegate.value(expression, evaluation, quiet=True)
                said.kept = said.kept if result is None else []
            elif self._form:
                result = self._in_their_form(expression, result.evaluate(evaluation), evaluation)
            if result is None and fault is not None:
                raise fault
        finally:
            evaluation.output = theirs
            for each in said.kept:
                theirs.out(each)
        # Their rules have had their turn, and must not be tried again.
        return expression if result is None else result

    def _in_their_form(self, expression: Any, result: Any, evaluation: Any) -> Any:
        """Return the engine's form of a result if it is the same in numbers, else the result."""
        if isinstance(result, Number):
            return result
        said, evaluation.output = evaluation.output, _Said()
        try:
            other = self._delegate.value(expression, evaluation, quiet=True, patience=_FORM_PATIENCE)
            kept = evaluation.output.kept
        finally:
            evaluation.output = said
        if other is None or kept or other.sameQ(result) or not agree(expression, result, other, evaluation):
            return result
        return other

    def _by_theirs(self, expression: Any, evaluation: Any, fully: bool) -> Any | None:
        for rule in self._theirs:
            result = rule.apply(expression, evaluation, fully=fully)
            if result is not None and not result.sameQ(expression):
                return result
        return None


class _Within(AskRule):
    """Apply, as an upvalue, to calls of some functions with an argument of one kind."""

    def __init__(self, delegate: Delegate, heads: frozenset[str]) -> None:
        super().__init__(delegate.value)
        self._delegate, self._heads = delegate, heads

    def apply(self, expression: Any, evaluation: Any, fully: bool = True, return_list: bool = False, max_list: int | None = None) -> Any:
        """Return the value of a call; None for other functions."""
        if expression.get_head_name().removeprefix("System`") not in self._heads:
            return None
        return self._delegate.value(expression, evaluation, quiet=True)


#: Of each kind of value: the functions of it that the engine computes.
_WITHIN: Final = {
    "Interval": frozenset(
        {"Abs", "ArcTan", "Cos", "Equal", "Exp", "Greater", "GreaterEqual", "IntervalMemberQ", "Less", "LessEqual", "Log", "Max", "Min",
         "Plus", "Power", "Sin", "Sqrt", "Tan", "Times"}
    ),
}  # fmt: skip


class _Said(Output):
    """Keep what is printed, and messages."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def out(self, out: Any) -> None:
        self.kept.append(out)


def install(definitions: Any) -> None:
    """Make the language's names known, and delegate what the tables say."""
    here = Path(__file__).parent
    builtin = definitions.builtin
    for name in read_names((here / "names.txt").read_text(encoding="utf-8")):
        _known(builtin, name)
    functions = read_functions((here / "functions.txt").read_text(encoding="utf-8"))
    delegate = Delegate()
    rule = AskRule(delegate.value)
    for name, attributes in functions.items():
        definition = _known(builtin, name)
        if definition is None:
            continue  # the kernel has it by now
        for attribute in attributes:
            # Mathics3 does not know all of them.
            definition.attributes |= attribute_string_to_number.get(f"System`{attribute}", 0)
        if is_installed():
            definition.downvalues, definition.subvalues = [rule], [rule]
    if is_installed():
        for name, heads in _WITHIN.items():
            definition = builtin.get(f"System`{name}")
            if definition is not None:
                definition.upvalues.insert(0, _Within(delegate, heads))
        for entry in read_better((here / "better.toml").read_text(encoding="utf-8")):
            definition = builtin.get(f"System`{entry.name}")
            if definition is not None and entry.only:
                definition.downvalues, definition.subvalues = [rule], [rule]
                definition.upvalues, definition.formatvalues = [], {}
            elif definition is not None:
                for values in ("downvalues", "subvalues"):
                    theirs = list(getattr(definition, values))
                    setattr(definition, values, [_Better(delegate, entry, theirs), *theirs])
    definitions.clear_cache()


def _known(builtin: dict[str, Any], name: str) -> Any | None:
    """Return the new definition of a name of the language; None if there is one already."""
    full = f"System`{name}"
    if full in builtin:
        return None
    definition = builtin[full] = Definition(name=full, attributes=A_PROTECTED)
    return definition
