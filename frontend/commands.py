"""The command language: what a client may ask of the server itself (DESIGN.md, "The command language").

A top-level expression whose head is a symbol in the context ``WSTPServer` `` is a command. One table holds them all; a command takes the
link it came over and its arguments, and answers by giving an expression, or by raising :class:`CommandRefused`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from wstp import Expr, Function, Symbol

__all__ = ["COMMANDS", "CONTEXT", "Command", "CommandRefused", "CommandTarget", "is_command", "run"]

CONTEXT = "WSTPServer`"


class CommandRefused(Exception):
    """A command that cannot be carried out; `tag` is stable, the text is for people."""

    def __init__(self, tag: str, text: str) -> None:
        super().__init__(text)
        self.tag = tag


class CommandTarget(Protocol):
    """The link that commands act on."""

    @property
    def kernel(self) -> str:
        """The id of the attached kernel; empty without one."""

    @property
    def pool(self) -> str:
        """The pool of the attached kernel; empty without one."""

    def connect_kernel(self, kernel: str, pool: str, parallel: bool) -> None:
        """Ask for a kernel; the answer comes later, as the kernel's prompt or as a refusal."""

    def disconnect(self) -> None:
        """Let the kernel go; the link stays."""

    def close_kernel(self) -> None:
        """End the kernel; the link stays."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its usage, what it does in a sentence, and how. `run` gives None when the answer comes later."""

    usage: str
    help: str
    run: Callable[[CommandTarget, tuple[Expr, ...]], Expr | None]


def is_command(head: str | None) -> bool:
    """Whether a packet with this head symbol is a command."""
    return head is not None and head.startswith(CONTEXT)


def run(target: CommandTarget, expression: Expr) -> Expr | None:
    """Carry out a command and give its answer; None when that comes later.

    Raises:
        CommandRefused: it is unknown, its arguments are wrong, or it cannot be carried out now.
    """
    if not isinstance(expression, Function) or not isinstance(expression.head, Symbol):
        raise CommandRefused("command", f"a command is written with its arguments, as {CONTEXT}Help[]")
    name = expression.head.name.removeprefix(CONTEXT)
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        offer = f"; did you mean {near[0]}[]?" if near else f"; {CONTEXT}Help[] lists the commands"
        raise CommandRefused("command", f"there is no command {name}{offer}")
    return command.run(target, expression.args)


def _nothing(command: str, arguments: tuple[Expr, ...]) -> None:
    if arguments:
        raise CommandRefused("args", f"{command}[] takes no arguments")


def _need_kernel(target: CommandTarget) -> None:
    if not target.kernel:
        raise CommandRefused("nokernel", f"no kernel is attached to this link; ask for one with {CONTEXT}ConnectKernel[]")


def _help(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("Help", arguments)
    return "\n".join(f"{CONTEXT}{command.usage}  {command.help}" for command in COMMANDS.values())


def _kernel_id(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("KernelID", arguments)
    return target.kernel or Symbol("None")


def _pool_name(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("PoolName", arguments)
    return target.pool or Symbol("None")


def _connect(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr | None:
    kernel, pool, parallel = "", "", False
    if len(arguments) > 1:
        raise CommandRefused("args", "ConnectKernel takes a kernel id, or an association of what is wanted, or nothing")
    if arguments:
        wanted = arguments[0]
        if isinstance(wanted, str):
            kernel = wanted
        elif isinstance(wanted, Function) and wanted.head == Symbol("Association"):
            for rule in wanted.args:
                match rule:
                    case Function(head=Symbol(name="Rule"), args=("Pool", str(value))):
                        pool = value
                    case Function(head=Symbol(name="Rule"), args=("Parallel", Symbol(name="True" | "False" as value))):
                        parallel = value == "True"
                    case _:
                        raise CommandRefused("args", 'ConnectKernel knows "Pool" -> "name" and "Parallel" -> True or False')
        else:
            raise CommandRefused("args", "ConnectKernel takes a kernel id, or an association of what is wanted, or nothing")
    if target.kernel:
        raise CommandRefused("attached", f"kernel {target.kernel} is attached to this link; {CONTEXT}Disconnect[] lets it go")
    target.connect_kernel(kernel, pool, parallel)
    return None


def _disconnect(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("Disconnect", arguments)
    _need_kernel(target)
    kernel = target.kernel
    target.disconnect()
    return kernel


def _close_kernel(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("CloseKernel", arguments)
    _need_kernel(target)
    kernel = target.kernel
    target.close_kernel()
    return kernel


COMMANDS: dict[str, Command] = {
    "Help": Command("Help[]", "lists the commands", _help),
    "KernelID": Command("KernelID[]", "gives the id of the attached kernel, or None", _kernel_id),
    "PoolName": Command("PoolName[]", "gives the pool of the attached kernel, or None", _pool_name),
    "ConnectKernel": Command('ConnectKernel[], [id], [<|"Pool" -> name|>]', "attaches a kernel: a fresh one, or the one named", _connect),
    "Disconnect": Command("Disconnect[]", "lets the kernel go, to be found again by its id", _disconnect),
    "CloseKernel": Command("CloseKernel[]", "ends the kernel", _close_kernel),
}
