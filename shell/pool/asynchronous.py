"""`AsyncSession` and `AsyncKernelPool`: the sessions and pools of this room, for asyncio.

Each is one of the blocking kind, which has a thread for each kernel: the event loop never waits,
and to cancel a task aborts its evaluation. docs/performance.md says what the threads cost next to a
link of `wstp.aio`; there is one implementation of everything instead of two.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from kernelbus.shell.address import Address
from kernelbus.shell.pool.calls import call_of, time_limit, too_long
from kernelbus.shell.pool.crew import PoolStats
from kernelbus.shell.pool.kernellink import encode
from kernelbus.shell.pool.kernelpool import KernelPool, unpacked
from kernelbus.shell.pool.missed import Missed
from kernelbus.shell.pool.said import KernelMessage
from kernelbus.shell.pool.session import Session, show_printed
from kernelbus.shell.pool.values import code_to_expr
from wstp import Expr

__all__ = ["AsyncKernelPool", "AsyncSession"]

_T = TypeVar("_T", Session, KernelPool)


class _Opened(Generic[_T]):
    """What is made by `async with X(...)` or `await X(...)`, in a thread."""

    def __init__(self, make: Callable[..., _T], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._make: Callable[..., _T] = make
        self._arguments = arguments
        self._options = options
        self._made: _T | None = None

    @property
    def _inner(self) -> _T:
        if self._made is None:
            raise RuntimeError(f"write `async with {type(self).__name__}(...) as x`, or `x = await {type(self).__name__}(...)`")
        return self._made

    async def _open(self) -> Self:
        loop = asyncio.get_running_loop()
        for name in ("on_message", "on_print"):
            if (handler := self._options.get(name)) is not None:
                # What is said is told in the loop's thread, before the value comes.
                self._options[name] = partial(loop.call_soon_threadsafe, handler)
        making = loop.run_in_executor(None, partial(self._make, *self._arguments, **self._options))
        try:
            self._made = await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._discard)
            raise
        return self

    @staticmethod
    def _discard(making: asyncio.Future[_T]) -> None:
        """End what nobody wants any more."""
        if making.cancelled() or making.exception() is not None:
            return
        made = making.result()
        asyncio.get_running_loop().run_in_executor(None, made.close if isinstance(made, Session) else made.shutdown)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()


class AsyncSession(_Opened[Session]):
    """A :class:`Session` for asyncio, with the same arguments.

    >>> async with AsyncSession("wstp://localhost") as session:  # doctest: +SKIP
    ...     await session.evaluate("2 + 2")
    4

    `session = await AsyncSession(...)` makes one that is closed by `await session.close()`. Several
    tasks may evaluate: one evaluation follows the other. Cancelling a task, as `asyncio.timeout`
    does, aborts its evaluation, and the session goes on. `on_message` and `on_print` are called in
    the loop's thread.
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
        """Take the arguments; the kernel is attached when the session is entered or awaited."""
        options = {
            "profile": profile,
            "kernel_id": kernel_id,
            "keep": keep,
            "token": token,
            "ca_file": ca_file,
            "timeout": timeout,
            "on_message": on_message,
            "on_print": on_print,
        }
        super().__init__(Session, (server,), options)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def kernel_id(self) -> str:
        """Return the kernel's id."""
        return self._inner.kernel_id

    @property
    def fresh(self) -> bool:
        """Tell whether no program had the kernel before."""
        return self._inner.fresh

    @property
    def messages(self) -> tuple[KernelMessage, ...]:
        """Return what the last evaluation issued, in order."""
        return self._inner.messages

    @property
    def missed(self) -> tuple[Missed, ...]:
        """Return what the kernel said while no program was attached (:attr:`Session.missed`)."""
        return self._inner.missed

    @property
    def busy(self) -> bool:
        """Tell whether the kernel still evaluates what an earlier program asked it."""
        return self._inner.busy

    async def evaluate(self, code: str | Expr, *, timeout: float | None = None) -> Any:
        """Evaluate; as :meth:`Session.evaluate`."""
        return await self._value(code_to_expr(code), timeout)

    def function(self, fn: Any) -> Callable[..., Awaitable[Any]]:
        """Return a function of the Wolfram Language as one to await (:meth:`Session.function`)."""
        call_of(fn, (), {})

        async def evaluate(*args: Any, **options: Any) -> Any:
            return await self._value(call_of(fn, args, options), None)

        evaluate.__name__ = evaluate.__qualname__ = str(fn)
        return evaluate

    async def _value(self, expression: Expr, timeout: float | None) -> Any:
        session = self._inner
        # A notebook knows by the context to which cell a text belongs.
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def tell(said: str | KernelMessage) -> None:
            loop.call_soon_threadsafe(show_printed, said, context=context)

        limit = asyncio.timeout(time_limit(timeout))
        evaluation, token = session.begin(encode(expression), tell)
        try:
            async with limit:
                value, messages = await asyncio.wrap_future(evaluation)
        except BaseException:
            if not evaluation.done():
                session.give_up(evaluation, token)
            if limit.expired():
                raise too_long(timeout) from None
            raise
        return session.value_of(value, messages, depth=3)

    def abort(self) -> None:
        """Abort the evaluation that runs; without one, do nothing."""
        self._inner.abort()

    async def disconnect(self) -> None:
        """Close the link and leave the kernel as it is, for whoever names its id."""
        await asyncio.to_thread(self._inner.disconnect)

    async def close(self) -> None:
        """Close the link, and end the kernel unless it is kept. A second time does nothing."""
        await asyncio.shield(asyncio.to_thread(self._inner.close))


class AsyncKernelPool(_Opened[KernelPool]):
    """A :class:`KernelPool` for asyncio, with the same arguments.

    >>> async with AsyncKernelPool("wstp://localhost", 2) as pool:  # doctest: +SKIP
    ...     [value async for value in pool.map("Prime", range(1, 6))]
    [2, 3, 5, 7, 11]

    Cancelling a task aborts its evaluation. Leaving the block waits for what was submitted; leaving
    it by an exception cancels what waits and aborts what runs.
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
        """Take the arguments; the kernels are asked for when the pool is entered or awaited."""
        options = {
            "initializer": initializer,
            "token": token,
            "ca_file": ca_file,
            "timeout": timeout,
            "on_message": on_message,
            "on_print": on_print,
        }
        super().__init__(KernelPool, (address, kernels), options)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self._inner.__exit__, kind, error, trace))

    async def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Evaluate `fn[args...]`, and return the value; as :meth:`KernelPool.submit`."""
        return await _value_of(self._inner.submit(fn, *args, **kwargs))

    async def evaluate(self, code: str | Expr) -> Any:
        """Evaluate code, or an expression, and return the value."""
        return await _value_of(self._inner.evaluate(code))

    async def map(
        self,
        fn: Any,
        /,
        *iterables: Iterable[Any],
        chunksize: int | None = None,
        buffersize: int | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> AsyncIterator[Any]:
        """Evaluate `fn[a, b, ...]` for each element; yield the values in order.

        As :meth:`KernelPool.map`; `progress` is called in the loop's thread. Work begins when the
        first value is asked for. Leaving the loop early cancels the rest.
        """
        loop = asyncio.get_running_loop()

        def tell(done: int, total: int | None) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, done, total)

        chunks = self._inner.chunks(fn, iterables, chunksize, buffersize, tell if progress is not None else None)
        pending = chunks.pending
        try:
            while pending:
                future, count = pending[0]
                value = await asyncio.wrap_future(future)
                pending.popleft()
                chunks.submit_more()
                future.warn(3)
                for each in unpacked(value, count, future):
                    yield each
        finally:
            chunks.cancel()

    async def evaluate_on_all(self, code: str | Expr, *, timeout: float | None = None) -> list[Any]:
        """Evaluate on every kernel, also on later ones; as :meth:`KernelPool.evaluate_on_all`."""
        limit = asyncio.timeout(time_limit(timeout))
        definition = self._inner.define(code)
        values = asyncio.wrap_future(definition.future)
        # Of one that is given up, nobody wants the error.
        values.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with limit:
                return await asyncio.shield(values)
        except BaseException:
            self._inner.drop(definition)
            if limit.expired():
                raise too_long(timeout) from None
            raise

    async def wait(self, kernels: int | None = None, timeout: float | None = None) -> int:
        """Wait until so many kernels are ready; as :meth:`KernelPool.wait`."""
        async with asyncio.timeout(time_limit(timeout)):
            return await asyncio.wrap_future(self._inner.when_ready(kernels))

    def resize(self, kernels: int) -> None:
        """Have another number of kernels from now on; as :meth:`KernelPool.resize`."""
        self._inner.resize(kernels)

    def stats(self) -> PoolStats:
        """Return what the pool does now, and what it has done."""
        return self._inner.stats()

    async def shutdown(self, *, cancel_futures: bool = False) -> None:
        """Take no more; finish what was submitted, then end the kernels."""
        await asyncio.to_thread(self._inner.shutdown, cancel_futures=cancel_futures)


async def _value_of(future: Future[Any]) -> Any:
    await asyncio.wrap_future(future)
    return future.result()  # which warns of the messages
