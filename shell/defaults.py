"""What holds where neither the command line nor the configuration says anything."""

from __future__ import annotations

__all__ = ["BUS_ENDPOINT", "DEFAULT_PORT", "STATUS_PARTS"]

#: The port for clients; WSTPServer's own.
DEFAULT_PORT = 31415

#: Where a separate broker binds, and where the other parts and the console look for it.
BUS_ENDPOINT = f"tcp://127.0.0.1:{DEFAULT_PORT + 1}"

#: The tables of `kernelbus status`; without the name of one it prints an overview.
STATUS_PARTS = ("pools", "kernels", "sessions", "hosts", "links", "frontends")
