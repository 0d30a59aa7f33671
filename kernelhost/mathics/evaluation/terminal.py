"""Let evaluations talk to the client: standard output, Input, Dialog, Interrupt, AbortProtect.

Mathics3 has none of ``Input``, ``InputString``, ``Dialog`` and ``AbortProtect``, treats
``Interrupt`` as ``Abort``, and knows no client. They are defined here in terms of a
:class:`Client`. Once there is a link, :mod:`kernelbus.kernelhost.mathics.packets.dialogs` is the
client. Without a client, ``Input`` and ``InputString`` give ``EndOfFile``, as in a kernel that has
nobody to ask. This module knows Mathics3 and interrupts; no links, no packets.
"""

from __future__ import annotations

import io
import sys
from typing import Any, ClassVar, Protocol

from mathics.core.attributes import A_HOLD_ALL, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.interrupt import AbortInterrupt
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.evaluation.interrupts import Interrupts
from wstp.expr import Expr

__all__ = ["Client", "Terminal"]

#: The default prompt.
_PROMPT = "? "
_OPTIONS = ("System`DialogProlog", "System`DialogSymbols")


class Client(Protocol):
    """Answer what evaluations ask. Answers are Mathics3 expressions."""

    def text(self, text: str) -> None:
        """Show printed text."""

    def input(self, prompt: str) -> Any:
        """Return an expression that is entered, unevaluated."""

    def input_string(self, prompt: str) -> Any:
        """Return text that is entered, as a string."""

    def dialog(self, initial: Any | None) -> Any:
        """Hold a dialog in which ``%`` is `initial`, and return its value."""

    def menu(self) -> None:
        """Bring up the interrupt menu; return if the evaluation goes on."""

    def put(self, expr: Expr) -> None:
        """Send an expression as a packet."""

    def take(self) -> Any:
        """Return what the client sends next, unevaluated."""


class Terminal:
    """Hold the client, once there is one, and define the functions that talk to it."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.client: Client | None = None
        self.interrupts = interrupts

    def install(self, definitions: Any) -> None:
        """Add the functions to the definitions; call this before anything else is defined."""
        from mathics.core.parser import parse_builtin_rule
        from mathics.core.rules import Rule
        from mathics.core.streams import stream_manager

        stream_manager.STREAMS[1].io = _StandardOutput(self)
        for kind in (_AbortProtect, _Dialog, _Input, _InputString):
            builtin = kind(expression=False)
            builtin.terminal = self
            builtin.contribute(definitions)
        for name, rules in _RULES.items():
            definition = definitions.builtin.get(name)
            if definition is None:
                definition = definitions.builtin[name] = type(definitions.builtin["System`Print"])(name=name)
            for pattern, replacement in rules.items():
                definition.add_rule(Rule(parse_builtin_rule(pattern), parse_builtin_rule(replacement)))
        definitions.clear_cache()

    def mend(self) -> None:
        """Make ``Interrupt[]`` bring up the menu, and ``Abort[]`` wait for ``AbortProtect``.

        Call this before definitions are made.
        """
        from mathics.builtin.procedural import Abort, Interrupt

        def interrupt(builtin: Any, evaluation: Any) -> Any:
            if self.client is None:
                raise AbortInterrupt
            self.client.menu()
            return SymbolNull

        def abort(builtin: Any, evaluation: Any) -> Any:
            if self.interrupts.abort_here():
                return SymbolNull
            raise AbortInterrupt

        # Mathics3 reads the pattern of a method from its docstring.
        interrupt.__doc__, abort.__doc__ = "Interrupt[]", "Abort[]"
        Interrupt.eval, Abort.eval = interrupt, abort


class _StandardOutput(io.TextIOBase):
    """Send what ``WriteString["stdout", ...]`` and its like write to the client, as it is written.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        client = self._terminal.client
        if client is None:
            sys.stderr.write(text)
        elif text:
            client.text(text)
        return len(text)

    def close(self) -> None:
        """Stay open, whatever closes the stream."""


#: What reads standard input to its end.
_LINES = (
    "Module[{{System`Private`items = {{}}, System`Private`item}},"
    ' While[(System`Private`item = Read["stdin", {type}]) =!= EndOfFile, AppendTo[System`Private`items, System`Private`item]]; {done}]'
)
#: Forms of Write, WriteString and Read that Mathics3 lacks, and the streams they use.
_RULES = {
    "System`$Output": {"$Output": '{OutputStream["stdout", 1]}'},
    "System`Write": {
        'Write["stdout", System`Private`e___]': 'Write[OutputStream["stdout", 1], System`Private`e]',
        'Write["stderr", System`Private`e___]': 'Write[OutputStream["stderr", 2], System`Private`e]',
        "Write[System`Private`c_List, System`Private`e___]": "Scan[Write[#, System`Private`e] &, System`Private`c]",
    },
    "System`WriteString": {
        "WriteString[System`Private`c_List, System`Private`e___]": "Scan[WriteString[#, System`Private`e] &, System`Private`c]",
    },
    # Standard input is the client's, line by line. A client that runs scripts defines the same in a
    # kernel that does not say that it has it.
    "WSTPServer`$StandardInput": {"WSTPServer`$StandardInput": "True"},
    "System`ReadLine": {
        "ReadLine[]": 'InputString[""]',
        'ReadLine["stdin"]': 'InputString[""]',
        "ReadLine[System`Private`s_]": "Read[System`Private`s, String]",
    },
    "System`Read": {
        'Read["stdin"]': 'Input[""]',
        'Read["stdin", String | Record]': 'InputString[""]',
        'Read["stdin", Expression | Number]': 'Input[""]',
    },
    "System`ReadString": {'ReadString["stdin"]': _LINES.format(type="String", done="StringJoin[{#, \"\\n\"} & /@ System`Private`items]")},
    "System`ReadList": {
        'ReadList["stdin"]': 'ReadList["stdin", Expression]',
        'ReadList["stdin", System`Private`type_]': _LINES.format(type="System`Private`type", done="System`Private`items"),
    },
}


class _Asking(Builtin):
    """A function of the language that needs the terminal."""

    terminal: Terminal

    def _prompt(self, arguments: Any, evaluation: Any) -> str:
        """Return the first argument as text, or the default prompt.

        Further arguments, such as an initial value for notebooks, are ignored.
        """
        given = arguments.get_sequence()
        if not given:
            return _PROMPT
        return str(evaluation.format_output(given[0], "text") or "")


class _Input(_Asking):
    """Ask for an expression: ``Input[]``, ``Input["prompt"]``."""

    name = "Input"
    summary_text = "read an expression from the client"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "Input[arguments___]"
        client = self.terminal.client
        return _END if client is None else client.input(self._prompt(arguments, evaluation))


class _InputString(_Asking):
    """Ask for a text: ``InputString[]``, ``InputString["prompt"]``."""

    name = "InputString"
    summary_text = "read a string from the client"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "InputString[arguments___]"
        client = self.terminal.client
        return _END if client is None else client.input_string(self._prompt(arguments, evaluation))


class _Dialog(_Asking):
    """Hold a dialog: ``Dialog[]``, ``Dialog[expr]``.

    The options are ``DialogSymbols`` and ``DialogProlog``.
    """

    name = "Dialog"
    attributes = A_HOLD_ALL | A_PROTECTED
    options: ClassVar[dict[str, str]] = {"DialogProlog": "Null", "DialogSymbols": "{}"}
    summary_text = "hold a dialog with the client"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "Dialog[arguments___]"
        wanted, options = [], {}
        for argument in arguments.get_sequence():
            name = argument.elements[0].get_name() if argument.has_form(("Rule", "RuleDelayed"), 2) else ""
            if name in _OPTIONS:
                options[name] = argument.elements[1]
            else:
                wanted.append(argument)
        if len(wanted) > 1:
            evaluation.message("Dialog", "argt", Symbol("System`Dialog"), len(wanted), 0, 1)
            return None
        symbols, prolog = options.get("System`DialogSymbols"), options.get("System`DialogProlog")
        if symbols is not None:
            rest = [Expression(Symbol("System`RuleDelayed"), Symbol(_OPTIONS[0]), prolog)] if prolog is not None else []
            return Expression(Symbol("System`Block"), symbols, Expression(Symbol("System`Dialog"), *wanted, *rest))
        if prolog is not None:
            prolog.evaluate(evaluation)
        initial = wanted[0].evaluate(evaluation) if wanted else None
        client = self.terminal.client
        return SymbolNull if client is None else client.dialog(initial)


class _AbortProtect(_Asking):
    """Evaluate to the end and hold aborts back: ``AbortProtect[expr]``."""

    name = "AbortProtect"
    attributes = A_HOLD_ALL | A_PROTECTED
    summary_text = "evaluate to the end whatever aborts come meanwhile"

    def eval(self, expr: Any, evaluation: Any) -> Any:
        "AbortProtect[expr_]"
        return self.terminal.interrupts.protect(lambda: expr.evaluate(evaluation))


_END = Symbol("System`EndOfFile")
