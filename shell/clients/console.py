"""Where a person types and sees the kernel's output meanwhile: a terminal, or a plain stream."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from kernelbus.shell.clients.events import Event, Events, Typed
from kernelbus.shell.clients.output import Output
from kernelbus.shell.state import private_file, state_directory

__all__ = ["Console", "Overtaken", "Plain", "terminal"]


class Overtaken(Exception):
    """The line is no longer wanted; `text` is what had been typed of it."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


class Console(Protocol):
    """An input for lines, and outputs for the kernel and for us.

    Attributes:
        interactive: whether a person types.
        out: for what the kernel prints and answers.
        errors: for its messages, and ours.
    """

    interactive: bool
    out: Output
    errors: Output

    def read(self, prompt: Callable[[], str], take: Callable[[Event], bool], default: str = "", *, names: bool = False) -> str:
        """Read a line.

        Args:
            prompt: returns the prompt; called again after each batch of events.
            take: handles an event, and returns whether the line is still wanted.
            default: text that stands in the line already.
            names: whether names of symbols are completed.

        Raises:
            EOFError: there are no more lines.
            KeyboardInterrupt: Ctrl-C was pressed.
            Overtaken: `take` returned False.
        """

    def remember(self, text: str) -> None:
        """Add what was typed to the history, of this session and of later ones."""


class Plain:
    """Standard input that is not a terminal: no prompts are shown. Implements :class:`Console`."""

    interactive = False

    def __init__(self, events: Events) -> None:
        self.out = Output(lambda: sys.stdout)
        self.errors = Output(lambda: sys.stderr)
        self._events = events
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._asked = False
        self._wanted = threading.Semaphore(0)
        threading.Thread(target=self._run, name="reads standard input", daemon=True).start()

    def _run(self) -> None:
        while self._wanted.acquire():
            try:
                line = sys.stdin.readline()
            except (OSError, ValueError) as error:
                self.errors.line(f"kernelbus repl: standard input: {error}")
                line = ""
            self._lines.put(line.rstrip("\n") if line else None)
            self._events.put(Typed())
            if not line:
                return

    def read(self, prompt: Callable[[], str], take: Callable[[Event], bool], default: str = "", *, names: bool = False) -> str:
        """See :class:`Console`. A line that arrives after it was wanted becomes the next one."""
        if not self._asked:
            self._asked = True
            self._wanted.release()
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                event = self._events.get(None)
                if event is not None and not take(event):
                    raise Overtaken from None
                continue
            self._asked = False
            if line is None:
                raise EOFError
            return line

    def remember(self, text: str) -> None:
        """See :class:`Console`."""


def terminal(events: Events, offers: Callable[[str], Iterable[str]]) -> Console:
    """Make the console for a terminal.

    Args:
        events: what to handle while a person types.
        offers: returns the names that begin with a text.
    """
    # Imported here, since only a terminal needs the library.
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.formatted_text import ANSI
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.patch_stdout import patch_stdout

    class Names(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            found = re.search(r"[A-Za-z$][\w$`]*$", document.text_before_cursor)
            if found:
                for name in offers(found.group()):
                    yield Completion(name, -len(found.group()))

    class Terminal:
        interactive = True

        def __init__(self) -> None:
            self.out = self.errors = Output(lambda: sys.stdout)
            self._history = _history()
            self._session: PromptSession[str] = PromptSession(
                history=self._history, completer=Names(), complete_in_thread=True, complete_while_typing=False
            )
            self._plain: PromptSession[str] = PromptSession()

        def read(self, prompt: Callable[[], str], take: Callable[[Event], bool], default: str = "", *, names: bool = False) -> str:
            session = self._session if names else self._plain
            application = session.app

            def drain() -> None:
                while application.is_running and not application.is_done:
                    event = events.get(0)
                    if event is None:
                        application.invalidate()
                        return
                    if not take(event) and not application.is_done:
                        application.exit(exception=Overtaken(session.default_buffer.text))

            def begin() -> None:
                loop = asyncio.get_running_loop()
                events.on_put = lambda: _tell(loop, drain)
                loop.call_soon(drain)

            try:
                with patch_stdout():
                    typed = session.prompt(lambda: ANSI(prompt()), default=default, pre_run=begin)
            finally:
                events.on_put = None
                self.out.typed()
            return typed

        def remember(self, text: str) -> None:
            try:
                self._history.keep(text)
            except OSError as error:
                self.errors.line(f"kernelbus repl: the history cannot be written: {error.strerror}")

    class _Whole(FileHistory):
        """Remembers whole inputs, and not each line that is typed."""

        def append_string(self, string: str) -> None:
            pass

        def keep(self, text: str) -> None:
            super().append_string(text)

    def _history() -> _Whole:
        try:
            return _Whole(str(private_file("history")))
        except OSError as error:
            print(f"kernelbus repl: no history: {state_directory() / 'history'}: {error.strerror}", file=sys.stderr)
            return _Whole(os.devnull)

    return Terminal()


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        pass  # the line is complete and its loop closed; the next read handles the event
