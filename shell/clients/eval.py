"""`kernelbus eval`: evaluate codes on one kernel of a server, and print what it says.

Each code travels as ``EvaluatePacket[ToString[ToExpression[code], InputForm]]``: it defines nothing
of its own in the session, In and Out stay as they are, and the code is evaluated as if it had been
sent bare. An evaluation failed if its value is the symbol $Failed (as for wrong syntax, which the
kernel reports in a message) or $Aborted, or if the answer is not text: then the evaluation never
returned to ToString (it was aborted, or left by an uncaught Throw).
"""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Sequence
from enum import Enum
from types import FrameType

import wstp
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.output import Output
from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.commands import name_of
from kernelbus.shell.exits import FAILED, INTERRUPTED, UNUSABLE
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError
from wstp import Expr, Function, Symbol

__all__ = ["Outcome", "run_eval"]

# Seconds between two checks for Ctrl-C and the time limit; data ends a wait at once.
_TICK = 0.2

_ABORT_SECONDS = 10.0
_QUIT_SECONDS = 3.0

_FAILURES = ("$Failed", "$Aborted")


class Outcome(Enum):
    """How one evaluation ended."""

    DONE = "done"
    FAILED = "failed"
    GONE = "gone"  #: the link closed during it
    MARK = "mark"  #: it has come to where we were to wait for it
    LEFT = "left"  #: given up by us: it did not obey an abort, or Ctrl-C was pressed twice


def run_eval(codes: Sequence[str], *, choice: Choice, timeout: float | None = None) -> int:
    """Evaluate `codes` in order on one kernel.

    Args:
        codes: Wolfram Language texts; of a text with several expressions, the last value is shown.
        choice: which kernel. It is ended afterwards, unless it was named or came by a profile.
        timeout: seconds in which a kernel must come, and after which an evaluation is aborted;
            None: no limit.

    Returns:
        The exit status: 0; 1: an evaluation failed or was aborted; 2: no server, or no kernel from
        it; 130: interrupted.
    """
    try:
        attachment = choice.attach(keep=False, timeout=timeout, on_wait=lambda why: _say_waiting(why))
    except (SessionError, ProfileError, TokenError) as error:
        return _complain(str(error), UNUSABLE)
    except KeyboardInterrupt:
        return INTERRUPTED
    if attachment.notice:
        _complain(attachment.notice, 0)
    with attachment.session:
        try:
            return _Evaluation(attachment, choice, timeout).run(codes)
        except ProfileError as error:
            return _complain(str(error), FAILED)


def _complain(text: str, status: int) -> int:
    sys.stdout.flush()
    complain("kernelbus eval", " ".join(text.split()))
    return status


def _say_waiting(why: str) -> None:
    _complain(f"waiting for a kernel: {why}", 0)


class _Interrupts:
    """Counts Ctrl-C while a link is in use, so that none interrupts a read or write of the link."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> _Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 2:
            # A way out of code that does not check the count.
            raise KeyboardInterrupt


class _Evaluation:
    """Evaluates on one attached kernel."""

    def __init__(self, attachment: Attachment, choice: Choice, timeout: float | None) -> None:
        self._attachment = attachment
        self._session = attachment.session
        self._kept = choice.kept
        self._resumes = choice.resume and not attachment.fresh
        self._timeout = timeout
        self._out = Output(lambda: sys.stdout)
        self._errors = Output(lambda: sys.stderr)
        self._message = False  # whether the next TextPacket is the text of a message

    def run(self, codes: Sequence[str]) -> int:
        """Evaluate `codes` in order, end the kernel, and return the exit status."""
        status, outcome = 0, Outcome.DONE
        with _Interrupts() as interrupts:
            try:
                if self._resumes:
                    outcome = self._show_missed(interrupts)
                for number, code in enumerate(codes, 1):
                    if outcome in (Outcome.GONE, Outcome.LEFT):
                        number -= 1
                        status = FAILED
                        break
                    expression = Symbol("ToString")(Symbol("ToExpression")(code), Symbol("InputForm"))
                    outcome = self._evaluate(expression, f"evaluation {number}", interrupts)
                    self._attachment.save(self._session.position)
                    status = status if outcome is Outcome.DONE else FAILED
                    if interrupts.count or outcome in (Outcome.GONE, Outcome.LEFT):
                        break
                if interrupts.count:
                    status = INTERRUPTED
                elif number < len(codes):
                    _complain(f"{len(codes) - number} more not evaluated", status)
                if outcome is Outcome.LEFT:
                    self.abandon()
                elif outcome is not Outcome.GONE and not self._kept:
                    self._quit(interrupts)
            except OSError:
                # The reader of our output has gone.
                self.abandon()
                raise
        return status

    def abandon(self) -> None:
        """Tell the kernel to end at once; leave one alone that is kept."""
        if self._kept:
            return
        try:
            self._session.link.put_message(wstp.MessageCode.TERMINATE)
        except wstp.WSTPError:
            pass  # the link has gone, and the kernel with it

    def _show_missed(self, interrupts: _Interrupts) -> Outcome:
        """Show the output since the profile was written, up to the present."""
        # The kernel answers this after everything that it was asked before.
        mark = f"kernelbus {uuid.uuid4()}"
        outcome = self._evaluate(mark, "what was asked before", interrupts, mark=mark)
        self._attachment.save(self._session.position)
        return outcome

    def _evaluate(self, expression: Expr, what: str, interrupts: _Interrupts, *, mark: str = "") -> Outcome:
        """Evaluate, show what comes, and return how it ended.

        Args:
            expression: what is evaluated.
            what: the words for it in errors.
            interrupts: counts Ctrl-C.
            mark: a text whose return ends the wait, instead of the first result; "" without one.
        """
        limit = self._timeout
        deadline = None if limit is None else time.monotonic() + limit
        before = interrupts.count
        aborted = False
        try:
            self._session.put(Symbol("EvaluatePacket")(expression))
            while True:
                pressed = interrupts.count - before
                if not aborted and (pressed or (deadline is not None and time.monotonic() >= deadline)):
                    if not pressed:
                        _complain(f"{what} took longer than {limit:g} s: aborting it", FAILED)
                    self._session.link.put_message(wstp.MessageCode.ABORT)
                    deadline = time.monotonic() + _ABORT_SECONDS
                    aborted = True
                if pressed > 1:
                    return Outcome.LEFT
                if aborted and deadline is not None and time.monotonic() >= deadline:
                    _complain(f"{what} did not obey the abort in {_ABORT_SECONDS:.0f} s", FAILED)
                    return Outcome.LEFT
                tick = _TICK if deadline is None else min(_TICK, max(deadline - time.monotonic(), 0.0))
                unsaved = self._attachment.unsaved
                try:
                    packet = self._session.next(timeout=tick if unsaved is None else min(tick, unsaved))
                except wstp.LinkTimeout:
                    if unsaved is not None:
                        self._attachment.save_now()
                    continue
                if mark and packet == Symbol("ReturnPacket")(mark):
                    return Outcome.MARK
                outcome = self._take(packet)
                if not self._message:
                    # Only after it is shown: if we are killed in between it is shown twice, rather
                    # than never.
                    self._attachment.save_soon(self._session.position)
                if outcome is not None and not mark:
                    return outcome
        except KeyboardInterrupt:
            return Outcome.LEFT
        except wstp.LinkClosed:
            _complain(f"the kernel closed the link during {what}", FAILED)
        except wstp.WSTPError as error:
            _complain(f"{what}: {error}", FAILED)
        return Outcome.GONE

    def _take(self, packet: Function) -> Outcome | None:
        """Show one packet; return the outcome if the packet ends the evaluation."""
        name, value = name_of(packet.head), packet.args[0] if packet.args else None
        if name == "ReturnPacket":
            return self._result(value)
        if name == "MessagePacket":
            self._message = True
        elif name == "TextPacket":
            if self._message:
                self._errors.line(str(value))
            else:
                self._out.write(str(value))
            self._message = False
        elif name in ("ReturnTextPacket", "ReturnExpressionPacket"):
            # Missed output of a session at a prompt.
            self._out.line(value if isinstance(value, str) else full_form(value))
        elif name in ("InputPacket", "InputStringPacket"):
            # The code asks a person, and there is none.
            self._errors.line(f"kernelbus eval: the code asks for input ({str(value).strip()}); it gets none")
            self._session.put("" if name == "InputStringPacket" else Symbol("$Failed"))
        elif name == "MenuPacket":
            # An interrupted kernel asks what to do: abort.
            self._session.put("a")
        return None

    def _result(self, value: object) -> Outcome:
        if isinstance(value, str):
            self._out.line(value)
            return Outcome.FAILED if value in _FAILURES else Outcome.DONE
        self._out.line(full_form(value))
        return Outcome.FAILED

    def _quit(self, interrupts: _Interrupts) -> None:
        """End the kernel, and wait until it has closed the link."""
        deadline = time.monotonic() + _QUIT_SECONDS
        before = interrupts.count
        try:
            self._session.link.put(Symbol("EvaluatePacket")(Symbol("Quit")()), end_packet=True)
            self._session.link.flush(timeout=_QUIT_SECONDS)
            while time.monotonic() < deadline and interrupts.count == before:
                try:
                    self._session.link.get(timeout=_TICK)
                except wstp.LinkTimeout:
                    continue
        except KeyboardInterrupt:
            return
        except wstp.WSTPError:
            return  # closed, as it was asked to
        self.abandon()
