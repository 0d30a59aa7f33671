"""wolframclient's sessions, with kernels of a server.

>>> from kernelbus.wolframclient import WolframLanguageSession
>>> with WolframLanguageSession() as session:  # doctest: +SKIP
...     session.evaluate("Range[3]")
(1, 2, 3)
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from subprocess import PIPE
from types import TracebackType
from typing import Any

from wolframclient.evaluation.base import WolframAsyncEvaluator, WolframEvaluator, WolframEvaluatorBase

from kernelbus.shell.address import Address
from kernelbus.shell.pool.kernellink import encode
from kernelbus.shell.wolframclient.controller import KernelController
from kernelbus.shell.wolframclient.future import EvaluationFuture
from kernelbus.shell.wolframclient.placing import names_server, place
from kernelbus.shell.wolframclient.result import Outcome, WolframKernelEvaluationResult
from kernelbus.shell.wolframclient.serializer import WSTPSerializer

__all__ = ["DEFAULT_SERVER", "KernelEvaluator", "WolframLanguageAsyncSession", "WolframLanguageSession"]

_log = logging.getLogger("kernelbus.wolframclient")

#: The server where nothing names one.
DEFAULT_SERVER = "wstp://127.0.0.1"

_noted: set[str] = set()


def _note(text: str) -> None:
    """Tell the user something, once in a process."""
    if text not in _noted:
        _noted.add(text)
        _log.warning("%s", text)


class KernelEvaluator(WolframEvaluatorBase):
    """What the blocking and the asynchronous session have in common: one kernel of a server.

    Attributes:
        kernel_controller: the kernel and its thread.
        stopped: whether the session has not been started, or was ended.
    """

    def __init__(
        self,
        kernel: Any = None,
        consumer: Any = None,
        initfile: Any = None,
        kernel_loglevel: int = logging.NOTSET,
        stdin: Any = PIPE,
        stdout: Any = PIPE,
        stderr: Any = PIPE,
        inputform_string_evaluation: bool = True,
        wxf_bytes_evaluation: bool = True,
        controller_class: type = KernelController,
        *,
        server: str | int | Address | None = None,
        pool: str | None = None,
        profile: str | None = None,
        token: str | None = None,
        ca_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputform_string_evaluation=inputform_string_evaluation)
        address: Address | None
        address, note = place(kernel, server, pool, DEFAULT_SERVER)
        address = address.trusting(ca_file)
        if note:
            _note(note)
        if profile is not None and server is None and pool is None and ca_file is None and not names_server(kernel):
            address = None
        if not issubclass(controller_class, KernelController):
            _note(f"the controller {controller_class.__name__} is not used: kernels are those of a server")
            controller_class = KernelController
        self.kernel = kernel
        self.consumer = consumer
        self.initfile = initfile
        self.kernel_loglevel = kernel_loglevel
        self.wxf_bytes_evaluation = wxf_bytes_evaluation
        self.controller_class = controller_class
        self.parameters = kwargs
        self.stopped = True
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._server = address
        self._token = token
        self.kernel_controller: KernelController = controller_class(
            address,
            profile=profile,
            initfile=initfile,
            kernel_loglevel=kernel_loglevel,
            stdout=stdout,
            token=token,
            **kwargs,
        )

    def duplicate(self) -> Any:
        """Return another session with the same configuration, and a kernel of its own.

        It has no profile, since that names one kernel.
        """
        return type(self)(
            kernel=self.kernel,
            consumer=self.consumer,
            initfile=self.initfile,
            kernel_loglevel=self.kernel_loglevel,
            stdin=self._stdin,
            stdout=self._stdout,
            stderr=self._stderr,
            inputform_string_evaluation=self.inputform_string_evaluation,
            wxf_bytes_evaluation=self.wxf_bytes_evaluation,
            controller_class=self.controller_class,
            server=self._server,
            token=self._token,
            **self.parameters,
        )

    @property
    def started(self) -> bool:
        """Whether the kernel starts, or takes evaluations."""
        return self.kernel_controller.started

    def abort(self) -> None:
        """Abort the evaluation that runs: its value is then $Aborted. Any thread may call it."""
        self.kernel_controller.abort()

    def get_parameter(self, parameter_name: str) -> Any:
        """Return a parameter of the session.

        Raises:
            KeyError: there is none of this name.
        """
        return self.kernel_controller.get_parameter(parameter_name)

    def set_parameter(self, parameter_name: str, parameter_value: Any) -> None:
        """Set a parameter of the session.

        Raises:
            KeyError: there is none of this name.
        """
        self.kernel_controller.set_parameter(parameter_name, parameter_value)

    def _begin(self) -> Future[bool]:
        """Begin to attach a kernel; the future is True when it is ready."""
        self.stopped = False
        if self.kernel_controller.terminated:
            self.kernel_controller = self.kernel_controller.duplicate()
        return self.kernel_controller.request_kernel_start()

    def _finish(self, *, gracefully: bool) -> Future[bool]:
        """Begin to end the kernel; the future is True when it has ended."""
        self.stopped = True
        return self.kernel_controller.stop() if gracefully else self.kernel_controller.terminate()

    def _submit(self, expr: Any, callback: Any, timeout: float | None = None, **kwargs: Any) -> EvaluationFuture:
        """Evaluate, without a look at whether there is a kernel.

        Args:
            expr: code, or any value that an encoder is registered for.
            callback: makes the future's value of the result; None: the result is it.
            timeout: seconds after which the evaluation is aborted.
            kwargs: options of the serializer, as for wolframclient's `export`.

        Raises:
            NotImplementedError: no encoder is registered for a value.
        """
        request = encode(WSTPSerializer(**kwargs).export(self.normalize_input(expr)))

        consumer = self.consumer

        def convert(outcome: Outcome) -> Any:
            result = WolframKernelEvaluationResult(outcome, consumer)
            return result if callback is None else callback(result)

        return self.kernel_controller.evaluate_future(request, convert, timeout)

    def __del__(self) -> None:
        super().__del__()  # warns of a session that was not stopped
        if not self.stopped:
            # Nobody can evaluate any more; who waits for a future still gets it.
            self.kernel_controller.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.kernel_controller}>"


def _value(result: WolframKernelEvaluationResult) -> Any:
    return result.get()


def _wxf(result: WolframKernelEvaluationResult) -> bytes:
    return result.wxf


class WolframLanguageSession(KernelEvaluator, WolframEvaluator):
    """A kernel of a server, used as wolframclient's `WolframLanguageSession` is.

    The kernel is attached when `start` is called, at the latest by the first evaluation, and ends
    with `stop`, `terminate` or the `with` block. Each method that evaluates takes `timeout=`: after
    so many seconds the evaluation is aborted, TimeoutError is raised, and the session goes on.

    Args:
        kernel: the address of a server. The path of a program is not used, which a log message
            says once.
        consumer: the WXFConsumer that makes Python values; None: wolframclient's own, with numpy
            arrays.
        initfile: a file of code of this machine, or several, that each fresh kernel evaluates.
        kernel_loglevel: from which level messages, printed text and what ``ClientLibrary` ``
            functions log comes to the logger `WolframKernel-<...>`; NOTSET: nothing does.
        stdin: not used.
        stderr: not used.
        stdout: where printed text goes, as for `subprocess.Popen`. By default it is only in
            results (`evaluate_wrap`).
        inputform_string_evaluation: whether a string is code; else it is a string.
        wxf_bytes_evaluation: kept, and not used, as in wolframclient.
        controller_class: a subclass of :class:`KernelController`; any other class is not used.
        server: the server, as for :func:`kernelbus.connect`; None: the one in `kernel`, or port
            31415 of this machine.
        pool: the pool; None: the one in the address, or the server's default.
        profile: the name or path of a profile: the session goes back to its kernel, and leaves it
            as it is when it stops; where there is none, it is written for a fresh kernel. The
            server is then the profile's, unless one is named.
        token: the server's token; None: the one that :func:`kernelbus.connect` finds.
        ca_file: under TLS, a file of certificates (PEM) to trust; None: those of this machine.
        kwargs: `STARTUP_TIMEOUT` (60 seconds, in which a kernel must be attached) and
            `TERMINATE_TIMEOUT` (3 seconds); others are passed over.

    Raises:
        AddressError: the address of the server cannot be understood.
        FileNotFoundError: a file of code is not there.
    """

    CALLBACK_GET = staticmethod(_value)
    CALLBACK_GET_WXF = staticmethod(_wxf)

    def start(self, block: bool = True, timeout: float | None = None) -> None:
        """Attach a kernel.

        Args:
            block: whether to wait until it is ready.
            timeout: seconds to wait; None: `STARTUP_TIMEOUT`.

        Raises:
            WolframKernelException: no kernel can be attached; the text says why.
            TimeoutError: none was ready in `timeout`.
        """
        try:
            future = self.start_future()
            if block:
                future.result(timeout)
        except BaseException:
            self.terminate()
            raise

    def start_future(self) -> Future[bool]:
        """Begin to attach a kernel; the future is True when it is ready."""
        return self._begin()

    def stop(self) -> None:
        """End the kernel after the evaluations that were asked for."""
        if not self.stopped:
            self.stop_future().result()

    def terminate(self) -> None:
        """End the kernel now; the evaluation that runs fails, and those that wait are cancelled."""
        if not self.stopped:
            self.stop_future(gracefully=False).result()

    def stop_future(self, gracefully: bool = True) -> Future[bool]:
        """Begin to end the kernel; the future is True when it has ended."""
        return self._finish(gracefully=gracefully)

    def ensure_started(self) -> None:
        """Start, unless there is a kernel; after a kernel's death this attaches a fresh one."""
        if not self.started:
            self.start()

    def restart(self, block: bool = True, timeout: float | None = None) -> None:
        """End the kernel, if there is one, and attach a fresh one."""
        if self.started:
            self.stop()
        self.start(block=block, timeout=timeout)

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Also after the kernel's death: the original would warn that the session was not stopped.
        self.stop()

    def do_evaluate_future(self, expr: Any, result_update_callback: Any = None, **kwargs: Any) -> EvaluationFuture:
        """Evaluate, without a look at whether there is a kernel; the future is what the callback
        makes of the result.
        """
        return self._submit(expr, result_update_callback, **kwargs)

    def evaluate_future(self, expr: Any, **kwargs: Any) -> EvaluationFuture:
        """Evaluate; the future is the value. To cancel it aborts the evaluation."""
        self.ensure_started()
        return self.do_evaluate_future(expr, self.CALLBACK_GET, **kwargs)

    def evaluate_wxf_future(self, expr: Any, **kwargs: Any) -> EvaluationFuture:
        """Evaluate; the future is the value as WXF."""
        self.ensure_started()
        return self.do_evaluate_future(expr, self.CALLBACK_GET_WXF, **kwargs)

    def evaluate_wrap_future(self, expr: Any, **kwargs: Any) -> EvaluationFuture:
        """Evaluate; the future is a WolframKernelEvaluationResult."""
        self.ensure_started()
        return self.do_evaluate_future(expr, **kwargs)

    def evaluate_wrap(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value with the messages and the printed text.

        Raises:
            WolframKernelException: there is no kernel, or it died.
            TimeoutError: it took longer than `timeout`, and was aborted. The session goes on.
        """
        return self.evaluate_wrap_future(expr, **kwargs).wait()

    def evaluate(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value. Raises what `evaluate_wrap` raises."""
        return self.evaluate_wrap(expr, **kwargs).get()

    def evaluate_wxf(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value as WXF. Raises what `evaluate_wrap` raises."""
        return self.evaluate_wrap(expr, **kwargs).wxf

    def evaluate_many(self, expr_list: Any, **kwargs: Any) -> Any:
        """Evaluate one after the other, and return the list of the values."""
        return [self.evaluate(expr, **kwargs) for expr in expr_list]


async def _started(future: Future[bool]) -> None:
    """Wait for a start; whoever is cancelled meanwhile does not cancel it, others may wait too."""
    waiting: asyncio.Future[bool] = asyncio.wrap_future(future)
    # Once nobody waits, nobody needs to be told how it ended.
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(waiting)


class WolframLanguageAsyncSession(KernelEvaluator, WolframAsyncEvaluator):
    """A kernel of a server, used as wolframclient's `WolframLanguageAsyncSession` is.

    The arguments are those of :class:`WolframLanguageSession`; what evaluates, starts or stops is a
    coroutine. To cancel a task that waits for an evaluation aborts the evaluation.
    """

    async def start(self, block: bool = True, timeout: float | None = None) -> None:
        """Attach a kernel. Raises what the blocking session raises."""
        try:
            future = self._begin()
            if block:
                await asyncio.wait_for(_started(future), timeout)
        except BaseException:
            await self.terminate()
            raise

    async def stop(self) -> None:
        """End the kernel after the evaluations that were asked for."""
        if not self.stopped:
            await asyncio.wrap_future(self._finish(gracefully=True))

    async def terminate(self) -> None:
        """End the kernel now; the evaluation that runs fails, and those that wait are cancelled."""
        if not self.stopped:
            # In a thread: it waits for the kernel's.
            await asyncio.wrap_future(await asyncio.to_thread(self._finish, gracefully=False))

    async def ensure_started(self) -> None:
        """Start, unless there is a kernel; after a kernel's death this attaches a fresh one."""
        starting = self.kernel_controller.starting
        if not self.started:
            await self.start()
        elif starting is not None and not starting.done():
            await _started(starting)

    async def restart(self) -> None:
        """End the kernel, if there is one, and attach a fresh one."""
        if self.started:
            await self.stop()
        await self.start()

    async def __aexit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def do_evaluate_future(self, expr: Any, result_update_callback: Any = None, **kwargs: Any) -> asyncio.Future[Any]:
        """Evaluate, without a look at whether there is a kernel; the future is what the callback
        makes of the result.
        """
        return asyncio.wrap_future(self._submit(expr, result_update_callback, **kwargs))

    async def evaluate_future(self, expr: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Evaluate; the future is the value. To cancel it aborts the evaluation."""
        await self.ensure_started()
        return await self.do_evaluate_future(expr, _value, **kwargs)

    async def evaluate_wxf_future(self, expr: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Evaluate; the future is the value as WXF."""
        await self.ensure_started()
        return await self.do_evaluate_future(expr, _wxf, **kwargs)

    async def evaluate_wrap_future(self, expr: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Evaluate; the future is a WolframKernelEvaluationResult."""
        await self.ensure_started()
        return await self.do_evaluate_future(expr, **kwargs)

    async def evaluate(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value. Raises what the blocking session raises."""
        return await (await self.evaluate_future(expr, **kwargs))

    async def evaluate_wxf(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value as WXF."""
        return await (await self.evaluate_wxf_future(expr, **kwargs))

    async def evaluate_wrap(self, expr: Any, **kwargs: Any) -> Any:
        """Evaluate, and return the value with the messages and the printed text."""
        return await (await self.evaluate_wrap_future(expr, **kwargs))

    async def evaluate_many(self, expr_list: Any, **kwargs: Any) -> Any:
        """Evaluate one after the other, and return the list of the values."""
        return await asyncio.gather(*(self.evaluate(expr, **kwargs) for expr in expr_list))
