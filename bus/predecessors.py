"""Know which parts of this machine have ended without leaving their broker.

A part that is killed cannot leave, and its broker waits for it, since a silence is not death. But
its machine knows that it is gone. Each part keeps a record in a folder of its user, and a lock on
the record, which the system releases when the process ends, however it ends. A part that starts
finds the records that nobody holds, and tells the broker whose they are when it registers
(:class:`kernelbus.bus.protocol.messages.Register`). The broker then waits for none of them.

A record says on which machine it was made: through a shared folder another machine's records are
seen too, and whether its locks are seen depends on the file system.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
from pathlib import Path

__all__ = ["Predecessors"]

_log = logging.getLogger("kernelbus.bus")

#: Records of parts that are gone are kept, at most so many, and reported by each part that starts:
#: a broker may be away when the first one does.
_KEPT = 50

_NAME = re.compile(r"[0-9a-f]{32}")


class Predecessors:
    """The parts of this machine that are gone, and the record of one that is not.

    Where records cannot be kept there are none.

    Args:
        folder: where they are kept; None: nowhere.
        identity: the part's identity on the bus.

    Attributes:
        gone: the identities of parts that have ended without leaving.
    """

    def __init__(self, folder: Path | None, identity: str) -> None:
        self.gone: list[str] = []
        self._folder = folder
        self._identity = identity
        self._record: int | None = None
        if folder is None:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.geteuid():
                raise PermissionError(0, "the folder is another user's")
            self.gone = _gone(folder)
            self._begin(folder)
        except OSError as error:
            _log.info("which parts have ended cannot be kept in %s: %s", folder, error.strerror or error)

    def _begin(self, folder: Path) -> None:
        # It gets its name when it is locked, or another part would find it without a holder.
        hidden = folder / f".{self._identity}"
        self._record = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._record, fcntl.LOCK_EX)
        os.write(self._record, json.dumps(_machine()).encode())
        os.rename(hidden, folder / self._identity)

    def close(self) -> None:
        """Remove the record of a part that leaves."""
        if self._record is None or self._folder is None:
            return
        with contextlib.suppress(OSError):
            (self._folder / self._identity).unlink(missing_ok=True)
        os.close(self._record)
        self._record = None


def _gone(folder: Path) -> list[str]:
    """Return the identities in records that nobody holds, the newest first; remove the oldest."""
    here = _machine()
    found: list[tuple[float, str]] = []
    for file in folder.iterdir():
        if _NAME.fullmatch(file.name) is None:
            continue
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                record = json.loads(os.read(descriptor, 4096))
                if isinstance(record, dict) and any(here[key] and record.get(key) == here[key] for key in here):
                    found.append((os.fstat(descriptor).st_mtime, file.name))
            finally:
                os.close(descriptor)
    found.sort(reverse=True)
    for _, name in found[_KEPT:]:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    return [name for _, name in found[:_KEPT]]


def _machine() -> dict[str, str]:
    """Return what tells this machine from others; a value is empty if it is not known."""
    return {"machine": _content("/etc/machine-id"), "boot": _content("/proc/sys/kernel/random/boot_id")}


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
