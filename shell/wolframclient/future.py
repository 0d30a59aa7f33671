"""The future of an evaluation: it can be cancelled while it runs, and can run out of time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

__all__ = ["EvaluationFuture"]


class EvaluationFuture(Future[Any]):
    """The outcome of one evaluation.

    A standard future cannot be cancelled once it runs. This one can: the kernel then aborts the
    evaluation. So it is marked as running, in the standard's sense, only when its outcome is there.

    Args:
        drop: called, in any thread, when nobody waits for the evaluation any more.
    """

    def __init__(self, drop: Callable[[EvaluationFuture], None] = lambda _: None) -> None:
        super().__init__()
        self._drop = drop
        self._gate = threading.Lock()
        self._told = False
        self._timer: threading.Timer | None = None

    def cancel(self) -> bool:
        """Cancel it, and abort the evaluation if it runs; return False if it is done already."""
        if not super().cancel():
            return False
        self._settle()
        self._drop(self)
        return True

    def limit(self, seconds: float) -> None:
        """Fail with TimeoutError, and abort the evaluation, if it is not done after so long."""
        self._timer = threading.Timer(max(seconds, 0.0), self._expire, [seconds])
        self._timer.daemon = True
        self.add_done_callback(lambda _: self._timer.cancel() if self._timer is not None else None)
        self._timer.start()

    def wait(self) -> Any:
        """Return the value; if the waiting is interrupted (Ctrl-C), abort the evaluation."""
        try:
            return self.result()
        except BaseException:
            self.cancel()
            raise

    def succeed(self, value: Any) -> bool:
        """Give it its value; return False if nobody waits for it any more."""
        if settled := self._settle():
            self.set_result(value)
        return settled

    def fail(self, error: BaseException) -> bool:
        """Give it an error; return False if nobody waits for it any more."""
        if settled := self._settle():
            self.set_exception(error)
        return settled

    def _settle(self) -> bool:
        """Make it uncancellable; return whether it was neither cancelled nor done before."""
        with self._gate:
            if self._told:
                return False
            self._told = True
        return self.set_running_or_notify_cancel()

    def _expire(self, seconds: float) -> None:
        if self.fail(TimeoutError(f"the evaluation took longer than {seconds:g} s and was aborted")):
            self._drop(self)
