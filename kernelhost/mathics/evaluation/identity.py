"""Make a kernel an individual: what tells kernels apart must not come from the parent they share.

A fork copies the following, which siblings must not share:

random numbers
    :func:`renew` seeds Python's, numpy's and ``$RandomState``. Mathics3 keeps the last among its
    definitions and restores it before each draw. So a ``SeedRandom[n]`` in an initialisation does
    not reach the kernels.
``$SessionID``
    :func:`renew` draws it. Mathics3's own is the number of a thread, which is the same in each
    fork.
``SessionTime[]``
    :func:`renew` lets it count from the kernel's start, not the parent's.
``$ProcessID``, UUIDs
    The system is asked each time.
names of temporary files
    Python draws them anew in each process.
descriptors, signal handlers
    :mod:`kernelbus.kernelhost.mathics.start.nursery` resets them in the child.

The secret of Python's ``hash`` stays the parent's: it cannot be changed in a running process. It
protects nothing here, since whoever could learn it in one kernel can evaluate anything in that
kernel anyway.
"""

from __future__ import annotations

import random
import secrets
import time
from typing import Any

__all__ = ["mend_session", "renew"]

_session = 0


def mend_session() -> None:
    """Make ``$SessionID`` the number that :func:`renew` draws."""
    from mathics.builtin.system import SessionID
    from mathics.core.atoms import Integer

    SessionID.evaluate = lambda self, evaluation: Integer(_session)


def renew(definitions: Any) -> None:
    """Renew what must differ between kernels; call this in each of them, after any fork."""
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
