"""Evaluate one expression: pass its output on as it happens, and return a result whatever happens.

This module knows Mathics3, interrupts and a :class:`Sink` for output; no links, no packets. Each
evaluation calls ``expr.evaluate`` with a new ``Evaluation``. Mathics3's own ``Evaluation.evaluate``
is not used: it mixes In and Out with the handling of errors, and loses both.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mathics.core.atoms import Integer, String
from mathics.core.evaluation import Evaluation, Output
from mathics.core.expression import Expression
from mathics.core.interrupt import (
    AbortInterrupt,
    BreakInterrupt,
    ContinueInterrupt,
    ReturnInterrupt,
    TimeoutInterrupt,
    WLThrowInterrupt,
)
from mathics.core.parser.feed import MathicsMultiLineFeeder
from mathics.core.parser.util import parse_returning_code, parser
from mathics.core.rules import Rule
from mathics.core.symbols import Symbol, SymbolNull
from mathics_scanner.errors import SyntaxError as WolframSyntaxError

from kernelbus.kernelhost.mathics.evaluation.confinement import NotAllowed
from kernelbus.kernelhost.mathics.evaluation.interrupts import KernelAbort, TimeLimit
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.evaluation.memory import NO_MEMORY, guard
from kernelbus.kernelhost.mathics.forms.inputform import input_form
from kernelbus.kernelhost.mathics.forms.outputform import output_form, page_width
from kernelbus.kernelhost.mathics.library.messages import MESSAGE_LIST, begin_list, keep_list
from kernelbus.kernelhost.mathics.speed.frames import roomy

__all__ = ["DialogLeft", "Entered", "Evaluator", "Sink", "SyntaxFault"]

_log = logging.getLogger("kernelhost.mathics")

ABORTED: Final = Symbol("System`$Aborted")
FAILED: Final = Symbol("System`$Failed")

_IN, _OUT, _INSTRING = (Symbol(f"System`{name}") for name in ("In", "Out", "InString"))
_HOLD, _THROW, _BREAK, _CONTINUE = (
    Symbol(f"System`{name}") for name in ("Hold", "Throw", "Break", "Continue")
)
_RETURN, _COMPOUND = Symbol("System`Return"), Symbol("System`CompoundExpression")

#: How many messages of one name one evaluation shows; General::stop announces that no more follow.
_MESSAGES_SHOWN = 3


class Sink(Protocol):
    """Receive output while it happens."""

    def text(self, text: str) -> None:
        """Take printed text, with its line end."""

    def message(self, symbol: str, tag: str, text: str) -> None:
        """Take a message: the symbol and the tag of its name, and its text without the name."""


class SyntaxFault(Exception):
    """Say that input cannot be read; its messages have been sent.

    Attributes:
        position: the number of the character at which reading stopped, counted from 1; at most one
            more than there are characters.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class DialogLeft(Exception):
    """Say that ``Return[]`` was entered in a dialog.

    Attributes:
        value: the value of the dialog, a Mathics3 expression.
    """

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True, slots=True)
class Entered:
    """Hold the result of one input of the main loop.

    Attributes:
        line: the input's number.
        result: the Mathics3 expression to show; None for Null.
        text: the result as OutputForm text, "" if it was not asked for.
        form: the name of the form around the result ("FullForm"), "" if there is none.
    """

    line: int
    result: Any | None
    text: str
    form: str


class _Live(Output):
    """Pass output on at once, and suppress a message that is repeated."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._shown: dict[tuple[str, str], int] = {}

    def out(self, out: Any) -> None:
        if not out.is_message:
            self._sink.text(f"{out.text}\n")
            return
        self.message(str(out.symbol), str(out.tag), str(out.text))

    def message(self, symbol: str, tag: str, text: str) -> None:
        count = self._shown[symbol, tag] = self._shown.get((symbol, tag), 0) + 1
        if count <= _MESSAGES_SHOWN:
            self._sink.message(symbol, tag, text)
        if count == _MESSAGES_SHOWN:
            name = f"Further output of {symbol}::{tag} will be suppressed during this calculation."
            self._sink.message("General", "stop", name)


class _LastOnly(list[Any]):
    """Keep the last output only.

    Mathics3 reads no other, and a loop that prints for days must not fill the memory.
    """

    def append(self, item: Any) -> None:
        self[:] = [item]


class Evaluator:
    """Evaluate for one kernel."""

    def __init__(self, loaded: Loaded, sink: Sink) -> None:
        self._definitions = loaded.definitions
        self._interrupts = loaded.interrupts
        self._sink = sink
        self._entering = False
        #: The number of the first line of each open dialog, outermost first.
        self._dialogs: list[int] = []
        #: How many evaluations run: one evaluation can ask for others.
        self._running = 0

    def label(self, name: str) -> str:
        """Return the name of an input or output, marked if it is in a dialog."""
        return f"(Dialog) {name}" if self._dialogs else name

    @contextmanager
    def dialog(self, initial: Any | None) -> Iterator[None]:
        """Take the inputs of a dialog while the body runs, in the middle of an evaluation.

        The numbers of inputs go on in the dialog. At the end, they and In, Out and InString are
        restored.

        Args:
            initial: the value of ``%`` at the start; None for no value.
        """
        definitions, line = self._definitions, self.line
        first = line + 1 if self._entering else line
        kept = {s.name: list(definitions.get_user_definition(s.name).downvalues) for s in (_IN, _OUT, _INSTRING)}
        entering, self._entering = self._entering, False
        self._dialogs.append(first)
        if initial is not None:
            self._remember(_OUT, first - 1, initial)
        definitions.set_line_no(first)
        try:
            yield
        finally:
            self._dialogs.pop()
            self._entering = entering
            for name, rules in kept.items():
                definitions.set_values(name, "System`DownValues", rules)
            definitions.set_line_no(line)

    def shown(self, expr: Any | None) -> str:
        """Return an expression as InputForm text, "" for None."""
        if expr is None:
            return ""
        evaluation, live = self._new()
        return self._text_of(lambda: input_form(expr, evaluation), evaluation, live)

    @property
    def line(self) -> int:
        """Return ``$Line``: the number of the input that is evaluated or waited for, at least 1."""
        return int(self._definitions.get_line_no()) or 1

    def evaluate(self, make: Callable[[], Any], *, aborted: bool = False) -> Any:
        """Evaluate what ``make()`` returns, and return the result.

        In, Out and ``$Line`` do not change. An abort gives ``$Aborted``. An error in Mathics3 gives
        a message that names it, and ``$Failed``.

        Args:
            make: makes the Mathics3 expression; errors in it are handled as in the evaluation.
            aborted: whether the evaluation was aborted before it began.

        Raises:
            SystemExit: ``Quit[]`` or ``Exit[]`` was evaluated. Nothing else is raised.
        """
        evaluation, live = self._new()

        def work() -> Any:
            return make().evaluate(evaluation)

        with self._begun():
            return self._guarded(work, evaluation, live, aborted)

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """Run an evaluation in the body; an outermost one begins with no ``$MessageList``."""
        if not self._running:
            begin_list(self._definitions)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def read(self, text: str, aborted: bool, use: Callable[[Any, str], bool]) -> None:
        """Read the expressions in a text one after the other; each may have several lines.

        Args:
            text: the text.
            aborted: whether reading was aborted before it began.
            use: called as ``use(expression, source)`` for each; returns whether to read on.

        Raises:
            SyntaxFault: the next expression cannot be read.
        """
        feeder = MathicsMultiLineFeeder(text, "")
        starts = [0]
        for line in feeder.lines:
            starts.append(starts[-1] + len(line))
        while not feeder.empty():
            first = feeder.lineno
            evaluation, live = self._new()
            fault: list[int] = []

            def work(first: int = first, evaluation: Any = evaluation, fault: list[int] = fault) -> Any:
                try:
                    found, _ = parse_returning_code(self._definitions, feeder)
                except WolframSyntaxError:
                    fault.append(starts[first] + parser.tokeniser.pos + 1)
                    found = None
                if feeder.messages and not fault and found is None:
                    fault.append(starts[first] + parser.tokeniser.pos + 1)
                # The scanner's errors have no message, or one without a text.
                feeder.messages = [m for m in feeder.messages if m[1] != "Syntax"]
                if fault and not feeder.messages:
                    at = min(fault[0], len(text) + 1) - 1
                    before, after = text[starts[first] : at].strip()[-40:], text[at:].strip()[:40]
                    feeder.message("Syntax", *(("sntxf", before, after) if before else ("sntxb", after)))
                feeder.send_messages(evaluation)
                return found

            query = self._guarded(work, evaluation, live, aborted)
            if fault:
                raise SyntaxFault(min(fault[0], len(text) + 1))
            if query is ABORTED and aborted:
                return
            if query is not None and not use(query, text[starts[first] : starts[feeder.lineno]]):
                return

    def enter(
        self, query: Any, source: str | None = None, *, aborted: bool = False, show: bool = True
    ) -> Entered:
        """Evaluate one input of the main loop.

        The input gets a number, In and Out; ``$Pre``, ``$Post`` and ``$PrePrint`` are applied.

        Args:
            query: the expression.
            source: its text, for ``InString``; None if there is none.
            aborted: whether the input was aborted before its evaluation began.
            show: whether the result is wanted as text.

        Raises:
            DialogLeft: the input is ``Return[]`` in a dialog.
            SystemExit: ``Quit[]`` or ``Exit[]`` was evaluated.
        """
        line = self.line
        self._definitions.set_line_no(line)
        history = self._definitions.get_history_length() > 0
        if history:
            self._remember(_IN, line, query)
            if source is not None:
                self._remember(_INSTRING, line, String(source))
        evaluation, live = self._new()
        left: list[Any] = []

        def work() -> Any:
            result = self._hooked("$Pre", query, evaluation)
            try:
                result = (query if result is None else result).evaluate(evaluation)
            except ReturnInterrupt as returned:
                if not self._dialogs:
                    raise
                left.append(returned.expr)
                return SymbolNull
            after = self._hooked("$Post", result, evaluation)
            return result if after is None else after.evaluate(evaluation)

        entering, self._entering = self._entering, True
        try:
            with self._begun():
                result = self._guarded(work, evaluation, live, aborted)
        finally:
            self._entering = entering
        if left and result is not ABORTED:
            raise DialogLeft(self._left_with(query, left[0], line))
        if result is None:
            result = SymbolNull
        form = self._form_of(result)
        if history:
            self._remember(_OUT, line, self._stored(query, result, form, evaluation))
            keep_list(self._definitions, line)
        try:
            if result is SymbolNull:
                return Entered(line, None, "", "")
            return self._shown(line, result, form, show)
        finally:
            self._trim(line)
            # The input may have set $Line.
            self._definitions.set_line_no(self.line + 1)

    def _left_with(self, query: Any, returned: Any, line: int) -> Any:
        """Return the value of a dialog that ``Return`` ends.

        That is the argument of ``Return``; for ``Return[]`` the last output, or Null if there is
        none.
        """
        if query.get_head() is not _RETURN or query.elements:
            return returned
        last = Expression(_OUT, Integer(line - 1))
        evaluation, live = self._new()
        value = self._guarded(lambda: last.evaluate(evaluation), evaluation, live, False)
        return SymbolNull if value.sameQ(last) else value

    def _stored(self, query: Any, result: Any, form: str, evaluation: Any) -> Any:
        """Return the value of Out: without the form around it, and for ``expr;`` the value of expr.
        """
        if form:
            return result.elements[0]
        held = query.get_head() is _COMPOUND and query.elements and query.elements[-1] is SymbolNull
        if held and result is SymbolNull and evaluation.predetermined_out is not None:
            return evaluation.predetermined_out
        return result

    def _shown(self, line: int, result: Any, form: str, show: bool) -> Entered:
        evaluation, live = self._new()
        hooked = self._hooked("$PrePrint", result, evaluation)
        if hooked is not None:
            result = self._guarded(lambda: hooked.evaluate(evaluation), evaluation, live, False)
        text = ""
        if show:
            evaluation.stopped = False
            text = self._text_of(lambda: _output_form(result, evaluation), evaluation, live)
        return Entered(line, result, text, form)

    def _text_of(self, make: Callable[[], str], evaluation: Any, live: _Live) -> str:
        """Return what ``make()`` returns, or the name of the symbol that stands for its failure."""
        found = self._guarded(lambda: String(make()), evaluation, live, False)
        return found.value if isinstance(found, String) else str(found.get_name(short=True))

    def _new(self) -> tuple[Any, _Live]:
        live = _Live(self._sink)
        evaluation = Evaluation(self._definitions, output=live, format="unformatted", catch_interrupt=False)
        evaluation.out = _LastOnly()
        return evaluation, live

    def _hooked(self, name: str, expr: Any, evaluation: Any) -> Any | None:
        """Return ``$Pre[expr]`` or its like if the user has set that symbol, None otherwise."""
        full = f"System`{name}"
        if not self._definitions.get_ownvalues(full):
            return None
        return Expression(Symbol(full), expr)

    def _remember(self, symbol: Any, line: int, value: Any) -> None:
        self._definitions.add_rule(symbol.name, Rule(Expression(symbol, Integer(line)), value))

    def _trim(self, line: int) -> None:
        """Forget In and Out that are older than ``$HistoryLength``."""
        old = line - self._definitions.get_history_length()
        while old > 0:
            gone = [
                self._definitions.unset(s.name, Expression(s, Integer(old))) for s in (_IN, _OUT, _INSTRING, MESSAGE_LIST)
            ]
            if not any(gone):
                return
            old -= 1

    def _form_of(self, result: Any) -> str:
        head = result.get_head()
        if head in self._definitions.outputforms and len(result.get_elements()) >= 1:
            return str(self._definitions.shorten_name(head.name))
        return ""

    # -- whatever happens -----------------------------------------

    def _guarded(self, work: Callable[[], Any], evaluation: Any, live: _Live, aborted: bool) -> Any:
        """Return ``work()``, or the expression that stands for the way in which it ended."""
        try:
            return roomy(lambda: self._interrupts.run(work, aborted=aborted))
        except (KernelAbort, AbortInterrupt, TimeLimit, TimeoutInterrupt):
            if guard.take():
                live.message("General", "nomem", NO_MEMORY)
            return ABORTED
        except WLThrowInterrupt as thrown:
            arguments = (thrown.value, thrown.tag) if thrown.tag else (thrown.value,)
            call = Expression(_THROW, *arguments)
            live.message(
                "Throw", "nocatch", f"Uncaught {input_form(call, evaluation)} returned to top level."
            )
            return Expression(_HOLD, call)
        except BreakInterrupt:
            live.message("Break", "nofdw", "No enclosing For, While, or Do found for Break[].")
            return Expression(_HOLD, Expression(_BREAK))
        except ContinueInterrupt:
            live.message("Continue", "nofdw", "No enclosing For, While, or Do found for Continue[].")
            return Expression(_HOLD, Expression(_CONTINUE))
        except ReturnInterrupt as returned:
            return returned.expr
        except RecursionError:
            live.message("$RecursionLimit", "reclim", "The expression is nested too deeply to be evaluated.")
            return ABORTED
        except MemoryError:
            guard.refused()
            live.message("General", "nomem", NO_MEMORY)
            return ABORTED
        except NotAllowed as error:
            live.message("Kernel", "confined", str(error))
            return FAILED
        except Exception as error:
            return self._failed(error, live)

    def _failed(self, error: Exception, live: _Live) -> Any:
        text = str(error)
        if "outrageous exp" in text:
            live.message("General", "ovfl", "Overflow occurred in computation.")
            return Expression(Symbol("System`Overflow"))
        where = traceback.extract_tb(sys.exc_info()[2], limit=-1)
        place = f" (line {where[0].lineno} of {where[0].filename.rpartition('/')[2]})" if where else ""
        _log.warning("Mathics3 failed", exc_info=error)
        live.message("Kernel", "error", f"{type(error).__name__}: {text[:500]}{place}")
        return FAILED


def _output_form(expr: Any, evaluation: Any) -> str:
    text = output_form(expr, evaluation, page_width(evaluation))
    return text if text is not None else str(evaluation.format_output(expr, "text") or "")
