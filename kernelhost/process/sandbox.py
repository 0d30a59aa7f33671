"""The command that runs a kernel in a sandbox of bubblewrap (bwrap(1)).

In the sandbox the machine's files can be read, without homes and temporary files, and only the
kernel's own folder can be written. No process of the machine can be seen. The embedded kernel has
no network: its link is a pair of open sockets. Another kernel program keeps the network, since it
connects to the host. No I/O.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

__all__ = ["PROGRAM", "sandboxed"]

PROGRAM = "bwrap"
#: Folders whose contents nobody sees in the sandbox.
_HIDDEN = ("/home", "/root", "/tmp", "/var/tmp", "/run", "/mnt", "/media")


def sandboxed(command: Sequence[str], folder: str, readable: Iterable[str], *, network: bool) -> list[str]:
    """Return the command line that runs `command` in a sandbox.

    Args:
        command: a program and its arguments.
        folder: the folder that it runs in, and may write.
        readable: absolute paths that the program needs, also below a hidden folder.
        network: whether it keeps the network.
    """
    hidden = [word for path in _HIDDEN if os.path.isdir(path) and not os.path.islink(path) for word in ("--tmpfs", path)]
    shown = [word for path in sorted(set(readable)) if _is_hidden(path) for word in ("--ro-bind-try", path, path)]
    return [
        PROGRAM, "--die-with-parent", "--unshare-ipc", "--unshare-uts", "--unshare-pid", *([] if network else ["--unshare-net"]),
        "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *hidden, *shown, "--bind", folder, folder, "--chdir", folder, "--",
        *command,
    ]  # fmt: skip


def _is_hidden(path: str) -> bool:
    return any(path == hidden or path.startswith(f"{hidden}/") for hidden in _HIDDEN)
