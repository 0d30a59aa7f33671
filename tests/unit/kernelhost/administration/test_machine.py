"""A host's report on its machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from kernelbus.kernelhost.administration.machine import report


def test_the_report_is_of_this_machine() -> None:
    found = report(True, False, 12.5)
    assert (found.separate, found.draining, found.up) == (True, False, 12.5)
    assert platform.machine() in found.system
    assert found.python == platform.python_version()
    assert found.cores == os.cpu_count()
    assert found.free > 0 and found.memory > 0
    assert found.embedded == f"Mathics3 {version('Mathics3')}"
