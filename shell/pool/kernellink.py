"""One kernel of a server over one blocking link: one thread evaluates, any thread aborts.

An abort is sent only after its request has been written, since before that it would abort nothing.
It is followed by an evaluation of no consequence, which takes an abort that came too late. One that
comes too early aborts nothing: data and messages travel on two connections, and on the way (packets
that are sent again, a proxy) a message can overtake the request. So it is sent again until there is
an answer. A kernel
that is not kept is attached with `"KeepAlive" -> False`, so that it ends with the link, whatever
happens to the program.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import wstp
from kernelbus.shell.address import Address
from kernelbus.shell.clients.ending import ending, how_it_ended
from kernelbus.shell.commands import (
    CONTEXT,
    LOCKED,
    PYTHON,
    WAITING,
    command,
    for_earlier,
    name_of,
    unreachable,
    without_origin,
)
from kernelbus.shell.dialing import dial
from kernelbus.shell.pool.missed import lost as why_lost
from kernelbus.shell.pool.said import (
    EvaluationAborted,
    EvaluationError,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    KernelPoolError,
    NoKernel,
    TokenRefused,
)
from kernelbus.shell.token import TokenError, find_token
from wstp import Expr, Function, MessageCode, Symbol
from wstp.lexer import Buffer

__all__ = [
    "EvaluationAborted",
    "EvaluationError",
    "EvaluationFailed",
    "KernelDied",
    "KernelLink",
    "KernelMessage",
    "KernelPoolError",
    "NoKernel",
    "TokenRefused",
    "encode",
]

_log = logging.getLogger("kernelbus.kernelpool")

_EVALUATE = Symbol("EvaluatePacket")
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 3.0
_TICK = 0.1
# Seconds in which the server has to say how a kernel ended.
_HOW_SECONDS = 2.0
# An abort that has no effect in so many seconds is sent again; no sooner than a server with usual
# settings (`Limits`/`AbortTimeout`) would send a signal. One that is asked for twice within the
# second time is one.
_AGAIN = 10.0
_TWICE = 0.5
# How many of the evaluations that take late aborts may be aborted, before the kernel counts as
# dead.
_FENCES = 10


def encode(expression: Expr) -> list[Buffer]:
    """Return the bytes that ask a kernel to evaluate `expression`; large arrays are not copied.

    Raises:
        TypeError: it holds a value that stands for no expression.
    """
    return [*wstp.write_expression(_EVALUATE(expression)), b"]"]


class KernelLink:
    """A kernel that this program alone uses.

    Attributes:
        identity: the kernel's id.
    """

    def __init__(
        self,
        link: wstp.Link,
        identity: str,
        *,
        server: tuple[Address, str] | None = None,
        reader: Callable[[float | None], Function] | None = None,
    ) -> None:
        """Take a link at which the server has attached a kernel.

        Args:
            link: the link.
            identity: the kernel's id.
            server: the server, and the token that it wants; it is asked how the kernel ended. None:
                nobody is.
            reader: returns the next packet within so many seconds (None: no limit), or raises
                `wstp.LinkTimeout`; None: the link's own reading.
        """
        self.identity = identity
        self._link = link
        self._server = server
        self._ended = ""  # what is known of how the kernel ended
        self._early: deque[Function] = deque()  # packets that came before an evaluation
        self._next: Callable[[float | None], Function] = reader or link.next_packet
        # Guards the five attributes below.
        self._lock = threading.Lock()
        self._running: object = None
        self._sent = False
        self._aborting = False
        self._aborted_at = 0.0
        self._again: threading.Timer | None = None
        self._prompted = False
        self._closed = False

    @classmethod
    def attach(
        cls,
        address: Address,
        *,
        timeout: float,
        stop: Callable[[], bool],
        kernel: str = "",
        parallel: bool = True,
        keep: bool = False,
        token: str | None = None,
    ) -> KernelLink:
        """Ask the server for a kernel.

        Args:
            address: the server, and the pool of a fresh kernel.
            timeout: seconds for all of it.
            stop: called while waiting; True gives up.
            kernel: the id of an existing kernel; "" for a fresh one.
            parallel: whether a fresh kernel is one for parallel work where no pool is named.
            keep: whether the kernel outlives the link.
            token: what is given to a server that wants its token first; None: the one that
                :func:`kernelbus.shell.token.find_token` finds.

        Raises:
            NoKernel: there is no server, or it gave no kernel in time; the text says which and why.
            TokenRefused: the server wants its token, and none is known, or a wrong one.
        """
        deadline = time.monotonic() + timeout
        try:
            token = find_token(address.host) if token is None else token
        except TokenError as error:
            raise TokenRefused(str(error)) from None
        try:
            link = dial(address, min(timeout, _CONNECT_SECONDS))
        except (wstp.WSTPError, OSError) as error:
            raise NoKernel(unreachable(address, error)) from None
        # A kernel that is not kept ends with the link, whatever happens to this program and when.
        options: dict[Expr, Expr] = {"KeepAlive": Symbol("True" if keep else "False"), "Progress": Symbol("True")}
        kind = NoKernel
        if address.pool and not kernel:
            options["Pool"] = address.pool
        elif parallel and not kernel:
            options["Parallel"] = Symbol("True")
        wanted: list[Expr] = [kernel, options] if kernel else [options]
        try:
            try:
                identity = _ask_for_kernel(link, wanted, deadline=deadline, stop=stop)
            except _Refused as refused:
                if refused.message != LOCKED:
                    raise
                if not token:
                    raise _Refused(PYTHON.no_token, LOCKED) from None
                _ask(link, "Authenticate", token, deadline=deadline, stop=stop)
                identity = _ask_for_kernel(link, wanted, deadline=deadline, stop=stop)
            if isinstance(identity, str):
                return cls(link, identity, server=(address, token))
            why = "it refused"
        except _Refused as error:
            why, kind = str(error), TokenRefused if error.message[0] == LOCKED[0] else NoKernel
        except wstp.LinkTimeout:
            why = f"none came in {timeout:g} s"
        except wstp.WSTPError as error:
            why = str(error)
        except BaseException:
            link.close()
            raise
        link.close()
        raise kind(f"the server at {address} gave no kernel: {' '.join(why.split())}")

    def begin(self, token: object) -> None:
        """Name the next evaluation, for :meth:`abort`."""
        with self._lock:
            self._running, self._sent, self._aborting = token, False, False

    def ended(self) -> KernelDied | None:
        """Return how the kernel ended, if its link has ended meanwhile; None: it is there."""
        try:
            while self._link.wait(0.0).data:
                self._early.append(self._next(0.0))
        except wstp.LinkTimeout:
            pass  # a part of a packet
        except wstp.WSTPError as error:
            return self._died(error)
        return None

    def evaluate(
        self,
        request: Sequence[Buffer],
        *,
        on_message: Callable[[KernelMessage], None],
        on_print: Callable[[str], None],
        on_rendering: Callable[[Expr], None] | None = None,
        on_question: Callable[[str], str | None] | None = None,
    ) -> Expr:
        """Evaluate, and return the value.

        Args:
            request: what :func:`encode` returned.
            on_message: called with each message as it comes.
            on_print: called with each printed text as it comes.
            on_rendering: called with what a packet for front ends has, which is about the text that
                is printed next.
            on_question: called with the prompt of what the evaluation asks, and returns the answer;
                None, or its None: there is nobody.

        Raises:
            KernelDied: the kernel, or the link to it, is gone.
        """
        try:
            self._link.put_raw(request)
            self._link.flush()
            with self._lock:
                # Only now does an abort have something to abort.
                self._sent = True
                if self._aborting:
                    self._send_abort()
            value = self._answer(on_message, on_print, on_rendering, on_question)
        except wstp.WSTPError as error:
            raise self._died(error) from None
        finally:
            aborted = self._done()
        if aborted:
            self._fence()
        return value

    def catch_up(self, take: Callable[[Function], None], *, stop: Callable[[], bool], answers: bool) -> None:
        """Read what the kernel says to earlier clients, until it is free for this one.

        Between :meth:`begin` and the end of this, :meth:`abort` aborts what an earlier client asked
        for.

        Args:
            take: called with each packet.
            stop: called while waiting; True gives up.
            answers: whether to answer what the kernel asks: else another client has.

        Raises:
            KernelDied: the kernel, or the link to it, is gone; or `stop` gave up.
        """
        # The kernel answers a mark after everything that it was asked before.
        marks: list[Expr] = []
        try:
            self._put_mark(marks)
            with self._lock:
                self._sent = True
                if self._aborting:
                    self._send_abort()
            while True:
                try:
                    packet = self._next(_TICK)
                except wstp.LinkTimeout:
                    if stop():
                        raise KernelDied("the session was closed before the kernel was free") from None
                    continue
                except wstp.PacketFault as fault:
                    take(Symbol("TextPacket")(f"the kernel sent what cannot be read: {fault}"))
                    continue
                if packet == Symbol("ReturnPacket")(marks[-1]):
                    break
                if any(packet == Symbol("ReturnPacket")(mark) for mark in marks):
                    continue
                if self._aborting and packet == Symbol("ReturnPacket")(Symbol("$Aborted")):
                    # It may be the mark that was aborted.
                    self._put_mark(marks)
                take(packet)
                if answers:
                    self._answer_question(packet, _ignore)
        except wstp.WSTPError as error:
            raise self._died(error) from None
        finally:
            self._done()
        self._prompted = True

    def _put_mark(self, marks: list[Expr]) -> None:
        if len(marks) > _FENCES:
            raise KernelDied("the kernel answers nothing but $Aborted")
        marks.append(f"kernelbus {uuid.uuid4()}")
        self._link.put_raw(encode(marks[-1]))
        self._link.flush()

    def abort(self, token: object) -> None:
        """Abort the evaluation `token`, if it is the one that runs.

        A second time aborts what goes on after the first, as `CheckAbort` does.
        """
        with self._lock:
            if self._running is token:
                twice = self._aborting and time.monotonic() - self._aborted_at < _TWICE
                self._aborting = True
                if self._sent and not twice:
                    self._send_abort()

    def _send_abort(self) -> None:
        """Send an abort now, and once more later unless there is an answer; the lock is held."""
        self._aborted_at = time.monotonic()
        try:
            self._link.put_message(MessageCode.ABORT)
        except wstp.WSTPError:
            return  # the link is gone: the evaluating thread notices
        if self._again is not None:
            self._again.cancel()
        self._again = threading.Timer(_AGAIN, self.abort, (self._running,))
        self._again.daemon = True
        self._again.start()

    def _done(self) -> bool:
        """Note that nothing runs any more; return whether it was to be aborted."""
        with self._lock:
            self._running, aborted = None, self._aborting
            if self._again is not None:
                self._again.cancel()
                self._again = None
        return aborted

    def close(self) -> None:
        """End the kernel and the link. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            _ask(self._link, "CloseKernel", deadline=time.monotonic() + _CLOSE_SECONDS, stop=lambda: False)
        except (wstp.WSTPError, _Refused):
            pass  # a kernel that does not answer ends with its link, since it is not kept
        self._link.close()

    def leave(self) -> None:
        """Close the link and leave the kernel to its server, which keeps it if it was told to."""
        self._closed = True
        self._link.close()

    def _answer(
        self,
        on_message: Callable[[KernelMessage], None],
        on_print: Callable[[str], None],
        on_rendering: Callable[[Expr], None] | None = None,
        on_question: Callable[[str], str | None] | None = None,
    ) -> Expr:
        """Read packets up to the answer, and return its value.

        Raises:
            KernelDied: the kernel is gone, or was replaced by another.
        """
        told: tuple[str, str] | None = None  # the name of a message, whose text is the next packet
        lost = ""
        dialogs = 0  # each has a prompt of its own
        while True:
            try:
                packet = self._early.popleft() if self._early else self._next(None)
            except wstp.PacketFault as fault:
                # The answer has $Failed in the place of what cannot be read.
                packet = fault.expr if isinstance(fault.expr, Function) else Function(Symbol("Sequence"))
                on_message(KernelMessage("Link", fault.what, f"the kernel sent what cannot be read: {fault}"))
            except wstp.WSTPError as error:
                self._ended = lost or self._ended
                raise self._died(error) from None
            match name_of(packet.head), packet.args:
                case "ReturnPacket", args:
                    if lost:
                        raise KernelDied(lost)
                    return args[0] if len(args) == 1 else Function("Sequence", *args)
                case "MessagePacket", (symbol, tag, *_):
                    told = (name_of(symbol) or str(symbol), str(tag))
                case "TextPacket", (text, *_) if told is not None:
                    if told == WAITING:
                        _say_waiting(text)
                    elif told[0].startswith(CONTEXT + "Kernel"):
                        lost = why_lost(str(text), told[1])
                    else:
                        on_message(KernelMessage(*told, str(text)))
                    told = None
                case "TextPacket", (text, *_):
                    on_print(str(text))
                case "BeginDialogPacket" | "EndDialogPacket" as head, _:
                    dialogs += 1 if head == "BeginDialogPacket" else -1
                    if on_question is None:
                        self._answer_question(packet, on_message)
                case "InputNamePacket", _ if not dialogs:
                    if self._prompted:
                        raise KernelDied(lost or "the kernel ended, and the server put another in its place")
                    self._prompted = True
                case "InputPacket" | "InputStringPacket" | "InputNamePacket" as head, args if on_question is not None:
                    answer = on_question(str(args[0]) if args else "")
                    if answer is not None:
                        self._link.put(Symbol("TextPacket" if head == "InputStringPacket" else "EnterTextPacket")(answer), end_packet=True)
                        self._link.flush()
                    else:
                        self._answer_question(packet if head != "InputNamePacket" else Symbol("BeginDialogPacket")(dialogs), on_message)
                case "ReturnTextPacket", (text, *_) if dialogs:
                    on_print(f"{text}\n")
                case "ExpressionPacket", (rendering,) if on_rendering is not None:
                    on_rendering(rendering)
                case _:
                    self._answer_question(packet, on_message)

    def _died(self, error: wstp.WSTPError) -> KernelDied:
        """Return the error that says how the kernel ended, or what became of the link."""
        if not self._ended and self._server is not None and isinstance(error, wstp.LinkClosed):
            self._ended = ending(how_it_ended(self._server[0], self.identity, self._server[1], seconds=_HOW_SECONDS))
        self._ended = self._ended or f"the kernel is gone: {error}"
        return KernelDied(self._ended)

    def _answer_question(self, packet: Function, on_message: Callable[[KernelMessage], None]) -> None:
        """Answer a packet that asks for something, since nobody else can; pass over any other."""
        head = name_of(packet.head)
        match head:
            case "InputPacket" | "InputStringPacket":
                asked = "".join(str(text) for text in packet.args[:1]).strip()
                text = "the code asks for input" + (f" ({asked})" if asked not in ("", "?") else "") + ", and nobody can answer here"
                on_message(KernelMessage(head.removesuffix("Packet"), "nobody", text))
                self._link.put(Symbol("EndOfFile"), end_packet=True)
                self._link.flush()
            case "MenuPacket":
                self._link.put("a", end_packet=True)
                self._link.flush()
            case "BeginDialogPacket":
                text = "the code opens a dialog, and nobody can answer here (kernelbus repl can hold one)"
                on_message(KernelMessage("Dialog", "nobody", text))
                self._link.put_message(MessageCode.ABORT)
            case _:
                pass  # a packet for front ends

    def _fence(self) -> None:
        """Evaluate something of no consequence, so that a late abort spares the next evaluation.

        Raises:
            KernelDied: the kernel is gone, or answers nothing but $Aborted.
        """
        marks: list[Expr] = []
        try:
            self._put_mark(marks)
            # The answer to a question that was under way is evaluated, and answered, as an input of
            # its own where the abort has ended the question before.
            while (value := self._answer(_ignore, _ignore)) != marks[-1]:
                if value == Symbol("$Aborted"):
                    # It may be the mark that was aborted.
                    self._put_mark(marks)
        except wstp.WSTPError as error:
            raise self._died(error) from None


class _Refused(Exception):
    """The server refused a command; the text says why, and `message` is the name of its message."""

    def __init__(self, text: str, message: tuple[str, str] = ("", "")) -> None:
        super().__init__(text)
        self.message = message


def _ask_for_kernel(link: wstp.Link, wanted: Sequence[Expr], *, deadline: float, stop: Callable[[], bool]) -> Expr:
    """Ask for a kernel, as :func:`_ask` does, also a server of an earlier version."""
    try:
        return _ask(link, "ConnectKernel", *wanted, deadline=deadline, stop=stop)
    except _Refused as refused:
        plain = for_earlier(wanted, str(refused))
        if plain is None:
            raise
    return _ask(link, "ConnectKernel", *plain, deadline=deadline, stop=stop)


def _ask(link: wstp.Link, name: str, *arguments: Expr, deadline: float, stop: Callable[[], bool]) -> Expr:
    """Give a command to the server, and return its answer. Earlier packets are passed over.

    Raises:
        _Refused: the server refused, or `stop` gave up.
        wstp.WSTPError: the link is gone, or the deadline passed.
    """
    link.put(command(name, *arguments), end_packet=True)
    link.flush(timeout=max(deadline - time.monotonic(), 0.0))
    said: list[str] = []
    message = ("", "")
    while True:
        try:
            packet = link.next_packet(timeout=max(0.0, min(_TICK, deadline - time.monotonic())))
        except wstp.LinkTimeout:
            if stop():
                raise _Refused("it was not wanted any more") from None
            if time.monotonic() >= deadline:
                raise
            continue
        except (wstp.LinkClosed, wstp.LinkLost) as error:
            raise _Refused("; ".join([*said, str(error)]), message) from None
        match name_of(packet.head), packet.args:
            case "MessagePacket", (symbol, tag, *_):
                message = name_of(symbol), str(tag)
            case "TextPacket", (text, *_) if message == WAITING:
                message = ("", "")
                _say_waiting(text)
            case "TextPacket", (text, *_):
                said.append(without_origin(str(text)))
            case "ReturnPacket", (Symbol(name="$Failed"),):
                raise _Refused("; ".join(said) or "it refused", message)
            case "ReturnPacket", (value,):
                return value


def _say_waiting(text: Expr) -> None:
    _log.warning("waiting for a kernel: %s", " ".join(str(text).partition("::waiting: ")[2].split()))


def _ignore(_: object) -> None:
    """Ignore an output."""
