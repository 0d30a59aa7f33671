"""What programs ask of their kernel's surroundings: its command line, reading from streams.

* ``$CommandLine`` is this kernel's own, also in a kernel that was forked from a parent
  (:func:`command_line`). ``$ScriptCommandLine`` is a list, empty unless a script is run.
* ``Run`` runs its command, which Mathics3 puts into quotation marks. ``RunThrough``, and names of
  files that begin with ``!``, run a program, too: ``ReadList["!ls", String]``. A pool can forbid
  programs (:mod:`kernelbus.kernelhost.mathics.evaluation.confinement`).
* ``$ProcessorCount``, and ``Internal`Bag``, in which programs collect results.
* ``Read`` and ``ReadList`` take types within any expression, as ``HoldComplete[Expression]`` and
  ``{Word, {Number, Number}}``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from mathics.core.atoms import Integer, String
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

__all__ = ["BUILTINS", "command_line", "mend_programs"]

#: The first word of a kernel's command line.
PROGRAM = "kernelbus.kernelhost.mathics"

_words: tuple[str, ...] = (PROGRAM,)


def command_line(arguments: Sequence[str]) -> None:
    """Set the arguments that this kernel was started with, without the program's name."""
    global _words
    _words = (PROGRAM, *arguments)


def mend_programs() -> None:
    """Change Mathics3's functions; call this before definitions are made."""
    _mend_command_line()
    _mend_run()
    _mend_reading()


def _mend_command_line() -> None:
    from mathics.builtin.system import CommandLine, ScriptCommandLine

    CommandLine.evaluate = lambda self, evaluation: ListExpression(*map(String, _words))
    ScriptCommandLine.evaluate = lambda self, evaluation: ListExpression()


def _mend_run() -> None:
    from mathics.builtin.system import Run

    def run(self: Any, command: Any, evaluation: Any) -> Any:
        return Integer(subprocess.run(command.value, shell=True, check=False, stdin=subprocess.DEVNULL).returncode)

    run.__doc__ = "Run[command_String]"
    Run.eval = run


class _Output(Builtin):
    """``kernelbus`output["command", "input"]``: what a command prints."""

    name = "output"
    context = "kernelbus`"
    summary_text = "give what a command prints"

    def eval(self, command: Any, given: Any, evaluation: Any) -> Any:
        "kernelbus`output[command_String, given_String]"
        done = subprocess.run(command.value, shell=True, check=False, input=given.value.encode(), stdout=subprocess.PIPE)
        return String(done.stdout.decode("utf-8", "replace"))


class _Processors(Builtin):
    """``kernelbus`processors[]``: how many processors the machine has."""

    name = "processors"
    context = "kernelbus`"
    summary_text = "number of processors"

    def eval(self, evaluation: Any) -> Any:
        "kernelbus`processors[]"
        return Integer(os.cpu_count() or 1)


class _Bag(Builtin):
    """``Internal`Bag[{...}]``: a list that grows in place; the elements are kept by its number."""

    name = "Bag"
    context = "Internal`"
    rules: ClassVar[dict[str, str]] = {"Internal`Bag[]": "Internal`Bag[{}]"}
    summary_text = "a list that grows in place"

    def eval(self, items: Any, evaluation: Any) -> Any:
        "Internal`Bag[items_List]"
        _bags.append(list(items.elements))
        return Expression(Symbol("Internal`Bag"), Integer(len(_bags) - 1))


class _StuffBag(Builtin):
    """``Internal`StuffBag[bag, x]``, ``Internal`StuffBag[bag, {...}, 1]``: put into a bag."""

    name = "StuffBag"
    context = "Internal`"
    summary_text = "put an element into a bag"

    def eval(self, bag: Any, item: Any, level: Any, evaluation: Any) -> Any:
        "Internal`StuffBag[Internal`Bag[bag_Integer], item_, level___]"
        if not 0 <= bag.value < len(_bags):
            return None
        _bags[bag.value].extend(item.elements if level.get_sequence() and item.has_form("List", None) else (item,))
        return Expression(Symbol("Internal`Bag"), bag)


class _BagPart(Builtin):
    """``Internal`BagPart[bag, n]``, ``Internal`BagPart[bag, All]``: what is in a bag."""

    name = "BagPart"
    context = "Internal`"
    summary_text = "take elements of a bag"

    def eval(self, bag: Any, part: Any, evaluation: Any) -> Any:
        "Internal`BagPart[Internal`Bag[bag_Integer], part_]"
        if not 0 <= bag.value < len(_bags):
            return None
        return Expression(Symbol("System`Part"), ListExpression(*_bags[bag.value]), part)


class _BagLength(Builtin):
    """``Internal`BagLength[bag]``: how many elements a bag has."""

    name = "BagLength"
    context = "Internal`"
    summary_text = "number of elements of a bag"

    def eval(self, bag: Any, evaluation: Any) -> Any:
        "Internal`BagLength[Internal`Bag[bag_Integer]]"
        return Integer(len(_bags[bag.value])) if 0 <= bag.value < len(_bags) else None


#: The elements of each bag of this kernel.
_bags: list[list[Any]] = []

#: What is to be defined.
BUILTINS = (_Output, _Processors, _Bag, _StuffBag, _BagPart, _BagLength)

_EXPRESSION = Symbol("System`Expression")
_HELD = Expression(Symbol("System`Hold"), _EXPRESSION)


def _mend_reading() -> None:
    import mathics.builtin.files_io.files as files

    their_read, their_list = files.Read.eval, files.ReadList.eval
    end = Symbol("System`EndOfFile")

    def read_one(read: Callable[[Any], Any], types: Any) -> Any:
        """Read what an expression of types stands for: all its types in one go."""
        leaves = list(_leaves(types))
        found = read(ListExpression(*(_HELD if _is_expression(leaf) else leaf for leaf in leaves)))
        values = found.elements if found is not None and found.has_form("List", len(leaves)) else (found,)
        if len(leaves) == 1 and not found.has_form("List", 1):
            values = (found,)
        if found is None or found is end or found.get_name() == "System`$Failed" or len(values) != len(leaves):
            return found
        held = (_is_expression(leaf) and value.has_form("Hold", 1) for leaf, value in zip(leaves, values, strict=True))
        return _filled(types, iter([value.elements[0] if is_held else value for is_held, value in zip(held, values, strict=True)]))

    def read(self: Any, stream: Any, types: Any, evaluation: Any, options: dict[str, Any]) -> Any:
        if _simple(types) is not None:
            return their_read(self, stream, types, evaluation, options)
        return read_one(lambda each: their_read(self, stream, each, evaluation, options), types)

    def read_list(self: Any, file: Any, types: Any, evaluation: Any, options: dict[str, Any]) -> Any:
        if _simple(types) is not None:
            return their_list(self, file, types, evaluation, options)
        opened = isinstance(file, String)
        stream = Expression(Symbol("System`OpenRead"), file).evaluate(evaluation) if opened else file
        if stream.get_name() == "System`$Failed":
            return stream
        found: list[Any] = []
        try:
            while True:
                value = read_one(lambda each: their_read(self, stream, each, evaluation, options), types)
                if value is end:
                    return ListExpression(*found)
                if value is None or value.get_name() == "System`$Failed":
                    return value
                found.append(value)
        finally:
            if opened:
                Expression(Symbol("System`Close"), stream).evaluate(evaluation)

    read.__doc__, read_list.__doc__ = their_read.__doc__, their_list.__doc__
    files.Read.eval, files.ReadList.eval = read, read_list


def _simple(types: Any) -> Any | None:
    """Return types that Mathics3 knows, None for others: it knows a type, or a list of types."""
    each = types.elements if types.has_form("List", None) else (types,)
    return types if all(not isinstance(item, Expression) or item.sameQ(_HELD) for item in each) else None


def _leaves(types: Any) -> Iterator[Any]:
    """Yield the types in an expression, in order."""
    if isinstance(types, Expression):
        for item in types.elements:
            yield from _leaves(item)
    else:
        yield types


def _is_expression(leaf: Any) -> bool:
    return bool(leaf.get_name() == _EXPRESSION.name or leaf.get_string_value() == "Expression")


def _filled(types: Any, values: Iterator[Any]) -> Any:
    """Return the expression of types with values in the places of the types."""
    if not isinstance(types, Expression):
        return next(values)
    return Expression(types.head, *(_filled(item, values) for item in types.elements))
