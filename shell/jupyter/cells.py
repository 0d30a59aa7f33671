"""Run a cell: its magics, then its statements one by one, with what comes of each as it comes.

The runner knows a :class:`Front`, which stands for whatever shows outputs and asks the person.
Magics are carried out by :meth:`CellRunner._magic`; what a session said before the cell is given to
:meth:`CellRunner._missed`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

from kernelbus.shell.clients.profile import CellNote
from kernelbus.shell.clients.statements import statements
from kernelbus.shell.jupyter.binding import Binding
from kernelbus.shell.jupyter.conversation import (
    Asked,
    Happening,
    Pictured,
    Printed,
    Prompted,
    Result,
    Returned,
    Told,
    Unreadable,
)
from kernelbus.shell.jupyter.identity import read_notebook
from kernelbus.shell.jupyter.magics import ALONE, FORMS, MAGICS, Magic, MagicError, read_cell
from kernelbus.shell.jupyter.missed import Came, Missed, came_back, outputs_in
from kernelbus.shell.jupyter.naming import title_of
from kernelbus.shell.jupyter.orders import read_order
from kernelbus.shell.jupyter.rendering import (
    Rendered,
    as_tex,
    bundle,
    by_package,
    only,
    plain,
    printing,
    rendering,
    tex_of,
    value_of,
    worth_asking,
)
from kernelbus.shell.jupyter.session import NoSession, NotebookSession, SessionLost, Turn
from kernelbus.shell.jupyter.steering import Steering, local_time
from kernelbus.shell.jupyter.timing import Timing, read_timing, timed
from kernelbus.shell.jupyter.unseen import CellOutputs, Outputs
from wstp import Expr, Symbol

__all__ = ["CellRunner", "Front", "Outcome"]

# Seconds within which a second interrupt offers more.
_TWICE_SECONDS = 2.0
# Seconds in which what was missed comes, if the kernel is idle: then its count is said first.
_GATHER_SECONDS = 1.0


_NOTHING = Rendered()


class Front(Protocol):
    """What shows a cell's outputs, and asks the person who runs it."""

    allow_stdin: bool
    kept: CellOutputs | None  #: remembers the outputs
    page: str  #: which front end it is, and which loading of its page; "": not known

    def stream(self, name: str, text: str) -> None:
        """Show text; `name` is stdout or stderr."""

    def show(self, data: Mapping[str, Any], metadata: Mapping[str, Any], number: int | None) -> None:
        """Show a MIME bundle: as result `number`, or as a display (None)."""

    def show_page(self, text: str) -> None:
        """Show text for reading, where the front end has a place for that."""

    def clear(self) -> None:
        """Take away the outputs so far."""

    def again(self, kind: str, content: Mapping[str, Any]) -> None:
        """Show an output as it was shown before."""

    async def ask(self, prompt: str) -> str | None:
        """Ask for a line; None: there is no answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended.

    Attributes:
        number: n of the last `In[n]` that it used.
        error: what went wrong, in a word; "": nothing did.
        reason: the same in a line.
    """

    number: int
    error: str = ""
    reason: str = ""


class _Failed(Exception):
    """The cell ends here; `error` is the word for why."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(reason)
        self.error = error


class CellRunner:
    """Runs cells in a session, one at a time.

    Attributes:
        session: the session.
        binding: which session the notebook has.
        steering: what carries `%kernel` out.
    """

    def __init__(self, session: NotebookSession, binding: Binding) -> None:
        self.session = session
        self.binding = binding
        self.steering = Steering(session, binding)
        self._cell = self._title = ""
        self._outputs = Outputs()
        self._form: str | None = None  # the MIME type of which results are shown alone
        # The last evaluation that was begun, and what showed its cell.
        self._last: tuple[CellNote, Front] | None = None
        self._front: Front | None = None
        self._number = 0
        self._behind = 0  # how many inputs of the cell are behind the present one
        self._pressed_at: float | None = None
        self._aborted = False
        self._left = ""  # how the person has left the kernel
        self._breakable: asyncio.Task[Any] | None = None
        self._offer: asyncio.Task[None] | None = None

    @property
    def front(self) -> Front:
        """What shows the outputs of the cell that runs."""
        assert self._front is not None
        return self._front

    @property
    def _interrupted(self) -> bool:
        return self._pressed_at is not None

    # ------------------------------------------------------------------ a cell

    async def run(
        self, text: str, front: Front, *, began: Callable[[int], None], stored: bool = True, cell: str = ""
    ) -> Outcome:
        """Run a cell to its end, or to its first failure.

        Args:
            text: the cell.
            front: where its outputs go.
            began: called with n of its first `In[n]`, once it is known.
            stored: whether its statements are inputs, with a number each; else they leave none.
            cell: its id; "" if the front end gives none.
        """
        async with self.session.lock:
            return await self._run(text, front, began, stored, cell)

    async def _run(self, text: str, front: Front, began: Callable[[int], None], stored: bool, cell: str) -> Outcome:
        self._front, self._aborted, self._left, self._pressed_at, self._behind = front, False, "", None, 0
        self._cell, self.binding.cell, self._title = cell, cell, title_of(text)
        self.steering.follow()
        front.kept = self._outputs.begin(front.page, cell, self._title)
        try:
            try:
                read = read_cell(text)
                for magic in read.magics:
                    if magic.name in ALONE:
                        await self._magic(magic, read.code)
                if read.code.strip() or not read.magics:
                    await self._ready()
                    await self._show_unseen()
            finally:
                self._number = self.session.number
                began(self._number)
            for magic in read.magics:
                if magic.name not in ALONE:
                    await self._magic(magic, read.code)
            form = read.magics[-1].name if read.magics else ""
            self._form = FORMS.get(form)
            if form in FORMS or not form.startswith("%%"):
                entered = list(statements(read.code))
                for count, statement in enumerate(entered, 1):
                    self._number, self._behind = self.session.number, len(entered) - count
                    if stored:
                        await self._run_statement(statement.text, self._behind)
                    else:
                        await self._run_beside(statement.text)
        except _Failed as failed:
            return Outcome(self._number, failed.error, str(failed))
        except (NoSession, MagicError) as error:
            return self._ended(type(error).__name__, str(error))
        except SessionLost as error:
            if self._left:
                return self._ended("KernelLeft", self._left)
            return await self._lost(error)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            return self._ended("Interrupted", "interrupted before there was a kernel")
        finally:
            if self._offer is not None:
                self._offer.cancel()
                self._offer = None
            self._breakable = None
        return Outcome(self._number)

    async def _lost(self, lost: SessionLost) -> Outcome:
        """Say how the kernel ended; a cell that has told it to quit has done what it should."""
        if not lost.over:
            follows = "tries to go back to the session" if self.binding.file is not None else "gets a fresh kernel"
            return self._ended("KernelLost", f"{lost}; the next cell {follows}")
        # It has been said, so the next cell need not.
        await asyncio.to_thread(self.binding.forget)
        follows = f"the next cell starts a fresh kernel{' in the session of ' + self.binding.notebook if self.binding.notebook else ''}"
        rest = ""
        if self._behind:
            inputs = "last input of this cell was" if self._behind == 1 else f"last {self._behind} inputs of this cell were"
            rest = f"; the {inputs} not run"
        if lost.status == 0 and not self._behind:
            self.front.stream("stderr", f"{lost}; {follows}\n")
            return Outcome(self._number)
        return self._ended("KernelEnded", f"{lost}{rest}; {follows}")

    def _ended(self, error: str, reason: str) -> Outcome:
        return Outcome(self._number, error, reason)

    async def _ready(self) -> None:
        """Have a kernel that waits for input."""
        session = self.session
        if not session.attached:
            await self._broken_off(session.attach())
        if session.returning:
            await self._come_back()
        else:
            await self._settle(self._early)
        if self._aborted:
            raise _Failed("$Aborted", "interrupted while an earlier evaluation was waited for: this cell was not run")

    def _early(self, happening: Happening) -> None:
        """Show what the kernel said before this cell, and after the last one."""
        self._show(happening)
        self.session.shown()

    async def _settle(self, take: Callable[[Happening], None]) -> None:
        """Wait for an earlier evaluation, and have its questions answered."""
        questions: list[Asked] = []

        def note(happening: Happening) -> None:
            questions[:] = [happening] if isinstance(happening, Asked) else []
            take(happening)

        while True:
            await self.session.settle(note)
            if not questions:
                return
            await self._answer(questions.pop())

    async def _come_back(self) -> None:
        """Say that the notebook is back in its session, and show what it missed."""
        session, binding = self.session, self.binding
        missed = Missed(session.asked_by, self._cell)
        # A page that has not been loaded again since shows more under its old cell.
        last, before = self._last, None
        if last is not None and last[0] == session.asked_by and last[1].page and last[1].page == self.front.page:
            before = last[1]
        held: list[tuple[Happening, int]] = []
        holds = True

        def show(happening: Happening, position: int, rendered: Rendered = _NOTHING) -> None:
            if before is not None and missed.of_note(position):
                self._show(happening, rendered, before)
                return
            if (heading := missed.take(happening, position)) is not None:
                self._tell(heading)
            self._show(happening, rendered)

        def flush() -> None:
            # A result is rendered by the kernel once it is idle, and keeps its place.
            while held and not isinstance(held[0][0], Result):
                show(*held.pop(0))
            if not held:
                session.shown()

        def take(happening: Happening) -> None:
            held.append((happening, session.position))
            if not holds:
                flush()

        waiting = asyncio.ensure_future(self._settle(take))
        try:
            await asyncio.wait({waiting}, timeout=_GATHER_SECONDS)
            profile = session.attachment.profile
            begun = local_time(profile.created) if profile is not None else ""
            pool = session.attachment.session.pool
            count, busy = outputs_in([happening for happening, _ in held]), session.turn is Turn.BUSY
            line = came_back(Came(session.kernel, pool, binding.notebook or "this notebook", begun, count, not waiting.done(), busy))
            self.front.stream("stderr", f"{line}\n")
            holds = False
            flush()
            await waiting
        finally:
            waiting.cancel()
        for happening, position in held:
            show(happening, position, await self._rendered(happening) if isinstance(happening, Result) else _NOTHING)
        session.shown()
        if missed.end is not None:
            self._tell(missed.end)

    async def _show_unseen(self) -> None:
        """Show what was asked for by a page that has been loaded again since, and is not saved."""
        page, path = self.front.page, self.binding.path
        if not (self._cell and path and self._outputs.others(page)):
            return
        content = await asyncio.to_thread(read_notebook, path)
        missing = self._outputs.missing(page, self._cell, content) if content is not None else []
        for cell in missing:
            number = "" if cell.number is None else f"In[{cell.number}], "
            cut = "; the first of it is left out" if cell.cut else ""
            self._tell(f"missed by this page from {number}which the cell  {cell.title}  asked for{cut}:")
            for kind, shown in cell.outputs:
                self.front.again(kind, shown)
        if missing:
            self._tell("that is all that this page missed")

    def _tell(self, line: str) -> None:
        """Show a line of our own between outputs of the kernel."""
        self.front.show({"text/plain": line, "text/html": f"<em>{escape(line)}</em>"}, {}, None)

    async def _magic(self, magic: Magic, code: str) -> None:
        """Carry out a magic; `code` is what follows it in the cell.

        Raises:
            MagicError: its words are wrong.
        """
        match magic.name:
            case "%magics":
                self.front.show_page("".join(f"{told}\n" for told in MAGICS.values()))
            case "%clear":
                self.front.clear()
            case "%kernel":
                for line in await self.steering.carry_out(read_order(magic.words)):
                    self.front.stream("stdout", f"{line}\n")
            case "%%timeit":
                self.front.stream("stdout", f"{await self._timed(read_timing(magic.words), code)}\n")

    async def _timed(self, timing: Timing, code: str) -> str:
        """Measure how long code takes, and return what is printed.

        Raises:
            _Failed: it cannot be read, or was aborted.
        """
        inputs = [statement.text for statement in statements(code)]
        if not inputs:
            raise MagicError("%%timeit times the rest of the cell, and there is none")
        while True:
            took = await self.session.value(timed(inputs, timing.loops))
            if self._aborted or took == Symbol("$Aborted"):
                raise _Failed("$Aborted", "the measurement was aborted")
            if not isinstance(took, int | float):
                raise _Failed("SyntaxError", "the kernel cannot read what is to be timed")
            if not timing.took(float(took)):
                return timing.text

    # ------------------------------------------------------------------ a statement

    async def _run_statement(self, text: str, left: int) -> None:
        """Enter one statement, and show what comes of it; `left` are behind it in the cell.

        Raises:
            _Failed: it cannot be read, or was aborted.
            SessionLost: the kernel has ended.
        """
        session = self.session
        depth = session.depth
        said = ""
        unreadable: str | None = None
        results: list[Result] = []
        await self._render_prints()
        note = CellNote(session.number, session.position, self._cell, self._title, left)
        self._last = note, self.front
        self.binding.ran(self._cell)
        await session.enter(text, note, self.binding.path)
        while True:
            happening = await session.next()
            match happening:
                case Prompted() if happening.depth <= depth:
                    break
                case Prompted() | Asked():
                    await self._answer(happening)
                    continue
                case Result():
                    results.append(happening)
                    continue
                case Unreadable():
                    unreadable = said
                    said = ""
                case Told() if happening.name.startswith("Syntax::"):
                    # It is the reason of the failure, or is shown with what comes next.
                    said += f"{happening.text}\n"
                    continue
            for result in results:
                self._show(result)
            results.clear()
            if said:
                self.front.stream("stderr", said)
                said = ""
            self._show(happening)
            session.shown()
        aborted = self._aborted
        for result in results:
            rendered = await self._as_wanted(result, await self._rendered(result))
            aborted = aborted or self._aborted or rendered.aborted
            if not rendered.aborted:
                self._show(result, rendered)
        if said:
            self.front.stream("stderr", said)
        session.shown()
        if unreadable is not None:
            raise _Failed("SyntaxError", unreadable.strip() or "the kernel cannot read this")
        if aborted:
            raise _Failed("$Aborted", "the evaluation was aborted")

    async def _render_prints(self) -> None:
        """Have what the next input prints rendered.

        Raises:
            _Failed: it was interrupted meanwhile, and an abort now would come before the input.
            SessionLost: the kernel has ended.
        """
        await self.session.render_prints()
        if self._aborted:
            raise _Failed("$Aborted", "interrupted before the input was evaluated")

    async def _run_beside(self, text: str) -> None:
        """Evaluate one statement beside the inputs, and show what comes of it.

        Raises:
            _Failed: it cannot be read, or was aborted.
            SessionLost: the kernel has ended.
        """
        unreadable = await self.session.value(Symbol("Not")(Symbol("SyntaxQ")(text)))
        shown, rendered = await self._evaluated(text, self._show)
        if shown or rendered.data:
            self._show(Result(self.session.number, "", shown), rendered)
        if unreadable == Symbol("True"):
            raise _Failed("SyntaxError", "the kernel cannot read this")
        if self._aborted or rendered.aborted:
            raise _Failed("$Aborted", "the evaluation was aborted")

    async def _evaluated(self, code: str, heard: Callable[[Happening], None]) -> tuple[str, Rendered]:
        """Return the value of a text that is no input, as text and as it is rendered."""
        match await self.session.rendering(printing(value_of(code)), heard):
            case [str(text), answer]:
                return text, bundle(answer) or Rendered()
            case [int(length), answer]:
                return f"... {length:,} characters are left out ...", bundle(answer) or Rendered()
            case answer:
                return "", bundle(answer) or Rendered()

    async def expressions(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of a request's `user_expressions`, each by its key."""
        async with self.session.lock:
            return await self._expressions(wanted)

    async def _expressions(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, code in wanted.items():
            said: list[str] = []

            def heard(happening: Happening, said: list[str] = said) -> None:
                if isinstance(happening, Told):
                    said.append(happening.text)

            try:
                text, rendered = await self._evaluated(code, heard)
            except (NoSession, SessionLost) as error:
                text, rendered, said = "", Rendered(aborted=True), [str(error)]
            if rendered.aborted or text == "$Failed":
                reason = "; ".join(said) or "the evaluation was aborted"
                found[key] = {"status": "error", "ename": text or "$Aborted", "evalue": reason, "traceback": [reason]}
            else:
                found[key] = {"status": "ok", "data": {"text/plain": text, **rendered.data}, "metadata": dict(rendered.metadata)}
        return found

    async def _as_wanted(self, result: Result, rendered: Rendered) -> Rendered:
        """Leave of a result's renderings what the cell's magic wants."""
        kind, number = self._form, result.number
        if kind is None:
            return rendered
        if kind == FORMS["%%tex"] and number is not None and not rendered.aborted:
            source = await self.session.value(tex_of(number))
            return Rendered(as_tex(source)) if isinstance(source, str) else Rendered()
        left = only(rendered, kind)
        if left is None:
            self.front.stream("stderr", f"Out[{number}] is no picture that the kernel draws as {kind}: it is shown as text\n")
        return left or Rendered()

    async def _rendered(self, result: Result) -> Rendered:
        """Ask the kernel for the renderings of a result."""
        text, number = result.text, result.number
        if number is None or self.session.depth or not worth_asking(text, result.label):
            return Rendered(aborted=text.strip() == "$Aborted")
        reasons: list[str] = []

        def heard(happening: Happening) -> None:
            if isinstance(happening, Told):
                reasons.append(happening.text)

        rendered = bundle(await self.session.rendering(rendering(number, text, result.label), heard)) or Rendered()
        if rendered.undrawn:
            rendered = bundle(await self.session.rendering(by_package(number), lambda _: None)) or Rendered()
            if not rendered.data:
                self.front.stream("stderr", f"Out[{number}] is not drawn: {reasons[-1] if reasons else 'the kernel does not say why'}\n")
        for line in rendered.left_out:
            self.front.stream("stderr", f"Out[{number}]: {line}\n")
        return rendered

    def _show(self, happening: Happening, rendered: Rendered = _NOTHING, front: Front | None = None) -> None:
        front = front or self.front
        match happening:
            case Printed():
                front.stream("stdout", happening.text)
            case Pictured():
                self._show_printed(happening, front)
            case Told():
                front.stream("stderr", f"{happening.text}\n")
            case Result():
                text = plain(happening.text, happening.number)
                front.show({"text/plain": text, **rendered.data}, rendered.metadata, happening.number)
            case Unreadable() | Asked() | Prompted() | Returned():
                pass

    def _show_printed(self, printed: Pictured, front: Front) -> None:
        """Show what was printed as more than text, or as its text."""
        rendered = bundle(printed.rendered) or Rendered()
        if self._form is not None:
            rendered = only(rendered, self._form) or Rendered()
        for line in rendered.left_out:
            front.stream("stderr", f"what is printed: {line}\n")
        if rendered.data:
            front.show({"text/plain": plain(printed.text, None), **rendered.data}, rendered.metadata, None)
        else:
            front.stream("stdout", printed.text)

    # ------------------------------------------------------------------ questions

    async def _answer(self, question: Asked | Prompted) -> None:
        """Have the person answer a question of the kernel, and send the answer."""
        line = None
        if self.front.allow_stdin:
            try:
                line = await self._broken_off(self.front.ask(question.prompt))
            except asyncio.CancelledError:
                if not self._interrupted:
                    raise
                return  # the abort is on its way
        if line is None:
            await self.session.answer(self._unanswered(question))
            return
        answer: Expr
        match question:
            case Asked(kind="menu"):
                answer = line
            case Asked(kind="string"):
                answer = Symbol("TextPacket")(line)
            case _:
                answer = Symbol("EnterTextPacket")(line)
        await self.session.answer(answer)

    def _unanswered(self, question: Asked | Prompted) -> Expr:
        """Return what is sent where there is no answer, and say so."""
        answer: Expr
        match question:
            case Prompted():
                sent, answer = "Return[]", Symbol("EnterTextPacket")("Return[]")
            case Asked(kind="menu"):
                sent, answer = "continue", "continue"
            case _:
                sent, answer = "EndOfFile", Symbol("EnterExpressionPacket")(Symbol("EndOfFile"))
        why = "there is no answer" if self.front.allow_stdin else "nobody can answer here"
        self.front.stream("stderr", f"the kernel asks ({question.prompt.strip()}), and {why}: it gets {sent}\n")
        return answer

    async def _broken_off(self, coroutine: Any) -> Any:
        """Await something that an interrupt breaks off."""
        self._breakable = asyncio.ensure_future(coroutine)
        try:
            return await self._breakable
        finally:
            self._breakable = None

    # ------------------------------------------------------------------ interrupts

    def interrupt(self) -> None:
        """Abort what the cell evaluates; a second call within 2 s offers more."""
        now = time.monotonic()
        twice = self._pressed_at is not None and now - self._pressed_at < _TWICE_SECONDS
        self._pressed_at = now
        if self._breakable is not None:
            self._breakable.cancel()
        elif twice and self._front is not None:
            if self._offer is None:
                self._offer = asyncio.ensure_future(self._offer_more())
            return
        if self.session.attached:
            self._aborted = True
            self.session.abort()

    async def _offer_more(self) -> None:
        """Ask what to do with a kernel that has not obeyed, or say what will come."""
        left = (await self.session.describe() or {}).get("EndsIn")
        ends = f", and the server ends it in {left:.0f} s" if isinstance(left, int | float) and left else ""
        state = f"The kernel has not obeyed the abort{ends}."
        if not self.front.allow_stdin:
            self.front.stream("stderr", f"{state} This front end cannot be asked what to do: restart the kernel for another one.\n")
            return
        chosen = await self.front.ask(f"{state} [w]ait for it, interrupt [m]enu, [l]eave it evaluating, [q]uit and end it? ")
        self._offer = None
        first = (chosen or "w").strip()[:1].lower()
        if first in ("w", "m", "l"):
            # Who says that it may go on does not want it to be ended.
            await self.session.order("WithdrawAbort")
        match first:
            case "m":
                self.session.interrupt()
            case "l":
                kept = self.session.choice.kept
                on = "evaluates on; the next cell goes back to it, %kernel fresh gets another one"
                self._left = f"the kernel {on if kept else 'has been let go; the next cell gets another one'}"
                await self.session.detach(close=False)
            case "q":
                self._left = "the kernel has been ended; the next cell gets another one"
                await self.session.detach(close=True)
