"""The exit statuses of the commands; those of `kernelbus status` are its own."""

from __future__ import annotations

__all__ = ["FAILED", "INTERRUPTED", "OK", "UNUSABLE"]

OK = 0

#: The command ran, and something in it failed or was not found.
FAILED = 1

#: The command could not run: wrong usage or configuration, no server, no kernel, a missing package.
UNUSABLE = 2

#: Ctrl-C, as shells have it: 128 and the signal's number.
INTERRUPTED = 130
