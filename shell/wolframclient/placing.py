"""Which server and pool are meant, by arguments that name a local kernel or a server. No I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from kernelbus.shell.address import Address

__all__ = ["names_server", "place"]

#: What is an address and cannot be a path. A bare word is a program's name, as it is for the
#: library that the argument comes from.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*|[0-9]+(@.*)?|\[[0-9A-Fa-f:.]*\](:[0-9]+)?|[\w.-]{2,}:[0-9]+", re.DOTALL)


def names_server(kernel: Any) -> bool:
    """Tell whether what a program gives as the path of a kernel is the address of a server."""
    if isinstance(kernel, Address | int):
        return True
    return isinstance(kernel, str) and _ADDRESS.fullmatch(kernel.strip()) is not None


def place(kernel: Any, server: str | int | Address | None, pool: str | None, default: str) -> tuple[Address, str]:
    """Return the server that is meant, and a note for the user; "" without one.

    Args:
        kernel: what a program gives for a kernel: an address, the path of a program, or None.
        server: the server, which comes before an address in `kernel`.
        pool: the pool, which comes before one in the address.
        default: the server where nothing names one.

    Raises:
        AddressError: an address cannot be understood.
    """
    ours = names_server(kernel)
    if server is None:
        server = kernel if ours else default
    address = Address.parse(server)
    if pool is not None:
        address = replace(address, pool=pool)
    if kernel is None or ours:
        return address, ""
    return address, f"the kernel {kernel} is not started: kernels are those of the server at {address} (server= names another)"
