"""The session of programs that evaluate a line now and then: it is made when it is first needed."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

from kernelbus.shell.pool.said import KernelDied
from kernelbus.shell.pool.session import Session
from wstp import Expr

__all__ = ["default_session", "end_session", "evaluate", "forget", "present_session"]

_lock = threading.Lock()
_session: Session | None = None
_process = 0


def evaluate(code: str | Expr, *, timeout: float | None = None) -> Any:
    """Evaluate on this program's own kernel of the server at the default port of this machine.

    The first call attaches a fresh kernel of the server's default pool. All threads share it, and
    it ends with the program. When it has died, the next call attaches another. For another server,
    or a kernel that is kept, use a :class:`Session`.

    Args:
        code: code, or an expression of `wstp`.
        timeout: seconds after which the evaluation is aborted; None: no limit.

    Raises:
        NoKernel: no kernel can be attached; the text says why.
        EvaluationFailed, EvaluationAborted, KernelDied, TimeoutError, TypeError: as of
            :meth:`Session.evaluate`.

    >>> evaluate("2+2")  # doctest: +SKIP
    4
    """
    session = default_session()
    try:
        return session.evaluate(code, timeout=timeout)
    except KernelDied:
        forget(session)
        raise


def default_session() -> Session:
    """Return the session of :func:`evaluate`, made if there is none yet in this process.

    Raises:
        NoKernel: no kernel can be attached; the text says why.
    """
    global _session, _process
    with _lock:
        if _session is None or _process != os.getpid():
            _session, _process = Session(), os.getpid()
        return _session


def present_session() -> Session | None:
    """Return the session of :func:`evaluate`; None if this process has none."""
    return _session if _process == os.getpid() else None


def end_session() -> None:
    """End the session of :func:`evaluate`; the next call makes another."""
    global _session
    with _lock:
        ended, _session = _session, None
    if ended is not None and _process == os.getpid():
        ended.close()


def forget(session: Session) -> None:
    """Have the next :func:`evaluate` attach a kernel, where `session` is of no more use."""
    global _session
    with _lock:
        if _session is session:
            _session = None
    session.disconnect()


def _new_lock() -> None:
    # Another thread may have held it when the process was forked.
    global _lock
    _lock = threading.Lock()


atexit.register(end_session)
os.register_at_fork(after_in_child=_new_lock)
