"""Ask the client something in the middle of an evaluation, which waits meanwhile: input, dialogs,
the interrupt menu.

================================ ===============================================================================
the kernel sends                 and takes as answer
================================ ===============================================================================
``InputPacket[prompt]``          an expression: text (a string, bare or in EnterTextPacket, TextPacket or
                                 ReturnTextPacket), which is read as input, or an expression, bare
                                 or in EnterExpressionPacket, ReturnPacket or
                                 ReturnExpressionPacket. Text that cannot be read: the message,
                                 ``SyntaxPacket[position]``, and it asks again
``InputStringPacket[prompt]``    the same; a string is taken as it is
``BeginDialogPacket[n]``         packets as the main loop does, until ``Return[]`` is entered, which ends with
                                 ``EndDialogPacket[n]``; n counts dialogs within dialogs
``MenuPacket[1, "Interrupt> "]`` ``"c"`` or ``"continue"``, ``"a"`` or ``"abort"``, ``"i"`` or
``"inspect"`` (a
                                 dialog, then the menu again), ``"s"`` or ``"show"`` (what is being
                                 evaluated, and goes on), ``"exit"`` or ``"quit"`` (the kernel
                                 ends); bare or in a packet as above. Anything else: a text that
                                 says so, and it asks again
================================ ===============================================================================

An ``EvaluatePacket`` that comes instead of an answer is answered, and the question stays. Other
packets that are no answers are ignored. An abort stops the evaluation that asks; so does the end of
a time limit. Whoever waits for no client waits on: the link is the host's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.evaluation.evaluator import ABORTED, DialogLeft, Evaluator, SyntaxFault
from kernelbus.kernelhost.mathics.evaluation.interrupts import Suspension
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival, Port, Source
from kernelbus.kernelhost.mathics.packets.packets import (
    given,
    message,
    misread_message,
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
#: How much of what is being evaluated is shown, characters.
_SHOWN: Final = 10_000


class Dialogs:
    """Be the client that evaluations talk to."""

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
            evaluator: reads what is entered.
            port: where questions go.
            source: where answers come from; None where there are none.
            answer: answers a packet as the main loop does.
            prompt: sends the main loop's prompt, not as the end of an answer.
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
        """Show a text."""
        self._port.send(text_packet(text))

    def input(self, prompt: str) -> Any:
        """Ask for an expression, and return it unevaluated."""
        return self._enquire(Function(Name("InputPacket"), prompt), self._read)

    def input_string(self, prompt: str) -> Any:
        """Ask for text, and return it as a string."""
        return self._enquire(Function(Name("InputStringPacket"), prompt), String)

    def _enquire(self, question: Function, read: Callable[[str], Any]) -> Any:
        """Ask a question until the answer can be used, and return the Mathics3 expression it gives.

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
        """Bring up the interrupt menu and do what is chosen.

        Raises:
            SystemExit: exit was chosen.
            KernelAbort: abort was chosen, in an evaluation that can be aborted.
        """
        frame = sys._getframe(1)
        with self._asking(stop_clock=True) as ask:
            while True:
                answer = ask(Function(Name("MenuPacket"), 1, _PROMPT))
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
                        self.text(_CHOICES)

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
    def _asking(self, *, stop_clock: bool = False) -> Iterator[Callable[[Function], Expr | None]]:
        """Suspend what is being evaluated, and give a function that asks: it returns the answer,
        None when there will be none.
        """
        source = self._source
        if source is None:
            yield lambda question: None
            return
        with self._interrupts.suspended(stop_clock=stop_clock) as suspension, source.inside():
            yield lambda question: self._ask(question, suspension, source)

    def _ask(self, question: Function, suspension: Suspension, source: Source) -> Expr | None:
        self._port.send(question)
        while (arrival := source.next(suspension)) is not None:
            if packet_name(arrival.packet) == "EvaluatePacket":
                self._answer(arrival)
                source.done()
                continue
            if arrival.aborted:
                self._interrupts.abort()
                return None
            if arrival.misread is not None:
                self._port.send(*misread_message(arrival.misread))
            try:
                return given(arrival.packet)
            except LookupError as error:
                _log.info("%s is no answer to %s: ignored", error, question.head)
        return None

    def _read(self, text: str) -> Any:
        """Return what is entered as text: the expressions in it, Null if there are none."""
        found: list[Any] = []

        def use(query: Any, source: str) -> bool:
            found.append(query)
            return True

        self._evaluator.read(text, False, use)
        if len(found) > 1:
            return Expression(Symbol("System`CompoundExpression"), *found)
        return found[0] if found else SymbolNull


def _evaluated(frame: FrameType | None) -> Any | None:
    """Return the innermost expression that Mathics3 is evaluating."""
    while frame is not None:
        if frame.f_code.co_name == "rewrite_apply_eval_step":
            return frame.f_locals.get("self")
        frame = frame.f_back
    return None
