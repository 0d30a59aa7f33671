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
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any

from kernelbus.shell.address import Address
from kernelbus.shell.commands import CONTEXT, name_of
from kernelbus.shell.pool.calls import call_of, function_of
from kernelbus.shell.pool.crew import Crew, Orders, Task, check_value
from kernelbus.shell.pool.kernellink import encode
from kernelbus.shell.pool.said import EvaluationFailed, KernelMessage, KernelWarning
from kernelbus.shell.pool.values import code_to_expr, to_expr, to_python
from wstp import Expr, Function, Symbol

__all__ = ["KernelFuture", "KernelPool", "KernelWarning"]

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
        timeout: float = 60.0,
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
            timeout: seconds in which a kernel must be attached.
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
        orders = Orders(Address.parse(address).trusting(ca_file), first, timeout, on_message, on_print, token)
        self._crew = Crew(kernels or os.cpu_count() or 1, orders)
        # A pool without references ends its kernels once what was submitted is done.
        weakref.finalize(self, Crew.close, self._crew).atexit = False
        try:
            self._crew.wait_for_kernel()
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

        Raises:
            TypeError: `fn` is not such a function, or an argument stands for no expression.
            ValueError: a size is below 1.
            NoKernel, RuntimeError: as for :meth:`submit`.
        """
        for name, size in (("chunksize", chunksize), ("buffersize", buffersize)):
            if size is not None and size < 1:
                raise ValueError(f"{name} is {size}: it must be at least 1")
        deadline = None if timeout is None else time.monotonic() + timeout
        function, rows = function_of(fn), zip(*iterables, strict=False)
        calls: Iterable[tuple[Any, ...]] = rows
        if buffersize is None:
            calls = known = list(rows)
            share = -(-len(known) // (_CHUNKS_PER_KERNEL * max(self._crew.size, 1)))
            automatic = max(1, min(share, _CHUNK_CALLS))
        else:
            automatic = _LAZY_CHUNK
        chunks = _chunks(iter(calls), chunksize or automatic, bounded=chunksize is None)
        futures = (self._add_chunk(function, chunk) for chunk in chunks)
        pending: deque[tuple[KernelFuture, int]] = deque()
        try:
            pending.extend(itertools.islice(futures, buffersize))
        except BaseException:
            for future, _ in pending:
                future.cancel()
            raise
        return _values(pending, futures, deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; finish what was submitted, then end the kernels.

        Args:
            wait: return only when all is done; else the threads finish in the background.
            cancel_futures: cancel what no kernel has begun.
        """
        self._crew.close(cancel=cancel_futures)
        if wait:
            self._crew.join()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = kind is not None
        self._crew.close(cancel=failed, abort=failed)
        self._crew.join()

    def _add(self, future: KernelFuture) -> KernelFuture:
        self._crew.add(future._task)
        return future

    def _add_chunk(self, function: Expr, chunk: list[tuple[Any, ...]]) -> tuple[KernelFuture, int]:
        if len(chunk) == 1:
            expression = function(*map(to_expr, chunk[0]))
        elif len(chunk[0]) == 1:
            expression = Symbol("Map")(function, Symbol(_CHUNK)(*(to_expr(row[0]) for row in chunk)))
        else:
            rows = (list(map(to_expr, row)) for row in chunk)
            expression = Symbol("Apply")(function, Symbol(_CHUNK)(*rows), [1])
        return self._add(KernelFuture(self._crew, expression, raw=True)), len(chunk)


def _values(
    pending: deque[tuple[KernelFuture, int]], more: Iterator[tuple[KernelFuture, int]], deadline: float | None
) -> Iterator[Any]:
    """Yield the values of the chunks in order, and submit one more chunk for each that is taken."""
    try:
        while pending:
            future, count = pending[0]
            value = future.peek(None if deadline is None else deadline - time.monotonic())
            pending.popleft()
            pending.extend(itertools.islice(more, 1))
            future.warn(3)
            values: Iterable[Any] = (value,)
            if count > 1:
                if not isinstance(value, Function) or name_of(value.head) != _CHUNK or len(value.args) != count:
                    raise EvaluationFailed(f"a chunk of {count} calls did not give {count} values", future.messages)
                values = value.args
            for each in values:
                yield to_python(check_value(each, future.messages))
    finally:
        for future, _ in pending:
            future.cancel()


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
