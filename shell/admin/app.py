"""The admin shell itself: it reads lines, runs their commands, and reports failures in one line.

cmd2's own commands that run other programs (editor, shell, Python) are removed. Its pipes and
redirections stay: they run what the user could run anyway. A line is divided at its semicolons
before cmd2 sees it (:mod:`kernelbus.shell.admin.parsing`).
"""

from __future__ import annotations

import difflib
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cmd2
from cmd2 import Cmd2ArgparseError, Statement

from kernelbus.bus.client import AdminClient, BrokerUnreachable
from kernelbus.bus.errors import BusError
from kernelbus.shell.admin.commands import CommandShell, ShellError
from kernelbus.shell.admin.live import Live
from kernelbus.shell.admin.looking import Looking
from kernelbus.shell.admin.names import Names
from kernelbus.shell.admin.parsing import commands_of
from kernelbus.shell.admin.steering import Steering
from kernelbus.shell.exits import FAILED, OK, UNUSABLE
from kernelbus.shell.operations.adminclient import admin_client
from kernelbus.shell.operations.status import forgive_encoding
from kernelbus.shell.operations.tables import duration, printable
from kernelbus.shell.state import private_file, state_directory

__all__ = ["AdminShell", "run_lines", "run_shell"]

#: Commands of cmd2 that do not belong in this shell.
_UNWANTED = ("alias", "edit", "macro", "run_pyscript", "set", "shell", "shortcuts", "_relative_run_script")

cmd2.Cmd.DEFAULT_CATEGORY = "The shell itself"


class AdminShell(CommandShell):
    """The shell with all its commands; arguments as for :class:`CommandShell`."""

    def __init__(self, client: AdminClient, names: Names, *, interactive: bool, yes: bool = False, **options: Any) -> None:
        super().__init__(
            client,
            names,
            interactive=interactive,
            yes=yes,
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
        self.prompt = "kernelbus> "
        self.debug = False
        for name in list(self.settables):
            self.remove_settable(name)

    # ------------------------------------------------------------------ running what was typed

    def onecmd_plus_hooks(self, line: str, **options: Any) -> bool:
        """Run the commands of a line up to the first that fails.

        Returns:
            Whether the shell is to end.
        """
        self.outcome = OK
        stop = False
        for command in commands_of(line):
            # The outcome until the command ends; a line that cannot be parsed never gets there.
            self.outcome = FAILED
            stop = super().onecmd_plus_hooks(command, **options)
            if stop or self.outcome != OK:
                break
        return stop

    def onecmd(self, statement: Statement | str, *, add_to_history: bool = True) -> bool:
        """Run one command, and report in one line what goes wrong."""
        self.outcome = OK
        try:
            return super().onecmd(statement, add_to_history=add_to_history)
        except Cmd2ArgparseError as error:
            # argparse also exits this way after it has shown the help.
            asked = isinstance(error.__cause__, SystemExit) and error.__cause__.code == 0
            self.outcome = OK if asked else FAILED
            raise
        except BrokerUnreachable as error:
            self.fail(str(error), UNUSABLE)
        except (BusError, ShellError) as error:
            self.fail(str(error))
        except BaseException:
            self.outcome = FAILED
            raise
        return False

    def default(self, statement: Statement) -> bool | None:
        """Report an unknown command, and offer the nearest one."""
        near = difflib.get_close_matches(statement.command, self.get_visible_commands(), 1)
        offered = f"did you mean {near[0]}?" if near else "help lists the commands"
        self.fail(f"there is no command {printable(statement.command)}: {offered}")
        return None

    def run_editor(self, file_path: str | None = None) -> None:
        """Refuse: an editor can run any program.

        Raises:
            ShellError: always.
        """
        raise ShellError("there is no editor in this shell")

    def greet(self) -> None:
        """Print which broker this is, and its status."""
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


def run_shell(
    commands: Sequence[str] = (),
    script: str | None = None,
    *,
    bus: str | None = None,
    configuration_file: str | None = None,
    timeout: float = 5.0,
    yes: bool = False,
    keep_going: bool = False,
) -> int:
    """Run `commands`, a script, standard input, or what a person types; return the exit status.

    Args:
        commands: lines to run first.
        script: a file of commands; "-" is standard input.
        bus, configuration_file, timeout: as for :func:`admin_client`.
        yes: run what ends work without asking.
        keep_going: go on after a command has failed.
    """
    forgive_encoding()
    try:
        client, completing = (admin_client(bus, configuration_file, seconds) for seconds in (timeout, 1.0))
        lines = [] if script is None or script == "-" else Path(script).read_text(encoding="utf-8-sig").splitlines()
    except (BusError, OSError, UnicodeDecodeError) as error:
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        text = f"{script}: it is not UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else text
        print(f"kernelbus shell: {text}", file=sys.stderr)
        return UNUSABLE
    given = bool(commands or script)
    unattended = given or not sys.stdin.isatty()
    with client, completing:
        app = AdminShell(client, Names(completing), interactive=not unattended, yes=yes)
        if not unattended:
            app.greet()
            return app.cmdloop()
        read_on = script == "-" or not given
        return run_lines(app, itertools.chain(commands, lines, sys.stdin if read_on else ()), keep_going=keep_going)


def run_lines(app: AdminShell, lines: Iterable[str], *, keep_going: bool = False) -> int:
    """Run lines without a person, up to the first that fails.

    Args:
        app: the shell.
        lines: what to run.
        keep_going: go on after a failure.

    Returns:
        The exit status: that of the first command that failed, or 0.
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
    """Return the file that keeps what this user types; "" if it cannot be written."""
    try:
        path = private_file("shell-history")
        os.chmod(path, 0o600)
    except OSError as error:
        print(f"kernelbus shell: no history: {state_directory() / 'shell-history'}: {error.strerror}", file=sys.stderr)
        return ""
    return str(path)
