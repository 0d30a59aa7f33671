"""`kernelbus eval`: evaluate codes and files on one kernel of a server, and print what it says.

The codes travel as :mod:`kernelbus.shell.clients.tasks` words them: In and Out stay as they are,
and each is evaluated as if it had been sent bare. What they ask (``Input[]``, ``InputString[]``) is
answered with lines of standard input.
"""

from __future__ import annotations

import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import FrameType

import wstp
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.ending import exit_status, how_it_ended
from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.inputlines import InputLines
from kernelbus.shell.clients.output import Output
from kernelbus.shell.clients.pictures import how_to_save, is_picture
from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import SessionError
from kernelbus.shell.clients.sources import STANDARD_INPUT
from kernelbus.shell.clients.statements import Source
from kernelbus.shell.clients.tasks import Manner, Shown, Task, preparation, shown, tasks, tasks_of_line
from kernelbus.shell.commands import CONTEXT, name_of
from kernelbus.shell.exits import FAILED, INTERRUPTED, UNUSABLE
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError
from wstp import Function, Symbol

__all__ = ["Outcome", "run_eval"]

# Seconds between two checks for Ctrl-C and the time limit; data ends a wait at once.
_TICK = 0.2

_ABORT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0

#: Symbols and beginnings of tags of the messages that say that code cannot be read.
_SYNTAX = ("Syntax", "ToExpression")
_SYNTAX_TAGS = ("snt", "tsnt", "bkt", "stre", "com")


class Outcome(Enum):
    """How one evaluation ended."""

    DONE = "done"
    FAILED = "failed"
    WRONG = "wrong"  #: the code cannot be read
    GONE = "gone"  #: the link closed during it
    EXITED = "exited"  #: it has ended the kernel with an exit status
    MARK = "mark"  #: it has come to where we were to wait for it
    LEFT = "left"  #: given up by us: it did not obey an abort, or Ctrl-C was pressed twice


def run_eval(
    codes: Sequence[str | Source],
    *,
    choice: Choice,
    timeout: float | None = None,
    manner: Manner | None = None,
    who: str = "kernelbus eval",
    words: Callable[[str], str] = str,
) -> int:
    """Evaluate `codes` in order on one kernel.

    Args:
        codes: Wolfram Language texts. Of one text with several expressions the last value is shown.
        choice: which kernel. It is ended afterwards, unless it was named or came by a profile.
        timeout: seconds in which a kernel must come, and after which an evaluation is aborted;
            None: no limit.
        manner: what is shown, and how; None: the values, in InputForm.
        who: what the program calls itself in messages.
        words: puts a message, which names options of `kernelbus eval`, into the program's words.

    Returns:
        The exit status: 0; 1: an evaluation failed or was aborted; 2: no server, or no kernel from
        it; 130: interrupted; n: ``Exit[n]`` was evaluated.
    """
    say = _Voice(who, words)
    try:
        attachment = choice.attach(keep=False, timeout=timeout, on_wait=say.waiting)
    except (SessionError, ProfileError, TokenError) as error:
        return say.complain(str(error), UNUSABLE)
    except KeyboardInterrupt:
        return INTERRUPTED
    if attachment.notice:
        say.complain(attachment.notice, 0)
    with attachment.session:
        try:
            return _Evaluation(attachment, choice, timeout, manner or Manner(), say).run(codes)
        except ProfileError as error:
            return say.complain(str(error), FAILED)


class _Voice:
    """What the program says of itself, on standard error."""

    def __init__(self, who: str, words: Callable[[str], str]) -> None:
        self._who = who
        self._words = words

    def complain(self, text: str, status: int) -> int:
        """Say `text`, and return `status`."""
        if sys.stdout is not None:
            sys.stdout.flush()
        complain(self._who, self._words(" ".join(text.split())))
        return status

    def waiting(self, why: str) -> None:
        """Say what a kernel is waited for."""
        self.complain(f"waiting for a kernel: {why}", 0)


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

    def __init__(self, attachment: Attachment, choice: Choice, timeout: float | None, manner: Manner, say: _Voice) -> None:
        self._attachment = attachment
        self._session = attachment.session
        self._kept = choice.kept
        self._resumes = choice.resume and not attachment.fresh
        self._timeout = timeout
        self._manner = manner
        self._say = say
        self._out = Output(lambda: sys.stdout)
        self._errors = Output(lambda: sys.stderr)
        self._lines = InputLines()
        self._message = False  # whether the next TextPacket is the text of a message
        self._replaced = False  # whether it says that another kernel takes the place of this one
        self._unread = False  # whether the present code cannot be read
        self._asked = ""  # the packet in which the kernel asks something that is not answered yet
        self._dialogs = 0  # how many dialogs the present evaluation has opened
        self._aborted = False  # whether the present evaluation was aborted from here
        self._exit_status = 0

    def run(self, codes: Sequence[str | Source]) -> int:
        """Evaluate `codes` in order, end the kernel, and return the exit status."""
        status, outcome = 0, Outcome.DONE
        sources = [Source(code) if isinstance(code, str) else code for code in codes]
        with _Interrupts() as interrupts:
            try:
                if self._resumes:
                    outcome = self._show_missed(interrupts)
                first = preparation(sources, self._manner)
                if first is not None and outcome not in (Outcome.GONE, Outcome.LEFT):
                    outcome = self._evaluate(Task(first, "the preparation of the script", Shown.NOTHING), interrupts)
                for number, source in enumerate(sources, 1):
                    if outcome in (Outcome.GONE, Outcome.LEFT):
                        number -= 1
                        status = FAILED
                        break
                    outcome = self._run_source(source, number, interrupts)
                    if outcome is Outcome.EXITED:
                        status = self._exit_status
                        break
                    status = status if outcome is Outcome.DONE else FAILED
                    if interrupts.count or outcome in (Outcome.GONE, Outcome.LEFT):
                        break
                if interrupts.count:
                    status = INTERRUPTED
                elif number < len(codes) and outcome is not Outcome.EXITED:
                    self._say.complain(f"{len(codes) - number} more not evaluated", status)
                if outcome is Outcome.LEFT:
                    self.abandon()
                elif outcome not in (Outcome.GONE, Outcome.EXITED) and not self._kept:
                    self._close(self._session.kernel)
            except OSError:
                # The reader of our output has gone.
                self.abandon()
                raise
        return status

    def _run_source(self, source: Source, number: int, interrupts: _Interrupts) -> Outcome:
        """Evaluate one source, and return how it ended: as the worst of its evaluations."""
        if source.linewise:
            return self._run_lines(source, interrupts)
        worst = Outcome.DONE
        for task in tasks(source, number, self._manner):
            outcome = self._evaluate(task, interrupts)
            self._attachment.save(self._session.position)
            if outcome in (Outcome.GONE, Outcome.LEFT, Outcome.EXITED):
                return outcome
            if outcome is not Outcome.DONE:
                worst = Outcome.FAILED
            if interrupts.count or (source.name and (outcome is Outcome.WRONG or self._aborted)):
                break
        return worst

    def _run_lines(self, source: Source, interrupts: _Interrupts) -> Outcome:
        """Evaluate a source for each line of standard input, as soon as the line is there."""
        worst = Outcome.DONE
        for number, line in self._numbered_lines(interrupts):
            place = f"{STANDARD_INPUT}:{number}"
            try:
                found = list(tasks_of_line(source, line, place, self._manner))
            except ValueError as error:
                self._say.complain(f"{place}: {error}", FAILED)
                worst = Outcome.FAILED
                continue
            for task in found:
                outcome = self._evaluate(task, interrupts)
                self._attachment.save(self._session.position)
                if outcome in (Outcome.GONE, Outcome.LEFT, Outcome.EXITED):
                    return outcome
                if outcome is not Outcome.DONE:
                    worst = Outcome.FAILED
                if interrupts.count or outcome is Outcome.WRONG or self._aborted:
                    break
        return worst

    def _numbered_lines(self, interrupts: _Interrupts) -> Iterator[tuple[int, str]]:
        """Wait for lines of standard input, with their numbers, to its end or Ctrl-C."""
        number = 0
        while not interrupts.count:
            try:
                line = self._lines.line(_TICK)
            except EOFError:
                return
            if line is not None:
                number += 1
                yield number, line

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
        outcome = self._evaluate(Task(mark, "what was asked before"), interrupts, mark=mark)
        self._attachment.save(self._session.position)
        return outcome

    def _evaluate(self, task: Task, interrupts: _Interrupts, *, mark: str = "") -> Outcome:
        """Evaluate, show what comes, and return how it ended.

        Args:
            task: what is evaluated.
            interrupts: counts Ctrl-C.
            mark: a text whose return ends the wait, instead of the first result; "" without one.
        """
        what, limit = task.what, self._timeout
        deadline = None if limit is None else time.monotonic() + limit
        before = interrupts.count
        aborted = False
        self._unread, self._asked, self._dialogs, self._aborted = False, "", 0, False
        try:
            self._session.put(Symbol("EvaluatePacket")(task.expression))
            while True:
                pressed = interrupts.count - before
                if not aborted and (pressed or (deadline is not None and time.monotonic() >= deadline)):
                    if not pressed:
                        self._say.complain(f"{what} took longer than {limit:g} s: aborting it", FAILED)
                    self._session.link.put_message(wstp.MessageCode.ABORT)
                    deadline = time.monotonic() + _ABORT_SECONDS
                    aborted = self._aborted = True
                    self._asked = ""
                if pressed > 1:
                    return Outcome.LEFT
                if aborted and deadline is not None and time.monotonic() >= deadline:
                    self._say.complain(f"{what} did not obey the abort in {_ABORT_SECONDS:.0f} s", FAILED)
                    return Outcome.LEFT
                tick = _TICK if deadline is None else min(_TICK, max(deadline - time.monotonic(), 0.0))
                if self._asked:
                    self._answer(tick)
                    tick = 0.0
                unsaved = self._attachment.unsaved
                try:
                    packet = self._session.next(timeout=tick if unsaved is None else min(tick, unsaved))
                except wstp.LinkTimeout:
                    if unsaved is not None:
                        self._attachment.save_now()
                    continue
                if mark and packet == Symbol("ReturnPacket")(mark):
                    return Outcome.MARK
                outcome = self._take(packet, task)
                if not self._message:
                    # Only after it is shown: if we are killed in between it is shown twice, rather
                    # than never.
                    self._attachment.save_soon(self._session.position)
                if outcome is not None and not mark:
                    return outcome
        except KeyboardInterrupt:
            return Outcome.LEFT
        except wstp.LinkClosed:
            return self._gone(what, asks=not aborted and not interrupts.count)
        except wstp.WSTPError as error:
            self._say.complain(f"{what}: {error}", FAILED)
        return Outcome.GONE

    def _gone(self, what: str, *, asks: bool) -> Outcome:
        """Handle that the kernel has closed the link, and ask the server for its exit status."""
        session = self._session
        how = how_it_ended(session.address, session.kernel, session.token) if asks else ""
        return self._exited(how) or self._lost(what, how)

    def _exited(self, how: str) -> Outcome | None:
        status = exit_status(how)
        if status is None:
            return None
        self._exit_status = status
        return Outcome.EXITED

    def _lost(self, what: str, how: str) -> Outcome:
        self._say.complain(f"the kernel closed the link during {what}" + (f": {how}" if how else ""), FAILED)
        return Outcome.GONE

    def _take(self, packet: Function, task: Task) -> Outcome | None:
        """Show one packet; return the outcome if the packet ends the evaluation."""
        name, value = name_of(packet.head), packet.args[0] if packet.args else None
        if name == "ReturnPacket":
            return self._result(value, task)
        if name == "MessagePacket":
            self._message = True
            symbol, tag = name_of(value), str(packet.args[-1])
            self._replaced = (symbol, tag) == (f"{CONTEXT}Kernel", "replaced")
            self._unread = self._unread or (symbol in _SYNTAX and tag.startswith(_SYNTAX_TAGS))
        elif name == "TextPacket":
            text = str(value)
            if self._message and self._replaced:
                # The link has another kernel now, which knows nothing of what came before.
                self._message = False
                outcome = self._exited(text)
                if outcome is None:
                    self._errors.line(text)
                self._close(None)
                return outcome or Outcome.GONE
            if self._message:
                self._errors.line(text)
            else:
                self._out.write(text)
            self._message = False
        elif name in ("ReturnTextPacket", "ReturnExpressionPacket"):
            # Missed output of a session at a prompt.
            self._out.line(value if isinstance(value, str) else full_form(value))
        elif name in ("InputPacket", "InputStringPacket"):
            self._asked = name
            if self._lines.interactive:
                self._errors.write(str(value))
        elif name == "BeginDialogPacket":
            self._dialogs += 1
            self._errors.line(f"{task.what} opens a dialog, and nobody can answer it here: it is left (kernelbus repl can hold one)")
            self._session.put(Symbol("EnterTextPacket")("Return[]"))
        elif name == "MenuPacket":
            # An interrupted kernel asks what to do: abort.
            self._session.put("a")
        return None

    def _answer(self, seconds: float) -> None:
        """Answer what the kernel asks with a line of standard input, if one comes in time."""
        try:
            line = self._lines.line(seconds)
        except EOFError:
            if self._lines.interactive:
                self._errors.write("\n")
            self._session.put(Symbol("EndOfFile"))
            self._asked = ""
            return
        if line is not None:
            if self._lines.interactive:
                self._errors.typed()
            self._session.put(Symbol("TextPacket" if self._asked == "InputStringPacket" else "EnterTextPacket")(line))
            self._asked = ""

    def _result(self, value: object, task: Task) -> Outcome:
        failed, text = shown(value, task)
        if isinstance(text, bytes):
            self._out.raw(text)
        elif text is not None:
            self._out.line(text)
            if is_picture(text):
                self._say.complain(how_to_save("--format PNG >picture.png"), 0)
        if self._unread and failed:
            if task.place:
                self._say.complain(f"{task.place}: {task.fault or 'this cannot be read'}", FAILED)
            return Outcome.WRONG
        if failed and (task.place or (text is None and task.shown is not Shown.NOTHING)):
            self._say.complain(f"{task.place or task.what}: {failed}", FAILED)
        return Outcome.FAILED if failed or self._dialogs else Outcome.DONE

    def _close(self, kernel: str | None) -> None:
        """End the kernel with this id; None: whichever it is now."""
        session = self._session
        try:
            session.command("CloseKernel")
            if not session.wait_for(kernel, _CLOSE_SECONDS):
                self.abandon()
        except wstp.WSTPError:
            return  # the link has ended, and the kernel with it
