"""Open a link to a server: at a plain port, or at one under TLS."""

from __future__ import annotations

import wstp
from kernelbus.shell.address import Address

__all__ = ["dial"]


def dial(address: Address, timeout: float) -> wstp.Link:
    """Open a link within `timeout` seconds.

    Raises:
        wstp.WSTPError, OSError: there is none; `wstp.tls.TlsFailed` where it is a matter of TLS.
    """
    if not address.tls:
        return wstp.connect(address.spec, mode="uuid", timeout=timeout)
    # Only a client of a server under TLS loads `ssl`.
    from wstp.tls import Tls

    return wstp.connect(address.spec, mode="uuid", timeout=timeout, tls=Tls(address.ca_file or None))
