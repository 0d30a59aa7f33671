"""The base of the admin shell's commands: the shell as they see it, and completion of names.

The modules of commands import this one; :mod:`kernelbus.shell.admin.app` imports them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import cmd2
from cmd2 import Choices

from kernelbus.bus.client import AdminClient
from kernelbus.shell.admin.names import Names
from kernelbus.shell.exits import FAILED, OK
from kernelbus.shell.operations.status import view
from kernelbus.shell.operations.tables import printable

__all__ = ["CommandShell", "ShellError", "everything", "hosts", "kernels", "pools", "sessions"]

class ShellError(Exception):
    """A command cannot be carried out as it was typed; the text says why."""


class CommandShell(cmd2.Cmd):
    """The shell as its commands see it: the broker's client, and ways to answer and to ask.

    Args:
        client: asks the broker.
        names: completes names from the live server.
        interactive: whether a person can be asked.
        yes: whether commands that end work run without asking.
        options: for cmd2.

    Attributes:
        outcome: the exit status of the last command: 0; 1: it failed; 2: the broker did not answer.
    """

    def __init__(self, client: AdminClient, names: Names, *, interactive: bool, yes: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.client = client
        self.names = names
        self.interactive = interactive
        self.yes = yes
        self.outcome = OK

    def fail(self, text: str, outcome: int = FAILED) -> None:
        """Say in one line what went wrong, and note `outcome`."""
        self.outcome = outcome
        self.perror(printable(text))

    def room(self) -> tuple[int | None, bool]:
        """Return the columns for a table (None: any number), and whether headings are bold."""
        try:
            return view(self.stdout)
        except ValueError:  # the reader of a pipe has gone
            return None, False

    def print_lines(self, lines: Iterable[str]) -> None:
        """Write lines for people."""
        self.poutput("\n".join(lines))

    def print_json(self, value: Any, *, compact: bool = False) -> None:
        """Write a value for programs; `compact`: on one line."""
        self.poutput(json.dumps(value, separators=(",", ":")) if compact else json.dumps(value, indent=2))

    def confirm(self, lost: str, question: str, *, yes: bool) -> None:
        """Ask whether to do what loses `lost`; do not ask where that is empty, or with `yes`.

        Raises:
            ShellError: the answer is no, or nobody is there to be asked.
        """
        if not lost or self.yes or yes:
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


# ---- completion, as cmd2 asks for it -----------------------------------------------------------


def kernels(shell: CommandShell) -> Choices:
    """Offer the ids of the kernels."""
    return shell.names.kernels()


def sessions(shell: CommandShell) -> Choices:
    """Offer the ids of the sessions."""
    return shell.names.sessions()


def pools(shell: CommandShell) -> Choices:
    """Offer the names of the pools."""
    return shell.names.pools()


def hosts(shell: CommandShell) -> Choices:
    """Offer the names of the hosts."""
    return shell.names.hosts()


def everything(shell: CommandShell) -> Choices:
    """Offer the names of all that `show` shows."""
    return shell.names.everything()
