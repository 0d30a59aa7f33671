"""Make a kernel one of its own: nothing that tells kernels apart may come from the parent they were
forked from.

What a fork copies and siblings must not share, and who sees to it:

============================== ==================================================================================
random numbers                 :func:`renew`: Python's, numpy's, and ``$RandomState``, which Mathics3 keeps among its
                               definitions and goes back to before each draw; so a ``SeedRandom[n]``
                               in an initialisation does not reach the kernels either
``$SessionID``                 :func:`renew`; Mathics3's own is the number of a thread, the same in each fork
``SessionTime[]``              :func:`renew`; it counts from the kernel's start, not the parent's
``$ProcessID``, UUIDs          asked of the system each time
names of temporary files       Python draws them anew in each process
descriptors, signal handlers   :mod:`kernelbus.kernelhost.mathics.start.nursery`
============================== ==================================================================================

The secret of Python's ``hash`` stays the parent's: it cannot be changed in a running process, and
guards against nothing here, since whoever could learn it in one kernel can evaluate anything in
that kernel alone.
"""

from __future__ import annotations

import random
import secrets
import time
from typing import Any

__all__ = ["mend_session", "renew"]

_session = 0


def mend_session() -> None:
    """Let ``$SessionID`` be drawn by :func:`renew`."""
    from mathics.builtin.system import SessionID
    from mathics.core.atoms import Integer

    SessionID.evaluate = lambda self, evaluation: Integer(_session)


def renew(definitions: Any) -> None:
    """Draw and start anew what must differ between kernels; call in each of them, after any fork.
    """
    global _session
    import mathics.builtin.datentime as datentime
    import numpy
    from mathics.builtin.numbers.randomnumbers import get_random_state

    random.seed()
    numpy.random.seed()
    if definitions.get_config_value("$RandomState") is not None:
        definitions.set_config_value("$RandomState", get_random_state())
    _session = secrets.randbits(62)
    datentime.START_TIME = time.time()
