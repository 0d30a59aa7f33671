"""Ask the client something in the middle of an evaluation: input, dialogs, the interrupt menu.

The evaluation stays where it is on the main thread, *suspended*: nothing is raised in it, and the
packets that arrive go to the code that asks, which can run other evaluations for them. An abort, or
the end of a time limit, ends the waiting and is raised when the evaluation goes on. The interrupt
menu is asked by the signal handler, so that it comes up in the middle of anything. docs/packets.md
lists the packets.

The kernel sends, and takes as the answer:

``InputPacket[prompt]``
    Text (a string, bare or in EnterTextPacket, TextPacket or ReturnTextPacket), which is read as
    input; or an expression, bare or in EnterExpressionPacket, ReturnPacket or
    ReturnExpressionPacket. For text that cannot be read the kernel sends the message and
    ``SyntaxPacket[position]``, and asks again.
``InputStringPacket[prompt]``
    The same, but a string is taken as it is.
``BeginDialogPacket[n]``
    Packets as in the main loop, until ``Return[]`` is entered. The dialog ends with
    ``EndDialogPacket[n]``, where n counts dialogs within dialogs.
``MenuPacket[1, "Interrupt> "]``
    One of these words, bare or in a packet as above: ``c`` or ``continue``; ``a`` or ``abort``;
    ``i`` or ``inspect``: hold a dialog, then bring up the menu again; ``s`` or ``show``: send what
    is being evaluated, and go on; ``exit`` or ``quit``: end the kernel. To anything else the kernel
    answers ``MenuPacket[0, "Interrupt> "]`` and a text that lists the words, and waits for one.

A function that ``Internal`AddHandler["Interrupt", f]`` has named is called instead of the menu.

An ``EvaluatePacket`` that arrives instead of an answer is answered, and the question stays open.
Other packets that are no answers are ignored. A question has no time limit of its own, and waits
also while no client is attached: the link belongs to the host.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Final

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.evaluation.evaluator import ABORTED, DialogLeft, Evaluator, SyntaxFault
from kernelbus.kernelhost.mathics.evaluation.interrupts import Suspension
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.mathics.library.messages import handlers
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival, Port, Source
from kernelbus.kernelhost.mathics.packets.packets import (
    fault_message,
    given,
    message,
    packet_name,
    text_packet,
)
from wstp.expr import Expr, Function
from wstp.expr import Symbol as Name

__all__ = ["Dialogs"]

_log = logging.getLogger("kernelhost.mathics")

_PROMPT: Final = "Interrupt> "
_CHOICES: Final = """\
Your options are:
\tabort (or a) to abort current calculation
\tcontinue (or c) to continue
\texit (or quit) to exit the kernel
\tinspect (or i) to enter an interactive dialog
\tshow (or s) to show current operation (and then continue)
"""
#: The most characters of the running expression that ``show`` sends.
_SHOWN: Final = 10_000


class Dialogs:
    """Ask the client on behalf of evaluations.

    This is the :class:`~kernelbus.kernelhost.mathics.evaluation.terminal.Client` of a kernel with a
    link.
    """

    def __init__(
        self,
        loaded: Loaded,
        evaluator: Evaluator,
        port: Port,
        source: Source | None,
        answer: Callable[[Arrival], None],
        prompt: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            loaded: the Mathics3 whose evaluations ask.
            evaluator: reads text that is entered.
            port: where questions go.
            source: where answers come from; None if nobody can answer.
            answer: answers a packet as the main loop does.
            prompt: sends the main loop's prompt, without completing an answer.
        """
        self._definitions = loaded.definitions
        self._interrupts = loaded.interrupts
        self._evaluator = evaluator
        self._port = port
        self._source = source
        self._answer = answer
        self._prompt = prompt
        self._depth = 0
        self._unanswered = Symbol("System`EndOfFile") if source is None else ABORTED

    def text(self, text: str) -> None:
        """Send printed text."""
        self._port.send(text_packet(text))

    def input(self, prompt: str) -> Any:
        """Ask for an expression, and return it unevaluated."""
        return self._enquire(Function(Name("InputPacket"), prompt), self._read)

    def input_string(self, prompt: str) -> Any:
        """Ask for text, and return it as a string."""
        return self._enquire(Function(Name("InputStringPacket"), prompt), String)

    def _enquire(self, question: Function, read: Callable[[str], Any]) -> Any:
        """Ask until an answer can be used, and return it as a Mathics3 expression.

        Args:
            question: the packet that asks.
            read: turns an answer that is text into an expression; may raise SyntaxFault.
        """
        with self._asking() as ask:
            while True:
                answer = ask(question)
                if answer is None:
                    return self._unanswered
                try:
                    return read(answer) if isinstance(answer, str) else to_mathics(answer, self._definitions)
                except SyntaxFault as fault:
                    self._port.send(Function(Name("SyntaxPacket"), fault.position))
                except ValueError as error:
                    self._port.send(*message("Kernel", "send", str(error)))

    def menu(self) -> None:
        """Bring up the interrupt menu and carry out what is chosen.

        Raises:
            SystemExit: exit was chosen.
            KernelAbort: abort was chosen, in an evaluation that can be aborted.
        """
        functions = handlers.of("Interrupt")
        if functions:
            self._call(functions)
            return
        frame = sys._getframe(1)
        question: tuple[Function, ...] = (Function(Name("MenuPacket"), 1, _PROMPT),)
        with self._asking(stop_clock=True) as ask:
            while True:
                answer = ask(*question)
                question = (Function(Name("MenuPacket"), 1, _PROMPT),)
                chosen = answer.name if isinstance(answer, Name) else answer
                match chosen.strip().lower() if isinstance(chosen, str) else chosen:
                    case None | "c" | "continue":
                        return
                    case "a" | "abort":
                        self._interrupts.abort()
                        return
                    case "exit" | "quit":
                        raise SystemExit(0)
                    case "i" | "inspect":
                        self._inspect()
                    case "s" | "show":
                        self.text(self._evaluator.shown(_evaluated(frame))[:_SHOWN] + "\n")
                        return
                    case _:
                        # A client that prompts at 1 prompts here behind the text.
                        question = (Function(Name("MenuPacket"), 0, _PROMPT), text_packet(_CHOICES))

    def _call(self, functions: list[Any]) -> None:
        """Evaluate the functions that a program has named for an interrupt."""
        with self._interrupts.suspended(stop_clock=True):
            for function in functions:
                self._evaluator.evaluate(partial(Expression, function, ListExpression()))

    def put(self, expr: Expr) -> None:
        """Send an expression that kernel code writes to its own link."""
        self._port.send(expr)

    def take(self) -> Any:
        """Return what the client sends next, unevaluated; ``$Aborted`` if nothing comes."""
        source = self._source
        if source is None:
            return self._unanswered
        with self._interrupts.suspended() as suspension, source.inside():
            arrival = source.next(suspension)
            if arrival is None:
                return ABORTED
            if arrival.aborted:
                self._interrupts.abort()
            source.done()
            return to_mathics(arrival.packet, self._definitions)

    def dialog(self, initial: Any | None) -> Any:
        """Hold a dialog and return its value."""
        if self._source is None:
            return SymbolNull
        with self._interrupts.suspended() as suspension:
            return self._dialog(suspension, self._source, initial)

    def _inspect(self) -> None:
        if self._source is None:
            return
        self._port.send(*message("Interrupt", "dgbgn", "Entering dialog; use Return[] to exit."))
        with self._interrupts.suspended(stop_clock=True) as suspension:
            self._dialog(suspension, self._source, None)
        self._port.send(*message("Interrupt", "dgend", "Exiting dialog."))

    def _dialog(self, suspension: Suspension, source: Source, initial: Any | None) -> Any:
        self._depth += 1
        number = self._depth
        try:
            with source.inside(), self._evaluator.dialog(initial):
                self._port.send(Function(Name("BeginDialogPacket"), number))
                self._prompt()
                value = self._converse(suspension, source)
        finally:
            self._depth -= 1
        self._port.send(Function(Name("EndDialogPacket"), number))
        return value

    def _converse(self, suspension: Suspension, source: Source) -> Any:
        while True:
            arrival = source.next(suspension)
            if arrival is None:
                return ABORTED
            try:
                self._answer(arrival)
            except DialogLeft as left:
                return left.value
            source.done()

    @contextmanager
    def _asking(self, *, stop_clock: bool = False) -> Iterator[Callable[..., Expr | None]]:
        """Suspend the running evaluation, and give a function that asks a question.

        The function takes the packets of the question, and returns the answer, or None if there
        will be none. With `stop_clock` the
        evaluation's time limits wait too.
        """
        source = self._source
        if source is None:
            yield lambda *question: None
            return
        with self._interrupts.suspended(stop_clock=stop_clock) as suspension, source.inside():
            yield lambda *question: self._ask(question, suspension, source)

    def _ask(self, question: tuple[Function, ...], suspension: Suspension, source: Source) -> Expr | None:
        self._port.send(*question)
        while (arrival := source.next(suspension)) is not None:
            if packet_name(arrival.packet) == "EvaluatePacket":
                self._answer(arrival)
                source.done()
                continue
            if arrival.aborted:
                self._interrupts.abort()
                return None
            if arrival.fault is not None:
                self._port.send(*fault_message(arrival.fault))
            try:
                return given(arrival.packet)
            except LookupError as error:
                _log.info("%s is ignored: it is no answer to %s", error, question[0].head)
        return None

    def _read(self, text: str) -> Any:
        """Return what is entered as text: its expressions in sequence, Null if there are none."""
        found: list[Any] = []

        def use(query: Any, source: str) -> bool:
            found.append(query)
            return True

        self._evaluator.read(text, False, use)
        if len(found) > 1:
            return Expression(Symbol("System`CompoundExpression"), *found)
        return found[0] if found else SymbolNull


def _evaluated(frame: FrameType | None) -> Any | None:
    """Return the innermost expression that Mathics3 is evaluating in a frame or its callers."""
    while frame is not None:
        if frame.f_code.co_name == "rewrite_apply_eval_step":
            return frame.f_locals.get("self")
        frame = frame.f_back
    return None
