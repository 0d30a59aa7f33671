"""Be one kernel: read its options, connect, load Mathics3 unless a parent has, serve the link.

Both ways to start a kernel lead here: ``__main__`` for a process of its own, and
:mod:`kernelbus.kernelhost.mathics.start.nursery` for a forked one.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from kernelbus.kernelhost.mathics.start.options import OptionsError, parse_options
from kernelbus.kernelhost.mathics.start.title import set_title
from wstp import Link, WSTPError, connect
from wstp.link import over

if TYPE_CHECKING:
    from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

__all__ = ["run"]

_log = logging.getLogger("kernelhost.mathics")


def run(argv: list[str], loaded: Loaded | None, descriptors: tuple[int, int] | None = None) -> int:
    """Run a kernel until it ends, and return its exit status.

    The exit statuses are listed in :mod:`kernelbus.kernelhost.mathics.start.server`. Errors before
    the link is served are logged.

    Args:
        argv: the kernel's arguments, without the program's name.
        loaded: the Mathics3 that a parent loaded before the fork; None to load it here.
        descriptors: the descriptors of its link's data and message connection; None: the arguments
            name the link.
    """
    try:
        options = parse_options(argv)
        descriptors = descriptors or options.descriptors
        if descriptors is None and not options.link:
            raise OptionsError("no link: give -linkmode connect -linkprotocol TCPIP -linkname port@host")
    except OptionsError as error:
        _log.error("%s", error)
        return 2
    if options.title:
        set_title(options.title)
    for word in options.unknown:
        _log.warning("the unknown option %s is ignored", word)

    # Connect before loading: a wrong link is reported at once, and loading takes seconds. For the
    # same reason the modules that import Mathics3 are imported only now.
    try:
        link = connect(list(options.link)) if descriptors is None else _inherited(descriptors)
    except (WSTPError, OSError) as error:
        _log.error("%s", error)
        return 2

    from kernelbus.kernelhost.mathics.evaluation.loading import LoadError, load

    try:
        loaded = loaded or load()
    except LoadError as error:
        _log.error("%s", error)
        link.close()
        return 1
    from kernelbus.kernelhost.mathics.library.programs import command_line
    from kernelbus.kernelhost.mathics.start.server import serve

    command_line(argv)

    try:
        return serve(loaded, link, options)
    except Exception:
        _log.exception("the kernel failed")
        return 1


def _inherited(descriptors: tuple[int, int]) -> Link:
    """Make the link of the two sockets that the host has given this process."""
    data, message = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    for connection in (data, message):
        # A program that the kernel starts must not hold its link open.
        connection.set_inheritable(False)
    return over(data, message, name="the kernel host")
