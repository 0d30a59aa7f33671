"""The file of an `ipc://` endpoint: one broker has it, and what a killed one left is no obstacle.

ZeroMQ removes whatever stands at the path before it binds, also the socket of a broker that runs.
So a broker first locks a file beside the socket (flock), which ends with its process. A socket
whose lock is free was left by a broker that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final

import zmq

from kernelbus.bus.errors import EndpointError

__all__ = ["LONGEST", "SocketFile", "advice", "barred", "check_path", "path_of"]

#: The most bytes of a socket's path: what sockaddr_un holds, without its last zero.
LONGEST: Final = zmq.IPC_PATH_MAX_LEN

_ELSEWHERE: Final = "name another path with --bus or Bus/Endpoint, as ipc:///run/user/1000/kernelbus, or tcp://127.0.0.1:PORT"


def path_of(endpoint: str) -> Path | None:
    """Return the path of an `ipc://` endpoint; None: it has none."""
    path = endpoint.removeprefix("ipc://")
    return None if path == endpoint or path == "*" or path.startswith("@") else Path(path)


def check_path(endpoint: str) -> None:
    """Check that an endpoint's path is not too long for a socket.

    Raises:
        EndpointError: it is.
    """
    path = path_of(endpoint)
    if path is not None and (length := len(os.fsencode(path))) > LONGEST:
        raise EndpointError(
            f"the bus endpoint {endpoint} cannot be used: its path has {length} bytes, and a socket's at most {LONGEST}: {_ELSEWHERE}"
        )


def advice(number: int) -> str:
    """Return what to do about the error with which a path could not be bound, behind its text."""
    if number in (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EROFS):
        return f": its file system has no sockets, or is read-only; {_ELSEWHERE}"
    return ""


def barred(endpoint: str) -> str:
    """Say that this user may not connect to an endpoint; "": it is not known that it may not."""
    path = path_of(endpoint)
    if path is None:
        return ""
    try:
        bars = stat.S_ISSOCK(path.stat().st_mode) and not os.access(path, os.R_OK | os.W_OK, effective_ids=True)
    except PermissionError:
        bars = True
    except OSError:
        bars = False
    return f"the bus at {endpoint} is another user's: this one may not use it" if bars else ""


class SocketFile:
    """A path at which this process alone is the broker, until :meth:`close`.

    Raises:
        EndpointError: another broker has it, something that is no socket is there, or its folder
            cannot be written.
    """

    def __init__(self, endpoint: str, path: Path) -> None:
        check_path(endpoint)
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        try:
            self._lock = self._locked()
        except BlockingIOError:
            raise EndpointError(f"the bus endpoint {endpoint} is another broker's, which is running: end that, or {_ELSEWHERE}") from None
        except OSError as error:
            raise EndpointError(f"the bus endpoint {endpoint} cannot be bound: {error.strerror}{advice(error.errno or 0)}") from None
        try:
            there = os.lstat(path)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(there.st_mode):
            self.close()
            raise EndpointError(f"the bus endpoint {endpoint} cannot be bound: there is a file that is no socket: {_ELSEWHERE}")

    def close(self) -> None:
        """Give the path up, and remove the socket, which ZeroMQ leaves behind."""
        if self._lock >= 0:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.lstat(self._path).st_mode):
                    os.unlink(self._path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._lock_path)
            os.close(self._lock)
            self._lock = -1

    def _locked(self) -> int:
        import fcntl  # not on Windows, which has no ipc endpoints

        while True:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Who had it may have removed it meanwhile.
                if os.path.lexists(self._lock_path) and os.path.samestat(os.fstat(descriptor), os.lstat(self._lock_path)):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
