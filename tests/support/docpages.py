"""Run the blocks of a page: shells in terminals, Python in one process, all in own namespaces.

:func:`run_page` starts this module again as a program inside new namespaces, where every port is
free and from where nothing outside is reached. That program runs the blocks, and writes what is
wrong as JSON. See :mod:`consoleblocks` for what a page may have.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte
from consoleblocks import (
    KEYS,
    Block,
    Command,
    Fault,
    Ids,
    Line,
    align,
    commands,
    difference,
    parse,
    typed_after,
)

__all__ = ["HOME", "PATIENCE", "PageFaults", "check_page", "run_page", "why_not"]

#: How long a command may say nothing new, in seconds. The machine may be busy.
PATIENCE = 150.0

#: What the page's home and working directory is called in a page.
HOME = "/home/you"

#: What the machine is called on which a page runs.
MACHINE = "alpha"

_START = 120.0
_QUIET = 1.0

# The emulated terminal is so large that it never scrolls or wraps. A program sees fewer columns.
_LINES, _COLUMNS, _SEEN_COLUMNS = 3000, 2000, 132

_KNOWN_PROMPT = re.compile(r"In\[\d+\]:= |kernelbus> |>>> |\.\.\. |Interrupt> ")
_UNKNOWN_PROMPT = re.compile(r".*[?:>\])] ?")

#: What a client says while it waits for a kernel.
_WAITS = re.compile(r"kernelbus \w+: waiting for a kernel: ")


class PageFaults(AssertionError):
    """A page does not do what it shows. The text has each fault, which begins with file:line."""


# ---- from outside --------------------------------------------------------------------------------


@functools.cache
def _unshare() -> tuple[str, ...] | str:
    """Give the words that run a program in new namespaces, or why there are none."""
    if not sys.platform.startswith("linux") or not all(map(shutil.which, ("unshare", "ip"))):
        return "pages are run in network namespaces: Linux with unshare and ip is needed"
    words = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        words[1:1] = ["--user", "--map-root-user"]
    tried = subprocess.run(
        [*words, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, timeout=60
    )
    if tried.returncode:
        return f"pages are run in network namespaces, and this user may make none: {tried.stderr.strip()}"
    return tuple(words)


def why_not() -> str | None:
    """Say why pages cannot be run here; None: they can."""
    words = _unshare()
    return words if isinstance(words, str) else None


def run_page(page: Path, folder: Path, *, patience: float = PATIENCE, most: float = 1500.0) -> None:
    """Run the blocks of `page` in `folder`, which is empty.

    Args:
        page: a Markdown file.
        folder: where its home is made.
        patience: how long one command may take, in seconds.
        most: how long all of it may take.

    Raises:
        PageFaults: what the page shows is not what happens, or the page has mistakes.
    """
    blocks = check_page(page)
    if not blocks:
        return
    words = _unshare()
    assert not isinstance(words, str), words
    # The page's home is mounted at a short path: sockets in it may have no long one.
    with tempfile.TemporaryDirectory(prefix="you-", dir="/tmp") as short:
        program = [*words, sys.executable, __file__, str(page), str(folder), short, str(patience)]
        process = subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            out, err = process.communicate(timeout=most)
        except subprocess.TimeoutExpired:
            raise PageFaults(f"{page}: not done after {most:.0f} s") from None
        finally:
            # What the page has started ends with the program (--kill-child).
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise AssertionError(f"{page}: the program that runs it has failed: {err}")
    _raise(page, [Fault(line, text) for line, text in json.loads(out)])


def check_page(page: Path) -> list[Block]:
    """Give the blocks of `page` that are run.

    Raises:
        PageFaults: the page has mistakes.
    """
    try:
        return parse(page.read_text(encoding="utf-8"))
    except ExceptionGroup as mistakes:
        _raise(page, [fault for fault in mistakes.exceptions if isinstance(fault, Fault)])
        raise


def _raise(page: Path, faults: Sequence[Fault]) -> None:
    if faults:
        raise PageFaults("\n\n".join(f"{page}:{fault.line}: {fault.text}" for fault in faults)) from None


# ---- terminals -----------------------------------------------------------------------------------


class _Screen(pyte.Screen):
    """A screen that records each prompt of the shell, whose prompts set the window's title."""

    def __init__(self, answer: Callable[[str], None]) -> None:
        self._answer = answer
        #: "first" or "more", row, column of each prompt of the shell.
        self.prompts: list[tuple[str, int, int]] = []
        super().__init__(_COLUMNS, _LINES)

    def set_title(self, param: str) -> None:
        if param.startswith("prompt:"):
            self.prompts.append((param.removeprefix("prompt:"), self.cursor.y, self.cursor.x))

    def write_process_input(self, data: str) -> None:
        self._answer(data)

    def row(self, number: int, first: int = 0) -> str:
        cells = self.buffer[number]
        return "".join(cells[x].data for x in range(first, max(cells, default=-1) + 1)).rstrip()

    @property
    def before_cursor(self) -> str:
        """What stands before the cursor, with the spaces at its end."""
        cells = self.buffer[self.cursor.y]
        return "".join(cells[x].data for x in range(self.cursor.x))


class _Terminal:
    """A shell in a terminal, and what its screen shows."""

    def __init__(self, environment: dict[str, str], folder: Path, patience: float) -> None:
        prompts = {"PS1": r"\[\e]2;prompt:first\a\]$ ", "PS2": r"\[\e]2;prompt:more\a\]> "}
        self._child: Any = pexpect.spawn(
            "bash",
            ["--noprofile", "--norc", "--noediting", "-i"],
            env={**environment, **prompts},
            cwd=str(folder),
            dimensions=(_LINES, _SEEN_COLUMNS),
        )
        # pexpect waits before it writes, for programs that turn echo off; here it is known that
        # they wait for input.
        self._child.delaybeforesend = None
        self.screen = _Screen(lambda data: self._child.send(data.encode()))
        self._stream = pyte.ByteStream(self.screen)
        self._patience = patience
        self._replaced = [(str(folder), HOME)]
        self.ended = False
        self.quiet_since = time.monotonic()
        #: How many prompts of the shell have been answered.
        self.answered = 0
        #: Where what is printed from now on begins: row, column.
        self.begin = (0, 0)
        #: The row of the last line that was typed.
        self.typed_row = -1
        self._continues = ""
        self.until(lambda: self.prompt is not None, 0, "the shell does not start", _START)

    @property
    def prompt(self) -> tuple[str, int, int] | None:
        """The prompt at which the shell waits."""
        return self.screen.prompts[-1] if len(self.screen.prompts) > self.answered else None

    @property
    def waiting(self) -> str | None:
        """The prompt at which a program seems to wait; None: it seems not to wait."""
        text = self.screen.before_cursor
        if self.screen.cursor.y <= self.typed_row or not text:
            return None
        if _KNOWN_PROMPT.fullmatch(text):
            return text
        if self.quiet < _QUIET:
            return None
        return text if _UNKNOWN_PROMPT.fullmatch(text) or text == self._continues else None

    @property
    def quiet(self) -> float:
        """For how many seconds nothing has been printed."""
        return time.monotonic() - self.quiet_since

    def read(self) -> None:
        """Take what is printed; wait a moment for it."""
        try:
            data = self._child.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            self.ended = True
            return
        self._stream.feed(data)
        self.quiet_since = time.monotonic()

    def until(self, condition: Callable[[], Any], line: int, what: str, seconds: float | None = None) -> None:
        """Read until `condition` holds.

        Raises:
            Fault: it does not in time; the text is `what`.
        """
        deadline = time.monotonic() + (seconds or self._patience)
        while not condition():
            if self.ended:
                raise Fault(line, f"{what}: the terminal is closed")
            if self.screen.cursor.y > _LINES - 10:
                raise Fault(line, f"{what}: too much is printed")
            if time.monotonic() > deadline:
                raise Fault(line, f"{what}, not in {seconds or self._patience:.0f} s")
            self.read()

    def printed(self, end: tuple[int, int] | None = None) -> list[str]:
        """Give the lines that have been printed, up to the cursor or `end`."""
        row, column = end or (self.screen.cursor.y, _COLUMNS)
        (first, skipped) = self.begin
        lines = [self.screen.row(number, skipped if number == first else 0) for number in range(first, row)]
        last = self.screen.row(row)[:column]
        lines.append(last[skipped:] if row == first else last)
        for real, shown in self._replaced:
            lines = [line.replace(real, shown) for line in lines]
        # Pages show servers whose kernels are ready; on a busy machine they may not be so yet.
        return [line for line in lines if not _WAITS.match(line)]

    def type(self, text: str, *, enter: str) -> None:
        """Type a line; what is printed below it is new."""
        self.begin = (self.screen.cursor.y + 1, 0)
        self.typed_row = self.screen.cursor.y
        self._continues = " " * self.screen.cursor.x if self.prompt is None else ""
        self.answered = len(self.screen.prompts)
        self._child.send((text + enter).encode())

    def press(self, key: str) -> None:
        """Press a key that has no line of its own; what is printed from the cursor on is new."""
        self.begin = (self.screen.cursor.y, self.screen.cursor.x)
        self.typed_row = self.screen.cursor.y
        self._child.send(key.encode())


# ---- a page --------------------------------------------------------------------------------------


class _Python:
    """The process in which a page's Python runs."""

    def __init__(self, environment: dict[str, str], folder: Path, page: Path, patience: float) -> None:
        self._page = page
        self._patience = patience
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PYTHON, str(page)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)

    def run(self, block: Block) -> tuple[list[str], str]:
        """Run a block; give the lines that it has printed, and how it failed, if it did."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([block.language, block.line, "\n".join(block.text)]) + "\n")
            self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=self._patience)
        except queue.Empty:
            raise Fault(block.line, f"this Python goes on for more than {self._patience:.0f} s") from None
        if not answer:
            raise Fault(block.line, "this Python ended its process\n" + "".join(self._errors))
        printed, wrong = json.loads(answer)
        return printed.splitlines(), wrong

    def close(self) -> None:
        """End it; its exit status has to be 0."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            status = self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            raise Fault(1, "the page's Python does not end") from None
        if status:
            raise Fault(1, f"the page's Python ends with exit status {status}\n" + "".join(self._errors))


# What runs the page's Python: a line of JSON in for each block, one out. Line numbers are those of
# the page.
_PYTHON = """
import contextlib, doctest, io, json, sys, traceback
page, names = sys.argv[1], {"__name__": "__main__"}
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_ONLY_FIRST_FAILURE
channel, sys.stdout = sys.stdout, sys.stderr
for request in sys.stdin:
    language, line, text = json.loads(request)
    out, wrong = io.StringIO(), ""
    with contextlib.redirect_stdout(out):
        try:
            if language == "pycon":
                test = doctest.DocTestParser().get_doctest(text, names, page, page, line - 1)
                runner = doctest.DocTestRunner(verbose=False, optionflags=flags)
                said = []
                runner.run(test, out=said.append, clear_globs=False)
                names.update(test.globs)
                wrong = "".join(said) if runner.failures else ""
            else:
                exec(compile("\\n" * (line - 1) + text, page, "exec"), names)
        except BaseException:
            wrong = traceback.format_exc()
    channel.write(json.dumps([out.getvalue(), wrong]) + "\\n")
    channel.flush()
"""


class _Page:
    def __init__(self, page: Path, home: Path, patience: float) -> None:
        self.faults: list[Fault] = []
        self._page = page
        self._home = home
        self._patience = patience
        self._ids = Ids()
        self._terminals: dict[str, _Terminal] = {}
        self._python: _Python | None = None
        self._printed: list[str] = []
        self._environment = {
            "HOME": str(home),
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "USER": "you",
            "HISTFILE": "/dev/null",
            # The same kernels on a machine that has a WolframKernel.
            "KERNELBUS_KERNEL": "embedded",
        }

    def run(self, blocks: Sequence[Block]) -> None:
        try:
            for block in blocks:
                self._run(block)
            if self._python is not None:
                self._python.close()
        except Fault as fault:
            # After a wrong output the page goes on; what hangs ends it.
            self.faults.append(fault)

    def _run(self, block: Block) -> None:
        match block.language:
            case "file":
                self._write(block)
            case "console":
                self._console(block)
            case "prints":
                shown = [Line(number, text) for number, text in enumerate(block.text, block.line)]
                self._compare(
                    block.line, "the Python before this block prints something else", shown, self._printed
                )
            case _:
                if self._python is None:
                    self._python = _Python(self._environment, self._home, self._page, self._patience)
                self._printed, wrong = self._python.run(block)
                if wrong:
                    self.faults.append(Fault(block.line, f"this Python fails\n{wrong}"))

    def _write(self, block: Block) -> None:
        path = Path(os.path.normpath(self._home / block.name.replace("~", str(self._home), 1)))
        if not path.is_relative_to(self._home):
            raise Fault(block.line, f"{block.name} is outside the page's home")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(block.text) + "\n")
        if block.text and block.text[0].startswith("#!"):
            path.chmod(0o755)

    def _compare(self, line: int, what: str, shown: Sequence[Line], printed: Sequence[str]) -> None:
        pairs = align(shown, printed)
        if pairs is None:
            self.faults.append(Fault(line, f"{what} (- the page, + this run)\n{difference(shown, printed)}"))
        else:
            self._ids.learn(pairs)

    # ---- shells

    def _console(self, block: Block) -> None:
        before, typed = commands(block)
        terminal = self._terminals.get(block.name)
        if terminal is None:
            terminal = self._terminals[block.name] = _Terminal(self._environment, self._home, self._patience)
        if before:
            terminal.read()
            self._follow(terminal, block.line, "", before, stay=bool(block.name) and not typed)
        for command in typed:
            self._command(terminal, command, stay=bool(block.name) and command is typed[-1])

    def _command(self, terminal: _Terminal, command: Command, *, stay: bool) -> None:
        self._await_shell(terminal, command)
        for number, line in enumerate(command.lines):
            if number:
                what = f"$ {command.text}\nthe shell does not ask for the line `> {line}`"
                terminal.until(lambda: terminal.prompt is not None, command.number + number, what)
                assert terminal.prompt is not None
                if terminal.prompt[0] != "more":
                    raise Fault(command.number + number, what)
            terminal.until(
                lambda: terminal.screen.before_cursor.endswith(("$ ", "> ")),
                command.number,
                "the shell shows no prompt",
            )
            terminal.type(self._ids.typed(line), enter="\n")
        self._follow(terminal, command.number, f"$ {command.text}\n", command.shown, stay=stay)

    def _await_shell(self, terminal: _Terminal, command: Command) -> None:
        what = f"$ {command.text}\nthis cannot be typed: what was started before in this terminal still runs"

        def ready() -> bool:
            if (
                terminal.prompt is None
                and (at := terminal.waiting) is not None
                and _KNOWN_PROMPT.fullmatch(at)
            ):
                raise Fault(command.number, f"{what}, and waits at {at!r}")
            return terminal.prompt is not None

        terminal.until(ready, command.number, what)

    def _follow(
        self, terminal: _Terminal, line: int, command: str, shown: Sequence[Line], *, stay: bool
    ) -> None:
        """Compare what a program prints with what is shown, and type what is shown at its prompts.

        It returns when the program has ended, waits with nothing left to type, or may stay.

        Args:
            terminal: where it runs.
            line: the line of the page on which something was typed last.
            command: what that was, for messages.
            shown: what the page shows from there on.
            stay: whether the program may go on running when all that is shown has been printed.
        """
        rest = list(shown)
        while True:
            step = self._next(terminal, line, command, rest, stay=stay)
            if step is None:
                return
            count, text, enter = step
            typed = rest[count]
            line, command = typed.number, f"{typed.text}\n"
            if enter:
                terminal.type(self._ids.typed(text), enter=enter)
            else:
                terminal.press(text)
            rest = rest[count + 1 :]

    def _next(
        self, terminal: _Terminal, line: int, command: str, rest: Sequence[Line], *, stay: bool
    ) -> tuple[int, str, str] | None:
        """Wait until something can be typed.

        Returns:
            the number of lines of `rest` before it, what is to be typed, and Enter or nothing;
            None: there is nothing to type.
        """
        key = next((number for number, shown in enumerate(rest) if shown.text.strip() in KEYS), None)
        found: list[tuple[int, str, str] | None] = []

        def done(
            step: tuple[int, str, str] | None, shown: Sequence[Line], end: tuple[int, int] | None = None
        ) -> bool:
            self._compare(line, f"{command}something else is printed", shown, terminal.printed(end))
            found.append(step)
            return True

        def ready() -> bool:
            if terminal.prompt is not None:
                kind, row, column = terminal.prompt
                if kind == "more":
                    raise Fault(line, f"{command}the shell asks for more, and the page shows nothing")
                if key is not None:
                    raise Fault(
                        rest[key].number,
                        f"{rest[key].text} cannot be pressed: the program has ended\n{self._shown(terminal)}",
                    )
                return done(None, rest, (row, column))
            ahead = rest if key is None else rest[:key]
            if (prompt := terminal.waiting) is not None:
                for number, shown in enumerate(ahead):
                    text = typed_after(prompt, shown.text)
                    if text is not None and (text or number + 1 < len(ahead)):
                        return done((number, text, "\r"), ahead[:number], (terminal.screen.cursor.y, 0))
                known = _KNOWN_PROMPT.fullmatch(prompt)
                if known and key is None:
                    # The line of the prompt itself may be shown, or not.
                    bare = bool(ahead) and ahead[-1].text.strip() == prompt.strip()
                    terminal_end = (terminal.screen.cursor.y, 0)
                    return done(None, ahead[:-1] if bare else ahead, terminal_end)
            printed = terminal.printed()
            if key is not None:
                # No condition that can be seen says that a program is far enough to be interrupted.
                if terminal.quiet < _QUIET:
                    return False
                if align(ahead, printed, begun=True) is None:
                    if terminal.waiting is not None:
                        raise Fault(
                            line,
                            f"{command}something else is printed (- the page, + this run)\n{difference(ahead, printed)}",
                        )
                    return False
                return done((key, KEYS[rest[key].text.strip()], ""), [*ahead, Line(line, "...")])
            if stay and not rest:
                # What is typed here has begun, as far as that can be seen, before what comes next.
                if terminal.quiet < _QUIET:
                    return False
                found.append(None)
                return True
            if stay and (pairs := align(rest, printed, begun=True)) is not None:
                self._ids.learn(pairs)
                found.append(None)
                terminal.begin = (terminal.screen.cursor.y, terminal.screen.cursor.x)
                return True
            return False

        try:
            terminal.until(ready, line, f"{command}this does not end, or does not print what is shown")
        except Fault as fault:
            if not found and not terminal.prompt:
                fault.text += f" (- the page, + so far)\n{self._shown(terminal, rest)}"
            raise
        if found[0] is None and terminal.prompt is None and not stay:
            # It waits at a prompt of its own: what comes next begins there.
            terminal.begin = (terminal.screen.cursor.y, 0)
        return found[0]

    def _shown(self, terminal: _Terminal, rest: Sequence[Line] = ()) -> str:
        return difference(rest, terminal.printed())


def _main(page: Path, folder: Path, short: Path, patience: float) -> list[tuple[int, str]]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "multicast", "on"], check=True)
    socket.sethostname(MACHINE)
    home = folder / "home"
    home.mkdir(parents=True)
    subprocess.run(["mount", "--bind", home, short], check=True)
    run = _Page(page, short, patience)
    run.run(check_page(page))
    return [(fault.line, fault.text) for fault in run.faults]


if __name__ == "__main__":
    print(json.dumps(_main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))))
    sys.stdout.flush()
    # Not waited for: the terminals and what runs in them end with the namespace.
    os._exit(0)
