"""Run the embedded kernel: ``python -m kernelbus.kernelhost.mathics -wstp -linkmode connect
-linkprotocol TCPIP -linkname port@host``.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from kernelbus.kernelhost.mathics.start.options import OptionsError, parse_options
from wstp import WSTPError, connect

if TYPE_CHECKING:
    from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

__all__ = ["main", "run"]


def main(argv: list[str]) -> int:
    """Connect, load, serve; return the exit status (see
    :mod:`kernelbus.kernelhost.mathics.start.server`).
    """
    _keep_standard_output_clean()
    logging.basicConfig(format="kernelhost.mathics: %(message)s", stream=sys.stderr)
    return run(argv, None)


def run(argv: list[str], loaded: Loaded | None) -> int:
    """Be a kernel with these arguments; `loaded` is what a parent has loaded already."""
    log = logging.getLogger("kernelhost.mathics")
    try:
        options = parse_options(argv)
        if not options.link:
            raise OptionsError("no link: give -linkmode connect -linkprotocol TCPIP -linkname port@host")
    except OptionsError as error:
        log.error("%s", error)
        return 2
    for word in options.unknown:
        log.warning("unknown option %s ignored", word)

    # The link comes first: whether there is one shows at once, and loading takes seconds.
    try:
        link = connect(list(options.link))
    except WSTPError as error:
        log.error("%s", error)
        return 2

    from kernelbus.kernelhost.mathics.evaluation.loading import LoadError, load

    try:
        loaded = loaded or load()
    except LoadError as error:
        log.error("%s", error)
        link.close()
        return 1
    from kernelbus.kernelhost.mathics.start.server import serve

    try:
        return serve(loaded, link, options)
    except Exception:
        log.exception("the kernel failed")
        return 1


def _keep_standard_output_clean() -> None:
    """Send what is printed to standard output to standard error, and read nothing: neither is a
    kernel's to use.
    """
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    exit_status = main(sys.argv[1:])
    logging.shutdown()
    # Taking down the interpreter and all that Mathics3 holds would take half a second, for nothing.
    os._exit(exit_status)
