"""wolframclient's pool of evaluators, with kernels of a server.

Unlike the original, its workers outlive what happens to an evaluation: one that is cancelled is
aborted, and one whose kernel dies fails, after which the worker attaches another kernel.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from wolframclient.evaluation.base import WolframAsyncEvaluator
from wolframclient.exception import WolframKernelException

from kernelbus.shell.address import Address
from kernelbus.shell.wolframclient.session import WolframLanguageAsyncSession

__all__ = ["WolframEvaluatorPool", "parallel_evaluate"]

_log = logging.getLogger("wolframclient.evaluation.pool")


class WolframEvaluatorPool(WolframAsyncEvaluator):
    """Kernels that evaluate what is asked for, each whatever comes next.

    Args:
        async_evaluators: a server's address, an asynchronous evaluator (a
            WolframLanguageAsyncSession, or wolframclient's cloud session), or an iterable of these,
            which are repeated; None: the default server. The path of a kernel is not used.
        poolsize: how many evaluators there are. Fewer start where the server has fewer kernels.
        load_factor: how many evaluations may wait for each evaluator before asking for another
            one waits; 0: any number.
        async_language_session_class: the class of sessions that the pool makes.
        kwargs: for these sessions, such as `server` and `pool`.

    Raises:
        ValueError: the size is not positive, a profile is given for several kernels, or an
            evaluator is of another kind.
    """

    def __init__(
        self,
        async_evaluators: Any = None,
        poolsize: int = 4,
        load_factor: int = 0,
        async_language_session_class: type = WolframLanguageAsyncSession,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if poolsize <= 0:
            raise ValueError(f"Invalid pool size value {poolsize}. Expecting a positive integer.")
        if kwargs.get("profile") is not None and poolsize > 1:
            raise ValueError("a profile names one kernel: leave it out, or give poolsize=1")
        self.async_language_session_class = async_language_session_class
        self.requestedsize = poolsize
        self.eval_count = 0
        self._limit = max(load_factor, 0) * poolsize
        self._evaluators: set[Any] = set()
        if async_evaluators is None or isinstance(async_evaluators, str | int | Address | WolframAsyncEvaluator):
            async_evaluators = [async_evaluators]
        for evaluator in itertools.islice(itertools.cycle(async_evaluators), poolsize):
            self._add_evaluator(evaluator, **kwargs)
        self._queue: asyncio.Queue[tuple[asyncio.Future[Any], str, tuple[Any, ...], dict[str, Any]] | None] = asyncio.Queue(self._limit)
        self._starting: set[asyncio.Task[None]] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()

    def _add_evaluator(self, evaluator: Any, **kwargs: Any) -> None:
        if evaluator is None or isinstance(evaluator, str | int | Address):
            self._evaluators.add(self.async_language_session_class(kernel=evaluator, **kwargs))
        elif isinstance(evaluator, WolframAsyncEvaluator):
            self._evaluators.add(evaluator.duplicate() if evaluator in self._evaluators else evaluator)
        else:
            raise ValueError(
                f"Invalid asynchronous evaluator specifications. {evaluator} is neither a string nor a WolframAsyncEvaluator instance."
            )

    @property
    def started(self) -> bool:
        """Whether an evaluator takes evaluations."""
        return bool(self._workers)

    async def start(self) -> None:
        """Start the evaluators, and wait until the first one is ready.

        Raises:
            WolframKernelException: none could start; the text says why the last one could not.
        """
        self.stopped = False
        faults: list[Exception] = []
        self._starting = {asyncio.create_task(self._start_one(evaluator, faults)) for evaluator in self._evaluators}
        try:
            while not self._workers:
                if not self._starting:
                    why = f" {faults[-1]}" if faults else ""
                    raise WolframKernelException(f"Failed to start any kernel.{why}")
                _, self._starting = await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.terminate()
            raise

    async def _start_one(self, evaluator: Any, faults: list[Exception]) -> None:
        try:
            await evaluator.start()
        except Exception as error:
            faults.append(error)
            _log.info("A kernel from pool failed to start: %s. Reason is %s", evaluator, error)
            return
        self._workers.append(asyncio.create_task(self._work(evaluator)))

    async def _work(self, evaluator: Any) -> None:
        """Evaluate what is in the queue, until there is a None in it."""
        while (task := await self._queue.get()) is not None:
            future, name, args, kwargs = task
            if future.done():
                continue  # cancelled while it waited
            evaluation = asyncio.ensure_future(getattr(evaluator, name)(*args, **kwargs))
            # Whoever cancels the future cancels the evaluation, which aborts it.
            future.add_done_callback(partial(_follow, evaluation))
            try:
                await asyncio.wait([evaluation])
            except asyncio.CancelledError:  # the pool is terminated
                evaluation.cancel()
                future.cancel()
                raise
            if future.done():
                continue
            if evaluation.cancelled():
                future.cancel()
            elif (error := evaluation.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(evaluation.result())

    async def stop(self) -> None:
        """End the kernels after the evaluations that were asked for."""
        if self.stopped:
            return
        self.stopped = True
        await self._stop_starting()
        for _ in self._workers:
            await self._queue.put(None)
        await self._end("stop")

    async def terminate(self) -> None:
        """End the kernels now: the evaluations that run, and those that wait, are cancelled."""
        if self.stopped:
            return
        self.stopped = True
        await self._stop_starting()
        for worker in self._workers:
            worker.cancel()
        while not self._queue.empty():
            if (task := self._queue.get_nowait()) is not None:
                task[0].cancel()
        await self._end("terminate")

    async def _stop_starting(self) -> None:
        for task in self._starting:
            task.cancel()
        if self._starting:
            await asyncio.wait(self._starting)
        self._starting = set()

    async def _end(self, how: str) -> None:
        if self._workers:
            await asyncio.wait(self._workers)
        self._workers = []
        for outcome in await asyncio.gather(*(getattr(each, how)() for each in self._evaluators), return_exceptions=True):
            if isinstance(outcome, Exception):
                _log.warning("Exception raised while stopping a kernel: %s", outcome)

    async def ensure_started(self) -> None:
        """Start, unless the pool is started."""
        async with self._lock:
            if self.stopped or not self.started:
                await self.start()

    async def _ask(self, name: str, expr: Any, kwargs: dict[str, Any]) -> Any:
        await self.ensure_started()
        future = asyncio.get_running_loop().create_future()
        await self._queue.put((future, name, (expr,), kwargs))
        self.eval_count += 1
        return await future

    async def evaluate(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate on whichever kernel is free, and return the value."""
        return await self._ask("evaluate", expr, kwargs)

    async def evaluate_wxf(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate likewise, and return the value as WXF."""
        return await self._ask("evaluate_wxf", expr, kwargs)

    async def evaluate_wrap(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate likewise, and return the value with the messages and the printed text."""
        return await self._ask("evaluate_wrap", expr, kwargs)

    async def evaluate_all(self, iterable: Iterable[Any]) -> list[Any]:
        """Evaluate all expressions at once, and return the list of the values."""
        return await asyncio.gather(*(self.evaluate(expr) for expr in iterable))

    async def evaluate_many(self, expr_list: Iterable[Any]) -> list[Any]:
        """Evaluate all expressions at once, and return the list of the values."""
        return await self.evaluate_all(expr_list)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {len(self)}/{self.requestedsize} started evaluators, cumulating {self.eval_count} evaluations>"
        )

    def __len__(self) -> int:
        return len(self._workers)


def _follow(evaluation: asyncio.Future[Any], future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        evaluation.cancel()


def parallel_evaluate(expressions: Iterable[Any], evaluator_spec: Any = None, max_evaluators: int = 4, **kwargs: Any) -> Any:
    """Evaluate expressions on several kernels, which are attached for them and ended after them.

    Args:
        expressions: what to evaluate; nothing is known of which kernel evaluates which.
        evaluator_spec: the evaluators, as for :class:`WolframEvaluatorPool`.
        max_evaluators: how many kernels to use.
        kwargs: for the sessions, such as `server` and `pool`.

    Returns:
        The list of the values, in order.
    """

    async def run() -> Any:
        async with WolframEvaluatorPool(evaluator_spec, poolsize=max_evaluators, **kwargs) as pool:
            return await pool.evaluate_all(expressions)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    # Under a loop, as in a notebook, it needs a thread: a thread runs one loop.
    with ThreadPoolExecutor(1, "parallel_evaluate") as thread:
        return thread.submit(asyncio.run, run()).result()
