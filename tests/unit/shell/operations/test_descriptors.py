"""The soft limit of descriptors becomes the hard one, in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys

ASK = """
import resource
from kernelbus.shell.operations.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 500))
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE), raise_limit())
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 500
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout == "500 (500, 500) 500\n"
