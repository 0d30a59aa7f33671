"""The admin shell itself: a line is read, its commands are run, and what goes wrong is one line.

Nothing of cmd2's own that would run another program stays: no editor, no shell, no Python. Its
pipes and redirections stay, which run what whoever types could run anyway.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cmd2
from cmd2 import Cmd2ArgparseError, Statement

from kernelbus.bus.client import AdminClient, BrokerUnreachable
from kernelbus.bus.errors import BusError
from kernelbus.shell.admin.live import Live
from kernelbus.shell.admin.looking import Looking
from kernelbus.shell.admin.names import Names
from kernelbus.shell.admin.parsing import commands_of
from kernelbus.shell.admin.steering import Steering
from kernelbus.shell.clients.console import make_private
from kernelbus.shell.clients.profile import state_directory
from kernelbus.shell.operations.adminclient import admin_client
from kernelbus.shell.operations.status import UNREACHABLE_STATUS, forgive_encoding, view
from kernelbus.shell.operations.tables import duration, printable

__all__ = ["FAILED", "AdminShell", "ShellError", "run_shell"]

OK, FAILED = 0, 1

#: Commands of cmd2's that do not belong here.
_UNWANTED = ("alias", "edit", "macro", "run_pyscript", "set", "shell", "shortcuts", "_relative_run_script")

cmd2.Cmd.DEFAULT_CATEGORY = "The shell itself"


class ShellError(Exception):
    """A command cannot be carried out as it was typed; the text says why."""


class AdminShell(cmd2.Cmd):
    """The shell. `outcome` is that of the last command: 0, 1 where it failed, 2 where there was no
    answer from the broker.

    Args:
        client: asks the broker.
        names: what is known of it for completion.
        interactive: whether somebody is there to be asked.
        yes: whether what ends work is done without asking.
    """

    def __init__(self, client: AdminClient, names: Names, *, interactive: bool, yes: bool = False, **options: Any) -> None:
        super().__init__(
            allow_cli_args=False,
            allow_clipboard=False,
            auto_suggest=False,
            command_sets=[Looking(), Steering(), Live()],
            shortcuts={"?": "help"},
            terminators=[],
            persistent_history_file=_history() if interactive else "",
            **options,
        )
        for name in _UNWANTED:
            setattr(self, f"do_{name}", None)
        self.client = client
        self.names = names
        self.interactive = interactive
        self.yes = yes
        self.outcome = OK
        self.prompt = "kernelbus> "
        self.debug = False
        for name in list(self.settables):
            self.remove_settable(name)

    # ------------------------------------------------------------------ running what was typed

    def onecmd_plus_hooks(self, line: str, **options: Any) -> bool:
        """Run the commands of a line up to the first that fails; gives whether the shell is to end.
        """
        self.outcome = OK
        stop = False
        for command in commands_of(line):
            # Until it has come to its end, which what cannot even be parsed does not.
            self.outcome = FAILED
            stop = super().onecmd_plus_hooks(command, **options)
            if stop or self.outcome != OK:
                break
        return stop

    def onecmd(self, statement: Statement | str, *, add_to_history: bool = True) -> bool:
        """Run one command, and make one line of what goes wrong."""
        self.outcome = OK
        try:
            return super().onecmd(statement, add_to_history=add_to_history)
        except Cmd2ArgparseError as error:
            # argparse leaves this way, too, when it has shown the help.
            asked = isinstance(error.__cause__, SystemExit) and error.__cause__.code == 0
            self.outcome = OK if asked else FAILED
            raise
        except BrokerUnreachable as error:
            self.fail(str(error), UNREACHABLE_STATUS)
        except (BusError, ShellError) as error:
            self.fail(str(error))
        except BaseException:
            self.outcome = FAILED
            raise
        return False

    def default(self, statement: Statement) -> bool | None:
        """Say that there is no such command, and offer the nearest."""
        near = difflib.get_close_matches(statement.command, self.get_visible_commands(), 1)
        offered = f"did you mean {near[0]}?" if near else "help lists the commands"
        self.fail(f"there is no command {printable(statement.command)}: {offered}")
        return None

    def fail(self, text: str, outcome: int = FAILED) -> None:
        """Say in one line what went wrong."""
        self.outcome = outcome
        self.perror(printable(text))

    def run_editor(self, file_path: str | None = None) -> None:
        """Not here: an editor can run anything."""
        raise ShellError("there is no editor in this shell")

    # ------------------------------------------------------------------ for the commands

    def room(self) -> tuple[int | None, bool]:
        """Give how wide a table may be (None: as it likes), and whether headings are bold."""
        try:
            return view(self.stdout)
        except ValueError:  # the reader of a pipe has gone
            return None, False

    def print_lines(self, lines: Iterable[str]) -> None:
        """Write lines for people."""
        self.poutput("\n".join(lines))

    def print_json(self, value: Any, *, compact: bool = False) -> None:
        """Write something for programs."""
        self.poutput(json.dumps(value, separators=(",", ":")) if compact else json.dumps(value, indent=2))

    def confirm(self, lost: str, question: str, args: argparse.Namespace) -> None:
        """Ask whether something is to be done although `lost` is lost by it; where that is empty
        there is no need to.

        Raises:
            ShellError: it is not to be done.
        """
        if not lost or self.yes or args.yes:
            return
        if not self.interactive:
            raise ShellError(f"{lost} Nobody is there to be asked: say --yes if that is meant")
        self.poutput(lost)
        try:
            answer = self.read_input(f"{question} [y/N] ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise ShellError("nothing is done")

    def greet(self) -> None:
        """Say which broker this is, and how it stands."""
        try:
            status = self.client.status()
        except BusError as error:
            self.perror(f"{printable(error)}; each command tries again")
            return
        self.poutput(
            f"Broker {printable(status.broker)} at {self.client.endpoint} (kernelbus {printable(status.version)}) is {status.health}, "
            f"up {duration(status.up)}. help lists the commands, Tab completes."
        )
        for problem in status.problems:
            self.poutput(f"  {printable(problem)}")


def run_shell(options: argparse.Namespace) -> int:
    """Run the shell: what is on the command line, a script, standard input, or what a person types;
    returns the exit status.
    """
    forgive_encoding()
    try:
        client, asked_by_tab = admin_client(options, options.timeout), admin_client(options, 1.0)
        script = [] if options.script in (None, "-") else Path(options.script).read_text(encoding="utf-8-sig").splitlines()
    except (BusError, OSError, UnicodeDecodeError) as error:
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        text = f"{options.script}: it is not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else text
        print(f"kernelbus shell: {text}", file=sys.stderr)
        return UNREACHABLE_STATUS
    unattended = bool(options.commands or options.script) or not sys.stdin.isatty()
    with client, asked_by_tab:
        app = AdminShell(client, Names(asked_by_tab), interactive=not unattended, yes=options.yes)
        if not unattended:
            app.greet()
            return app.cmdloop()
        read_on = options.script == "-" or not (options.commands or options.script)
        lines = _chained([*options.commands, *script], sys.stdin if read_on else ())
        return run_lines(app, lines, keep_going=options.keep_going)


def _chained(first: Iterable[str], then: Iterable[str]) -> Iterator[str]:
    yield from first
    yield from then


def run_lines(app: AdminShell, lines: Iterable[str], *, keep_going: bool = False) -> int:
    """Run lines with nobody there, up to the first that fails; gives the exit status, that of the
    first failure.
    """
    worst = OK
    for line in lines:
        for command in commands_of(line):
            stop = app.onecmd_plus_hooks(command, add_to_history=False, raise_keyboard_interrupt=True)
            worst = worst or app.outcome
            if stop or (worst and not keep_going):
                return worst
    return worst


def _history() -> str:
    """Give the file in which what this user types is kept; empty: it cannot be."""
    path = state_directory() / "shell-history"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(path)
        os.chmod(path, 0o600)
    except OSError as error:
        print(f"kernelbus shell: no history: {path}: {error.strerror}", file=sys.stderr)
        return ""
    return str(path)
