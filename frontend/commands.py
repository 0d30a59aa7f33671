"""The command language: what a client may ask of the server itself. No I/O.

DESIGN.md, "The command language", specifies it. A top-level expression whose head is a symbol in
the context ``WSTPServer` `` is a command. One table holds them all. A command receives the link it
came over and its arguments. It answers by returning an expression, or by raising
:class:`CommandRefused`.

A command comes from anyone, so what it says is bounded (:func:`read`), nothing here recurses into
it, and a refusal is one line whatever it quotes.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kernelbus.bus.protocol.messages import NO_POINT
from kernelbus.bus.protocol.reports import Status
from kernelbus.bus.security.proof import SHORTEST
from kernelbus.frontend.answers import kernels, pools, status
from wstp import Expr, Function, Limits, PacketFault, Symbol, WSTPError
from wstp.packets import decode_expression

__all__ = [
    "COMMANDS",
    "CONTEXT",
    "Command",
    "CommandRefused",
    "CommandTarget",
    "Wanted",
    "asks_for_kernel",
    "gives_token",
    "is_command",
    "needs_no_kernel",
    "read",
    "run",
]

CONTEXT = "WSTPServer`"

#: Bounds on what a command has in it. No argument of a command is a long number or a deep list, and
#: to decode one takes long.
_LIMITS = Limits(integer_digits=100, nesting_depth=32, array_nodes=1024)
#: The longest text that a command may have as an id, a name or the like, in characters.
_LONGEST_TEXT = 200

#: The most characters of the random number that a client names.
_LONGEST_NUMBER = 100
#: How many characters of a name a refusal quotes.
_QUOTED = 40


class CommandRefused(Exception):
    """A command cannot be carried out; `tag` is stable, the text is for people."""

    def __init__(self, tag: str, text: str) -> None:
        super().__init__(text)
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Wanted:
    """The kernel that a client asks for.

    Attributes:
        kernel: the id of an existing kernel; empty: a fresh one.
        pool: the pool of a fresh kernel; empty: the default one.
        parallel: whether the request is for a parallel kernel.
        wait: whether to wait for a kernel that is evaluating.
        keep: whether the kernel is kept when the client leaves; None: as its pool says.
        progress: whether the client is told what it waits for.
        resume, point, profile: as in :class:`kernelbus.bus.protocol.messages.Open`.
    """

    kernel: str = ""
    pool: str = ""
    parallel: bool = False
    wait: bool = True
    resume: bool = False
    point: int = NO_POINT
    profile: str = ""
    keep: bool | None = None
    progress: bool = False


class CommandTarget(Protocol):
    """The link on which commands act."""

    @property
    def kernel(self) -> str:
        """The id of the attached kernel; empty if there is none."""

    @property
    def pool(self) -> str:
        """The pool of the attached kernel; empty if there is none."""

    @property
    def resume_point(self) -> int:
        """The number of packets of the session's output up to now.

        It counts those that were passed to this link's client and those from before it attached.
        """

    @property
    def replaceable(self) -> bool:
        """Whether the kernel was attached without a request and has not been used yet."""

    def connect_kernel(self, wanted: Wanted) -> None:
        """Ask for a kernel; the answer comes later: its id and prompt, or a refusal."""

    def keep_alive(self, keep: bool) -> None:
        """Set whether the kernel is kept when the client leaves."""

    def withdraw_abort(self) -> None:
        """Do not have the kernel killed for an abort that it has not obeyed."""

    def told_id(self) -> None:
        """Note that the client is told the id of the attached kernel."""

    def ask_status(self, show: Callable[[Status, str], Expr]) -> None:
        """Ask the broker for its status; `show` makes the answer of it and the kernel's id, later.
        """

    def disconnect(self) -> None:
        """Detach the kernel; the link stays open."""

    def close_kernel(self) -> None:
        """End the kernel; the link stays open."""

    def authenticate(self, token: str) -> None:
        """Take the server's token.

        Raises:
            CommandRefused: it is a wrong one.
        """

    def challenge(self, number: str) -> str:
        """Return a random number, for a client that proves that it knows the token.

        Args:
            number: the client's own.

        Raises:
            CommandRefused: no token is needed here.
        """

    def prove(self, proof: str) -> str:
        """Take a client's proof, and return the server's (:mod:`kernelbus.bus.security.proof`).

        Raises:
            CommandRefused: it is a wrong one, or was not asked for.
        """


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its usage, its help text and its function.

    `run` returns None if the answer comes later.
    """

    usage: str
    help: str
    run: Callable[[CommandTarget, tuple[Expr, ...]], Expr | None]


def is_command(head: str | None) -> bool:
    """Whether a packet with this head symbol is a command."""
    return head is not None and head.startswith(CONTEXT)


def read(data: bytes | memoryview) -> Expr:
    """Return the expression of a command.

    Raises:
        CommandRefused: it is malformed, or larger than any command is.
    """
    try:
        return decode_expression(data, _LIMITS)
    except PacketFault as error:
        raise CommandRefused("command", f"the command cannot be read: {error}") from None
    except WSTPError as error:
        raise CommandRefused("command", f"the command cannot be read, or is not complete: {error}") from None


def run(target: CommandTarget, expression: Expr) -> Expr | None:
    """Carry out a command and return its answer; None if that comes later.

    Raises:
        CommandRefused: it is unknown, its arguments are wrong, or it cannot be carried out now.
    """
    if not isinstance(expression, Function) or not isinstance(expression.head, Symbol):
        raise CommandRefused("command", f"a command is written with its arguments, as {CONTEXT}Help[]")
    name = expression.head.name.removeprefix(CONTEXT)
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name[:_QUOTED], COMMANDS, 1)
        offer = f"; did you mean {near[0]}[]?" if near else f"; {CONTEXT}Help[] lists the commands"
        raise CommandRefused("command", f"there is no command {_quoted(name)}{offer}")
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
    if target.kernel:
        target.told_id()
    return target.kernel or Symbol("None")


def _pool_name(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("PoolName", arguments)
    return target.pool or Symbol("None")


def asks_for_kernel(expression: Expr) -> bool:
    """Whether this command asks for a kernel, so that the link needs no automatic one."""
    return _name(expression) in ("ConnectKernel", "Reconnect")


def needs_no_kernel(expression: Expr) -> bool:
    """Whether this command's answer does not depend on the kernel, so that it need not wait."""
    return _name(expression) in ("Authenticate", "Help", "Status", "Pools", "Kernels")


def gives_token(expression: Expr) -> bool:
    """Whether this is the command of a client that has yet to give the server's token."""
    return _name(expression) == "Authenticate"


def _name(expression: Expr) -> str:
    head = expression.head if isinstance(expression, Function) else None
    return head.name.removeprefix(CONTEXT) if isinstance(head, Symbol) else ""


def _connect(target: CommandTarget, arguments: tuple[Expr, ...]) -> None:
    what = "ConnectKernel takes a kernel id, or an association of what is wanted, or nothing"
    kernel: str = ""
    rest = arguments
    if rest and isinstance(rest[0], str):
        kernel, rest = rest[0], rest[1:]
        if not kernel:
            raise CommandRefused("args", "ConnectKernel[id]: the id is empty")
        _text("ConnectKernel", "id", kernel)
    options = _options("ConnectKernel", rest, ("Pool", "Parallel", "Profile", "Wait", "KeepAlive", "Progress"), what)
    if kernel and ("Pool" in options or "Parallel" in options):
        raise CommandRefused("args", "ConnectKernel[id] goes to the kernel with that id, whatever its pool is: leave the pool out")
    _ask(
        target,
        Wanted(
            kernel,
            _text("ConnectKernel", "Pool", options.get("Pool", "")),
            _flag("ConnectKernel", "Parallel", options.get("Parallel", Symbol("False"))),
            _flag("ConnectKernel", "Wait", options.get("Wait", Symbol("True"))),
            profile=_text("ConnectKernel", "Profile", options.get("Profile", "")),
            keep=_keep("ConnectKernel", options),
            progress=_flag("ConnectKernel", "Progress", options.get("Progress", Symbol("False"))),
        ),
    )


def _reconnect(target: CommandTarget, arguments: tuple[Expr, ...]) -> None:
    what = 'Reconnect takes a kernel id, and "Resume" -> True, False or a resume point'
    if not arguments or not isinstance(arguments[0], str) or not arguments[0]:
        raise CommandRefused("args", what)
    _text("Reconnect", "id", arguments[0])
    options = _options("Reconnect", arguments[1:], ("Resume", "Wait", "Profile", "KeepAlive", "Progress"), what)
    resume, point = options.get("Resume", Symbol("True")), NO_POINT
    match resume:
        case int(number) if not isinstance(resume, bool) and 0 <= number < NO_POINT:
            resumes, point = True, number
        case _:
            resumes = _flag("Reconnect", "Resume", resume)
    wait = _flag("Reconnect", "Wait", options.get("Wait", Symbol("True")))
    profile = _text("Reconnect", "Profile", options.get("Profile", ""))
    progress = _flag("Reconnect", "Progress", options.get("Progress", Symbol("False")))
    keep = _keep("Reconnect", options)
    _ask(target, Wanted(arguments[0], wait=wait, resume=resumes, point=point, profile=profile, keep=keep, progress=progress))


def _ask(target: CommandTarget, wanted: Wanted) -> None:
    if target.kernel and not target.replaceable:
        raise CommandRefused("attached", f"kernel {target.kernel} is attached to this link; {CONTEXT}Disconnect[] lets it go")
    target.connect_kernel(wanted)


def _options(command: str, arguments: tuple[Expr, ...], known: tuple[str, ...], what: str) -> dict[str, Expr]:
    """Return the options given as rules, alone or in an association or list."""
    found: dict[str, Expr] = {}
    waiting = list(reversed(arguments))
    while waiting:
        match waiting.pop():
            case Function(head=Symbol(name="Association"), args=rules) | list(rules):
                waiting.extend(reversed(rules))
            case Function(head=Symbol(name="Rule" | "RuleDelayed"), args=(str(key) | Symbol(name=key), value)):
                key = key.rpartition("`")[2]
                if key not in known:
                    near = difflib.get_close_matches(key[:_QUOTED], known, 1)
                    offer = f'did you mean "{near[0]}"?' if near else "it knows " + ", ".join(f'"{name}"' for name in known)
                    raise CommandRefused("option", f'{command} knows no "{_quoted(key)}": {offer}')
                found[key] = value
            case _:
                raise CommandRefused("args", what)
    return found


def _flag(command: str, option: str, value: Expr) -> bool:
    # An array has no truth value when it is compared.
    if not isinstance(value, Symbol) or value.name not in ("True", "False"):
        raise CommandRefused("option", f'{command}: "{option}" is True or False')
    return value.name == "True"


def _keep(command: str, options: dict[str, Expr]) -> bool | None:
    return _flag(command, "KeepAlive", options["KeepAlive"]) if "KeepAlive" in options else None


def _text(command: str, option: str, value: Expr) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not all(map(_visible, value)):
        text = f'{command}: "{option}" is a string of at most {_LONGEST_TEXT} characters, none of which controls a terminal'
        raise CommandRefused("option", text)
    return value


def _visible(character: str) -> bool:
    """Whether a character may stand in a name: it is no control character and no surrogate."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


def _quoted(name: str) -> str:
    """Return a client's word as a refusal quotes it: short, and in one line."""
    shown = "".join(character if _visible(character) else "?" for character in name[:_QUOTED])
    return shown if len(name) <= _QUOTED else f"{shown}..."


def _resume_point(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("ResumePoint", arguments)
    _need_kernel(target)
    return target.resume_point


def _keep_alive(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    if len(arguments) != 1:
        raise CommandRefused("args", "KeepAlive takes True or False")
    keep = _flag("KeepAlive", "its argument", arguments[0])
    _need_kernel(target)
    target.keep_alive(keep)
    return arguments[0]


def _asks_status(show: Callable[[Status, str], Expr], name: str) -> Callable[[CommandTarget, tuple[Expr, ...]], None]:
    def ask(target: CommandTarget, arguments: tuple[Expr, ...]) -> None:
        _nothing(name, arguments)
        if target.kernel and name == "Kernels":
            target.told_id()
        target.ask_status(show)

    return ask


def _authenticate(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    match arguments:
        case (str(token),):
            target.authenticate(token)
            return Symbol("True")
        case ("Challenge", str(number)) if SHORTEST <= len(number) <= _LONGEST_NUMBER:
            return target.challenge(number)
        case ("Proof", str(proof)):
            return target.prove(proof)
    raise CommandRefused("args", 'Authenticate takes the server\'s token, a string; or "Challenge" and a number, then "Proof" and a proof')


def _withdraw_abort(target: CommandTarget, arguments: tuple[Expr, ...]) -> Expr:
    _nothing("WithdrawAbort", arguments)
    _need_kernel(target)
    target.told_id()
    target.withdraw_abort()
    return {target.kernel: {"EndsIn": 0.0}}


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
    "Authenticate": Command("Authenticate[token]", "gives the server's token, if the server wants it first", _authenticate),
    "KernelID": Command("KernelID[]", "gives the id of the attached kernel, or None", _kernel_id),
    "PoolName": Command("PoolName[]", "gives the pool of the attached kernel, or None", _pool_name),
    "ResumePoint": Command("ResumePoint[]", "gives how many packets of the session this link has had: where to resume from", _resume_point),
    "ConnectKernel": Command(
        'ConnectKernel[], [id], [<|"Pool" -> name, "Parallel" -> True, "Profile" -> name|>], [id, "Wait" -> False], ["KeepAlive" -> False]',
        "attaches a kernel, a fresh one or the one named, and gives its id; with KeepAlive -> False it ends when you leave",
        _connect,
    ),
    "Reconnect": Command(
        'Reconnect[id], [id, "Resume" -> True], [id, "Resume" -> n]',
        "goes back to a kernel, and brings what its last client has not taken, or all from packet n on",
        _reconnect,
    ),
    "KeepAlive": Command("KeepAlive[True], [False]", "says whether the kernel is kept when you leave, and gives that", _keep_alive),
    "WithdrawAbort": Command(
        "WithdrawAbort[]", "lets the kernel go on that has not obeyed an abort: it is not killed for that", _withdraw_abort
    ),
    "Disconnect": Command("Disconnect[]", "lets the kernel go, to be found again by its id", _disconnect),
    "CloseKernel": Command("CloseKernel[]", "ends the kernel", _close_kernel),
    "Status": Command("Status[]", "gives how the server stands", _asks_status(status, "Status")),
    "Pools": Command("Pools[]", "gives the pools, by name", _asks_status(pools, "Pools")),
    "Kernels": Command("Kernels[]", "gives the kernels, by id; of other clients' the ids are cut short", _asks_status(kernels, "Kernels")),
}
