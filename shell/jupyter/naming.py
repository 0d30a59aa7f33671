"""Which notebook the kernel is of, and what its session is called. Sans-IO.

A notebook's session is named by the notebook's path. Who starts the kernel says it, or does not:

============================== ==================================================================
Jupyter Server                 `JPY_SESSION_NAME` in the environment: the path of the file. A
                               console that belongs to no file has a name there without an ending.
VS Code                        the id of each cell that it sends: a URI that has the path.
jupyter_client, `jupyter run`  nothing: the session has no name, and ends with the kernel.
============================== ==================================================================
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

__all__ = ["notebook_path", "own_environment", "profile_name", "title_of"]

_SAID_IN = "JPY_SESSION_NAME"
_SCHEME = "vscode-notebook-cell"
# What JupyterLab puts before the path of a document that several people edit at once.
_SHARED = "RTC:"
_ENDING = re.compile(r".*\.[^\W\d]\w*")
_WRONG = re.compile(r"[^\w.+-]+")
_READABLE = 40
_TITLE = 60


def notebook_path(environment: Mapping[str, str], cell: str, folder: str) -> str | None:
    """Return the absolute path of the notebook; None: it has none.

    Args:
        environment: the kernel's environment.
        cell: the id of the cell that is run; "" if the front end gives none.
        folder: the kernel's folder, which is the notebook's if its path is relative: Jupyter Server
            has its paths relative to its root, which a kernel is not told.
    """
    parts = urlsplit(cell) if cell.startswith(f"{_SCHEME}:") else None
    if parts is not None and (path := unquote(parts.path)).startswith("/"):
        # A remote machine's name is before the path, in a window that runs elsewhere; its kernel
        # runs there, too.
        return os.path.normpath(path)
    name = environment.get(_SAID_IN, "")
    directory, base = os.path.split(name)
    base = base.removeprefix(_SHARED)
    if _ENDING.fullmatch(base) is None:
        return None
    return os.path.normpath(os.path.join(directory if os.path.isabs(directory) else folder, base))


def own_environment(environment: Mapping[str, str], starter: bytes) -> dict[str, str]:
    """Return a kernel's environment without the name of a notebook that is not its own.

    A program that runs in one notebook and starts kernels itself, as nbconvert does, hands the name
    of that notebook on.

    Args:
        environment: the kernel's environment.
        starter: that of the process that has started it, as Linux has it; empty: not known.
    """
    own = dict(environment)
    if f"{_SAID_IN}={own.get(_SAID_IN, '')}".encode("utf-8", "surrogateescape") in starter.split(b"\0"):
        own.pop(_SAID_IN, None)
    return own


def profile_name(path: str, server: str, pool: str) -> str:
    """Return the name of the profile of a notebook's session.

    It begins with the notebook's name, for people, and ends with a hash: each notebook has one
    session for each server and pool that its kernelspec names.

    Args:
        path: the notebook's path.
        server: the address of the server.
        pool: the pool; "" for the server's choice.
    """
    readable = _WRONG.sub("_", os.path.basename(path))[:_READABLE].lstrip(".+-") or "notebook"
    digest = hashlib.blake2s("\0".join((path, server, pool)).encode("utf-8", "surrogateescape"), digest_size=5).hexdigest()
    return f"{readable}-{digest}"


def title_of(code: str) -> str:
    """Return a line that stands for a cell: the first of its code, shortened."""
    line = next((line.strip() for line in code.splitlines() if line.strip() and not line.lstrip().startswith("%")), "")
    line = " ".join(line.split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1]}…"
