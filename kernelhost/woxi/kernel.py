"""Serve one link with Woxi: the packets of a kernel, answered by an engine that takes text.

``EvaluatePacket`` is answered with the value, which Woxi writes in WXF; a value that it cannot
write is sent as the text of its InputForm, after a message. ``EnterTextPacket`` is answered with
the text that Woxi shows. There are no dialogs and no interrupt menu, and ``Input[]`` gives
``EndOfFile``. The exit statuses are those of the embedded kernel
(:mod:`kernelbus.kernelhost.mathics.start.server`).
"""

from __future__ import annotations

import base64
import logging
import re
import signal
from typing import Any

from kernelbus.kernelhost.mathics.packets.intake import End, Intake
from kernelbus.kernelhost.mathics.packets.packets import (
    FOREIGN,
    fault_message,
    message,
    packet_name,
    text_packet,
)
from kernelbus.kernelhost.mathics.start.options import Options, OptionsError, parse_options
from kernelbus.kernelhost.woxi.text import code_of, string
from kernelbus.kernelhost.woxi.worker import Left, Lost, Worker
from kernelbus.kernelhost.woxi.wxf import WXFError, read_wxf
from wstp import BigReal, Expr, Link, Symbol, WSTPError, connect

__all__ = ["MISSING", "run", "serve"]

_log = logging.getLogger("kernelhost.woxi")

#: What is said where Woxi is not installed.
MISSING = "Woxi is not installed: pip install 'kernelbus[engine]'"

_FAILED, _ABORTED = Symbol("$Failed"), Symbol("$Aborted")
_NAME = re.compile(r"([A-Za-z$][\w$`]*)::([A-Za-z]\w*)(?:: )?")
_SYMBOL = re.compile(r"[A-Za-z$][\w$`]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\(\*(?:(?!\(\*|\*\)).)*\*\)', re.DOTALL)
_OPERATORS = tuple("+-*/^=<>|&@~:,.?")
_BIG_REAL = re.compile(r"-?\d*\.?\d*`[\d.]*(\*\^-?\d+)?")


def run(argv: list[str]) -> int:
    """Run a kernel until it ends, and return its exit status."""
    try:
        import woxi  # noqa: F401 - whether it is there
    except ImportError:
        _log.error("%s", MISSING)
        return 1
    try:
        options = parse_options(argv)
        link = connect(list(options.link))
    except (OptionsError, WSTPError, OSError) as error:
        _log.error("%s", error)
        return 2
    return serve(link, options)


def serve(link: Link, options: Options) -> int:
    """Serve a link until it or the kernel ends, and return the exit status."""
    kernel = _Kernel(link, prompts=options.prompts)
    intake = Intake(link, kernel.worker.abort, lambda: None)
    # The host sends SIGINT for an abort that was not obeyed.
    signal.signal(signal.SIGINT, lambda number, frame: kernel.worker.abort())
    intake.start()
    status = 0
    try:
        intake.begin()
        for file in options.initfiles:
            kernel.evaluate(f"Get[{string(file)}]")
        for code in options.run:
            kernel.evaluate(code)
        kernel.start()
        intake.done()
        while not isinstance(arrival := intake.take(), End):
            kernel.handle(arrival.packet, aborted=arrival.aborted, fault=arrival.fault)
            intake.done()
        status = arrival.status
    except Left as left:
        status = left.status & 0xFF
    except WSTPError:
        status = intake.end().status
    intake.finish()
    kernel.worker.close()
    link.close()
    return status


class _Kernel:
    """Answers packets."""

    def __init__(self, link: Link, *, prompts: bool) -> None:
        self._link = link
        self._prompts = prompts
        self._line = 1
        self._stale = False  # whether Woxi's last value is not that of the last input
        self.worker = Worker(lambda text: self._send(text_packet(text)))

    def _send(self, *packets: Expr) -> None:
        for packet in packets:
            self._link.put(packet, end_packet=True)
        self._link.flush()

    def start(self) -> None:
        """Send the first prompt."""
        self._ask("Unprotect[Out]", "text")
        self.prompt()

    def prompt(self) -> None:
        """Send the prompt."""
        if self._prompts:
            self._send(Symbol("InputNamePacket")(f"In[{self._line}]:= "))

    def handle(self, packet: Expr, *, aborted: bool, fault: Any) -> None:
        """Answer one packet.

        Raises:
            Left: the code has ended Woxi.
        """
        name = packet_name(packet)
        if name in FOREIGN:
            return
        entered = name in ("EnterTextPacket", "EnterExpressionPacket")
        arguments = packet.args if name == "EvaluatePacket" or entered else (packet,)
        if fault is not None:
            self._send(*fault_message(fault))
        if fault is not None or len(arguments) != 1:
            self._answer(name, _FAILED)
        elif aborted:
            self._answer(name, _ABORTED)
        elif name == "EnterTextPacket":
            self._enter(str(arguments[0]), text=True)
        else:
            try:
                code = code_of(arguments[0])
            except ValueError as error:
                self._send(*message("Kernel", "send", str(error)))
                self._answer(name, _FAILED)
                return
            if entered:
                self._enter(code, text=False)
            else:
                self._answer(name, self.evaluate(code))

    def _answer(self, name: str, value: Expr) -> None:
        if name in ("EnterTextPacket", "EnterExpressionPacket"):
            self.prompt()
        else:
            self._send(Symbol("ReturnPacket")(value))

    def evaluate(self, code: str) -> Expr:
        """Evaluate code outside the main loop, and return its value."""
        self._stale = True
        found = self._ask(code, "value")
        return found if not isinstance(found, dict) else self._value(found)

    def _ask(self, code: str, wants: str) -> dict[str, Any] | Symbol:
        """Return Woxi's answer, or what the value is without one; say what went wrong."""
        try:
            found = self.worker.ask(code, wants)
        except Lost as lost:
            if lost.aborted:
                return _ABORTED
            self._send(*message("Kernel", "crash", "Woxi has crashed; the session goes on as it was before this evaluation."))
            return _FAILED
        for warning in found["warnings"]:
            self._warn(warning)
        if found["wrong"]:
            if _incomplete(code):
                self._send(*message("Syntax", "sntxi", "Incomplete expression; more input is needed."))
            else:
                what = " ".join(str(found["wrong"][0]).split())
                self._send(*message("Syntax", "sntx", f"This cannot be read: {what[:500]}"))
            return _FAILED if wants == "value" else found
        return found

    def _warn(self, warning: str) -> None:
        """Send a message of Woxi's; its text may be laid out in several lines."""
        name = _NAME.search(warning)
        symbol, tag = (name[1], name[2]) if name else ("General", "woxi")
        self._send(Symbol("MessagePacket")(Symbol(symbol), tag), text_packet(warning.rstrip("\n") + "\n"))

    def _value(self, found: dict[str, Any]) -> Expr:
        text = found["text"]
        if any("Throw::nocatch" in warning for warning in found["warnings"]):
            return Symbol("Hold")(Symbol("Throw")())
        if found["wxf"]:
            try:
                return read_wxf(base64.b64decode(found["wxf"]))
            except (WXFError, ValueError) as error:
                _log.info("a value cannot be read: %s", error)
        if _BIG_REAL.fullmatch(text) and len(text) > 1:
            return BigReal(text)
        self._send(*message("Kernel", "text", "The result is sent as text, since Woxi has no other form for it."))
        return str(text)

    def _enter(self, code: str, *, text: bool) -> None:
        """Evaluate an input of the main loop, and send its value as text or as an expression."""
        if self._stale and "%" in code:
            self._ask(f"Out[{self._line - 1}]", "text")
        found = self._ask(code, "text" if text else "value")
        if isinstance(found, dict) and found["wrong"]:
            self._send(Symbol("SyntaxPacket")(_position(code, found["wrong"])))
            self.prompt()
            return
        if isinstance(found, dict):
            null = found["text"] == "Null"
            value = found["text"] if text else self._value(found)
            # An input that is a symbol alone does not set %.
            last = code.strip() if _SYMBOL.fullmatch(code.strip()) else "%"
            self._ask(f"Out[{self._line}] = {last};", "text")
            self._stale = True
        else:
            null, value = False, found.name if text else found
        if not null:
            if self._prompts:
                self._send(Symbol("OutputNamePacket")(f"Out[{self._line}]= "))
            self._send(Symbol("ReturnTextPacket" if text else "ReturnExpressionPacket")(value))
        self._line += 1
        self.prompt()


def _incomplete(code: str) -> bool:
    """Whether code that cannot be read may go on: Woxi reports the same for both."""
    bare = _TEXT.sub('""', code)
    if bare.count('"') % 2 or bare.count("(*") > bare.count("*)"):
        return True
    opened = [sum(map(bare.count, pair)) for pair in ("([{", ")]}")]
    return opened[0] > opened[1] or bare.rstrip()[-1:] in _OPERATORS


def _position(code: str, wrong: list[Any]) -> int:
    """Return the number of the character at which reading stopped, from 1."""
    if len(wrong) < 3:
        return 1
    lines = code.split("\n")
    line, column = int(wrong[1]), int(wrong[2])
    return min(sum(len(each) + 1 for each in lines[: line - 1]) + column, len(code) + 1)
