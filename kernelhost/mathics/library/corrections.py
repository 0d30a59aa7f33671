"""Correct functions of Mathics3 whose results or messages are not what the language documents.

Each is changed in place, before definitions are made of it:

* ``Check`` considers the messages that occur within it, not every message and print of the
  evaluation so far. It also notices messages that a ``Quiet`` around it hides.
* ``Function[Null, body, attributes]`` takes slots.
* ``Print[]`` prints an empty line.
* ``ToExpression`` wraps what it reads in its third argument before evaluation, gives ``Null`` for a
  text without an expression, and gives messages on wrong syntax in its own name.
* ``FromCharacterCode`` takes codes beyond 65535. It joins the codes of two surrogates, and so does
  a string that is written with two escapes.
* ``FullForm`` writes the head of a list, as it does all heads.
* A name that only a built-in rule uses, as ``x`` in ``x_``, does not become a symbol of the
  language. In Mathics3 it does when the rule is applied, and then hides the user's symbol.
* ``Catch[expr, form, f]`` gives ``f`` the tag, too.
* ``ClearAll`` leaves a symbol's options empty; Mathics3 leaves none, and fails when they are asked.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

from wstp.text import joined

__all__ = ["correct"]


def correct() -> None:
    """Make all corrections; call this before Mathics3's definitions are made."""
    _correct_check()
    _correct_function()
    _correct_print()
    _correct_to_expression()
    _correct_characters()
    _correct_full_form()
    _correct_clear_all()
    _correct_definitions()
    _correct_catch()


def _correct_catch() -> None:
    from mathics.builtin.procedural import Catch
    from mathics.core.expression import Expression
    from mathics.core.interrupt import WLThrowInterrupt
    from mathics.core.symbols import Symbol, SymbolTrue

    theirs = Catch.eval_with_form_and_fn

    def with_form(self: Any, expr: Any, form: Any, f: Any, evaluation: Any) -> Any:
        if f.get_head_name() == "System`Identity" or f.get_name() == "System`Identity":
            return theirs(self, expr, form, f, evaluation)
        try:
            return expr.evaluate(evaluation)
        except WLThrowInterrupt as thrown:
            if Expression(Symbol("System`MatchQ"), thrown.tag, form).evaluate(evaluation) is SymbolTrue:
                return Expression(f, thrown.value, thrown.tag)
            raise

    with_form.__doc__ = theirs.__doc__
    Catch.eval_with_form_and_fn = with_form


def _correct_definitions() -> None:
    from mathics.core.definitions import Definition, Definitions

    theirs = Definitions.get_definition

    def get_definition(self: Any, name: str, only_if_exists: bool = False) -> Any:
        if name.startswith("System`") and not only_if_exists and name not in self.definitions_cache:
            try:
                return theirs(self, name, True)
            except KeyError:
                return Definition(name=name)
        return theirs(self, name, only_if_exists)

    Definitions.get_definition = get_definition


def _correct_full_form() -> None:
    import mathics.format.box.makeboxes as makeboxes

    # The one place where that module asks for this symbol writes braces.
    makeboxes.SymbolList = None


def _correct_clear_all() -> None:
    from mathics.builtin.assignments.clear import ClearAll

    theirs = ClearAll.do_clear

    def do_clear(self: Any, definition: Any) -> None:
        theirs(self, definition)
        definition.options = {}

    ClearAll.do_clear = do_clear


def _correct_check() -> None:
    from mathics.builtin.messages import Check
    from mathics.core.atoms import String
    from mathics.core.evaluation import Evaluation
    from mathics.core.expression import Expression
    from mathics.core.symbols import Symbol, ensure_context

    # For each running Check: which messages count, and whether one occurred.
    watches: list[_Watch] = []
    their_message = Evaluation.message

    def message(self: Any, symbol_name: str, tag: str, *args: Any) -> Any:
        if watches:
            name = Expression(Symbol("System`MessageName"), Symbol(ensure_context(symbol_name)), String(tag))
            off = name in self.get_quiet_messages()
            for watch in watches:
                watch.see(name, off, self.quiet_all)
        return their_message(self, symbol_name, tag, *args)

    def check(self: Any, expr: Any, failexpr: Any, params: Any, evaluation: Any) -> Any:
        names = _names(params.get_sequence())
        if names is None:
            evaluation.message("Check", "name", params)
            return None
        watch = _Watch(names, evaluation.quiet_all)
        watches.append(watch)
        try:
            result = expr.evaluate(evaluation)
        finally:
            watches.remove(watch)
        return failexpr.evaluate(evaluation) if watch.seen else result

    check.__doc__ = "Check[expr_, failexpr_, params___]"
    Evaluation.message = message
    Check.eval_with_fail = check


class _Watch:
    """Remember whether a message that counts occurred in one ``Check``."""

    def __init__(self, names: list[Any], quiet_around: bool) -> None:
        """Begin.

        Args:
            names: the names of messages that count; empty for all that are not hidden within the
                Check.
            quiet_around: whether a ``Quiet`` is around the Check.
        """
        self._names = names
        self._quiet_around = quiet_around
        self.seen = False

    def __eq__(self, other: object) -> bool:
        return self is other

    def see(self, name: Any, off: bool, quiet: bool) -> None:
        heard = not off and (self._quiet_around or not quiet)
        counts = name in self._names if self._names else heard
        self.seen = self.seen or counts


def _names(params: Any) -> list[Any] | None:
    """Return the names of messages in a sequence, which may hold lists of them.

    None if it holds anything else.
    """
    found: list[Any] = []
    waiting = list(params)
    while waiting:
        item = waiting.pop()
        if item.has_form("List", None):
            waiting.extend(item.elements)
        elif item.has_form("MessageName", 2):
            found.append(item)
        else:
            return None
    return found


def _correct_function() -> None:
    from mathics.builtin.functional.application import Function

    theirs = Function.eval_named_attr

    def named(self: Any, vars: Any, body: Any, attr: Any, args: Any, evaluation: Any) -> Any:
        if vars.get_name() == "System`Null":
            return self.eval_slots(body, args, evaluation)
        return theirs(self, vars, body, attr, args, evaluation)

    named.__doc__ = theirs.__doc__
    Function.eval_named_attr = named


def _correct_print() -> None:
    from mathics.builtin.inout import Print
    from mathics.core.atoms import String
    from mathics.core.symbols import SymbolNull

    def empty(self: Any, evaluation: Any) -> Any:
        evaluation.print_out(String(""))
        return SymbolNull

    empty.__doc__ = "Print[]"
    Print.eval_empty = empty


def _correct_to_expression() -> None:
    from mathics.builtin.atomic.strings import ToExpression
    from mathics.core.atoms import String
    from mathics.core.expression import Expression
    from mathics.core.symbols import Symbol, SymbolNull
    from mathics_scanner.errors import SyntaxError as WolframSyntaxError

    theirs = ToExpression.eval
    failed = Symbol("System`$Failed")
    forms = ("System`InputForm", "System`StandardForm")

    def to_expression(self: Any, seq: Any, evaluation: Any) -> Any:
        text, form, head = (*seq.get_sequence(), None, None)[:3]
        if len(seq.get_sequence()) > 3 or not isinstance(text, String) or (form is not None and form.get_name() not in forms):
            return theirs(self, seq, evaluation)
        found: list[Any] = []
        try:
            for query in _read(text.value, evaluation):
                found.append(query if head is not None else query.evaluate(evaluation))
        except WolframSyntaxError:
            return failed
        if head is not None:
            return Expression(head, *(found or [SymbolNull])).evaluate(evaluation)
        return found[-1] if found else SymbolNull

    to_expression.__doc__ = theirs.__doc__
    ToExpression.eval = to_expression
    ToExpression.messages = {
        **ToExpression.messages,
        "sntx": "Invalid syntax in or before `1`.",
        "sntxi": "Incomplete expression; more input is needed.",
    }


def _correct_characters() -> None:
    from mathics.builtin.string.charcodes import FromCharacterCode
    from mathics.core.atoms import String
    from mathics.core.list import ListExpression
    from mathics.core.parser.convert import Converter

    theirs = FromCharacterCode._decode

    def codes_of(number: Any) -> list[Any]:
        return list(number.elements) if number.has_form("List", None) else [number]

    def text_of(codes: list[Any]) -> str | None:
        values = [code.get_int_value() for code in codes]
        if any(value is None or not 0 <= value <= sys.maxunicode for value in values):
            return None
        return joined("".join(map(chr, values)))

    def decode(self: Any, number: Any, encoding: str, evaluation: Any) -> Any:
        if encoding == "Unicode" and number.get_int_value() != 0:
            codes = codes_of(number)
            if codes and codes[0].has_form("List", None):
                texts = [text_of(codes_of(code)) for code in codes]
                if None not in texts:
                    return ListExpression(*map(String, texts))
            elif (text := text_of(codes)) is not None:
                return String(text)
        return theirs(self, number, encoding, evaluation)

    FromCharacterCode._decode = decode
    FromCharacterCode.messages = {
        **FromCharacterCode.messages,
        "notunicode": (
            f"A character code, which should be a non-negative integer less than {sys.maxunicode + 1},"
            " is expected at position `2` in `1`."
        ),
    }
    Converter._make_String = lambda self, text: String(joined(text))


def _read(text: str, evaluation: Any) -> Iterator[Any]:
    """Read the expressions in a text one by one; each is read after the one before was evaluated.

    Raises:
        mathics_scanner.errors.SyntaxError: the next expression cannot be read; the message has been
            given.
    """
    from mathics.core.parser.feed import MathicsMultiLineFeeder
    from mathics.core.parser.util import parse_returning_code
    from mathics_scanner.errors import SyntaxError as WolframSyntaxError

    feeder = MathicsMultiLineFeeder(io.StringIO(text, newline="\n").readlines(), "")
    while not feeder.empty():
        first = feeder.lineno
        try:
            query, _ = parse_returning_code(evaluation.definitions, feeder)
        except WolframSyntaxError:
            lines = "".join(feeder.lines[first : feeder.lineno]).strip()
            incomplete = any(message[1] == "sntxi" for message in feeder.messages)
            feeder.messages = [m for m in feeder.messages if m[1] not in _REPORTED]
            feeder.send_messages(evaluation)
            evaluation.message("ToExpression", *(("sntxi",) if incomplete else ("sntx", f'"{lines}"')))
            raise
        feeder.send_messages(evaluation)
        if query is not None:
            yield query


#: Messages of Mathics3's parser that ``ToExpression`` replaces by its own. "Syntax" has no text.
_REPORTED = ("Syntax", "sntxi", "sntxb", "sntxf")
