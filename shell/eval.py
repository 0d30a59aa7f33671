"""`kernelbus eval`: evaluate codes on one kernel of a server, show what comes, and leave nothing behind.

Each code travels as ``EvaluatePacket[ToString[ToExpression[code], InputForm]]``: nothing is defined in the session, In and Out stay as
they are, and the code meets the same evaluation as if it had been sent bare. What went wrong is read from what comes back: a value that
is the symbol $Failed (so also wrong syntax, of which the kernel tells in a message) or $Aborted, or an answer that is no text at all
because the evaluation never came back to ToString (aborted, or left by an uncaught Throw).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from enum import Enum
from types import FrameType
from typing import TextIO

import wstp
from wstp import Function, Symbol
from wstp.linkspec import USE_UUID

__all__ = ["Outcome", "run_eval"]

# How often a wait looks whether Ctrl-C was pressed or the time is up; data that comes ends a wait at once.
_TICK = 0.2

_CONNECT_SECONDS = 10.0
# The server gives up on a kernel sooner, and says so; this is for one that says nothing at all.
_KERNEL_SECONDS = 180.0
_ABORT_SECONDS = 10.0
_QUIT_SECONDS = 3.0

_FAILED = 1
_UNREACHABLE = 2
_INTERRUPTED = 130

_FAILURES = ("$Failed", "$Aborted")


class Outcome(Enum):
    """How one evaluation ended."""

    DONE = "done"
    FAILED = "failed"
    GONE = "gone"  #: the link closed during it
    LEFT = "left"  #: given up by us: it did not obey an abort, or Ctrl-C was pressed twice


class _NoKernelError(Exception):
    """No kernel came; the text says why."""


def run_eval(codes: Sequence[str], *, server: str, timeout: float | None = None) -> int:
    """Evaluate `codes` in order on one kernel of `server` (PORT@HOST) and give the exit status.

    Args:
        codes: Wolfram Language texts; of a text with several expressions the last one's value is shown.
        server: where the server listens.
        timeout: seconds after which an evaluation is aborted; None: no limit.

    Returns:
        0; 1: an evaluation failed or was aborted; 2: no server, or no kernel from it; 130: interrupted.
    """
    try:
        spec = _link_spec(server)
    except wstp.LinkSpecError as error:
        return _complain(f"--server {server}: {error}", _UNREACHABLE)
    try:
        link = wstp.connect(spec, mode="uuid", timeout=_CONNECT_SECONDS)
    except (wstp.WSTPError, OSError) as error:
        where = "" if spec.name in str(error) else f"{spec.name}: "
        return _complain(f"cannot reach a server: {where}{error}", _UNREACHABLE)
    with link:
        session = _Session(link, timeout)
        try:
            session.wait_for_kernel()
        except _NoKernelError as error:
            return _complain(f"the server at {spec.name} gave no kernel: {error}", _UNREACHABLE)
        except KeyboardInterrupt:
            session.abandon()
            return _INTERRUPTED
        return session.run(codes)


def _link_spec(server: str) -> wstp.LinkSpec:
    """Read PORT@HOST or PORT; without a host, this machine."""
    words = server.split()
    spec = wstp.LinkSpec.parse(words[0]) if len(words) == 1 and not server.startswith("-") else None
    if spec is None or spec.message_port is not None:
        raise wstp.LinkSpecError("write PORT@HOST, or PORT for a server on this machine")
    return wstp.LinkSpec(name=f"{spec.port}@{spec.host or '127.0.0.1'}", options=USE_UUID)


def _complain(text: str, status: int) -> int:
    sys.stdout.flush()
    print(f"kernelbus eval: {' '.join(text.split())}", file=sys.stderr)
    return status


class _Interrupts:
    """Counts Ctrl-C while a link is in use, so that none cuts a read or write of the link in two."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> _Interrupts:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 2:
            # Whatever does not look at the count must still be left.
            raise KeyboardInterrupt


class _Output:
    """A stream that can begin a new line only where one is not begun already."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fresh = True

    def write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._fresh = text.endswith("\n")

    def line(self, text: str) -> None:
        self.write(("" if self._fresh else "\n") + text.rstrip("\n") + "\n")


class _Session:
    def __init__(self, link: wstp.Link, timeout: float | None) -> None:
        self._link = link
        self._timeout = timeout
        self._out = _Output(sys.stdout)
        self._errors = _Output(sys.stderr)
        self._message = False  # the next TextPacket is a message's text

    def wait_for_kernel(self) -> None:
        """Wait for the first InputNamePacket.

        Raises:
            _NoKernelError: the server said or did something else, or nothing.
        """
        deadline = time.monotonic() + _KERNEL_SECONDS
        said: list[str] = []
        while True:
            try:
                packet = self._link.next_packet(timeout=max(deadline - time.monotonic(), 0.0))
            except wstp.LinkTimeout:
                raise _NoKernelError(f"nothing came for {_KERNEL_SECONDS:.0f} s") from None
            except wstp.WSTPError as error:
                raise _NoKernelError("; ".join([*said, str(error)])) from None
            name = _name(packet.head)
            if name == "InputNamePacket":
                return
            if name == "TextPacket":
                said += [str(argument).strip() for argument in packet.args[:1]]
            if name == "ReturnPacket":
                raise _NoKernelError("; ".join(said) or "it refused")

    def run(self, codes: Sequence[str]) -> int:
        """Evaluate `codes` in order, end the kernel, and give the exit status."""
        status, outcome = 0, Outcome.DONE
        with _Interrupts() as interrupts:
            try:
                for number, code in enumerate(codes, 1):
                    outcome = self._evaluate(code, number, interrupts)
                    status = status if outcome is Outcome.DONE else _FAILED
                    if interrupts.count or outcome in (Outcome.GONE, Outcome.LEFT):
                        break
                if interrupts.count:
                    status = _INTERRUPTED
                elif number < len(codes):
                    _complain(f"{len(codes) - number} more not evaluated", status)
                if outcome is Outcome.LEFT:
                    self.abandon()
                elif outcome is not Outcome.GONE:
                    self._quit(interrupts)
            except OSError:
                # Whoever read our output has gone.
                self.abandon()
                raise
        return status

    def abandon(self) -> None:
        """Tell the kernel to end without waiting for what it is doing."""
        try:
            self._link.put_message(wstp.MessageCode.TERMINATE)
        except wstp.WSTPError:
            pass  # the link has gone already, and with it what could be told

    def _evaluate(self, code: str, number: int, interrupts: _Interrupts) -> Outcome:
        limit = self._timeout
        deadline = None if limit is None else time.monotonic() + limit
        aborted = False
        try:
            text = Symbol("ToString")(Symbol("ToExpression")(code), Symbol("InputForm"))
            self._link.put(Symbol("EvaluatePacket")(text), end_packet=True)
            self._link.flush()
            while True:
                if not aborted and (
                    interrupts.count or (deadline is not None and time.monotonic() >= deadline)
                ):
                    if not interrupts.count:
                        _complain(f"evaluation {number} took longer than {limit:g} s: aborting it", _FAILED)
                    self._link.put_message(wstp.MessageCode.ABORT)
                    deadline = time.monotonic() + _ABORT_SECONDS
                    aborted = True
                if interrupts.count > 1:
                    return Outcome.LEFT
                if aborted and deadline is not None and time.monotonic() >= deadline:
                    _complain(
                        f"evaluation {number} did not obey the abort in {_ABORT_SECONDS:.0f} s", _FAILED
                    )
                    return Outcome.LEFT
                tick = _TICK if deadline is None else min(_TICK, max(deadline - time.monotonic(), 0.0))
                try:
                    packet = self._link.next_packet(timeout=tick)
                except wstp.LinkTimeout:
                    continue
                outcome = self._take(packet)
                if outcome is not None:
                    return outcome
        except KeyboardInterrupt:
            return Outcome.LEFT
        except wstp.LinkClosed:
            _complain(f"the kernel closed the link during evaluation {number}", _FAILED)
        except wstp.WSTPError as error:
            _complain(f"evaluation {number}: {error}", _FAILED)
        return Outcome.GONE

    def _take(self, packet: Function) -> Outcome | None:
        """Show one packet; a ReturnPacket ends the evaluation."""
        name, value = _name(packet.head), packet.args[0] if packet.args else None
        if name == "ReturnPacket":
            return self._result(value)
        if name == "MessagePacket":
            self._message = True
        elif name == "TextPacket":
            if self._message:
                self._errors.line(str(value))
            else:
                self._out.write(str(value))
            self._message = False
        elif name in ("InputPacket", "InputStringPacket"):
            # The code asks a person; there is none to answer.
            self._errors.line(f"kernelbus eval: the code asks for input ({str(value).strip()}); it gets none")
            self._link.put("" if name == "InputStringPacket" else Symbol("$Failed"), end_packet=True)
            self._link.flush()
        elif name == "MenuPacket":
            # A kernel that was interrupted asks what to do: abort.
            self._link.put("a", end_packet=True)
            self._link.flush()
        return None

    def _result(self, value: object) -> Outcome:
        if isinstance(value, str):
            self._out.line(value)
            return Outcome.FAILED if value in _FAILURES else Outcome.DONE
        self._out.line(_full_form(value))
        return Outcome.FAILED

    def _quit(self, interrupts: _Interrupts) -> None:
        """End the kernel, and wait until it has said so."""
        deadline = time.monotonic() + _QUIT_SECONDS
        before = interrupts.count
        try:
            self._link.put(Symbol("EvaluatePacket")(Symbol("Quit")()), end_packet=True)
            self._link.flush(timeout=_QUIT_SECONDS)
            while time.monotonic() < deadline and interrupts.count == before:
                try:
                    self._link.get(timeout=_TICK)
                except wstp.LinkTimeout:
                    continue
        except KeyboardInterrupt:
            return
        except wstp.WSTPError:
            return  # closed, as was asked for
        self.abandon()


def _full_form(value: object) -> str:
    """Write an answer that came as an expression, not as text; without recursion, as it may be nested deeply."""
    pieces: list[str] = []
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, Symbol):
            pieces.append(_name(item))
        elif isinstance(item, Function | list):
            head, arguments = (item.head, item.args) if isinstance(item, Function) else (Symbol("List"), item)
            parted = [part for argument in arguments for part in (_Piece(", "), argument)]
            waiting += reversed([head, _Piece("["), *parted[1:], _Piece("]")])
        elif isinstance(item, str):
            text = item.replace("\\", "\\\\").replace('"', '\\"')
            pieces.append(f'"{text}"')
        elif isinstance(item, wstp.BigReal):
            pieces.append(item.text)
        else:
            pieces.append(str(item))
    return "".join(pieces)


class _Piece(str):
    """Text that stands as it is."""


def _name(head: object) -> str:
    """Give a symbol's name without the context that a kernel may write, "" for what is no symbol."""
    return head.name.removeprefix("System`") if isinstance(head, Symbol) else ""
