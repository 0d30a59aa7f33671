"""The threads behind a `KernelPool`: one for each kernel, all fed from one queue.

A future stays cancellable while its evaluation runs: it is marked as running, in the standard's
sense, only when its value has come. The pool itself is :mod:`kernelbus.shell.pool.kernelpool`.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
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
from kernelbus.shell.pool.kernellink import KernelLink, encode
from kernelbus.shell.pool.picture import drawing, drawn
from kernelbus.shell.pool.said import (
    EvaluationAborted,
    EvaluationError,
    EvaluationFailed,
    KernelDied,
    KernelMessage,
    NoKernel,
    TokenRefused,
)
from kernelbus.shell.pool.values import to_python
from kernelbus.shell.streams import write_text
from wstp import Expr, Function
from wstp.lexer import Buffer

__all__ = ["Crew", "Definition", "Orders", "PoolStats", "Task", "call_handler", "check_value", "show"]

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


@dataclass(eq=False, slots=True)
class Definition:
    """What every kernel evaluates, those that come later as well, before any later task.

    Attributes:
        request: the encoded expression.
        future: gets the values of the kernels that were there, once all have evaluated it.
        due: the kernels that have not yet.
        values: what the others gave.
        fault: the first error of one of them.
        dropped: whether it is of no use: it failed, or nobody waited for its end.
    """

    request: Sequence[Buffer]
    future: Future[list[Any]] = field(default_factory=Future)
    due: set[KernelLink] = field(default_factory=set)
    values: list[Any] = field(default_factory=list)
    fault: EvaluationError | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool does, and what it has done.

    Attributes:
        kernels: how many kernels it has or expects.
        ready: how many are there.
        busy: how many of them evaluate.
        waiting: how many evaluations wait for a kernel.
        done: how many are over, with a value or an error. A chunk of `map` is one evaluation.
        failed: how many of those had an error.
        cancelled: how many were cancelled while a kernel evaluated them.
        died: how many kernels have died and were replaced.
    """

    kernels: int
    ready: int
    busy: int
    waiting: int
    done: int
    failed: int
    cancelled: int
    died: int


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
        self._left = 0
        # How many threads are to end as soon as they can.
        self._leaving = 0
        self._retired: set[threading.Thread] = set()
        # The kernels that are ready, each with the number of definitions that it has evaluated.
        self._kernels: dict[KernelLink, int] = {}
        self._definitions: list[Definition] = []
        self._awaited: list[tuple[int | None, Future[int]]] = []
        self._done = self._failed = self._cancelled = self._deaths = 0
        self._fault: NoKernel | None = None
        self._threads: list[threading.Thread] = []
        _crews.add(self)
        self.resize(size)

    def resize(self, size: int) -> None:
        """Have `size` kernels from now on: ask for more, or let some end when they are free.

        Raises:
            RuntimeError: the crew is closed.
        """
        with self._changed:
            if self.closed:
                raise RuntimeError("the pool is shut down")
            more = size - self.size
            if more < 0:
                self._leaving -= more
            else:
                staying = min(self._leaving, more)
                self._leaving -= staying
                more -= staying
            self._threads = [thread for thread in self._threads if thread.ident is None or thread.is_alive()]
            started = []
            for _ in range(more):
                # Daemons, so that a program that forgot `shutdown` can end; `_at_exit` finishes
                # their work.
                started.append(threading.Thread(target=self._work, name=f"kernelpool-{next(_numbers)}", daemon=True))
            self._left += len(started)
            self._threads += started
            self._look()
        for thread in started:
            thread.start()

    def when_ready(self, kernels: int | None) -> Future[int]:
        """Return what gets the number of ready kernels once there are so many.

        None for `kernels` stands for all that are expected. It gets a `NoKernel` when there will
        not be so many.
        """
        future: Future[int] = Future()
        with self._changed:
            self._awaited.append((kernels, future))
            self._look()
        return future

    @property
    def size(self) -> int:
        """How many kernels there are, or are still expected."""
        return self._left - self._leaving

    def stats(self) -> PoolStats:
        """Return what the crew does, and what it has done."""
        with self._changed:
            waiting = sum(not task.future.cancelled() for task in self._tasks)
            return PoolStats(
                self.size, len(self._kernels), len(self._at_work), waiting, self._done, self._failed, self._cancelled, self._deaths
            )

    def define(self, request: Sequence[Buffer]) -> Definition:
        """Have every kernel evaluate `request`, before any task that is added later.

        Raises:
            RuntimeError: the crew is closed.
            NoKernel: no kernel is left.
        """
        definition = Definition(request)
        with self._changed:
            self._check_open()
            self._definitions.append(definition)
            definition.due.update(self._kernels)
            self._settle_definition(definition)
            self._changed.notify_all()
        return definition

    def drop(self, definition: Definition) -> None:
        """Abort a definition, and do not give it to later kernels."""
        with self._changed:
            definition.dropped = True
            due = [*definition.due]
        for kernel in due:
            kernel.abort(definition)

    def add(self, task: Task) -> None:
        """Put `task` in the queue.

        Raises:
            RuntimeError: the crew is closed.
            NoKernel: no kernel is left.
        """
        with self._changed:
            self._check_open()
            self._tasks.append(task)
            self._changed.notify()

    def _check_open(self) -> None:
        if self.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if not self._left:
            raise self._fault or NoKernel("no kernel is left")

    def draw(self, expression: Expr, form: str) -> str:
        """Return an expression in a form, as text; any kernel makes it.

        Raises:
            EvaluationFailed, KernelDied, NoKernel, RuntimeError: as for any evaluation.
        """
        task = Task(encode(drawing(expression, form)), Future(), raw=True)
        self.add(task)
        return drawn(task.future.result(), task.messages, form)

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
            self._has(kernel)
            while (work := self._next(kernel)) is not None:
                task = work if isinstance(work, Task) else None
                try:
                    if task is not None and (gone := kernel.ended()) is not None:
                        # It did not die of the task, which is as good as new.
                        self._put_back(task)
                        task = None
                        raise gone
                    if isinstance(work, Definition):
                        self._carry_out_definition(work, kernel)
                    else:
                        self._carry_out(work, kernel)
                except KernelDied as error:
                    _log.warning("kernel %s: %s", kernel.identity[:8], error)
                    self._lacks(kernel, died=True)
                    kernel.close()
                    if task is not None:
                        self._died(task, error)
                    task = None
                    kernel = self._find_kernel(again=True)
                    self._has(kernel)
                task = None
        except NoKernel as error:
            fault = error
        except BaseException as error:
            fault = error
            _log.exception("a thread of the pool of kernels ended")
        finally:
            if kernel is not None:
                self._lacks(kernel)
                kernel.close()
            self._leave(task, fault)

    def _has(self, kernel: KernelLink) -> None:
        with self._changed:
            self._kernels[kernel] = 0
            self._look()

    def _lacks(self, kernel: KernelLink, *, died: bool = False) -> None:
        with self._changed:
            self._deaths += died
            self._kernels.pop(kernel, None)
            for definition in self._definitions:
                if kernel in definition.due:
                    definition.due.discard(kernel)
                    self._settle_definition(definition)
            self._changed.notify_all()

    def _look(self) -> None:
        """Tell those who wait for kernels that have come, or that will not come."""
        self._changed.notify_all()
        for awaited in [*self._awaited]:
            kernels, future = awaited
            wanted = self.size if kernels is None else kernels
            if len(self._kernels) >= wanted and self._kernels:
                self._awaited.remove(awaited)
                if future.set_running_or_notify_cancel():
                    future.set_result(len(self._kernels))
            elif self.size < max(wanted, 1):
                self._awaited.remove(awaited)
                if future.set_running_or_notify_cancel():
                    why = self._fault if not self.size else NoKernel(f"{self._lacking(wanted)}{f': {self._fault}' if self._fault else ''}")
                    future.set_exception(why or NoKernel("no kernel is left"))

    def _lacking(self, wanted: int) -> str:
        return f"{wanted} kernels were to be ready, and the pool has {self.size} at most"

    def _settle_definition(self, definition: Definition) -> None:
        """Give the outcome of a definition to its future, once no kernel is due."""
        if definition.due or definition.future.done():
            return
        if definition.fault is not None:
            definition.dropped = True
            definition.future.set_exception(definition.fault)
        else:
            definition.future.set_result(definition.values)

    def _carry_out_definition(self, definition: Definition, kernel: KernelLink) -> None:
        """Evaluate a definition on a kernel.

        Raises:
            KernelDied: the kernel died.
            NoKernel: it failed on a kernel that came later, which is not as it must be then.
        """
        messages: list[KernelMessage] = []
        fault: EvaluationError | None = None
        value: Any = None
        # In this order: whoever drops it either finds it begun and aborts, or did so before.
        kernel.begin(definition)
        try:
            if definition.dropped:
                raise EvaluationAborted("it was given up")
            value = kernel.evaluate(definition.request, on_message=lambda said: self._message(messages, said), on_print=self._print)
            value = to_python(check_value(value, messages), self.draw)
        except EvaluationError as error:
            fault = error
        with self._changed:
            late = kernel not in definition.due
            definition.due.discard(kernel)
            if fault is not None:
                definition.fault = definition.fault or fault
            else:
                definition.values.append(value)
            if not late:
                self._settle_definition(definition)
        if late and fault is not None and not definition.dropped:
            raise NoKernel(f"a definition for all kernels failed: {fault}")

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
            return self._retires() or (self.closed and not self._tasks)

    def _retires(self) -> bool:
        """Tell whether this thread is one of those that are to end, under the lock."""
        if self._leaving and threading.current_thread() not in self._retired:
            self._leaving -= 1
            self._left -= 1
            self._retired.add(threading.current_thread())
        return threading.current_thread() in self._retired

    def _next(self, kernel: KernelLink) -> Task | Definition | None:
        """Wait for what `kernel` does next; None: nothing."""
        with self._changed:
            while True:
                self._changed.wait_for(
                    lambda: self._tasks or self.closed or self._leaving or self._kernels[kernel] < len(self._definitions)
                )
                if self._retires():
                    return None
                while (number := self._kernels[kernel]) < len(self._definitions):
                    self._kernels[kernel] += 1
                    definition = self._definitions[number]
                    if not definition.dropped or kernel in definition.due:
                        return definition
                if not self._tasks:
                    if self.closed:
                        return None
                    continue
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
            value = kernel.evaluate(task.request, on_message=lambda said: self._message(task.messages, said), on_print=self._print)
        finally:
            with self._changed:
                task.kernel = None
                self._at_work.discard(task)
        if not self._settle(task):
            with self._changed:
                self._cancelled += 1
            return
        fault: EvaluationError | None = None
        try:
            check_value(value, task.messages)
        except EvaluationError as error:
            fault = error
        with self._changed:
            self._done += 1
            self._failed += fault is not None
        if fault is not None:
            task.future.set_exception(fault)
        else:
            task.future.set_result(value if task.raw else to_python(value, self.draw))

    def _died(self, task: Task, error: KernelDied) -> None:
        """Put the task first in the queue again; after its second dead kernel, fail it."""
        task.tries += 1
        if task.tries < 2:
            self._put_back(task)
        elif self._settle(task):
            task.future.set_exception(KernelDied(f"{error} (twice, on two kernels)"))

    def _put_back(self, task: Task) -> None:
        with self._changed:
            self._at_work.discard(task)
            self._tasks.appendleft(task)
            self._changed.notify()

    def _leave(self, task: Task | None, fault: BaseException | None) -> None:
        """End this thread; the last one fails all tasks that are left."""
        with self._changed:
            if threading.current_thread() in self._retired:
                self._retired.discard(threading.current_thread())
                fault = None
            else:
                self._left -= 1
                self._leaving = max(self._leaving - 1, 0)
            if fault is not None:
                self._fault = fault if isinstance(fault, NoKernel) else NoKernel(f"a thread of the pool failed: {fault}")
                if self._left and self._kernels and not self.closed:
                    _log.warning("the pool goes on with fewer kernels, %d at most: %s", self._left, self._fault)
            waiting = [*self._tasks] if not self._left else []
            if not self._left:
                self._tasks.clear()
            self._look()
        if task is not None and fault is not None:
            waiting.append(task)
        for each in waiting:
            if self._settle(each):
                each.future.set_exception(self._fault or NoKernel("no kernel is left"))

    # ---- what evaluations say -------------------------------------------------------------------

    def _message(self, messages: list[KernelMessage], message: KernelMessage) -> None:
        messages.append(message)
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


_numbers = itertools.count()
_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def _at_exit() -> None:
    """Finish what was submitted before the program ends, as the standard executors do."""
    crews = list(_crews)
    for crew in crews:
        crew.close()
    for crew in crews:
        crew.join()


atexit.register(_at_exit)
# A forked process has none of the threads.
os.register_at_fork(after_in_child=_crews.clear)
