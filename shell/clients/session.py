"""A link to a server with a kernel attached, as the clients for people use it.

Every packet of the kernel is counted, from where the server says that the session stands when the
link is attached. The count is the resume point, from which the next client goes on.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import wstp
from kernelbus.bus.security.proof import SHORTEST, client_proof, same, server_proof
from kernelbus.shell.address import Address
from kernelbus.shell.commands import (
    COMMAND_LINE,
    LOCKED,
    WAITING,
    Words,
    command,
    for_earlier,
    name_of,
    unreachable,
    without_origin,
)
from kernelbus.shell.dialing import dial
from wstp import Expr, Function, Symbol

__all__ = ["KernelRefused", "Session", "SessionError", "connect_command", "kept_for", "proves", "reconnect_command", "rules_of"]

_CONNECT_SECONDS = 10.0
# The server gives up on a kernel sooner, and says so; this limit is for a silent server.
_KERNEL_SECONDS = 180.0



class SessionError(Exception):
    """There is no server, or it gave no kernel; the text says which and why."""


class KernelRefused(SessionError):
    """The server gave no kernel.

    Attributes:
        tag: the server's word for why; "" without one.
        reason: the server's text alone.
    """

    def __init__(self, tag: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.tag = tag
        self.reason = reason

    @property
    def gone(self) -> bool:
        """Whether the named kernel does not exist any more."""
        return self.tag == "unknownkernel"


def proves(token: str, ask: Callable[[Function], Expr]) -> bool:
    """Prove to a server that we know its token; return whether the server has proved it as well.

    Args:
        token: it is not sent.
        ask: gives the server a command, and returns the answer.
    """
    own = secrets.token_urlsafe(SHORTEST)
    number = ask(command("Authenticate", "Challenge", own))
    if not isinstance(number, str) or number == own:
        return False
    answer = ask(command("Authenticate", "Proof", client_proof(token, own, number)))
    return same(answer, server_proof(token, own, number))


def connect_command(
    kernel: str = "", *, pool: str = "", parallel: bool = False, profile: str = "", keep: bool = True
) -> Function:
    """Return the command for a fresh kernel, or for a named one without its earlier output.

    `keep`: whether the kernel lives on when the link closes. It is said in the same command, so
    that no kernel is left behind if the client dies just after it.
    """
    options: dict[Expr, Expr] = {"KeepAlive": Symbol("True" if keep else "False"), "Progress": Symbol("True")}
    if pool:
        options["Pool"] = pool
    if parallel:
        options["Parallel"] = Symbol("True")
    if profile:
        options["Profile"] = profile
    return command("ConnectKernel", *([kernel] if kernel else []), options)


def reconnect_command(kernel: str, point: int | None = None, *, profile: str = "", keep: bool = True) -> Function:
    """Return the command for a named kernel and its output from packet `point` on.

    None for `point` asks for all missed output that the server still knows. `keep`: whether the
    kernel lives on when the link closes.
    """
    rules = [Symbol("Rule")("Resume", Symbol("True") if point is None else point)]
    rules += [Symbol("Rule")("KeepAlive", Symbol("True" if keep else "False")), Symbol("Rule")("Progress", Symbol("True"))]
    if profile:
        rules.append(Symbol("Rule")("Profile", profile))
    return command("Reconnect", kernel, *rules)


@dataclass(slots=True)
class _Heard:
    """What came before an answer: the name of the last message, and the texts."""

    on_wait: Callable[[str], None] | None = None
    message: tuple[str, str] = ("", "")
    said: list[str] = field(default_factory=list)
    waits_for: str = ""

    def waits(self, text: str) -> None:
        """Note what the kernel is waited for."""
        self.waits_for = text
        if self.on_wait is not None:
            self.on_wait(text)

    @property
    def text(self) -> str:
        return "; ".join(self.said)


class Session:
    """An attached kernel, and the link to it. A context manager: leaving it closes the link.

    One thread may read (:meth:`next`) while another writes.

    Attributes:
        address: the server.
        token: what is given to a server that wants its token first.
        given: the same, if the server wanted it; else "".
        kernel: the kernel's id.
        pool: its pool.
        link: the link to the server.
        position: how many packets of the session's output have been read, by this link or before
            it: the resume point.
    """

    def __init__(
        self,
        address: Address,
        request: Function,
        *,
        token: str = "",
        prove: bool = False,
        timeout: float | None = None,
        patience: float | None = None,
        on_wait: Callable[[str], None] | None = None,
        words: Words = COMMAND_LINE,
    ) -> None:
        """Connect, and attach a kernel.

        Args:
            address: the server.
            request: :func:`connect_command` or :func:`reconnect_command`.
            token: what is given to a server that wants its token first.
            prove: whether the server has to prove that it knows the token, which it is not told: it
                was found by what anybody can advertise.
            timeout: seconds in which the kernel must come; None: as long as the server waits.
            patience: seconds in which the server must be reached and say its first word, which it
                says soon, if only that a kernel is waited for; None: no other limits than usual.
            on_wait: called with what the kernel is waited for, when that takes longer; also later,
                by :meth:`next`, while the kernel still works for an earlier client.
            words: how errors say what to do.

        Raises:
            KernelRefused: the server refused.
            SessionError: there is no server, or its answer is of no use.
        """
        self.address = address
        self.token = token
        self._prove = prove
        self._words = words
        self.given = ""
        self.kernel = ""
        self.pool = ""
        self.position = 0
        self._on_wait = on_wait
        self._backlog: deque[Function] = deque()
        self._frontend_speaks = False
        try:
            self.link = dial(address, min(patience or _CONNECT_SECONDS, _CONNECT_SECONDS))
        except (wstp.WSTPError, OSError) as error:
            raise SessionError(unreachable(address, error)) from None
        try:
            self._attach(request, token, timeout, patience, on_wait)
        except BaseException:
            self.link.abort()
            raise

    def _attach(
        self,
        request: Function,
        token: str,
        timeout: float | None,
        patience: float | None,
        on_wait: Callable[[str], None] | None,
    ) -> None:
        # The kernel's id comes back last: then all answers before it have come.
        asked = ("PoolName", "ResumePoint", "KernelID")
        sent = [request, *(command(name) for name in asked)]
        seconds = _KERNEL_SECONDS if timeout is None else min(timeout, _KERNEL_SECONDS)
        deadline = time.monotonic() + seconds
        heard = _Heard(on_wait)
        try:
            self._send(sent)
            if patience is not None:
                self._expect_word(min(patience, seconds))
            answer = self._answer(deadline, heard)
            if heard.message == LOCKED:
                if not token:
                    raise self._refused("token", self._words.no_token)
                for _ in sent[1:]:
                    self._answer(deadline, _Heard())
                heard = _Heard(on_wait)
                if self._prove:
                    self._check_proof(token, deadline)
                    self._send(sent)
                    answer = Symbol("True")
                else:
                    self._send([command("Authenticate", token), *sent])
                    answer = self._answer(deadline, heard)
                if answer == Symbol("True"):
                    self.given = token
                    answer = self._answer(deadline, heard)
            if not isinstance(answer, str) and (plain := for_earlier(request.args, heard.text)) is not None:
                for _ in sent[1:]:
                    self._answer(deadline, _Heard())
                heard = _Heard(on_wait)
                self._send([Function(request.head, *plain), *sent[1:]])
                answer = self._answer(deadline, heard)
            if not isinstance(answer, str):
                raise self._refused(heard.message[1], heard.text or "it refused")
            self.kernel = answer
            answers: list[Function] = []
            while (packet := self._get(deadline)) != Symbol("ReturnPacket")(self.kernel):
                answers.append(packet)
        except wstp.LinkTimeout:
            why = f": {heard.waits_for}" if heard.waits_for else ""
            raise self._refused("", f"none came in {seconds:g} s{why}") from None
        except wstp.WSTPError as error:
            raise self._refused(heard.message[1], "; ".join(filter(None, [heard.text, str(error)]))) from None
        self.pool, self.position, rest = _told(answers)
        self._backlog.extend(rest)

    def _check_proof(self, token: str, deadline: float) -> None:
        """Prove that we know the token, and have the server prove it, too.

        Raises:
            KernelRefused: it does not.
        """
        if not proves(token, lambda asked: self._put_and_hear(asked, deadline)):
            raise self._refused("token", self._words.unproven)

    def _put_and_hear(self, asked: Function, deadline: float) -> Expr:
        self._send([asked])
        return self._answer(deadline, _Heard())

    def _expect_word(self, seconds: float) -> None:
        """Wait for the server's first packet, which stays where it is.

        Raises:
            SessionError: none came in time.
        """
        if not self.link.wait(timeout=seconds).data:
            raise SessionError(f"the server at {self.address.place} does not answer: it has said nothing in {seconds:g} s")

    def _send(self, sent: Sequence[Function]) -> None:
        for expression in sent:
            self.link.put(expression, end_packet=True)
        self.link.flush(timeout=_CONNECT_SECONDS)

    def _answer(self, deadline: float, heard: _Heard) -> Expr:
        """Return the next answer to a command, and note what was said before it."""
        # Packets before the answer come from a kernel that was attached unasked, too.
        while name_of((packet := self._get(deadline)).head) != "ReturnPacket":
            if name_of(packet.head) == "MessagePacket" and len(packet.args) == 2:
                heard.message = name_of(packet.args[0]), str(packet.args[1])
            elif name_of(packet.head) == "TextPacket" and heard.message == WAITING and packet.args:
                heard.message = ("", "")
                heard.waits(without_origin(str(packet.args[0])))
            elif name_of(packet.head) == "TextPacket":
                heard.said += [str(argument).strip() for argument in packet.args[:1]]
        return packet.args[0] if packet.args else Symbol("Null")

    def _refused(self, tag: str, reason: str) -> KernelRefused:
        reason = without_origin(reason)
        return KernelRefused(tag, reason, f"the server at {self.address.place} gave no kernel: {reason}")

    def _get(self, deadline: float | None) -> Function:
        return _as_packet(self.link.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0)))

    def next(self, timeout: float | None = None) -> Function:
        """Return the next packet, and count it.

        A packet that cannot be read comes behind a text that says so, and has `$Failed` in the
        place of what is wrong.

        Args:
            timeout: seconds; None: no limit.

        Raises:
            wstp.LinkTimeout: none came in time.
            wstp.WSTPError: the link has ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            packet = self._backlog.popleft() if self._backlog else self._get(deadline)
        except wstp.PacketFault as fault:
            self._backlog.append(_as_packet(fault.expr))
            # This program says so itself: the session's count has no such packet.
            return Symbol("TextPacket")(f"the kernel sent what cannot be read: {fault}\n")
        if _is_waiting(packet):
            # The server says this itself, in two packets, and the session's count has neither.
            text = self._backlog.popleft() if self._backlog else self._get(deadline)
            if self._on_wait is not None and text.args:
                self._on_wait(without_origin(str(text.args[0])))
            return self.next(None if deadline is None else max(deadline - time.monotonic(), 0.0))
        if self.table(packet) is None and not self._of_frontend(packet):
            self.position += 1
        return packet

    def _of_frontend(self, packet: Function) -> bool:
        """Whether a packet is the frontend's own word, which the session's count does not have.

        It says why the link ends; the session may be there again later. It is a message and the
        text of it.
        """
        follows, self._frontend_speaks = self._frontend_speaks, False
        if name_of(packet.head) == "MessagePacket" and packet.args[:1] == (Symbol("WSTPServer`ConnectKernel"),):
            self._frontend_speaks = True
            return True
        return follows

    def put(self, expression: Expr) -> None:
        """Send an expression."""
        self.link.put(expression, end_packet=True)
        self.link.flush()

    def command(self, name: str, *arguments: Expr) -> None:
        """Send a command to the server; its answer comes among the packets."""
        self.put(command(name, *arguments))

    def wait_for(self, answer: Expr, seconds: float = 10.0) -> bool:
        """Read until a command has this answer, the link has ended, or the time is up.

        Args:
            answer: the answer; None: any text.
            seconds: the time.

        Returns:
            Whether the answer came, or the link has ended, so that nobody needs it.
        """
        deadline = time.monotonic() + seconds
        try:
            while True:
                packet = self._get(deadline)
                if packet == Symbol("ReturnPacket")(answer):
                    break
                if answer is None and name_of(packet.head) == "ReturnPacket" and isinstance(packet.args[0], str):
                    break
        except wstp.LinkTimeout:
            return False
        except wstp.WSTPError:
            pass
        return True

    def table(self, packet: Function) -> dict[str, Expr] | None:
        """Return what an answer to the command Kernels[] says of this kernel.

        None for any other packet.
        """
        if name_of(packet.head) != "ReturnPacket" or len(packet.args) != 1:
            return None
        for key, value in rules_of(packet.args[0]):
            if key == self.kernel:
                return {str(name): entry for name, entry in rules_of(value)}
        return None

    def describe(self, seconds: float = 2.0) -> dict[str, Expr] | None:
        """Ask the server what it says of the kernel; None: it does not answer in time.

        Packets of the kernel that come before the answer are kept for :meth:`next`.
        """
        deadline, passed = time.monotonic() + seconds, list[Function]()
        try:
            self.command("Kernels")
            while (table := self.table(packet := self._get(deadline))) is None:
                passed.append(packet)
        except wstp.WSTPError:
            return None  # the link has ended, or the server is slow: nothing is known
        finally:
            self._backlog.extend(passed)
        return table

    def close(self) -> None:
        """Close the link; the kernel lives on, or not, as the request said."""
        self.link.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_waiting(packet: Function) -> bool:
    return name_of(packet.head) == "MessagePacket" and len(packet.args) == 2 and (name_of(packet.args[0]), packet.args[1]) == WAITING


def _as_packet(expression: Expr) -> Function:
    # A kernel may send what is no packet; it is counted and shown all the same.
    return expression if isinstance(expression, Function) else Symbol("ReturnPacket")(expression)


def kept_for(table: dict[str, Expr] | None, *, busy: bool = False) -> str:
    """Say for how long a kernel is kept without a client, by its entry of Kernels[]; "" if unknown.

    `busy`: whether it evaluates.
    """
    safe = None if table is None else table.get("SafeBusy" if busy else "Safe")
    if not isinstance(safe, int | float):
        return ""
    if not safe:
        return "until somebody ends it"
    units = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
    size, unit = next(((size, unit) for size, unit in units if safe >= 2 * size), units[-1])
    ends = table is not None and table.get("SafeBusyEnds" if busy else "SafeEnds") == Symbol("True")
    return f"for {safe / size:.3g} {unit} without use{'' if ends else ', and longer while nobody needs its place'}"


def _told(answers: Sequence[Function]) -> tuple[str, int, list[Function]]:
    """Return the pool's name, the resume point, and what came from the kernel among their answers.

    The resume point that is returned is that of the first of these packets: what came before the
    answer is counted in it, and what came behind is not.
    """
    point = _last_answer(answers, int)
    pool = _last_answer(answers[:point], str) if point is not None else None
    if point is None or pool is None:
        return "", 0, list(answers)
    rest = [answer for index, answer in enumerate(answers) if index not in (pool, point)]
    return str(answers[pool].args[0]), cast(int, answers[point].args[0]) - (point - 1), rest


def _last_answer(answers: Sequence[Function], kind: type) -> int | None:
    """Return the place of the last answer whose value is a `kind`; None without one."""
    for index in reversed(range(len(answers))):
        answer = answers[index]
        if name_of(answer.head) == "ReturnPacket" and len(answer.args) == 1 and isinstance(answer.args[0], kind):
            return index
    return None


def rules_of(value: Expr) -> Sequence[tuple[Expr, Expr]]:
    """Return the keys and values of an association; none for any other value."""
    if not isinstance(value, Function) or name_of(value.head) != "Association":
        return ()
    rules = [rule for rule in value.args if isinstance(rule, Function) and len(rule.args) == 2]
    return [(rule.args[0], rule.args[1]) for rule in rules]
