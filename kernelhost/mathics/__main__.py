"""Run the embedded kernel as a process of its own.

``python -m kernelbus.kernelhost.mathics -wstp -linkmode connect -linkprotocol TCPIP -linkname
port@host``
"""

from __future__ import annotations

import logging
import os
import sys

from kernelbus.kernelhost.mathics.start.run import run

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Prepare the process, run the kernel and return its exit status.

    The exit statuses are listed in :mod:`kernelbus.kernelhost.mathics.start.server`.
    """
    _redirect_standard_streams()
    logging.basicConfig(format="kernelhost.mathics: %(message)s", stream=sys.stderr)
    return run(argv, None)


def _redirect_standard_streams() -> None:
    """Send standard output to standard error, and let standard input read nothing.

    Mathics3 prints to standard output while it loads. A kernel uses neither stream: it talks over
    its link.
    """
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    exit_status = main(sys.argv[1:])
    logging.shutdown()
    # Skip the interpreter's tear-down: with all that Mathics3 holds it takes half a second.
    os._exit(exit_status)
