"""Answer packets as a kernel does (PROTOCOL.md section 8).

Prints and messages leave as they happen, before the answer. The answers are:

``EvaluatePacket[e]``
    One ``ReturnPacket[result]``, whatever happens. In, Out and ``$Line`` do not change.
``EnterTextPacket["..."]``
    For each expression in the text that is not Null: ``OutputNamePacket``, then
    ``ReturnTextPacket`` in OutputForm, laid out for 78 columns. At the end, ``InputNamePacket``. If
    text cannot be read: the message, then ``SyntaxPacket[position]``; no input number is used.
``EnterExpressionPacket[e]``
    The same with ``ReturnExpressionPacket``.
another packet
    Nothing, and a line in the log: it is not a request (``CallPacket`` and its like).
any other expression
    It is evaluated and answered as if it were in an ``EvaluatePacket``.
definitions of J/Link or .NET/Link: ``"Begin[\"NETLink`Package`\"]"``, up to the symbol ``End``
    Nothing: a kernel that can call .NET would read them while it evaluates ``InstallNET``.
a packet that cannot be read
    The packet came, but a number, text or array in it is wrong, or it ended before it was complete.
    The message ``Kernel::number``, ``Kernel::text``, ``Kernel::array`` or ``Kernel::end``, then
    ``ReturnPacket[$Failed]``, or the next prompt if the packet is for the main loop. Nothing of it
    is evaluated.

In a dialog all of this holds too, and ``Return[]`` that is entered ends the dialog
(:mod:`kernelbus.kernelhost.mathics.packets.dialogs`).

This module knows the link only as a :class:`~kernelbus.kernelhost.mathics.packets.interfaces.Port`,
which follows every packet with EndPacket and sends it at once.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator, SyntaxFault
from kernelbus.kernelhost.mathics.evaluation.interrupts import KernelAbort
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import from_mathics, to_mathics
from kernelbus.kernelhost.mathics.packets.dialogs import Dialogs
from kernelbus.kernelhost.mathics.packets.interfaces import Arrival, Port, Source
from kernelbus.kernelhost.mathics.packets.packets import (
    FOREIGN,
    fault_message,
    message,
    packet_name,
    text_packet,
)
from wstp import PacketFault
from wstp.expr import Expr, Function, Symbol

__all__ = ["MainLoop"]

_log = logging.getLogger("kernelhost.mathics")

_FAILED: Final = Symbol("$Failed")
_ABORTED: Final = Symbol("$Aborted")
_FIRST_DEFINITIONS: Final = frozenset(f'Begin["{package}`Package`"]' for package in ("JLink", "NETLink"))


class MainLoop:
    """Serve the packets of one link."""

    def __init__(self, loaded: Loaded, port: Port, source: Source | None = None, *, prompts: bool = True) -> None:
        """Prepare to evaluate, and become the client of the loaded Mathics3's terminal.

        Args:
            loaded: the Mathics3 to evaluate with.
            port: where answers go.
            source: where evaluations that ask the client get their answers; None if nobody can
                answer.
            prompts: whether InputNamePacket and OutputNamePacket are sent (false with
                ``-noprompt``).
        """
        self._loaded = loaded
        self._port = port
        self._prompts = prompts
        self._defining = False
        self._evaluator = Evaluator(loaded, self)
        dialogs = Dialogs(loaded, self._evaluator, port, source, self._answer_inside, self._prompt_inside)
        loaded.terminal.client = dialogs
        loaded.interrupts.on_interrupt = dialogs.menu
        self._table = {
            "EvaluatePacket": self._evaluate_packet,
            "EnterTextPacket": self._enter_text,
            "EnterExpressionPacket": self._enter_expression,
        }

    # -- output while evaluating -----------------------------------------

    def text(self, text: str) -> None:
        """Send printed text."""
        self._port.send(text_packet(text))

    def message(self, symbol: str, tag: str, text: str) -> None:
        """Send a message: a packet with its name, and one with its text."""
        self._port.send(*message(symbol, tag, text))

    # -- packets -----------------------------------------

    def start(self) -> None:
        """Send the first prompt."""
        self._loaded.definitions.set_line_no(1)
        self._prompt()

    def load(self, file: str) -> None:
        """Evaluate a file with Get."""
        self._evaluator.evaluate(lambda: to_mathics(Symbol("Get")(file), self._loaded.definitions))

    def run(self, code: str) -> None:
        """Evaluate each expression in a text; nothing is answered."""
        try:
            self._evaluator.read(code, False, self._run_one)
        except SyntaxFault as fault:
            _log.warning("code to run at start: syntax error at character %d", fault.position)

    def _run_one(self, query: Any, source: str) -> bool:
        self._evaluator.evaluate(lambda: query)
        return True

    def handle(self, packet: Expr, *, aborted: bool = False, fault: PacketFault | None = None) -> None:
        """Answer one packet.

        Args:
            packet: what arrived.
            aborted: whether an abort for the packet arrived before its evaluation began.
            fault: why the packet cannot be read; None if it can.

        Raises:
            SystemExit: ``Quit[]`` or ``Exit[]`` was evaluated; there is no answer.
            DialogLeft: ``Return[]`` was entered in a dialog.
        """
        name = packet_name(packet)
        if self._passes_over(packet, name):
            return
        if name in FOREIGN:
            _log.info("%s is ignored: it is no request to a kernel", name)
            return
        if fault is not None:
            self._refuse(name, fault)
            return
        # Prune before the answer: after it the kernel must be idle at once, and notice what
        # arrives.
        self._loaded.prune_numbers()
        answer = self._table.get(name)
        if answer is None:
            self._answer(packet, aborted)
        else:
            answer(packet, aborted)

    def _passes_over(self, packet: Expr, name: str) -> bool:
        """Tell whether a packet belongs to definitions that nobody wants an answer to."""
        if not self._defining:
            self._defining = isinstance(packet, str) and packet in _FIRST_DEFINITIONS
            return self._defining
        last = isinstance(packet, Symbol) and packet.name.removeprefix("System`") == "End"
        # Every packet is answered, whatever has become of the definitions.
        self._defining = not last and not name.endswith("Packet")
        return last or self._defining

    def _refuse(self, name: str, fault: PacketFault) -> None:
        """Answer a packet that cannot be read."""
        self._port.send(*fault_message(fault))
        if name in ("EnterTextPacket", "EnterExpressionPacket"):
            self._prompt()
        else:
            self._port.send(Function(Symbol("ReturnPacket"), _FAILED), last=True)

    def _answer_inside(self, arrival: Arrival) -> None:
        if arrival.interrupted:
            self._loaded.interrupts.interrupt()
        self.handle(arrival.packet, aborted=arrival.aborted, fault=arrival.fault)

    def _evaluate_packet(self, packet: Function, aborted: bool) -> None:
        if len(packet.args) != 1:
            self.message(
                "EvaluatePacket",
                "argx",
                f"EvaluatePacket called with {len(packet.args)} arguments; 1 argument is expected.",
            )
            self._port.send(Function(Symbol("ReturnPacket"), _FAILED), last=True)
            return
        self._answer(packet.args[0], aborted)

    def _answer(self, expr: Expr, aborted: bool) -> None:
        definitions = self._loaded.definitions
        result = self._evaluator.evaluate(lambda: to_mathics(expr, definitions), aborted=aborted)
        self._return("ReturnPacket", result, last=True)

    def _return(self, head: str, result: Any, *, last: bool) -> None:
        """Send a result in a packet with this head.

        Send ``$Failed`` after a message for a result that cannot be sent, and ``$Aborted`` if
        sending is aborted.
        """
        definitions = self._loaded.definitions
        try:
            # Converting a large result takes time, so aborts reach it too.
            value = self._loaded.interrupts.run(lambda: from_mathics(result, definitions))
            self._port.send(Function(Symbol(head), value), last=last)
        except KernelAbort:
            self._port.send(Function(Symbol(head), _ABORTED), last=last)
        except (ValueError, TypeError, MemoryError, RecursionError, AttributeError) as error:
            _log.warning("a result cannot be sent", exc_info=error)
            self.message("Kernel", "send", f"The result cannot be sent: {type(error).__name__}: {error}")
            self._port.send(Function(Symbol(head), _FAILED), last=last)

    def _enter_text(self, packet: Function, aborted: bool) -> None:
        if len(packet.args) != 1 or not isinstance(packet.args[0], str):
            self.message("EnterTextPacket", "string", "A string is expected.")
            self._prompt()
            return
        going = True

        def use(query: Any, source: str) -> bool:
            nonlocal going
            entered = self._evaluator.enter(query, source.rstrip("\n"), aborted=aborted)
            if entered.result is not None:
                self._name_output(entered.line, entered.form)
                self._port.send(Function(Symbol("ReturnTextPacket"), entered.text))
            going = not _is_aborted(entered.result)
            return going

        try:
            # An abort that came first is for the first expression, not for reading the text.
            self._evaluator.read(packet.args[0], False, use)
        except SyntaxFault as fault:
            self._port.send(Function(Symbol("SyntaxPacket"), fault.position))
        self._prompt()

    def _enter_expression(self, packet: Function, aborted: bool) -> None:
        if len(packet.args) != 1:
            self.message("EnterExpressionPacket", "argx", "One argument is expected.")
            self._prompt()
            return
        expr = packet.args[0]
        try:
            query = to_mathics(expr, self._loaded.definitions)
        except ValueError as error:
            self.message("Kernel", "send", str(error))
            self._prompt()
            return
        entered = self._evaluator.enter(query, aborted=aborted, show=False)
        if entered.result is not None:
            self._name_output(entered.line, entered.form)
            self._return("ReturnExpressionPacket", entered.result, last=not self._prompts)
        self._prompt()

    def _name_output(self, line: int, form: str) -> None:
        if self._prompts:
            name = self._evaluator.label(f"Out[{line}]//{form}= " if form else f"Out[{line}]= ")
            self._port.send(Function(Symbol("OutputNamePacket"), name))

    def _prompt(self) -> None:
        if self._prompts:
            self._port.send(self._input_name(), last=True)

    def _prompt_inside(self) -> None:
        if self._prompts:
            self._port.send(self._input_name())

    def _input_name(self) -> Function:
        return Function(Symbol("InputNamePacket"), self._evaluator.label(f"In[{self._evaluator.line}]:= "))


def _is_aborted(result: Any) -> bool:
    return result is not None and result.get_name() == "System`$Aborted"
