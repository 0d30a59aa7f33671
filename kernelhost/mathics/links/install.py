"""Call functions of programs: ``Install``, ``Uninstall``, ``ExternalCall``.

A program that is made with WSTP's template preprocessor says, once it is connected: strings, which
are evaluated; ``DefineExternal["pattern", "arguments", n]``, each of which makes the pattern call
function n of the program; and the symbol ``End``. A call is ``CallPacket[n, {arguments}]``. The
program answers with its result; before that it may ask for evaluations by ``EvaluatePacket[...]``,
which are answered by ``ReturnPacket[...]``.

An abort is passed on to the program as message 3. What it answers then is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from mathics.core.atoms import String
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.forms.convert import from_mathics, to_mathics
from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.links import functions
from kernelbus.kernelhost.mathics.links.functions import LinkFunction, link_object
from kernelbus.kernelhost.mathics.links.table import Entry, LinkFailure
from wstp.expr import Expr, Function
from wstp.expr import Symbol as Name

__all__ = ["BUILTINS"]

_FAILED = Symbol("System`$Failed")
_CURRENT = "System`$CurrentLink"


def _head(expr: Expr) -> str:
    """Return the name of an expression's head, "" if that is no symbol."""
    head = expr.head if isinstance(expr, Function) else None
    return head.name.removeprefix("System`") if isinstance(head, Name) else ""


class _Calling(LinkFunction):
    """A function that talks to an installed program."""

    def answers(self, entry: Entry, evaluation: Any) -> Callable[[Expr], Expr | None]:
        """Return what answers a program's requests for evaluations."""

        def answer(said: Expr) -> Expr | None:
            if _head(said) != "EvaluatePacket" or not isinstance(said, Function):
                return None
            definitions = evaluation.definitions
            definitions.set_ownvalue(_CURRENT, link_object(entry))
            value = to_mathics(said.args[0], definitions).evaluate(evaluation) if said.args else SymbolNull
            return Name("ReturnPacket")(from_mathics(value, definitions))

        return answer


class ExternalCall(_Calling):
    """``ExternalCall[link, CallPacket[n, {...}]]``: call a function of a program."""

    summary_text = "call a function of an installed program"

    def eval(self, link: Any, packet: Any, evaluation: Any) -> Any:
        "ExternalCall[link_LinkObject, packet_]"
        entry = self.entry(link, self.call(link, packet), evaluation)
        if entry is None:
            return _FAILED
        definitions = evaluation.definitions
        try:
            said = self.links.transact(entry, from_mathics(packet, definitions), self.answers(entry, evaluation))
        except LinkFailure as failure:
            return self.failed(failure, link, evaluation)
        except ValueError as error:
            evaluation.message("LinkObject", "linkx", link, String(str(error)))
            return _FAILED
        if _head(said) == "ReturnPacket" and isinstance(said, Function) and len(said.args) == 1:
            said = said.args[0]
        return to_mathics(said, definitions)


class Install(_Calling, functions.LinkOpen):
    """``Install["program"]``, ``Install[link]``: make the functions of a program callable."""

    summary_text = "make the functions of a program callable"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "Install[arguments__]"
        first = arguments.get_sequence()[0]
        link = first if first.has_form("LinkObject", 3) else self.open(arguments, evaluation)
        if link is None or link is _FAILED:
            return link
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        try:
            self.read_definitions(entry, link, evaluation)
        except LinkFailure as failure:
            self.links.close(entry)
            return self.failed(failure, link, evaluation)
        return link

    def opened(self, mode: str, name: str, options: int) -> Entry:
        return super().opened("connect" if mode == "launch" and _is_address(name) else mode, name, options)

    def read_definitions(self, entry: Entry, link: Any, evaluation: Any) -> None:
        definitions = evaluation.definitions
        answer = self.answers(entry, evaluation)
        while True:
            said = self.links.read(entry)
            if isinstance(said, Name) and said.name.removeprefix("System`") == "End":
                return
            if isinstance(said, str):
                Expression(Symbol("System`ToExpression"), String(said)).evaluate(evaluation)
            elif _head(said) == "DefineExternal" and isinstance(said, Function) and len(said.args) == 3:
                pattern, given, number = said.args
                call = f"ExternalCall[{input_form(link, evaluation)}, System`CallPacket[{number}, {given}]]"
                # Both sides are text, so that the pattern and the arguments are read together.
                Expression(Symbol("System`ToExpression"), String(f"{pattern} := {call}")).evaluate(evaluation)
                entry.patterns.append(self.whole(str(pattern), definitions, evaluation))
            elif (reply := answer(said)) is not None:
                self.links.write(entry, reply)

    def whole(self, pattern: str, definitions: Any, evaluation: Any) -> str:
        """Return a pattern with the contexts of its symbols, which are gone when it is removed."""
        held = Expression(
            Symbol("System`ToExpression"), String(pattern), Symbol("System`InputForm"), Symbol("System`HoldComplete")
        ).evaluate(evaluation)
        return input_form(held.elements[0]) if held.has_form("HoldComplete", 1) else pattern


def _is_address(name: str) -> bool:
    """Tell whether a link name is ``port`` or ``port@host``, and not a program."""
    return name.split("@", 1)[0].isdecimal()


class Uninstall(LinkFunction):
    """``Uninstall[link]``: remove what a program has defined, and close its link."""

    summary_text = "remove the functions of an installed program, and end it"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "Uninstall[link_LinkObject]"
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        for pattern in entry.patterns:
            Expression(Symbol("System`ToExpression"), String(f"Quiet[Unset[{pattern}]]")).evaluate(evaluation)
        self.links.close(entry)
        return String(entry.name)


class LinkPatterns(LinkFunction):
    """``LinkPatterns[link]``: what an installed program has defined, in HoldForm."""

    summary_text = "the patterns that an installed program has defined"

    def eval(self, link: Any, evaluation: Any) -> Any:
        "LinkPatterns[link_LinkObject]"
        entry = self.entry(link, self.call(link), evaluation)
        if entry is None:
            return _FAILED
        form, head = Symbol("System`InputForm"), Symbol("System`HoldForm")
        texts = (Expression(Symbol("System`ToExpression"), String(pattern), form, head) for pattern in entry.patterns)
        return ListExpression(*(text.evaluate(evaluation) for text in texts))


class CurrentLink(Builtin):
    """``$CurrentLink``: the link of the program that asks for an evaluation."""

    name = "$CurrentLink"
    attributes = 0
    rules: ClassVar[dict[str, str]] = {"$CurrentLink": "$ParentLink"}
    summary_text = "the link of the program that is being installed or called"


#: What is to be defined.
BUILTINS: tuple[type[Builtin], ...] = (ExternalCall, Install, Uninstall, LinkPatterns, CurrentLink)
