"""Keep the list of messages, run handlers of messages, and say where syntax is wrong only if known.

* ``$MessageList`` holds the names of the messages that were shown during the evaluation of the
  current input, each in ``HoldForm``. A message is shown three times and then falls silent; its
  name is listed as often, with ``General::stop`` behind.
* ``MessageList[n]`` is the list of the n-th input.
* ``Internal`AddHandler["Message", f]`` has ``f[Hold[Message[...], True]]`` evaluated for each
  message, before it is shown; the second part is False for a message that is not shown.
  ``Internal`HandlerBlock[{"Message", f}, expr]`` does so while it evaluates ``expr``. A handler for
  ``"Interrupt"`` takes the place of the interrupt menu
  (:mod:`kernelbus.kernelhost.mathics.packets.dialogs`).
* A text of the symbol ``Syntax`` names line and file only for what comes from a file.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from mathics.core.atoms import Integer, String
from mathics.core.attributes import A_HOLD_ALL, A_HOLD_REST, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolFalse, SymbolNull, SymbolTrue, ensure_context

__all__ = ["BUILTINS", "MESSAGE_LIST", "Handlers", "begin_list", "handlers", "keep_list", "mend_messages", "mend_syntax"]

_LIST = "System`$MessageList"
#: The function that gives the messages of an input.
MESSAGE_LIST = Symbol("System`MessageList")
_HOLD, _HOLD_FORM = Symbol("System`Hold"), Symbol("System`HoldForm")
_MESSAGE, _NAME = Symbol("System`Message"), Symbol("System`MessageName")
#: How often a message of one name is shown in one evaluation.
_SHOWN = 3
#: The attribute of an evaluation that counts the messages of each name.
_COUNTS = "kernelbus_messages"


class Handlers:
    """Hold what a session has asked to be called for events: functions of the language."""

    def __init__(self) -> None:
        self._functions: dict[str, list[Any]] = {}

    def add(self, event: str, function: Any) -> None:
        """Add a function; one that is there already is not added again."""
        functions = self._functions.setdefault(event, [])
        if not any(function.sameQ(each) for each in functions):
            functions.append(function)

    def remove(self, event: str, function: Any) -> None:
        """Remove a function, if it is there."""
        self._functions[event] = [each for each in self._functions.get(event, []) if not each.sameQ(function)]

    def of(self, event: str) -> list[Any]:
        """Return the functions for an event, in the order in which they were added."""
        return list(self._functions.get(event, ()))

    def clear(self) -> None:
        """Forget all functions."""
        self._functions.clear()

    def all(self) -> list[tuple[str, Any]]:
        """Return each event with each of its functions."""
        return [(event, function) for event, functions in self._functions.items() for function in functions]


#: The handlers of this process's session.
handlers = Handlers()


def begin_list(definitions: Any) -> None:
    """Begin the evaluation of an input: no message has been shown."""
    if definitions.user.get(_LIST) is not None:
        definitions.set_ownvalue(_LIST, ListExpression())


def keep_list(definitions: Any, line: int) -> None:
    """Make the messages so far the ``MessageList`` of an input."""
    shown = _shown(definitions)
    if shown:
        rule = Rule(Expression(MESSAGE_LIST, Integer(line)), ListExpression(*shown))
        definitions.add_rule(MESSAGE_LIST.name, rule)


def _shown(definitions: Any) -> list[Any]:
    values = definitions.get_ownvalues(_LIST)
    found = values[0].replace if values else None
    return list(found.elements) if found is not None and found.has_form("List", None) else []


def mend_messages() -> None:
    """Have Mathics3 list the messages that it shows, and call handlers."""
    from mathics.core.evaluation import Evaluation

    theirs = Evaluation.message
    inside = [False]

    def message(self: Any, symbol_name: str, tag: str, *args: Any) -> Any:
        name = Expression(_NAME, Symbol(ensure_context(symbol_name)), String(tag))
        functions = handlers.of("Message")
        if functions and not inside[0]:
            inside[0] = True
            try:
                shown = not self.quiet_all and name not in self.get_quiet_messages()
                held = Expression(_HOLD, Expression(_MESSAGE, name, *map(_element, args)), SymbolTrue if shown else SymbolFalse)
                for function in functions:
                    Expression(function, held).evaluate(self)
            finally:
                inside[0] = False
        result = theirs(self, symbol_name, tag, *args)
        if result is not None:
            _list(self, name)
        return result

    Evaluation.message = message


def _element(argument: Any) -> Any:
    from mathics.core.convert.python import from_python

    return from_python(argument)


def _list(evaluation: Any, name: Any) -> None:
    counts = evaluation.__dict__.setdefault(_COUNTS, {})
    count = counts[name] = counts.get(name, 0) + 1
    if count > _SHOWN:
        return
    names = [name]
    if count == _SHOWN:
        names.append(Expression(_NAME, Symbol("System`General"), String("stop")))
    definitions = evaluation.definitions
    listed = (Expression(_HOLD_FORM, each) for each in names)
    definitions.set_ownvalue(_LIST, ListExpression(*_shown(definitions), *listed))


class MessageList(Builtin):
    """``$MessageList``, which a program may set."""

    name = "$MessageList"
    attributes = 0
    rules: ClassVar[dict[str, str]] = {"$MessageList": "{}"}
    summary_text = "names of the messages of the current input"


class MessageListOfLine(Builtin):
    """``MessageList[n]``: the names of the messages of the n-th input."""

    name = "MessageList"
    rules: ClassVar[dict[str, str]] = {"MessageList[n_Integer?Negative]": "MessageList[$Line + n]"}
    summary_text = "names of the messages of an input"


class _Handling(Builtin):
    """A function that adds or removes a handler."""

    context = "Internal`"

    def _events(self, event: Any) -> list[str] | None:
        text = event.get_string_value()
        return None if text is None else [text]


class AddHandler(_Handling):
    """``Internal`AddHandler["event", f]``: call a function for each event of a kind."""

    summary_text = "call a function for each event of a kind"

    def eval(self, event: Any, function: Any, evaluation: Any) -> Any:
        "Internal`AddHandler[event_String, function_]"
        handlers.add(event.value, function)
        return SymbolNull


class RemoveHandler(_Handling):
    """``Internal`RemoveHandler["event", f]``: call a function for no more events."""

    summary_text = "call a function for no more events of a kind"

    def eval(self, event: Any, function: Any, evaluation: Any) -> Any:
        "Internal`RemoveHandler[event_String, function_]"
        handlers.remove(event.value, function)
        return SymbolNull


class HandlersOf(_Handling):
    """``Internal`Handlers[]`` and ``Internal`Handlers["event"]``: the functions that are called."""

    name = "Handlers"
    summary_text = "functions that are called for events"

    def eval(self, evaluation: Any) -> Any:
        "Internal`Handlers[]"
        return ListExpression(*(ListExpression(String(event), function) for event, function in handlers.all()))

    def eval_event(self, event: Any, evaluation: Any) -> Any:
        "Internal`Handlers[event_String]"
        return ListExpression(*handlers.of(event.value))


class HandlerBlock(_Handling):
    """``Internal`HandlerBlock[{"event", f}, expr]``: call a function for some events."""

    attributes = A_HOLD_REST | A_PROTECTED
    summary_text = "call a function for events while an expression is evaluated"

    def eval(self, event: Any, function: Any, expr: Any, evaluation: Any) -> Any:
        "Internal`HandlerBlock[{event_String, function_}, expr_]"
        there = any(function.sameQ(each) for each in handlers.of(event.value))
        handlers.add(event.value, function)
        try:
            return expr.evaluate(evaluation)
        finally:
            if not there:
                handlers.remove(event.value, function)


class DeactivateMessages(Builtin):
    """``Internal`DeactivateMessages[expr]``: evaluate without messages."""

    attributes = A_HOLD_ALL | A_PROTECTED
    context = "Internal`"
    rules: ClassVar[dict[str, str]] = {"Internal`DeactivateMessages[expr_, ___]": "Quiet[expr]"}
    summary_text = "evaluate without messages"


#: What is to be defined: see :func:`kernelbus.kernelhost.mathics.library.functions.add_functions`.
BUILTINS = (MessageList, MessageListOfLine, AddHandler, RemoveHandler, HandlersOf, HandlerBlock, DeactivateMessages)

_PLACE = re.compile(r" \(line `4` of `5`\)")


def mend_syntax() -> None:
    """Have messages on wrong syntax name a line only in a file; call this before definitions."""
    from mathics.builtin.messages import Syntax
    from mathics_scanner.feed import LineFeeder

    theirs = LineFeeder.syntax_message

    def syntax_message(self: Any, symbol_name: str, tag: str, *args: Any) -> list[Any]:
        found: list[Any] = theirs(self, symbol_name, tag, *args)
        place = f" (line {self.lineno} of \"{self.container}\")" if isinstance(self.container, str) and self.container else ""
        return [*found, place]

    LineFeeder.syntax_message = syntax_message
    Syntax.messages = {tag: _PLACE.sub("`6`", text) for tag, text in Syntax.messages.items()}

