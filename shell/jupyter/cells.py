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
from typing import Any, Protocol

from kernelbus.shell.clients.statements import statements
from kernelbus.shell.jupyter.conversation import (
    Asked,
    Happening,
    Printed,
    Prompted,
    Result,
    Returned,
    Told,
    Unreadable,
)
from kernelbus.shell.jupyter.magics import MAGICS, Magic, MagicError, read_cell
from kernelbus.shell.jupyter.rendering import (
    Rendered,
    bundle,
    by_package,
    plain,
    rendering,
    value_of,
    worth_asking,
)
from kernelbus.shell.jupyter.session import NoSession, NotebookSession, SessionLost
from wstp import Expr, Symbol

__all__ = ["CellRunner", "Front", "Outcome"]

# Seconds within which a second interrupt offers more.
_TWICE_SECONDS = 2.0
_OFFER = "The kernel has not obeyed the abort. [w]ait for it, interrupt [m]enu, [l]et it go, [q]uit and end it? "


_NOTHING = Rendered()


class Front(Protocol):
    """What shows a cell's outputs, and asks the person who runs it."""

    allow_stdin: bool

    def stream(self, name: str, text: str) -> None:
        """Show text; `name` is stdout or stderr."""

    def show(self, data: Mapping[str, Any], metadata: Mapping[str, Any], number: int | None) -> None:
        """Show a MIME bundle: as result `number`, or as a display (None)."""

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
    """

    def __init__(self, session: NotebookSession) -> None:
        self.session = session
        self._front: Front | None = None
        self._number = 0
        self._pressed_at: float | None = None
        self._aborted = False
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

    async def run(self, text: str, front: Front, *, began: Callable[[int], None], stored: bool = True) -> Outcome:
        """Run a cell to its end, or to its first failure.

        Args:
            text: the cell.
            front: where its outputs go.
            began: called with n of its first `In[n]`, once it is known.
            stored: whether its statements are inputs, with a number each; else they leave none.
        """
        self._front, self._aborted, self._pressed_at = front, False, None
        try:
            try:
                cell = read_cell(text)
                await self._ready()
            finally:
                self._number = self.session.number
                began(self._number)
            for magic in cell.magics:
                await self._magic(magic, cell.code)
            if not (cell.magics and cell.magics[-1].name.startswith("%%")):
                for statement in statements(cell.code):
                    self._number = self.session.number
                    await (self._run_statement if stored else self._run_beside)(statement.text)
        except _Failed as failed:
            # What the kernel said of it has been shown.
            return Outcome(self._number, failed.error, str(failed))
        except (NoSession, MagicError) as error:
            return self._ended(type(error).__name__, str(error))
        except SessionLost as error:
            return self._ended("KernelEnded", f"{error}; the next cell gets a kernel")
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

    def _ended(self, error: str, reason: str) -> Outcome:
        self.front.stream("stderr", f"{reason}\n")
        return Outcome(self._number, error, reason)

    async def _ready(self) -> None:
        """Have a kernel that waits for input."""
        if not self.session.attached:
            await self._broken_off(self.session.attach())
        await self.session.settle(self._missed)

    def _missed(self, happening: Happening) -> None:
        """Show what the kernel said before this cell."""
        self._show(happening)

    async def _magic(self, magic: Magic, code: str) -> None:
        """Carry out a magic; `code` is what follows it in the cell.

        Raises:
            MagicError: its words are wrong.
        """
        if magic.name == "%magics":
            self.front.stream("stdout", "".join(f"{told}\n" for told in MAGICS.values()))

    # ------------------------------------------------------------------ a statement

    async def _run_statement(self, text: str) -> None:
        """Enter one statement, and show what comes of it.

        Raises:
            _Failed: it cannot be read, or was aborted.
            SessionLost: the kernel has ended.
        """
        session = self.session
        depth = session.depth
        said = ""
        unreadable = False
        results: list[Result] = []
        await session.enter(text)
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
                    unreadable = True
                case Told():
                    said = happening.text
            while results:
                self._show(results.pop(0))
            self._show(happening)
        aborted = self._aborted
        for result in results:
            rendered = await self._rendered(result)
            aborted = aborted or self._aborted or rendered.aborted
            self._show(result, rendered)
        if unreadable:
            raise _Failed("SyntaxError", said or "the kernel cannot read this")
        if aborted:
            raise _Failed("$Aborted", "the evaluation was aborted")

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
        match await self.session.rendering(value_of(code), heard):
            case [str(text), answer]:
                return text, bundle(answer) or Rendered()
            case [int(length), answer]:
                return f"... {length:,} characters are left out ...", bundle(answer) or Rendered()
            case answer:
                return "", bundle(answer) or Rendered()

    async def expressions(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of a request's `user_expressions`, each by its key."""
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

    def _show(self, happening: Happening, rendered: Rendered = _NOTHING) -> None:
        match happening:
            case Printed():
                self.front.stream("stdout", happening.text)
            case Told():
                self.front.stream("stderr", f"{happening.text}\n")
            case Result():
                text = plain(happening.text, happening.number)
                self.front.show({"text/plain": text, **rendered.data}, rendered.metadata, happening.number)
            case Unreadable() | Asked() | Prompted() | Returned():
                pass

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
        answer: Expr
        match question:
            case Prompted():
                answer = Symbol("EnterTextPacket")("Return[]" if line is None else line)
            case Asked(kind="menu"):
                answer = "continue" if line is None else line
            case _ if line is None:
                self.front.stream("stderr", f"the kernel asks ({question.prompt.strip()}), and nobody can answer here: it gets EndOfFile\n")
                answer = Symbol("EnterExpressionPacket")(Symbol("EndOfFile"))
            case Asked(kind="string"):
                answer = Symbol("TextPacket")(line)
            case _:
                answer = Symbol("EnterTextPacket")(line)
        await self.session.answer(answer)

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
        if self.session.attached:
            self._aborted = True
            self.session.abort()
        if self._breakable is not None:
            self._breakable.cancel()
        elif twice and self._offer is None and self._front is not None:
            self._offer = asyncio.ensure_future(self._offer_more())

    async def _offer_more(self) -> None:
        """Ask what to do with a kernel that has not obeyed."""
        if not self.front.allow_stdin:
            self.front.stream("stderr", "the kernel has not obeyed the abort yet; the server ends it if it goes on not to\n")
            return
        try:
            chosen = (await self.front.ask(_OFFER) or "w").strip().lower()[:1]
            if chosen in ("w", "m", "l"):
                # Who says that it may go on does not want it to be ended.
                await self.session.order("WithdrawAbort")
            match chosen:
                case "m":
                    self.session.interrupt()
                case "l":
                    await self.session.detach(close=False)
                case "q":
                    await self.session.order("CloseKernel")
        finally:
            self._offer = None
