"""`kernelbus repl`: a session with a kernel, at its own prompts.

Typed text goes to the kernel in ``EnterTextPacket``; its output is shown as it comes, also while
the person types. The kernel decides what is incomplete: it says so in a message before
``SyntaxPacket``, and uses up no line number. Then more lines are read, and all are sent together.

| turn | meaning |
|---|---|
| UNKNOWN | just attached: the kernel may be idle or evaluate; the server is asked which |
| BUSY | the kernel evaluates |
| IDLE | the kernel waits for input |
| ASKED | the kernel asks something in the middle of an evaluation |
| LOST | the link has ended |
"""

from __future__ import annotations

import re
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from enum import Enum
from typing import NoReturn

import tenacity

import wstp
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.console import Console, Overtaken, Plain, terminal
from kernelbus.shell.clients.events import Ended, Event, Events, Interrupts, Pressed, Said, listen
from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.pictures import PNG, how_to_save, is_picture
from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import KernelRefused, SessionError, kept_for
from kernelbus.shell.clients.viewer import Viewer
from kernelbus.shell.commands import CONTEXT, name_of
from kernelbus.shell.exits import FAILED, INTERRUPTED, UNUSABLE
from kernelbus.shell.extras import require
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError
from wstp import Expr, Symbol

__all__ = ["run_repl"]

# Seconds until the server is asked whether a silent kernel is idle, and between two such questions.
_ASK_SECONDS = 0.3
_ASK_AGAIN_SECONDS = 2.0
# Seconds that a script waits for a lost server; a person waits as long as they like.
_PATIENCE = 120.0
_NAMES_SECONDS = 2.0
# Seconds in which the server is to say how the kernel stands.
_ENQUIRY_SECONDS = 1.5
_MARK = "kernelbus completes "
_OUTPUT = re.compile(r"Out\[(\d+)\]")

# Messages that say that the input is incomplete.
_INCOMPLETE = ("sntxi", "tsntxi", "bktmcp")

# Packets that a kernel does not send while it waits for an answer.
_GOES_ON = ("TextPacket", "OutputNamePacket", "ReturnTextPacket", "ReturnExpressionPacket", "BeginDialogPacket", "EndDialogPacket")

_QUESTIONS = ("InputPacket", "InputStringPacket", "MenuPacket")


class _Turn(Enum):
    UNKNOWN = "unknown"
    BUSY = "busy"
    IDLE = "idle"
    ASKED = "asked"
    LOST = "lost"


class _Over(Exception):
    """The session is over, with this exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def run_repl(choice: Choice) -> int:
    """Hold a session until the person leaves, standard input ends, or the kernel does.

    Returns:
        The exit status: 0; 1: the kernel ended unasked, or input was left incomplete; 2: no server,
        or no kernel from it; 130: interrupted.

    Raises:
        MissingExtra: there is a terminal, and prompt_toolkit is not installed.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if interactive:
        # Before a kernel is attached that nobody could use.
        require("admin", "prompt_toolkit")
    try:
        attachment = choice.attach(keep=interactive, resume=True, on_wait=_say_waiting)
    except (SessionError, ProfileError, TokenError) as error:
        complain("kernelbus repl", " ".join(str(error).split()))
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    repl = _Repl(attachment, kept=interactive or choice.kept, interactive=interactive)
    try:
        return repl.run()
    except ProfileError as error:
        complain("kernelbus repl", error)
        return FAILED
    finally:
        attachment.session.close()


def _say_waiting(why: str) -> None:
    print(f"kernelbus repl: waiting for a kernel: {why}", file=sys.stderr)


class _Repl:
    """One session."""

    def __init__(self, attachment: Attachment, *, kept: bool, interactive: bool) -> None:
        self._attachment = attachment
        self._kept = kept
        self._events = Events()
        self._console: Console = terminal(self._events, self._names) if interactive else Plain(self._events)
        self._turn = _Turn.UNKNOWN
        self._ask_at = time.monotonic() + _ASK_SECONDS
        self._prompt = ""
        self._lines: list[str] = []  # of an incomplete input
        self._sent_at = ""  # the prompt at which the last input was sent
        self._question = ("", "")
        self._explains = False
        self._message = ""  # the tag of the message whose text is the next packet
        self._held: list[str] = []  # texts of messages about incomplete input
        self._incomplete = False
        self._label = ""
        self._of_server = False  # whether the last message was the server's own
        self._shown = attachment.session.position
        self._presses = 0
        self._table: dict[str, Expr] | None = None  # what the server last said of the kernel
        self._sent_away = ""  # the server's text, if somebody has detached the kernel by an order
        self._error: wstp.WSTPError = wstp.LinkClosed("the link is closed")
        self._quitting = False
        self._viewer = Viewer(self._console.out)
        self._picture = 0  # the number of an output that is a picture, and is to be shown
        self._drawing = 0  # the same while the kernel draws it
        self._by_package = False
        self._named: tuple[str, list[str]] = ("", [])
        self._names_came = threading.Event()

    # ------------------------------------------------------------------ the session's course

    def run(self) -> int:
        """Run the session, and return the exit status."""
        self._greet()
        listen(self._attachment.session, self._events)
        try:
            while True:
                self._await_turn()
                if self._turn is _Turn.ASKED:
                    self._answer()
                elif self._turn is _Turn.IDLE and self._picture:
                    self._draw(self._picture)
                elif self._turn is _Turn.IDLE:
                    self._read()
                elif self._turn is _Turn.LOST:
                    self._ended(self._error)
        except _Over as over:
            return over.status

    def _greet(self) -> None:
        if self._attachment.notice:
            self._console.errors.line(f"kernelbus repl: {self._attachment.notice}")
        if self._console.interactive:
            session = self._attachment.session
            verb = "Kernel" if self._attachment.fresh else "Back at kernel"
            self._console.out.line(
                f"{verb} {session.kernel[:8]} of pool {session.pool} at {session.address.place}. "
                "Ctrl-C aborts what it evaluates, Ctrl-D leaves."
            )

    def _await_turn(self) -> None:
        """Handle events until it is the person's turn."""
        self._presses = 0
        try:
            with Interrupts(self._events):
                while self._turn in (_Turn.BUSY, _Turn.UNKNOWN):
                    if self._turn is _Turn.UNKNOWN and time.monotonic() >= self._ask_at:
                        self._ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
                        self._send_command("Kernels")
                    unsaved = self._attachment.unsaved
                    event = self._events.get(_ASK_SECONDS if self._turn is _Turn.UNKNOWN else unsaved)
                    if event is not None:
                        self._take(event)
                    elif unsaved is not None:
                        self._attachment.save_now()
                    if self._presses > 1:
                        break
        except KeyboardInterrupt:
            self._presses = 2
        if self._presses > 1 and self._turn in (_Turn.BUSY, _Turn.UNKNOWN):
            self._offer_more()

    def _offer_more(self) -> None:
        """Ask what to do after a second Ctrl-C."""
        if not self._console.interactive:
            self._leave(INTERRUPTED)
        left = (self._enquire() or {}).get("EndsIn")
        if self._turn not in (_Turn.BUSY, _Turn.UNKNOWN):
            return
        deadline = time.monotonic() + left if isinstance(left, int | float) and left else None
        while True:
            try:
                typed = self._console.read(lambda: _what_next(deadline), self._still_busy).strip().lower()
            except (KeyboardInterrupt, EOFError):
                typed = "l"
            except Overtaken:
                return
            if typed[:1] in ("w", "m", "l"):
                # Who says that it may go on does not want it to be ended.
                self._send_command("WithdrawAbort")
            match typed[:1]:
                case "w":
                    return
                case "m":
                    self._send_message(wstp.MessageCode.INTERRUPT)
                    return
                case "l":
                    self._leave(0)
                case "q":
                    self._quitting = True
                    self._send_command("CloseKernel")
                    raise _Over(0)

    def _enquire(self) -> dict[str, Expr] | None:
        """Ask the server about the kernel, and return what it says; None: it is slow, or away."""
        self._table = None
        self._send_command("Kernels")
        deadline = time.monotonic() + _ENQUIRY_SECONDS
        with Interrupts(self._events):
            while self._table is None and self._turn is not _Turn.LOST and (left := deadline - time.monotonic()) > 0:
                event = self._events.get(left)
                if event is not None:
                    self._take(event)
        return self._table

    def _still_busy(self, event: Event) -> bool:
        self._take(event)
        return self._turn in (_Turn.BUSY, _Turn.UNKNOWN)

    def _read(self) -> None:
        """Read a line at the kernel's prompt, and send the input so far."""
        try:
            line = self._console.read(self._shown_prompt, self._still_idle, names=True)
        except Overtaken:
            return
        except KeyboardInterrupt:
            if not self._console.interactive:
                self._leave(INTERRUPTED)
            self._lines.clear()
            return
        except EOFError:
            if self._lines and not self._console.interactive:
                self._show_held()
                self._leave(FAILED)
            self._leave(0)
        if not line.strip() and not self._lines:
            return
        self._held.clear()
        self._lines.append(line)
        text = "\n".join(self._lines)
        self._sent_at = self._prompt
        if text.strip() in ("Quit", "Exit"):
            # As words they end a session at other front ends, too.
            text += "[]"
        self._quitting = re.match(r"\s*(Quit|Exit)\b", text) is not None
        self._turn = _Turn.BUSY
        if not self._prompt:
            # A kernel with -noprompt: nothing shows when it is done. The server is asked.
            self._turn = _Turn.UNKNOWN
            self._ask_at = time.monotonic() + _ASK_SECONDS
            self._lines.clear()
        self._send(Symbol("EnterTextPacket")(text))

    def _draw(self, number: int, *, by_package: bool = False) -> None:
        """Have the kernel draw an output; it answers as to any evaluation.

        Args:
            number: the output's number.
            by_package: whether by what J/Link has for it, where Export cannot.
        """
        self._picture, self._drawing, self._by_package = 0, number, by_package
        output = Symbol("Out")(number)
        if by_package:
            drawn = Symbol("CompoundExpression")(Symbol("Needs")("JLink`"), Symbol("JLink`EvaluateToImage")(output, "PNG"))
        else:
            drawn = Symbol("ExportString")(output, "PNG")
        self._turn = _Turn.BUSY
        self._send(Symbol("EvaluatePacket")(Symbol("Quiet")(drawn)))

    def _drawn(self, value: Expr) -> None:
        """Show the picture that the kernel has drawn, if it has drawn one."""
        number, self._drawing = self._drawing, 0
        self._turn = _Turn.IDLE
        data = value.encode("latin-1", "replace") if isinstance(value, str) else b""
        if data.startswith(PNG):
            try:
                self._viewer.show(data, f"Out{number}")
            except OSError as error:
                self._console.errors.line(f"kernelbus repl: the picture cannot be saved: {error.strerror or error}")
        elif not self._by_package and name_of(value) != "$Aborted":
            self._draw(number, by_package=True)

    def _shown_prompt(self) -> str:
        return " " * len(self._prompt) if self._lines else self._prompt

    def _still_idle(self, event: Event) -> bool:
        self._take(event)
        return self._turn is _Turn.IDLE

    def _answer(self) -> None:
        """Read the answer to a question of the kernel, and send it."""
        name, prompt = self._question
        try:
            line = self._console.read(lambda: prompt, self._still_asked)
        except Overtaken:
            return
        except KeyboardInterrupt:
            self._turn = _Turn.BUSY
            self._send_message(wstp.MessageCode.ABORT)
            return
        except EOFError:
            if not self._console.interactive:
                asks = f"the kernel asks for input ({prompt.strip()})"
                self._console.errors.line(f"kernelbus repl: {asks}, and there are no more lines")
                self._leave(FAILED)
            self._leave(0)
        self._turn = _Turn.BUSY
        match name:
            case "InputStringPacket":
                self._send(Symbol("TextPacket")(line))
            case "InputPacket":
                self._send(Symbol("EnterTextPacket")(line))
            case _:
                self._send(line)

    def _still_asked(self, event: Event) -> bool:
        self._take(event)
        return self._turn is _Turn.ASKED

    def _leave(self, status: int) -> None:
        attachment = self._attachment
        attachment.save(self._shown)
        if self._kept and self._console.interactive:
            busy = " evaluates on" if self._turn is _Turn.BUSY else " waits"
            kept = kept_for(self._enquire(), busy=self._turn is _Turn.BUSY)
            told = f" It is kept {kept}." if kept else ""
            name, way = attachment.session.kernel[:8], attachment.way_back("repl")
            self._console.out.line(f"Kernel {name}{busy}.{told} To come back to it:\n  {way}")
        elif not self._kept:
            self._send_command("CloseKernel")
        raise _Over(status)

    # ------------------------------------------------------------------ to the kernel

    def _send(self, expression: Expr) -> None:
        try:
            self._attachment.session.put(expression)
        except wstp.WSTPError:
            pass  # the link has ended: the listener puts an event, which is handled later

    def _send_command(self, name: str) -> None:
        try:
            self._attachment.session.command(name)
        except wstp.WSTPError:
            pass  # as above

    def _send_message(self, code: wstp.MessageCode) -> None:
        try:
            self._attachment.session.link.put_message(code)
        except wstp.WSTPError:
            pass  # as above

    # ------------------------------------------------------------------ what comes

    def _take(self, event: Event) -> None:
        match event:
            case Said() if event.session is self._attachment.session:
                self._said(event)
            case Ended() if event.session is self._attachment.session:
                self._error = event.error
                self._turn = _Turn.LOST
            case Pressed():
                self._presses += 1
                if self._console.interactive:
                    # The terminal has written ^C.
                    self._console.out.write("\n")
                if self._presses == 1:
                    self._send_message(wstp.MessageCode.ABORT)

    def _said(self, said: Said) -> None:
        packet, session = said.packet, said.session
        table = session.table(packet)
        if table is not None:
            if "State" in table:
                self._table = table
            if self._turn is _Turn.UNKNOWN and table.get("State") == "attached" and table.get("Busy") in (None, Symbol("False")):
                self._prompt = str(table.get("Prompt") or "")
                self._turn = _Turn.IDLE
            return
        name, value = name_of(packet.head), packet.args[0] if packet.args else ""
        self._shown = said.position
        if name in _QUESTIONS:
            self._show_held()
            self._question = (name, "Interrupt> " if name == "MenuPacket" else str(value))
            if name == "MenuPacket" and value == 0:
                # The menu after a wrong answer: a text that explains it comes next.
                self._explains = True
                return
            self._turn = _Turn.ASKED
            # The server repeats the question for a client that attaches before it is answered.
            self._attachment.save(self._shown)
            return
        after_message = bool(self._message)
        self._show(name, value, packet.args)
        if name == "InputNamePacket":
            self._prompted(str(value))
            self._attachment.save(self._shown)
        elif self._explains and name == "TextPacket":
            self._explains = False
            self._turn = _Turn.ASKED
            self._attachment.save(self._shown)
        else:
            if self._turn is _Turn.ASKED and name in _GOES_ON and not after_message:
                # The missed output had a question that another client has answered.
                self._turn = _Turn.BUSY
            if not (self._message or self._label):
                self._attachment.save_soon(self._shown)

    def _prompted(self, prompt: str) -> None:
        if self._lines and self._turn is _Turn.BUSY:
            if self._incomplete and prompt == self._sent_at:
                # Not shown, unless no more comes.
                pass
            else:
                self._show_held()
                self._console.remember("\n".join(self._lines))
                self._lines.clear()
        self._incomplete = False
        self._prompt = prompt
        self._turn = _Turn.IDLE

    def _show(self, name: str, value: Expr, arguments: tuple[Expr, ...]) -> None:
        console = self._console
        match name:
            case "InputNamePacket":
                pass
            case "MessagePacket":
                self._message = str(arguments[-1]) if arguments else "?"
                self._of_server = bool(arguments) and (name_of(arguments[0]) or "").startswith(CONTEXT)
            case "TextPacket" if self._message:
                tag, self._message = self._message, ""
                if tag == "detached" and self._of_server:
                    self._sent_away = str(value)
                if tag in _INCOMPLETE and self._lines:
                    self._held.append(str(value))
                else:
                    self._show_held()
                    console.errors.line(str(value))
            case "TextPacket":
                self._show_held()
                console.out.write(str(value))
            case "SyntaxPacket":
                self._incomplete = bool(self._held)
            case "OutputNamePacket":
                self._label = str(value)
            case "ReturnTextPacket" | "ReturnExpressionPacket" | "ReturnPacket":
                self._show_held()
                if name == "ReturnPacket" and isinstance(value, list) and self._take_names(value):
                    return
                if name == "ReturnPacket" and self._drawing:
                    self._drawn(value)
                    return
                self._show_result(value if isinstance(value, str) else full_form(value))
            case "BeginDialogPacket" | "EndDialogPacket" | "SuspendPacket" | "ResumePacket":
                pass  # the prompts show it
            case _:
                console.errors.line(f"kernelbus repl: the kernel says {name or 'something'}, which cannot be shown here")

    def _show_result(self, text: str) -> None:
        label, self._label = self._label, ""
        number = _OUTPUT.search(label)
        if self._console.interactive and number is not None and is_picture(text):
            self._picture = int(number[1])
        below = "\n" + " " * len(label)
        self._console.out.line(label + text.rstrip("\n").replace("\n", below))
        if self._console.interactive:
            self._console.out.write("\n")
        elif number is not None and is_picture(text):
            how = f'Export["picture.png", Out[{number[1]}]]'
            self._console.errors.line(f"kernelbus repl: {how_to_save(how)}")

    def _show_held(self) -> None:
        for text in self._held:
            self._console.errors.line(text)
        self._held.clear()

    # ------------------------------------------------------------------ names

    def _names(self, beginning: str) -> Iterable[str]:
        """Return the names that begin so, from the kernel.

        Called in another thread, while the prompt is shown.
        """
        if self._turn is not _Turn.IDLE:
            return []
        mark = f"{_MARK}{uuid.uuid4()}"
        self._names_came.clear()
        self._send(Symbol("EvaluatePacket")([mark, Symbol("Names")(beginning + "*")]))
        deadline = time.monotonic() + _NAMES_SECONDS
        while self._named[0] != mark and self._names_came.wait(max(deadline - time.monotonic(), 0.0)):
            self._names_came.clear()
        return self._named[1] if self._named[0] == mark else []

    def _take_names(self, value: list[Expr]) -> bool:
        match value:
            case [str(mark), list(names)] if mark.startswith(_MARK):
                self._named = (mark, [name for name in names if isinstance(name, str)])
                self._names_came.set()
                return True
        return False

    # ------------------------------------------------------------------ the link's end

    def _ended(self, error: wstp.WSTPError) -> None:
        """Handle the end of the link: attach the kernel again, or end the session.

        Raises:
            _Over: the kernel has ended, or cannot be attached again.
        """
        if not self._kept:
            if not self._quitting:
                self._console.errors.line("kernelbus repl: the kernel has ended, or the connection to it is lost")
            raise _Over(0 if self._quitting else FAILED)
        if self._sent_away:
            self._say_sent_away()
        # If the kernel has ended, the server says so at once: print nothing before that.
        quiet = [True]

        def before_sleep(state: tenacity.RetryCallState) -> None:
            if quiet[0] and not (self._quitting and state.attempt_number < 5):
                quiet[0] = False
                server = self._attachment.session.address.place
                hint = "; Ctrl-C gives up" if self._console.interactive else ""
                self._console.errors.line(f"The connection to {server} is lost ({error}). Trying to get back to the kernel{hint} ...")

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_passing),
            wait=tenacity.wait_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_never if self._console.interactive else tenacity.stop_after_delay(_PATIENCE),
            before_sleep=before_sleep,
            reraise=True,
        )
        try:
            with _Default():
                retrying(self._go_back)
        except KernelRefused as refused:
            if refused.tag == "detached":
                self._console.errors.line(f"kernelbus repl: {refused.reason}")
                self._say_sent_away()
            if not refused.gone:
                self._console.errors.line(f"kernelbus repl: {refused}")
                raise _Over(UNUSABLE) from None
            if not self._quitting:
                self._console.errors.line(f"The kernel has ended: {refused.reason}.")
            elif self._console.interactive:
                self._console.errors.line("The kernel has ended.")
            raise _Over(0 if self._quitting else FAILED) from None
        except SessionError as failed:
            self._console.errors.line(f"kernelbus repl: {failed}")
            raise _Over(UNUSABLE) from None
        except KeyboardInterrupt:
            self._console.errors.line(f"To try again:\n  {self._attachment.way_back('repl')}")
            raise _Over(UNUSABLE) from None
        if not quiet[0]:
            self._console.errors.line("Back at the kernel.")
        self._turn = _Turn.UNKNOWN
        self._lines.clear()
        self._ask_at = time.monotonic() + _ASK_SECONDS
        listen(self._attachment.session, self._events)

    def _say_sent_away(self) -> NoReturn:
        """End the session because an administrator has detached the kernel: that order holds.

        Raises:
            _Over: always.
        """
        self._console.errors.line(f"To come back to the kernel:\n  {self._attachment.way_back('repl')}")
        raise _Over(FAILED)

    def _go_back(self) -> None:
        try:
            self._attachment.again(self._shown)
        except KernelRefused as refused:
            if refused.tag != "resumetooold":
                raise
            self._console.errors.line(f"kernelbus repl: some of what the kernel said is lost: {refused.reason}")
            self._attachment.again(None)


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, SessionError) and not (isinstance(error, KernelRefused) and (error.gone or error.tag == "detached"))


def _what_next(deadline: float | None) -> str:
    """Return the question after a second Ctrl-C; `deadline`: when the server ends the kernel."""
    ends = "" if deadline is None else f", and the server ends it in {max(0.0, deadline - time.monotonic()):.0f} s"
    return f"It has not obeyed the abort{ends}.\n[w]ait for it, interrupt [m]enu, [l]eave it evaluating, [q]uit and end it? "


class _Default:
    """While this is entered, Ctrl-C raises KeyboardInterrupt."""

    def __enter__(self) -> None:
        import signal

        self._before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        import signal

        signal.signal(signal.SIGINT, self._before)
