"""One kernel of a server for a Python program: its state stays from one evaluation to the next.

>>> from kernelbus import connect
>>> with connect("wstp://localhost") as session:  # doctest: +SKIP
...     session.evaluate("x = 5")
...     session.evaluate("x + 1")
5
6

A thread of the session's own reads the link, so that Ctrl-C and a time-out reach a caller that
waits: the evaluation is aborted, and the session goes on.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from kernelbus.shell.address import Address
from kernelbus.shell.pool.crew import call_handler, check_value, show
from kernelbus.shell.pool.kernellink import KernelLink, KernelMessage, NoKernel, encode
from kernelbus.shell.pool.kernelpool import KernelWarning
from kernelbus.shell.pool.values import code_to_expr, to_python
from wstp import Expr

__all__ = ["Session", "connect"]


def connect(
    server: str | int | Address = "wstp://127.0.0.1",
    *,
    kernel_id: str = "",
    keep: bool | None = None,
    token: str | None = None,
    ca_file: str | None = None,
    timeout: float = 60.0,
    on_message: Callable[[KernelMessage], None] | None = None,
    on_print: Callable[[str], None] | None = None,
) -> Session:
    """Attach a kernel of a server, and return the session with it.

    Args:
        server: `wstp://HOST:PORT/POOL`, `PORT@HOST`, `HOST:PORT` or a port of this machine, or
            `wstps://HOST:PORT/POOL` under TLS. Without a pool, the kernel is one of the server's
            default pool.
        kernel_id: the id of a kernel to go back to; "" for a fresh one. What that kernel said while
            nobody was attached is not shown.
        keep: whether the kernel outlives the session; None: one that was named by its id does, and
            a fresh one does not.
        token: the server's token, if it wants one; None: the one in the environment variable
            `KERNELBUS_TOKEN`, or of a server of this user on this machine.
        ca_file: under TLS, a file of certificates (PEM) to trust; None: those that this machine
            trusts.
        timeout: seconds in which a kernel must be attached.
        on_message: called in the session's thread with each message as it comes; None: each message
            of an evaluation that has a value is a warning (`KernelWarning`).
        on_print: called likewise with printed text; None: it goes to standard output.

    Raises:
        AddressError: the address cannot be understood.
        NoKernel: no kernel can be attached; the text says why.

    >>> with connect("wstp://localhost") as session:  # doctest: +SKIP
    ...     session.evaluate("Integrate[1/x, x]")
    Symbol('Log')(Symbol('x'))
    """
    address = Address.parse(server).trusting(ca_file)
    kept = bool(kernel_id) if keep is None else keep
    link = KernelLink.attach(
        address, timeout=timeout, stop=lambda: False, kernel=kernel_id, parallel=False, keep=kept, token=token
    )
    return Session(link, keep=kept, on_message=on_message, on_print=on_print)


class Session:
    """A kernel that one program uses; made by :func:`connect`.

    >>> session = connect("wstp://localhost")  # doctest: +SKIP
    >>> session.evaluate("x = 2"), session.evaluate("x^10")  # doctest: +SKIP
    (2, 1024)
    >>> session.close()  # doctest: +SKIP

    Several threads may evaluate: one evaluation follows the other. Leaving the `with` block ends
    the kernel, unless it is kept.

    Attributes:
        kernel_id: the kernel's id, by which it can be attached again. Who knows it can use the
            kernel: keep it as you would a password.
        messages: what the last evaluation issued, in order.
    """

    def __init__(
        self,
        link: KernelLink,
        *,
        keep: bool,
        on_message: Callable[[KernelMessage], None] | None = None,
        on_print: Callable[[str], None] | None = None,
    ) -> None:
        self.kernel_id = link.identity
        self.messages: tuple[KernelMessage, ...] = ()
        self._link = link
        self._keep = keep
        self._on_message = on_message
        self._on_print = on_print
        self._lock = threading.Lock()
        self._running: object = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kernelbus-session-{link.identity[:8]}")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def evaluate(self, code: str | Expr, *, timeout: float | None = None) -> Any:
        """Evaluate code, or an expression of `wstp`, and return its value as a Python value.

        Args:
            code: a string is read by the kernel as input; anything else is put as it is.
            timeout: seconds after which the evaluation is aborted; None: no limit.

        Raises:
            EvaluationFailed: the value is $Failed; the text quotes the last message.
            EvaluationAborted: the value is $Aborted.
            KernelDied: the kernel, or the link to it, is gone. The session is then of no more use.
            TimeoutError: it took longer than `timeout`, and was aborted. The session goes on.
            NoKernel: the session is closed.
            TypeError: `code` holds a value that stands for no expression.
        """
        request = encode(code_to_expr(code))
        with self._lock:
            if self._closed:
                raise NoKernel("the session is closed")
            token = object()
            evaluation = self._thread.submit(self._carry_out, token, request)
        try:
            value, messages = evaluation.result(timeout)
        except BaseException:  # a time-out, Ctrl-C, or what the evaluation has raised
            if not evaluation.done():
                self._give_up(evaluation, token)
            raise
        self.messages = tuple(messages)
        check_value(value, messages)
        if self._on_message is None:
            for message in messages:
                warnings.warn(" ".join(message.text.split()), KernelWarning, stacklevel=2)
        return to_python(value)

    def abort(self) -> None:
        """Abort the evaluation that another thread waits for; without one, do nothing."""
        token = self._running
        if token is not None:
            self._link.abort(token)

    def disconnect(self) -> None:
        """Close the link and leave the kernel as it is, for whoever names its id."""
        self._end(keep=True)

    def close(self) -> None:
        """Close the link, and end the kernel unless it is kept. A second time does nothing."""
        self._end(keep=self._keep)

    def _end(self, *, keep: bool) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.abort()
        self._thread.submit(self._link.leave if keep else self._link.close).result()
        self._thread.shutdown()

    def _carry_out(self, token: object, request: Any) -> tuple[Expr, list[KernelMessage]]:
        """Evaluate, in the session's thread."""
        messages: list[KernelMessage] = []

        def on_message(message: KernelMessage) -> None:
            messages.append(message)
            # Its errors are logged: raised here, they would leave the rest of the answer unread.
            call_handler(self._on_message, message)

        self._link.begin(token)
        self._running = token
        try:
            value = self._link.evaluate(request, on_message=on_message, on_print=lambda text: show(self._on_print, text))
        finally:
            self._running = None
        return value, messages

    def _give_up(self, evaluation: Future[Any], token: object) -> None:
        """Abort an evaluation that nobody waits for any more, and wait until it is over.

        The server enforces the abort (`Limits`/`AbortTimeout`), so this ends.
        """
        if not evaluation.cancel():
            self._link.abort(token)
            evaluation.exception()
