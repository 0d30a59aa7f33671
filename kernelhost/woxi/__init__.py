"""A kernel that is Woxi: another open engine of the language, as a WSTP program of its own.

For pools with ``"KernelPath": "woxi"``. Woxi takes and gives text, and nothing interrupts it. So
one process has the link, and another evaluates, which forks a copy of itself before each
evaluation: to abort, the process is killed, and the copy goes on from the state before. What Woxi
lacks is listed in docs/kernels.md.

``text`` writes expressions as Woxi reads them, ``wxf`` reads what it gives back. ``evaluator`` is
the process that evaluates, ``worker`` the other's end of it; ``kernel`` answers packets. Begin
reading at ``kernel``.
"""

__all__: list[str] = []
