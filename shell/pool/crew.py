"""The threads behind a `KernelPool`: one for each kernel, all fed from one queue.

A future stays cancellable while its evaluation runs: it is marked as running, in the standard's
sense, only when its value has come. The pool itself is :mod:`kernelbus.shell.pool.kernelpool`.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from kernelbus.shell.address import Address
from kernelbus.shell.commands import name_of
from kernelbus.shell.pool.kernellink import (
    EvaluationAborted,
    EvaluationError,
    EvaluationFailed,
    KernelDied,
    KernelLink,
    KernelMessage,
    NoKernel,
    TokenRefused,
)
from kernelbus.shell.pool.values import to_python
from kernelbus.shell.streams import write_text
from wstp import Expr, Function
from wstp.lexer import Buffer

__all__ = ["Crew", "Orders", "Task", "call_handler", "check_value", "show"]

_log = logging.getLogger("kernelbus.kernelpool")

# Seconds in which a restarted server is expected back, and between two attempts.
_RETURN_SECONDS = 10.0
_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Orders:
    """What a crew asks of each kernel.

    Attributes:
        address: the server and the pool.
        initializer: the encoded expression that each kernel evaluates first; None: nothing.
        timeout: seconds in which a kernel must be attached.
        on_message: called with each message; None: messages are only kept with their evaluation.
        on_print: called with each printed text; None: it goes to standard output.
        token: the server's token; None: the one that is found.
    """

    address: Address
    initializer: Sequence[Buffer] | None
    timeout: float
    on_message: Callable[[KernelMessage], None] | None
    on_print: Callable[[str], None] | None
    token: str | None = None


@dataclass(eq=False, slots=True)
class Task:
    """One evaluation.

    Attributes:
        request: the encoded expression.
        future: where its value goes.
        raw: whether the value stays an expression.
        messages: what it has issued, in order.
        tries: how many kernels have died during it.
        told: whether it can no longer be cancelled: it is done, or its waiters know that it is
            cancelled.
        kernel: the kernel that evaluates it; None: none does.
    """

    request: Sequence[Buffer]
    future: Future[Any]
    raw: bool = False
    messages: list[KernelMessage] = field(default_factory=list)
    tries: int = 0
    told: bool = False
    kernel: KernelLink | None = None


def check_value(value: Expr, messages: Sequence[KernelMessage] = ()) -> Expr:
    """Return `value`, unless it says that the evaluation failed.

    Raises:
        EvaluationFailed: it is $Failed, or a call of $Failed.
        EvaluationAborted: it is $Aborted.
    """
    match name_of(value.head if isinstance(value, Function) else value):
        case "$Failed":
            raise EvaluationFailed("the value is $Failed", messages)
        case "$Aborted" if not isinstance(value, Function):
            raise EvaluationAborted("the evaluation was aborted", messages)
    return value


class Crew:
    """The queue and its threads; a crew lives as long as they do, maybe longer than the pool."""

    def __init__(self, size: int, orders: Orders) -> None:
        self.orders = orders
        self.closed = False
        self._changed = threading.Condition()
        self._tasks: deque[Task] = deque()
        self._at_work: set[Task] = set()
        self._left = size
        self._ready = 0
        self._fault: NoKernel | None = None
        # Daemons, so that a program that forgot `shutdown` can end; `_at_exit` finishes their work.
        self._threads = [threading.Thread(target=self._work, name=f"kernelpool-{at}", daemon=True) for at in range(size)]
        _crews.add(self)
        for thread in self._threads:
            thread.start()

    def wait_for_kernel(self) -> None:
        """Wait until a kernel is ready.

        Raises:
            NoKernel: there will be none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or not self._left)
            if not self._ready and self._fault is not None:
                raise self._fault

    @property
    def size(self) -> int:
        """How many kernels there are, or are still expected."""
        return self._left

    def add(self, task: Task) -> None:
        """Put `task` in the queue.

        Raises:
            RuntimeError: the crew is closed.
            NoKernel: no kernel is left.
        """
        with self._changed:
            if self.closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if not self._left:
                raise self._fault or NoKernel("no kernel is left")
            self._tasks.append(task)
            self._changed.notify()

    def cancelled(self, task: Task) -> None:
        """Wake the waiters of a task whose future is cancelled, and abort its evaluation."""
        kernel = task.kernel
        self._settle(task)
        if kernel is not None:
            kernel.abort(task)

    def close(self, *, cancel: bool = False, abort: bool = False) -> None:
        """Take no more tasks.

        Args:
            cancel: cancel the tasks in the queue; else they are evaluated first.
            abort: cancel the tasks that kernels evaluate now; else these are finished.
        """
        with self._changed:
            self.closed = True
            dropped = [*self._tasks] if cancel else []
            dropped += self._at_work if abort else ()
            self._changed.notify_all()
        for task in dropped:
            task.future.cancel()

    def join(self) -> None:
        """Wait until the threads are done and their kernels have ended."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _settle(self, task: Task) -> bool:
        """Make the task uncancellable; return whether it was not cancelled before."""
        with self._changed:
            if task.told:
                return False
            task.told = True
            return task.future.set_running_or_notify_cancel()

    # ---- one thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        """Run one thread: attach a kernel, evaluate tasks on it, and replace it when it dies."""
        kernel: KernelLink | None = None
        task: Task | None = None
        fault: BaseException | None = None
        try:
            kernel = self._find_kernel(again=False)
            with self._changed:
                self._ready += 1
                self._changed.notify_all()
            while (task := self._next()) is not None:
                try:
                    self._carry_out(task, kernel)
                except KernelDied as error:
                    _log.warning("kernel %s: %s", kernel.identity[:8], error)
                    kernel.close()
                    self._died(task, error)
                    task = None
                    kernel = self._find_kernel(again=True)
        except NoKernel as error:
            fault = error
        except BaseException as error:
            fault = error
            _log.exception("a thread of the pool of kernels ended")
        finally:
            if kernel is not None:
                kernel.close()
            self._leave(task, fault)

    def _find_kernel(self, *, again: bool) -> KernelLink:
        """Attach a kernel and initialise it.

        Args:
            again: keep trying for a while if the server cannot be reached.

        Raises:
            NoKernel: there is none, or its initializer failed.
        """
        deadline = time.monotonic() + (_RETURN_SECONDS if again else 0.0)
        while True:
            try:
                orders = self.orders
                kernel = KernelLink.attach(orders.address, timeout=orders.timeout, stop=self._idle, token=orders.token)
                break
            except TokenRefused:
                raise
            except NoKernel:
                if time.monotonic() >= deadline or self._idle():
                    raise
            time.sleep(_PAUSE)
        try:
            self._initialise(kernel)
        except BaseException:
            kernel.close()
            raise
        return kernel

    def _initialise(self, kernel: KernelLink) -> None:
        if self.orders.initializer is None:
            return
        messages: list[KernelMessage] = []
        try:
            check_value(kernel.evaluate(self.orders.initializer, on_message=messages.append, on_print=self._print), messages)
        except (EvaluationError, KernelDied) as error:
            raise NoKernel(f"the initializer failed: {error}") from None

    def _idle(self) -> bool:
        """Whether another kernel would be of no use."""
        with self._changed:
            return self.closed and not self._tasks

    def _next(self) -> Task | None:
        """Wait for the next task; None: there will be none."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._tasks or self.closed)
                if not self._tasks:
                    return None
                task = self._tasks.popleft()
                if not task.future.cancelled():
                    self._at_work.add(task)
                    return task

    def _carry_out(self, task: Task, kernel: KernelLink) -> None:
        """Evaluate a task, and give its future the outcome.

        Raises:
            KernelDied: the kernel died.
        """
        task.messages.clear()
        # In this order: whoever cancels the task either finds the kernel and aborts, or did so
        # before the check below.
        kernel.begin(task)
        task.kernel = kernel
        try:
            if task.future.cancelled():
                return
            value = kernel.evaluate(task.request, on_message=lambda message: self._message(task, message), on_print=self._print)
        finally:
            with self._changed:
                task.kernel = None
                self._at_work.discard(task)
        if not self._settle(task):
            return
        try:
            check_value(value, task.messages)
            task.future.set_result(value if task.raw else to_python(value))
        except EvaluationError as error:
            task.future.set_exception(error)

    def _died(self, task: Task, error: KernelDied) -> None:
        """Put the task first in the queue again; after its second dead kernel, fail it."""
        task.tries += 1
        if task.tries < 2:
            with self._changed:
                self._tasks.appendleft(task)
                self._changed.notify()
        elif self._settle(task):
            task.future.set_exception(KernelDied(f"{error} (twice, on two kernels)"))

    def _leave(self, task: Task | None, fault: BaseException | None) -> None:
        """End this thread; the last one fails all tasks that are left."""
        with self._changed:
            self._left -= 1
            if fault is not None:
                self._fault = fault if isinstance(fault, NoKernel) else NoKernel(f"a thread of the pool failed: {fault}")
                if self._left and self._ready and not self.closed:
                    _log.warning("the pool goes on with fewer kernels, %d at most: %s", self._left, self._fault)
            waiting = [*self._tasks] if not self._left else []
            if not self._left:
                self._tasks.clear()
            self._changed.notify_all()
        if task is not None and fault is not None:
            waiting.append(task)
        for each in waiting:
            if self._settle(each):
                each.future.set_exception(self._fault or NoKernel("no kernel is left"))

    # ---- what evaluations say -------------------------------------------------------------------

    def _message(self, task: Task, message: KernelMessage) -> None:
        task.messages.append(message)
        call_handler(self.orders.on_message, message)

    def _print(self, text: str) -> None:
        show(self.orders.on_print, text)


def show(on_print: Callable[[str], None] | None, text: str) -> None:
    """Give printed text to the user's function, or without one to standard output."""
    if on_print is not None:
        call_handler(on_print, text)
    elif sys.stdout is not None:
        write_text(sys.stdout, text)


def call_handler(handler: Callable[[Any], None] | None, said: object) -> None:
    """Call a function of the user's; log its errors, since they are not the kernel's."""
    if handler is None:
        return
    try:
        handler(said)
    except Exception:
        _log.exception("the handler of what kernels say failed")


_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def _at_exit() -> None:
    """Finish what was submitted before the program ends, as the standard executors do."""
    crews = list(_crews)
    for crew in crews:
        crew.close()
    for crew in crews:
        crew.join()


atexit.register(_at_exit)
