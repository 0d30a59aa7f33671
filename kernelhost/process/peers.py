"""Who holds the other end of a TCP connection of this machine, as Linux reports it.

A kernel program connects to a loopback port, which every user of the machine can reach. Before a
byte of a connection is believed, its other end must belong to the kernel's user, and be held by a
process of the kernel.

Sources: ``/proc/net/tcp``, ``/proc/PID/fd`` and ``/proc/PID/stat`` (proc(5)). Other systems do not
say; there `owner` is None and :data:`KNOWN` is False.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["KNOWN", "Owner", "find", "holds", "owner"]

#: Whether this system says who holds a connection.
KNOWN = sys.platform == "linux"

Address = tuple[str, int]


class Owner(NamedTuple):
    """Who holds one end of a connection.

    Attributes:
        uid: the user who opened the socket.
        inode: the number of the socket, which names it in ``/proc/PID/fd``.
    """

    uid: int
    inode: int


def _spelled(address: Address, mapped: bool) -> str:
    """Return an IPv4 address as the table has it: words in the byte order of the machine."""
    packed = socket.inet_pton(socket.AF_INET, address[0])
    words = struct.unpack("=4I", bytes(10) + b"\xff\xff" + packed) if mapped else struct.unpack("=I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"


def find(table: str, here: Address, there: Address) -> Owner | None:
    """Find a connection in the text of ``/proc/net/tcp`` or ``/proc/net/tcp6``.

    Args:
        table: the text.
        here: the IPv4 address and port of the end that is asked about.
        there: those of its other end.

    Returns:
        The owner of the end `here`; None: the table does not have it, or nobody holds it any more.
    """
    wanted = [[_spelled(here, mapped), _spelled(there, mapped)] for mapped in (False, True)]
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[1:3] in wanted and fields[9] != "0":
            return Owner(int(fields[7]), int(fields[9]))
    return None


def owner(here: Address, there: Address) -> Owner | None:
    """Return who holds the end `here` of a connection; see :func:`find`."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as file:
                found = find(file.read(), here, there)
        except OSError:
            continue
        if found is not None:
            return found
    return None


def holds(processes: Iterable[int], inode: int, link: Callable[[str], str] = os.readlink) -> bool:
    """Tell whether one of the processes has the socket `inode` open.

    Args:
        processes: the ids of the processes; those that are gone, or of another user, hold nothing.
        inode: the number of the socket.
        link: reads a symbolic link.
    """
    wanted = f"socket:[{inode}]"
    for pid in processes:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            try:
                if link(f"/proc/{pid}/fd/{name}") == wanted:
                    return True
            except OSError:
                continue
    return False
