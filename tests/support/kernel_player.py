"""A thread that serves WSTP links in UUID mode and answers as a kernel, by the script of a test.

It replaces a whole server where a client is under test: there is no bus behind it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import wstp
from kernelbus.shell.clients.forms import full_form
from wstp import Expr, Function, Symbol

__all__ = ["KERNEL", "KernelPlayer", "Play", "message", "packet"]

#: Packets to send for one code, or a function that is given the player and its link.
Play: TypeAlias = Sequence[Function] | Callable[["KernelPlayer", wstp.Link], None]

_TICK = 0.05

#: The id of the kernel that is played.
KERNEL = "played-kernel"


def packet(name: str, *arguments: Any) -> Function:
    """Make the packet called `name`."""
    return Symbol(name)(*arguments)


def message(symbol: str, tag: str, text: str) -> list[Function]:
    """Make the two packets of a kernel's message."""
    return [packet("MessagePacket", Symbol(symbol), tag), packet("TextPacket", text)]


class KernelPlayer:
    """Accepts one link after the other, and answers each evaluation from `plays`, by its code.

    Attributes:
        links: how many links have been accepted.
        codes: what was evaluated, in order.
        commands: the commands to the server, in order.
        messages: the codes of the WSTP messages that came.
        closed: how many kernels were ended by CloseKernel[].
        ended: set when a link has ended, in whatever way.
    """

    def __init__(
        self,
        plays: dict[str, Play],
        *,
        greeting: Sequence[Function] = (packet("InputNamePacket", "In[1]:= "),),
        refuse: bool = False,
        closes: bool = True,
        how: str = "",
    ) -> None:
        """Start.

        Args:
            plays: the answers, by code.
            greeting: what a client is sent that attaches.
            refuse: whether no client gets a kernel.
            closes: whether CloseKernel[] is answered.
            how: how the kernel has ended, for whoever asks for it later.
        """
        self.links = 0
        self.codes: list[str] = []
        self.kernels: dict[Expr, Expr] = {}  # what Kernels[] answers
        self.commands: list[Function] = []
        self.messages: list[int] = []
        self.ended = threading.Event()
        self._plays = plays
        self._greeting = greeting
        self.closed = 0
        self._refuse = refuse
        self._closes = closes
        self._how = how
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._listener = wstp.listen(0, mode="uuid", host="127.0.0.1")
        self._thread = threading.Thread(target=self._serve, name=f"player-{self.port}", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._listener.port

    @property
    def server(self) -> str:
        """The server's address, PORT@HOST."""
        return f"{self.port}@127.0.0.1"

    def close(self) -> None:
        """End the thread; an error of the player is an error of the test."""
        self._stop.set()
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive()
        if self._fault is not None:
            raise self._fault

    def await_message(self, link: wstp.Link, code: int) -> None:
        """Play a kernel that is busy until the message `code` comes."""
        while not self._stop.is_set():
            self._read_messages(link, _TICK)
            if code in self.messages:
                return

    def wait_until(self, condition: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait for `condition`, at most until the player is closed; return its value."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline and not self._stop.wait(0.01):
            pass
        return condition()

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    link = self._listener.accept(timeout=_TICK)
                except wstp.LinkTimeout:
                    continue
                self.links += 1
                with link:
                    try:
                        self._play(link)
                    except (wstp.LinkClosed, wstp.LinkLost):
                        pass  # the client has gone; what it did is recorded
                    finally:
                        self._read_messages(link, 0)
                self.ended.set()
        except BaseException as fault:
            self._fault = fault

    def _read_messages(self, link: wstp.Link, timeout: float) -> None:
        try:
            link.wait(timeout=timeout)
        except (wstp.LinkClosed, wstp.LinkLost):
            self._stop.wait(_TICK)
        while (found := link.get_message()) is not None:
            self.messages.append(int(found.code))

    def _play(self, link: wstp.Link) -> None:
        while not self._stop.is_set():
            try:
                asked = link.next_packet(timeout=_TICK)
            except wstp.LinkTimeout:
                continue
            if isinstance(asked.head, Symbol) and asked.head.name.startswith("WSTPServer`"):
                self._command(link, asked)
                if self._refuse:
                    return
                continue
            code = _code(asked)
            self.codes.append(code)
            value = code[1:-1] if code.startswith('"kernelbus ') else f"value of {code}"  # a mark is its own value
            play = self._plays.get(code, [packet("ReturnPacket", value)])
            if callable(play):
                play(self, link)
            else:
                self._send(link, play)

    def _command(self, link: wstp.Link, asked: Function) -> None:
        self.commands.append(asked)
        if not self._greeting:
            return
        assert isinstance(asked.head, Symbol)
        match asked.head.name.removeprefix("WSTPServer`"):
            case "Kernels":
                self._send(link, [packet("ReturnPacket", self.kernels)])
            case "Reconnect" if self._how:
                text = f"WSTPServer`Reconnect::unknownkernel: the kernel {self._how}"
                self._send(link, [*message("WSTPServer`Reconnect", "unknownkernel", text), packet("ReturnPacket", Symbol("$Failed"))])
            case "ConnectKernel" | "Reconnect":
                if not self._refuse:
                    self._send(link, [packet("ReturnPacket", KERNEL)])
                self._send(link, self._greeting)
            case "PoolName":
                self._send(link, [packet("ReturnPacket", "Played")])
            case "ResumePoint":
                self._send(link, [packet("ReturnPacket", len(self._greeting))])
            case "KernelID":
                self._send(link, [packet("ReturnPacket", KERNEL)])
            case "CloseKernel" if self._closes:
                self.closed += 1
                self._send(link, [packet("ReturnPacket", KERNEL)])
            case "KeepAlive":
                self._send(link, [packet("ReturnPacket", asked.args[0])])

    def _send(self, link: wstp.Link, packets: Sequence[Function]) -> None:
        for each in packets:
            link.put(each, end_packet=True)
        link.flush(timeout=10)


def _code(asked: Function) -> str:
    """Return the code in a request: of `kernelbus eval`, of a prompt, or as any expression."""
    (expression,) = asked.args
    if asked == packet("EnterTextPacket", expression):
        return str(expression)
    assert asked == packet("EvaluatePacket", expression)
    if isinstance(expression, Function) and expression.head == Symbol("Block"):
        expression = expression.args[1]
    if isinstance(expression, Function) and isinstance(expression.head, Function):
        # A value in another form than InputForm.
        return str(expression.args[0].args[0])
    if isinstance(expression, Function) and expression.head == Symbol("If"):
        # The value of an expression of a file, which is not shown.
        return str(expression.args[0].args[0][0].args[0])
    if isinstance(expression, Function) and expression.head == Symbol("ToString"):
        code = expression.args[0].args[0]
        assert expression == packet("ToString", packet("ToExpression", code), Symbol("InputForm"))
        return str(code)
    return full_form(expression)
