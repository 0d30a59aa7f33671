"""One kernel of a server in a thread of its own, fed from a queue.

It takes the place of wolframclient's controller, which starts a process. Like that one it serves
one life of a kernel: a session that starts again makes another (`duplicate`).
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar

from wolframclient.exception import WolframKernelException

from kernelbus.shell.address import Address
from kernelbus.shell.clients.sources import SourceError, read_file
from kernelbus.shell.clients.statements import statements
from kernelbus.shell.pool.calls import time_limit
from kernelbus.shell.pool.kernellink import KernelDied, KernelLink, KernelMessage, KernelPoolError, encode
from kernelbus.shell.pool.missed import MissedReader
from kernelbus.shell.streams import write_text
from kernelbus.shell.wolframclient.future import EvaluationFuture
from kernelbus.shell.wolframclient.kernelside import LEVELS, logged, prologue
from kernelbus.shell.wolframclient.result import Outcome, message_text
from kernelbus.shell.wolframclient.tokens import SYSTEM, unqualified
from wstp import Expr, Function, Symbol
from wstp.lexer import Buffer

__all__ = ["Convert", "KernelController"]

# wolframclient's own name, so that what programs set for its logs holds.
_log = logging.getLogger("wolframclient.evaluation.kernel.kernelcontroller")

#: What makes the value of a future of an outcome.
Convert = Callable[[Outcome], Any]

_GONE = "Kernel is not running anymore"
_numbers = itertools.count(1)


@dataclass(eq=False, slots=True)
class _Task:
    request: Sequence[Buffer]
    future: EvaluationFuture
    convert: Convert


class KernelController:
    """A kernel, and the thread that evaluates on it.

    Args:
        address: the server, and the pool; None: the profile's.
        profile: the name or path of a profile, whose kernel the thread goes back to and leaves as
            it is when it ends; where there is none, a fresh kernel, and the profile is written.
        initfile: a file of code, or several, that a fresh kernel evaluates first.
        kernel_loglevel: from which level what the kernel logs comes to Python's `logging`; NOTSET:
            nothing does.
        stdout: where printed text goes, as for `subprocess.Popen`: None for standard output, a
            file, or a descriptor. PIPE and DEVNULL: nowhere but into results.
        token: the server's token; None: the one that is found.
        parameters: `STARTUP_TIMEOUT` and `TERMINATE_TIMEOUT`, seconds; others are passed over.

    Attributes:
        pid: the id of the kernel's process on the server's machine; None before it is known.
        kernel_id: the id by which the server knows the kernel; "" before it is known.

    Raises:
        FileNotFoundError: a file of code is not there.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {"STARTUP_TIMEOUT": 60, "TERMINATE_TIMEOUT": 3, "HIDE_SUBPROCESS_WINDOW": True}

    def __init__(
        self,
        address: Address | None,
        *,
        profile: str | None = None,
        initfile: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        kernel_loglevel: int = logging.NOTSET,
        stdout: Any = None,
        token: str | None = None,
        **parameters: Any,
    ) -> None:
        self.id = next(_numbers)
        self.name = f"wolfram-kernel-{self.id}"
        self.address = address
        self.profile = profile
        self.pid: int | None = None
        self.kernel_id = ""
        self.evaluation_count = 0
        if initfile is None or isinstance(initfile, str | os.PathLike):
            initfile = () if initfile is None else (initfile,)
        self.initfile = tuple(os.fspath(path) for path in initfile)
        for path in self.initfile:
            if not os.path.isfile(path):
                raise FileNotFoundError(f"Kernel initialization file {path} not found.")
        self.parameters = {key: value for key, value in parameters.items() if key in self.DEFAULTS}
        self._loglevel = kernel_loglevel
        self._stdout = stdout
        self._token = token
        self._changed = threading.Condition()
        self._tasks: deque[_Task] = deque()
        self._running: _Task | None = None
        self._kernel: KernelLink | None = None
        self._note: Callable[[], None] | None = None
        self._stopping = False
        self._terminated = False
        self._system = set(SYSTEM)
        self._start: Future[bool] | None = None
        self._ended: Future[bool] = Future()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def duplicate(self) -> KernelController:
        """Return another with the same configuration, for a fresh kernel."""
        return type(self)(
            self.address,
            profile=self.profile,
            initfile=self.initfile,
            kernel_loglevel=self._loglevel,
            stdout=self._stdout,
            token=self._token,
            **self.parameters,
        )

    def get_parameter(self, parameter_name: str) -> Any:
        """Return a parameter.

        Raises:
            KeyError: there is none of this name.
        """
        if parameter_name not in self.DEFAULTS:
            raise KeyError(f"{parameter_name} is not one of the valid parameters: {', '.join(self.DEFAULTS)}")
        return self.parameters.get(parameter_name, self.DEFAULTS[parameter_name])

    def set_parameter(self, parameter_name: str, parameter_value: Any) -> None:
        """Set a parameter.

        Raises:
            KeyError: there is none of this name.
        """
        self.get_parameter(parameter_name)
        self.parameters[parameter_name] = parameter_value

    @property
    def started(self) -> bool:
        """Whether the kernel starts, or takes evaluations."""
        return self._start is not None and not self._terminated

    @property
    def starting(self) -> Future[bool] | None:
        """The future of the start; None before it was asked for."""
        return self._start

    @property
    def terminated(self) -> bool:
        """Whether the kernel takes no more evaluations."""
        return self._terminated

    def is_kernel_alive(self) -> bool:
        """Tell whether a kernel is attached."""
        return self._kernel is not None and not self._ended.done()

    def request_kernel_start(self) -> Future[bool]:
        """Start the thread; the future is True when the kernel is ready. A second time the same."""
        with self._changed:
            if self._start is None:
                self._start = Future()
                self._thread.start()
            return self._start

    def evaluate_future(self, request: Sequence[Buffer], convert: Convert, timeout: float | None = None) -> EvaluationFuture:
        """Evaluate after what was asked before.

        Args:
            request: what `encode` of :mod:`kernelbus.shell.pool.kernellink` returned.
            convert: makes the future's value, in the kernel's thread.
            timeout: seconds, from now, after which it is aborted and fails with TimeoutError.

        Raises:
            RuntimeError: the kernel takes no more evaluations.
            TypeError, ValueError: `timeout` is no number of seconds.
        """
        timeout = time_limit(timeout)
        task = _Task(request, EvaluationFuture(self._drop), convert)
        with self._changed:
            if self._terminated or self._start is None:
                raise RuntimeError("the kernel is stopped and takes no more evaluations")
            self._tasks.append(task)
            self._changed.notify()
        if timeout is not None:
            task.future.limit(timeout)
        return task.future

    def abort(self) -> None:
        """Abort the evaluation that runs: its value is then $Aborted."""
        task, kernel = self._running, self._kernel
        if task is not None and kernel is not None:
            kernel.abort(task)

    def stop(self) -> Future[bool]:
        """End the kernel after what was asked; the future is True when it has ended."""
        with self._changed:
            self._terminated = self._stopping = True
            self._changed.notify_all()
            if self._start is None:
                self._set_ended()
        return self._ended

    def terminate(self) -> Future[bool]:
        """End the kernel now: the evaluation that runs fails, and those that wait are cancelled."""
        with self._changed:
            self._terminated = self._stopping = True
            tasks = [*self._tasks]
            self._tasks.clear()
            running = self._running
            self._changed.notify_all()
            if self._start is None:
                self._set_ended()
        for task in tasks:
            task.future.cancel()
        if running is not None:
            running.future.fail(WolframKernelException(f"{_GONE}: it was terminated."))
            self._drop(running.future)
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join(self.get_parameter("TERMINATE_TIMEOUT"))
            if self._thread.is_alive() and (kernel := self._kernel) is not None:
                # It does not obey. Its server ends it with its link, unless a profile keeps it.
                kernel.leave()
                self._thread.join(self.get_parameter("TERMINATE_TIMEOUT"))
        return self._ended

    def _set_ended(self) -> None:
        if not self._ended.done():
            self._ended.set_result(True)

    def _drop(self, future: EvaluationFuture) -> None:
        """Abort the evaluation of a future that nobody waits for."""
        task, kernel = self._running, self._kernel
        if task is not None and task.future is future and kernel is not None:
            kernel.abort(task)

    # ---- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        fault: Exception | None = None
        try:
            self._attach()
            while self._serve():
                pass
        except KernelPoolError as error:
            fault = WolframKernelException(f"{_GONE}: {error}" if self.kernel_id else str(error))
        except (SourceError, WolframKernelException) as error:
            fault = WolframKernelException(str(error))
        except Exception as error:
            _log.exception("the thread of a kernel ended")
            fault = error
        finally:
            self._leave(fault or WolframKernelException(f"{_GONE}."))

    def _attach(self) -> None:
        """Attach a kernel, and prepare it.

        Raises:
            KernelPoolError: there is none, or it has died.
            SourceError, WolframKernelException: a file of code cannot be read or evaluated.
        """
        assert self._start is not None
        timeout = float(self.get_parameter("STARTUP_TIMEOUT"))
        if self.profile is not None:
            fresh = self._go_back(timeout)
        else:
            fresh, place = True, self.address or Address()
            _log.info("Asking the server at %s for a kernel.", place)
            self._kernel = KernelLink.attach(
                place, timeout=timeout, stop=lambda: self._terminated, parallel=False, token=self._token
            )
        kernel = self._kernel
        assert kernel is not None
        self.kernel_id = kernel.identity
        pid = self._ask(kernel, Symbol("System`ToExpression")(prologue(self._loglevel)))
        self.pid = pid if isinstance(pid, int) else None
        for path in self.initfile if fresh else ():
            for statement in statements(read_file(path).text):
                if statement.fault:
                    raise WolframKernelException(f"{path}:{statement.fault_line}: {statement.fault}")
                self._ask(kernel, Symbol("System`ToExpression")(statement.text))
        _log.info("Kernel %s is ready.", kernel.identity[:8])
        self._start.set_result(True)

    def _go_back(self, timeout: float) -> bool:
        """Attach the kernel of the profile, and wait until it is free; return whether it is fresh.

        What it said meanwhile is logged.
        """
        from kernelbus.shell.pool.attaching import go_back

        way = go_back(self.address, profile=self.profile or "", keep=True, token=self._token, timeout=timeout)
        self._kernel, self._note = way.link, way.note
        if way.notice:
            _log.warning("%s", way.notice)
        if not way.fresh:
            missed = MissedReader()
            way.link.begin(self)
            way.link.catch_up(missed.take, stop=lambda: self._terminated, answers=way.busy)
            way.note()
            for each in missed.found:
                _log.info("The kernel said meanwhile: %s", each)
        return way.fresh

    def _serve(self) -> bool:
        """Evaluate the next task; return False if there will be none.

        The thread keeps nothing of a task while it waits for another.
        """
        task = self._next()
        if task is not None:
            self._carry_out(task)
        return task is not None

    def _next(self) -> _Task | None:
        """Wait for the next task; None: there will be none."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._tasks or self._stopping)
                if not self._tasks:
                    return None
                task = self._tasks.popleft()
                if not task.future.done():
                    self._running = task
                    return task

    def _carry_out(self, task: _Task) -> None:
        """Evaluate a task, and give its future the outcome.

        Raises:
            KernelDied: the kernel, or the link to it, is gone.
        """
        kernel = self._kernel
        assert kernel is not None
        messages: list[KernelMessage] = []
        output: list[str] = []
        kernel.begin(task)
        try:
            if task.future.done():
                return  # cancelled before it could be aborted
            value = kernel.evaluate(
                task.request,
                on_message=lambda message: self._message(message, messages),
                on_print=lambda text: self._print(text, output),
            )
            self.evaluation_count += 1
            if self._note is not None:
                self._note()
            if task.future.done():
                return
            outcome = Outcome(value, messages, output, self._contexts(kernel, value, messages))
        except KernelDied as error:
            with self._changed:
                # Before the future has it, so that whoever evaluates then gets another kernel.
                self._terminated = True
            task.future.fail(WolframKernelException(f"{_GONE}: {error}"))
            raise
        finally:
            with self._changed:
                self._running = None
        try:
            converted = task.convert(outcome)
        except Exception as error:
            # A consumer of the program's own may raise anything; it concerns this evaluation alone.
            task.future.fail(error)
        else:
            task.future.succeed(converted)

    def _contexts(self, kernel: KernelLink, value: Expr, messages: Sequence[KernelMessage]) -> dict[str, str]:
        """Return the contexts of the symbols of a result that are named without one.

        The link leaves out the contexts that the kernel's $ContextPath reaches, which WXF has.
        """
        names = unqualified([value, *(Symbol(message.symbol) for message in messages)], self._system)
        if not names:
            return {}
        wanted = sorted(names)
        asked = Symbol("System`Quiet")(Function(Symbol("System`Map"), Symbol("System`Context"), wanted))
        found = self._ask(kernel, asked)
        if not isinstance(found, list) or len(found) != len(wanted):
            return {}
        contexts = {name: context for name, context in zip(wanted, found, strict=True) if isinstance(context, str)}
        self._system.update(name for name, context in contexts.items() if context == "System`")
        return contexts

    def _ask(self, kernel: KernelLink, expression: Expr) -> Expr:
        """Evaluate something of our own."""
        kernel.begin(self)
        return kernel.evaluate(encode(expression), on_message=self._initial_message, on_print=lambda text: self._print(text, []))

    def _initial_message(self, message: KernelMessage) -> None:
        _log.warning("%s", message_text(message))

    def _message(self, message: KernelMessage, messages: list[KernelMessage]) -> None:
        messages.append(message)
        text = message_text(message)
        _log.warning("%s", text)
        if self._loglevel != logging.NOTSET:
            self._kernel_logger().warning("%s", text)

    def _print(self, text: str, output: list[str]) -> None:
        if (said := logged(text)) is not None:
            level, words = said
            self._kernel_logger().log(LEVELS[level], "%s", words)
            return
        output.append(text.removesuffix("\n"))
        if self._loglevel != logging.NOTSET:
            self._kernel_logger().info("%s", text.removesuffix("\n"))
        _show(self._stdout, text)

    def _kernel_logger(self) -> logging.Logger:
        logger = logging.getLogger(f"WolframKernel-<{self.kernel_id[:8]}>")
        logger.setLevel(self._loglevel)
        return logger

    def _leave(self, fault: Exception) -> None:
        """End the kernel, and fail what is left."""
        with self._changed:
            self._terminated = self._stopping = True
            tasks = [*self._tasks]
            self._tasks.clear()
        if self._kernel is not None and self.profile is not None:
            self._kernel.leave()
        elif self._kernel is not None:
            self._kernel.close()
        for task in tasks:
            task.future.fail(fault)
        if self._start is not None and not self._start.done():
            self._start.set_exception(fault)
        self._set_ended()

    def __repr__(self) -> str:
        state = f"kernel {self.kernel_id[:8]}, pid {self.pid}" if self.started else "not started"
        return f"<{type(self).__name__}[{self.name}, {self.address or f'profile {self.profile}'}, {state}]>"


def _show(stream: Any, text: str) -> None:
    """Write printed text where `Popen` would let a kernel write it.

    Errors of a program's own stream are logged: they are not the kernel's.
    """
    if isinstance(stream, int) and stream < 0:
        return  # PIPE or DEVNULL
    try:
        if stream is None:
            if sys.stdout is not None:
                write_text(sys.stdout, text)
        elif isinstance(stream, int):
            os.write(stream, text.encode("utf-8", "backslashreplace"))
        else:
            write_text(stream, text)
    except (OSError, ValueError) as error:
        _log.warning("what the kernel printed cannot be written: %s", error)
