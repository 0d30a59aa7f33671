"""Kernels of a pool as a `concurrent.futures.Executor`.

>>> from kernelbus import KernelPool
>>> with KernelPool("wstp://localhost/pool", 4) as pool:            # doctest: +SKIP
...     list(pool.map("Prime", range(1, 6)))
[2, 3, 5, 7, 11]

:mod:`kernelbus.shell.pool.values` lists the Python values that arguments and results may be. The
result of an evaluation is its value, except for $Failed and $Aborted: these are raised as
`EvaluationFailed` and `EvaluationAborted`, with the messages that say why. To get $Failed as a
value, evaluate to something else (`"f[#] /. $Failed -> Null &"`).
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, NoReturn

from kernelbus.shell.address import Address
from kernelbus.shell.commands import CONTEXT, name_of
from kernelbus.shell.pool.calls import attaching_time, call_of, function_of, time_limit, too_long
from kernelbus.shell.pool.crew import Crew, Definition, Orders, PoolStats, Task, check_value
from kernelbus.shell.pool.kernellink import encode
from kernelbus.shell.pool.said import EvaluationFailed, KernelMessage, KernelWarning, NoKernel
from kernelbus.shell.pool.values import code_to_expr, to_expr, to_python
from wstp import Expr, Function, Symbol

__all__ = ["Chunks", "KernelFuture", "KernelPool", "KernelWarning", "unpacked"]

# The head of a chunk: it means nothing to a kernel, so that even a Nothing stays in it.
_CHUNK = f"{CONTEXT}Chunk"
# Chunks are so large that each kernel gets a few, with a limit on calls and bytes in one.
_CHUNKS_PER_KERNEL = 4
_CHUNK_CALLS = 1024
_CHUNK_BYTES = 1 << 20
_LAZY_CHUNK = 32


class KernelFuture(Future[Any]):
    """The outcome of one evaluation.

    Unlike a standard future, it can be cancelled while it runs: the kernel then aborts the
    evaluation.

    >>> future = pool.evaluate("While[True]")  # doctest: +SKIP
    >>> future.cancel()  # doctest: +SKIP
    True
    """

    def __init__(self, crew: Crew, expression: Expr, *, raw: bool = False) -> None:
        """Encode the expression.

        Raises:
            TypeError: it holds a value that stands for no expression.
        """
        super().__init__()
        self._crew = crew
        self._task = Task(encode(expression), self, raw)
        self._shown = crew.orders.on_message is not None

    def cancel(self) -> bool:
        """Cancel it, and abort the evaluation if it runs; return False if it is done already."""
        if not super().cancel():
            return False
        self._crew.cancelled(self._task)
        return True

    def running(self) -> bool:
        """Tell whether a kernel evaluates it now."""
        return self._task.kernel is not None and not self.done()

    @property
    def messages(self) -> tuple[KernelMessage, ...]:
        """What the evaluation has issued so far, in order."""
        return tuple(self._task.messages)

    def result(self, timeout: float | None = None) -> Any:
        """Return the value. The first time, warn of the messages, unless the pool has `on_message`.

        Raises:
            EvaluationFailed, EvaluationAborted: the value is $Failed or $Aborted.
            KernelDied: two kernels ended during the evaluation.
            NoKernel: no kernel is left.
            CancelledError, TimeoutError: as for a standard future.
        """
        value = super().result(timeout)
        self.warn()
        return value

    def warn(self, depth: int = 3) -> None:
        """Warn of the messages, once; `depth` is the `stacklevel` of the warnings."""
        if not self._shown:
            self._shown = True
            for message in self._task.messages:
                warnings.warn(" ".join(message.text.split()), KernelWarning, stacklevel=depth)

    def draw(self, expression: Expr, form: str) -> str:
        """Have a kernel of the pool give an expression in a form."""
        return self._crew.draw(expression, form)

    def peek(self, timeout: float | None) -> Any:
        """Return the value without warnings."""
        return super().result(timeout)


class KernelPool(Executor):
    """Evaluate on several kernels of a server at once.

    >>> from kernelbus import KernelPool
    >>> with KernelPool("wstp://localhost", 2) as pool:  # doctest: +SKIP
    ...     list(pool.map("#^2 &", range(4)))
    [0, 1, 4, 9]

    Leaving the `with` block waits for what was submitted; leaving it by an exception (Ctrl-C, say)
    cancels what waits and aborts what runs. The kernels belong to the pool and end with it. A
    kernel that dies is replaced, and its evaluation is tried once more.
    """

    def __init__(
        self,
        address: str | int | Address = "wstp://127.0.0.1",
        kernels: int | None = None,
        *,
        initializer: str | Expr | None = None,
        token: str | None = None,
        ca_file: str | None = None,
        timeout: float | None = 60.0,
        on_message: Callable[[KernelMessage], None] | None = None,
        on_print: Callable[[str], None] | None = None,
    ) -> None:
        """Ask for the kernels, and wait for the first of them.

        Args:
            address: the server, and perhaps a pool of it (:mod:`kernelbus.shell.address`); without
                a pool, kernels for parallel work are asked for.
            kernels: how many; None: one for each processor here. If the server gives fewer, the
                pool works with those.
            initializer: code, or an expression, that each kernel evaluates first.
            token: the server's token, if it wants one; None: the one in the environment variable
                `KERNELBUS_TOKEN`, or of a server of this user on this machine.
            ca_file: under TLS (`wstps://`), a file of certificates (PEM) to trust; None: those that
                this machine trusts.
            timeout: seconds in which a kernel must be attached; None: as long as the server waits.
            on_message: called, in a thread of the pool, with each message as it comes; None:
                results warn of them (`KernelWarning`).
            on_print: the same for printed text; None: it goes to standard output.

        Raises:
            AddressError: the address cannot be understood.
            NoKernel: no kernel can be attached; the text says why.
            ValueError: `kernels` is below 1.
            TypeError: the initializer is not an expression.
        """
        if kernels is not None and kernels < 1:
            raise ValueError(f"{kernels} kernels: at least one is needed")
        first = None if initializer is None else encode(code_to_expr(initializer))
        orders = Orders(Address.parse(address).trusting(ca_file), first, attaching_time(timeout), on_message, on_print, token)
        self._process = os.getpid()
        self._crew = Crew(kernels or os.cpu_count() or 1, orders)
        # A pool without references ends its kernels once what was submitted is done.
        weakref.finalize(self, Crew.close, self._crew).atexit = False
        try:
            self._crew.when_ready(1).result()
        except BaseException:
            self._crew.close(cancel=True, abort=True)
            raise

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> KernelFuture:
        """Evaluate `fn[args...]`.

        Args:
            fn: a function of the Wolfram Language: its name (`"Prime"`), code for it (`"#^2 &"`),
                or an expression.
            args: its arguments, as Python values; do not change large arrays until it is done.
            kwargs: its options: `WorkingPrecision=30` is `WorkingPrecision -> 30`.

        Raises:
            TypeError: `fn` is not such a function, or an argument stands for no expression.
            NoKernel: no kernel is left.
            RuntimeError: the pool is shut down.
        """
        return self._add(KernelFuture(self._crew, call_of(fn, args, kwargs)))

    def evaluate(self, code: str | Expr) -> KernelFuture:
        """Evaluate code, or an expression; raises as :meth:`submit` does."""
        return self._add(KernelFuture(self._crew, code_to_expr(code)))

    def map(
        self,
        fn: Any,
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Iterator[Any]:
        """Evaluate `fn[a, b, ...]` for each element of the iterables; yield the values in order.

        Work begins at once. When an error is raised, a time-out comes or the iterator is closed,
        what waits is cancelled and what runs is aborted.

        Args:
            fn: as for :meth:`submit`. In chunks of more than one call, arguments are evaluated
                before they reach `fn`, even if `fn` holds its arguments.
            timeout: seconds from now in which each value must be there, else TimeoutError.
            chunksize: how many calls go to a kernel together; None: so many that each kernel gets
                about four chunks of modest size.
            buffersize: how many chunks may run or wait to be taken, so that the iterables may be
                endless; None: the iterables are read to their end at once.
            progress: called, in a thread of the pool, whenever a chunk is done, with the number of
                calls that are done and of all; None for all with `buffersize`.

        Raises:
            TypeError: `fn` is not such a function, or an argument stands for no expression.
            ValueError: a size is below 1.
            NoKernel, RuntimeError: as for :meth:`submit`.
        """
        timeout = time_limit(timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        return _values(self.chunks(fn, iterables, chunksize, buffersize, progress), deadline)

    def chunks(
        self,
        fn: Any,
        iterables: Sequence[Iterable[Any]],
        chunksize: int | None,
        buffersize: int | None,
        progress: Callable[[int, int | None], None] | None,
    ) -> Chunks:
        """Submit the chunks of a :meth:`map`, whose arguments and errors these are."""
        for name, size in (("chunksize", chunksize), ("buffersize", buffersize)):
            if size is not None and size < 1:
                raise ValueError(f"{name} is {size}: it must be at least 1")
        function, rows = function_of(fn), zip(*iterables, strict=False)
        total: int | None = None
        calls: Iterable[tuple[Any, ...]] = rows
        if buffersize is None:
            calls = known = list(rows)
            total = len(known)
            share = -(-len(known) // (_CHUNKS_PER_KERNEL * max(self._crew.size, 1)))
            automatic = max(1, min(share, _CHUNK_CALLS))
        else:
            automatic = _LAZY_CHUNK
        chunks = _chunks(iter(calls), chunksize or automatic, bounded=chunksize is None)
        count = None if progress is None else _Progress(progress, total)
        return Chunks((self._add_chunk(function, chunk, count) for chunk in chunks), buffersize)

    def evaluate_on_all(self, code: str | Expr, *, timeout: float | None = None) -> list[Any]:
        """Evaluate code, or an expression, once on every kernel; return the values, in any order.

        It is for definitions. Each kernel evaluates it before whatever is submitted after this
        call, and a kernel that comes later, as in the place of one that died, evaluates it first.

        Args:
            code: what to evaluate.
            timeout: seconds after which it is aborted where it is not done; None: no limit.

        Raises:
            EvaluationFailed, EvaluationAborted: a kernel's value is $Failed or $Aborted. Later
                kernels do not evaluate it then.
            TimeoutError: it took longer than `timeout`; likewise.
            NoKernel, RuntimeError, TypeError: as for :meth:`submit`.
        """
        timeout = time_limit(timeout)
        definition = self.define(code)
        try:
            return definition.future.result(timeout)
        except BaseException as error:
            self._crew.drop(definition)
            if isinstance(error, TimeoutError) and timeout is not None:
                raise too_long(timeout) from None
            raise

    def define(self, code: str | Expr) -> Definition:
        """Begin :meth:`evaluate_on_all`; :meth:`drop` gives it up."""
        self._check_process()
        return self._crew.define(encode(code_to_expr(code)))

    def drop(self, definition: Definition) -> None:
        """Abort what :meth:`define` began, and do not give it to later kernels."""
        self._crew.drop(definition)

    def wait(self, kernels: int | None = None, timeout: float | None = None) -> int:
        """Wait until so many kernels are ready (None: all of the pool); return how many are.

        Raises:
            NoKernel: there will not be so many; the text says why.
            TimeoutError: they were not ready in `timeout` seconds. The pool still expects them.
        """
        self._check_process()
        try:
            return self.when_ready(kernels).result(time_limit(timeout))
        except TimeoutError:
            raise TimeoutError(f"{self.stats().ready} of {kernels or self._crew.size} kernels were ready in {timeout:g} s") from None

    def when_ready(self, kernels: int | None = None) -> Future[int]:
        """Return the future of :meth:`wait`."""
        return self._crew.when_ready(kernels)

    def resize(self, kernels: int) -> None:
        """Have another number of kernels from now on, without waiting for that.

        More are asked for at once; of too many, those end first that are free first.

        Raises:
            ValueError: `kernels` is below 1.
            RuntimeError: the pool is shut down.
        """
        if kernels < 1:
            raise ValueError(f"{kernels} kernels: at least one is needed")
        self._check_process()
        self._crew.resize(kernels)

    def stats(self) -> PoolStats:
        """Return what the pool does now, and what it has done."""
        self._check_process()
        return self._crew.stats()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise NoKernel(
                f"this pool belongs to process {self._process}, from which this one was forked, and cannot be used here: make a KernelPool "
                "after the fork"
            )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KernelPool has connections and threads, and cannot be pickled: make one in each process")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; finish what was submitted, then end the kernels.

        Args:
            wait: return only when all is done; else the threads finish in the background.
            cancel_futures: cancel what no kernel has begun.
        """
        self._check_process()
        self._crew.close(cancel=cancel_futures)
        if wait:
            self._crew.join()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process != os.getpid():
            return
        failed = kind is not None
        self._crew.close(cancel=failed, abort=failed)
        self._crew.join()

    def _add(self, future: KernelFuture) -> KernelFuture:
        self._check_process()
        self._crew.add(future._task)
        return future

    def _add_chunk(self, function: Expr, chunk: list[tuple[Any, ...]], progress: _Progress | None) -> tuple[KernelFuture, int]:
        if len(chunk) == 1:
            expression = function(*map(to_expr, chunk[0]))
        elif len(chunk[0]) == 1:
            expression = Symbol("Map")(function, Symbol(_CHUNK)(*(to_expr(row[0]) for row in chunk)))
        else:
            rows = (list(map(to_expr, row)) for row in chunk)
            expression = Symbol("Apply")(function, Symbol(_CHUNK)(*rows), [1])
        future = self._add(KernelFuture(self._crew, expression, raw=True))
        if progress is not None:
            future.add_done_callback(lambda done: progress.add(len(chunk)) if not done.cancelled() else None)
        return future, len(chunk)


class _Progress:
    """Counts the calls that are done, and tells the user's function."""

    def __init__(self, tell: Callable[[int, int | None], None], total: int | None) -> None:
        self._tell = tell
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, calls: int) -> None:
        """Note that so many calls are done."""
        with self._lock:  # also around the call, so that the numbers never fall
            self._done += calls
            self._tell(self._done, self._total)


class Chunks:
    """The chunks of a `map`.

    Attributes:
        pending: those that have been submitted and not been taken, each with its number of calls.
    """

    def __init__(self, submitted: Iterator[tuple[KernelFuture, int]], ahead: int | None) -> None:
        """Submit as many as may run ahead; None: all."""
        self.pending: deque[tuple[KernelFuture, int]] = deque()
        self._more = submitted
        try:
            self.pending.extend(itertools.islice(submitted, ahead))
        except BaseException:
            self.cancel()
            raise

    def submit_more(self) -> None:
        """Submit one more, if there is one."""
        self.pending.extend(itertools.islice(self._more, 1))

    def cancel(self) -> None:
        """Cancel those that wait, and abort those that run."""
        for future, _ in self.pending:
            future.cancel()


def _values(chunks: Chunks, deadline: float | None) -> Iterator[Any]:
    """Yield the values of the chunks in order, and submit one more chunk for each that is taken."""
    try:
        while chunks.pending:
            future, count = chunks.pending[0]
            try:
                value = future.peek(None if deadline is None else deadline - time.monotonic())
            except TimeoutError:
                raise TimeoutError("a value was not there in time; what waits is cancelled, and what runs is aborted") from None
            chunks.pending.popleft()
            chunks.submit_more()
            future.warn(3)
            yield from unpacked(value, count, future)
    finally:
        chunks.cancel()


def unpacked(value: Expr, count: int, future: KernelFuture) -> Iterator[Any]:
    """Yield the values of a chunk of `count` calls, of which `value` is the expression.

    Raises:
        EvaluationFailed, EvaluationAborted: one of them, or the whole, is $Failed or $Aborted.
    """
    values: Iterable[Any] = (value,)
    if count > 1:
        if not isinstance(value, Function) or name_of(value.head) != _CHUNK or len(value.args) != count:
            raise EvaluationFailed(f"a chunk of {count} calls did not give {count} values", future.messages)
        values = value.args
    for each in values:
        yield to_python(check_value(each, future.messages), future.draw)


def _chunks(calls: Iterator[tuple[Any, ...]], size: int, *, bounded: bool) -> Iterator[list[tuple[Any, ...]]]:
    """Yield chunks of `size` calls; `bounded`: of fewer where their arguments are large."""
    chunk: list[tuple[Any, ...]] = []
    weight = 0
    for call in calls:
        chunk.append(call)
        if bounded:
            weight += sum(map(_weight, call))
        if len(chunk) == size or weight >= _CHUNK_BYTES:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _weight(value: Any) -> int:
    """Return roughly how many bytes a value takes."""
    if isinstance(value, int | float):
        return 8
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else len(value) * 8 if hasattr(value, "__len__") else 64
