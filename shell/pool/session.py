"""One kernel of a server for a Python program: its state stays from one evaluation to the next.

>>> from kernelbus import Session
>>> with Session("wstp://localhost") as session:  # doctest: +SKIP
...     session.evaluate("x = 5")
...     session.evaluate("x + 1")
5
6

A thread of the session's own reads the link, so that Ctrl-C and a time-out reach a caller that
waits: the evaluation is aborted, and the session goes on.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NoReturn

from kernelbus.shell.address import Address
from kernelbus.shell.pool.calls import attaching_time, call_of, time_limit, too_long
from kernelbus.shell.pool.crew import call_handler, check_value, show
from kernelbus.shell.pool.kernellink import KernelLink, encode
from kernelbus.shell.pool.missed import Missed, MissedReader
from kernelbus.shell.pool.picture import drawing, drawn
from kernelbus.shell.pool.said import KernelDied, KernelMessage, KernelWarning, NoKernel, Question, Rendering
from kernelbus.shell.pool.values import code_to_expr, to_python
from wstp import Expr
from wstp.lexer import Buffer

__all__ = ["Session", "connect", "show_printed"]

# Seconds in which a kernel that is not busy, as the server says, tells what it has said.
_PATIENCE = 5.0


class Session:
    """A kernel that one program uses.

    >>> session = Session()  # doctest: +SKIP
    >>> session.evaluate("x = 2"), session.evaluate("x^10")  # doctest: +SKIP
    (2, 1024)
    >>> session.close()  # doctest: +SKIP

    Several threads may evaluate: one evaluation follows the other. Leaving the `with` block ends
    the kernel, unless it is kept. A session belongs to the process that made it: a forked process
    cannot use it, and it cannot be pickled.

    Attributes:
        kernel_id: the kernel's id, by which it can be attached again. Who knows it can use the
            kernel: keep it as you would a password.
        profile: the profile by which it was got; None without one.
        fresh: whether no program had the kernel before.
        messages: what the last evaluation issued, in order.
    """

    def __init__(
        self,
        server: str | int | Address | None = None,
        *,
        profile: str | None = None,
        kernel_id: str = "",
        keep: bool | None = None,
        token: str | None = None,
        ca_file: str | None = None,
        timeout: float | None = 60.0,
        on_message: Callable[[KernelMessage], None] | None = None,
        on_print: Callable[[str], None] | None = None,
    ) -> None:
        """Attach a kernel of a server.

        Args:
            server: `wstp://HOST:PORT/POOL`, `PORT@HOST`, `HOST:PORT` or a port of this machine, or
                `wstps://HOST:PORT/POOL` under TLS. None: the profile's server, else the default
                port of this machine. Without a pool, the kernel is one of the server's default
                pool.
            profile: the name or path of a profile, as of `kernelbus repl --start-profile`: go back
                to its kernel; where there is none, attach a fresh one and write the profile.
            kernel_id: the id of a kernel to go back to; "" for a fresh one. :attr:`missed` has what
                it said meanwhile.
            keep: whether the kernel outlives the session; None: one that was named by its id or by
                a profile does, and another does not.
            token: the server's token, if it wants one; None: the one in the environment variable
                `KERNELBUS_TOKEN`, or of a server of this user on this machine.
            ca_file: under TLS, a file of certificates (PEM) to trust; None: those that this machine
                trusts.
            timeout: seconds in which a kernel must be attached; None: as long as the server waits.
            on_message: called in the session's thread with each message as it comes; None: each
                message of an evaluation that has a value is a warning (`KernelWarning`).
            on_print: called likewise with printed text; None: it goes to standard output, in the
                thread that evaluates.

        Raises:
            AddressError: the address cannot be understood.
            NoKernel: no kernel can be attached; the text says why.
            TypeError: a profile and an id are given, which both name a kernel.
        """
        if profile is not None and kernel_id:
            raise TypeError("a profile names its kernel: leave kernel_id or profile out")
        timeout = attaching_time(timeout)
        address = None if server is None and ca_file is None else Address.parse(server or "127.0.0.1").trusting(ca_file)
        self.profile = profile
        self.fresh = not kernel_id
        self.messages: tuple[KernelMessage, ...] = ()
        self._keep = bool(kernel_id or profile is not None) if keep is None else keep
        self._on_message = on_message
        self._on_print = on_print
        self._note: Callable[[], None] | None = None
        self._missed = MissedReader()
        self._catching: Future[None] | None = None
        self._lock = threading.Lock()
        self._running: object = None
        self._given_up: set[object] = set()
        self._closed = False
        self._process = os.getpid()
        if kernel_id or profile is not None:
            self._go_back(address, kernel_id, profile or "", token, timeout)
        else:
            self._link = KernelLink.attach(
                address or Address(), timeout=timeout, stop=_never, parallel=False, keep=self._keep, token=token
            )
            self._begin()

    def _begin(self) -> None:
        self.kernel_id = self._link.identity
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kernelbus-session-{self.kernel_id[:8]}")

    def _go_back(self, address: Address | None, kernel: str, profile: str, token: str | None, timeout: float) -> None:
        """Attach a kernel that is to be gone back to, and read what it has said."""
        from kernelbus.shell.pool.attaching import go_back

        way = go_back(address, kernel=kernel, profile=profile, keep=self._keep, token=token, timeout=timeout)
        self._link, self._note, self.fresh = way.link, way.note, way.fresh
        self._begin()
        if way.notice:
            warnings.warn(way.notice, KernelWarning, stacklevel=4)
        if self.fresh:
            return
        self._running = token_ = object()
        self._link.begin(token_)
        self._catching = self._thread.submit(self._catch_up, way.busy)
        if not way.busy:
            try:
                self._catching.result(min(timeout, _PATIENCE))
            except TimeoutError:
                pass  # it is busy after all
            except BaseException:
                self.disconnect()
                raise

    def _catch_up(self, busy: bool) -> None:
        try:
            self._link.catch_up(self._missed.take, stop=self._is_over, answers=busy)
        finally:
            self._running = None
            if self._note is not None:
                self._note()

    def _is_over(self) -> bool:
        # The executor waits for its thread when the program ends.
        return self._closed or not threading.main_thread().is_alive()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process == os.getpid():
            self.close()

    def __reduce__(self) -> NoReturn:
        way = f"Session(kernel_id=...), with the kernel_id of this one, {self.kernel_id[:8]}..."
        if self.profile is not None:
            way = f"Session(profile={self.profile!r})"
        kept = "" if self._keep else ", if it is kept (keep=True)"
        raise TypeError(f"a Session is a connection and cannot be pickled: go back to its kernel with {way}{kept}")

    def __repr__(self) -> str:
        named = f" of profile {self.profile}" if self.profile is not None else ""
        return f"<Session with kernel {self.kernel_id[:8]}{named}{', closed' if self._closed else ''}>"

    @property
    def missed(self) -> tuple[Missed, ...]:
        """Return what the kernel said while no program was attached, in order.

        While :attr:`busy`, it grows: it then also has what the kernel still says to an earlier
        program.
        """
        return tuple(
            replace(missed, value=to_python(missed.value, self._draw)) if missed.kind == "result" else missed
            for missed in self._missed.found
        )

    @property
    def busy(self) -> bool:
        """Tell whether the kernel still evaluates what an earlier program asked it.

        :meth:`evaluate` waits for that, and :meth:`abort` aborts it.
        """
        return self._catching is not None and not self._catching.done()

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
            NoKernel: the session is closed, or belongs to another process.
            TypeError: `code` holds a value that cannot travel, or `timeout` is no number.
            ValueError: `timeout` is negative.
        """
        return self._value(code_to_expr(code), timeout)

    def function(self, fn: Any) -> Callable[..., Any]:
        """Return a function of the Wolfram Language as a function of Python.

        Args:
            fn: its name (`"Prime"`), code for it (`"#^2 &"`), or an expression.

        Returns:
            A function that evaluates `fn[arguments...]` as :meth:`evaluate` does. Its keyword
            arguments are options: `WorkingPrecision=30` is `WorkingPrecision -> 30`.

        Raises:
            TypeError: `fn` is no such function.

        >>> session.function("Prime")(5)  # doctest: +SKIP
        11
        """
        call_of(fn, (), {})

        def evaluate(*args: Any, **options: Any) -> Any:
            return self._value(call_of(fn, args, options), None)

        evaluate.__name__ = evaluate.__qualname__ = str(fn)
        return evaluate

    def ask(self, expression: Expr, *, timeout: float | None = None) -> tuple[Expr, tuple[KernelMessage, ...]]:
        """Evaluate an expression, and return its value as an expression, with the messages.

        $Failed and $Aborted are returned as any other value, and nothing is a warning. The rest is
        as of :meth:`evaluate`.
        """
        return self._ask(encode(expression), timeout)

    def _value(self, expression: Expr, timeout: float | None) -> Any:
        return self.value_of(*self._ask(encode(expression), timeout), depth=4)

    def value_of(self, value: Expr, messages: tuple[KernelMessage, ...], *, depth: int, warn: bool = True) -> Any:
        """Return the Python value of what an evaluation gave, and warn of its messages.

        `depth`: the `stacklevel` of the warnings. `warn`: False if the messages have been shown.

        Raises:
            EvaluationFailed, EvaluationAborted: it gave $Failed or $Aborted.
        """
        self.messages = messages
        check_value(value, messages)
        if warn and self._on_message is None:
            for message in messages:
                warnings.warn(" ".join(message.text.split()), KernelWarning, stacklevel=depth)
        return to_python(value, self._draw)

    def _ask(self, request: Sequence[Buffer], timeout: float | None) -> tuple[Expr, tuple[KernelMessage, ...]]:
        return self.hear(request, show_printed, timeout)

    def hear(
        self,
        request: Sequence[Buffer],
        tell: Callable[[Any], None],
        timeout: float | None = None,
        *,
        asks: bool = False,
    ) -> tuple[Expr, tuple[KernelMessage, ...]]:
        """Evaluate as :meth:`ask` does, and tell in this thread what the evaluation says.

        Args:
            request: the encoded expression.
            tell: called with each printed text and each message, as they come, for which the
                session has no `on_print` or `on_message`.
            timeout: as of :meth:`evaluate`.
            asks: whether `tell` takes what is asked, a :class:`~.said.Question` to be answered, and
                a :class:`~.said.Rendering` of what is printed next.
        """
        timeout = time_limit(timeout)
        said: SimpleQueue[Any] = SimpleQueue()
        evaluation, token = self.begin(request, said.put, asks=asks)
        evaluation.add_done_callback(lambda _: said.put(None))
        deadline = None if timeout is None else time.monotonic() + timeout
        asked: Question | None = None
        try:
            while True:
                try:
                    each = said.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0))
                except Empty:
                    raise too_long(timeout) from None
                if each is None:
                    break
                asked = each if isinstance(each, Question) else None
                tell(each)
        except BaseException:  # a time-out, Ctrl-C, or what `tell` has raised
            if asked is not None:
                asked.answer(None)
            if not evaluation.done() and self.give_up(evaluation, token):
                evaluation.exception()
            raise
        return evaluation.result()

    def begin(
        self, request: Sequence[Buffer], tell: Callable[[Any], None] | None = None, *, asks: bool = False
    ) -> tuple[Future[tuple[Expr, tuple[KernelMessage, ...]]], object]:
        """Begin an evaluation; return its future, and the token by which it can be given up.

        `tell` is called, in the session's thread, with what :meth:`hear` tells; None: printed text
        goes to standard output. `asks`: as there.
        """
        self._check_process()
        with self._lock:
            if self._closed:
                raise NoKernel("the session is closed")
            token = object()
            return self._thread.submit(self._carry_out, token, request, tell or show_printed, asks), token

    def give_up(self, evaluation: Future[Any], token: object) -> bool:
        """Abort an evaluation that nobody waits for any more; return False if it had not begun.

        The server enforces the abort (`Limits`/`AbortTimeout`), so that the evaluation ends.
        """
        if evaluation.cancel():
            return False
        # The session's thread looks for it after it has begun, so that one of the two aborts it.
        self._given_up.add(token)
        self._link.abort(token)
        return True

    def abort(self) -> None:
        """Abort the evaluation that another thread waits for; without one, do nothing."""
        self._check_process()
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
        self._check_process()
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if not self.busy:  # what an earlier program asked for goes on
            self.abort()
        end = self._link.leave if keep else self._link.close
        try:
            self._thread.submit(end).result()
        except RuntimeError:
            end()  # the program ends: the thread has ended before
        self._thread.shutdown()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise NoKernel(
                f"this session belongs to process {self._process}, from which this one was forked, and cannot be used here: make a Session "
                "after the fork"
            )

    def _carry_out(
        self, token: object, request: Sequence[Buffer], tell: Callable[[Any], None], asks: bool
    ) -> tuple[Expr, tuple[KernelMessage, ...]]:
        """Evaluate, in the session's thread."""
        messages: list[KernelMessage] = []

        def on_message(message: KernelMessage) -> None:
            messages.append(message)
            # Its errors are logged: raised here, they would leave the rest of the answer unread.
            call_handler(self._on_message or tell, message)

        def on_question(prompt: str) -> str | None:
            question = Question(prompt)
            tell(question)
            return question.wait()

        if self._catching is not None and (error := self._catching.exception()) is not None:
            raise KernelDied(str(error))
        self._link.begin(token)
        self._running = token
        if token in self._given_up:
            self._link.abort(token)
        try:
            value = self._link.evaluate(
                request,
                on_message=on_message,
                on_print=lambda text: call_handler(self._on_print or tell, text),
                on_rendering=(lambda rendering: tell(Rendering(rendering))) if asks else None,
                on_question=on_question if asks else None,
            )
        finally:
            self._running = None
            self._given_up.discard(token)
            if self._note is not None:
                self._note()
        return value, tuple(messages)

    def _draw(self, expression: Expr, form: str) -> str:
        """Return an expression in a form, as text."""
        return drawn(*self.ask(drawing(expression, form)), form)


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
    """Attach a kernel of a server, and return the :class:`Session` with it, of the same arguments.

    >>> with connect("wstp://localhost") as session:  # doctest: +SKIP
    ...     session.evaluate("Integrate[1/x, x]")
    Symbol('Log')(Symbol('x'))
    """
    return Session(
        server,
        kernel_id=kernel_id,
        keep=keep,
        token=token,
        ca_file=ca_file,
        timeout=timeout,
        on_message=on_message,
        on_print=on_print,
    )


def show_printed(said: str | KernelMessage) -> None:
    """Write printed text to standard output; messages are warnings later on."""
    if isinstance(said, str):
        show(None, said)


def _never() -> bool:
    return False
