"""The evaluators of wolframclient, with kernels of a kernelbus server.

>>> from kernelbus.wolframclient import WolframLanguageSession
>>> with WolframLanguageSession(server="wstp://localhost") as session:  # doctest: +SKIP
...     session.evaluate("2+2")
4

Programs written for `wolframclient.evaluation` import from here instead; what is not of kernels on
this machine, such as cloud sessions, is wolframclient's own. docs/wolframclient.md says what
differs. It needs `kernelbus[wolframclient]`.
"""

from __future__ import annotations

from typing import Any

from kernelbus.shell.extras import needed

with needed():
    from kernelbus.shell.wolframclient.pool import WolframEvaluatorPool, parallel_evaluate
    from kernelbus.shell.wolframclient.result import WolframKernelEvaluationResult
    from kernelbus.shell.wolframclient.session import WolframLanguageAsyncSession, WolframLanguageSession

__all__ = [
    "WolframEvaluatorPool",
    "WolframKernelEvaluationResult",
    "WolframLanguageAsyncSession",
    "WolframLanguageSession",
    "parallel_evaluate",
]


def __getattr__(name: str) -> Any:
    # PEP 562: called for a name that the module does not have.
    from wolframclient import evaluation

    if name in evaluation.__all__:
        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
