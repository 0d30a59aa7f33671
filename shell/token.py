"""The token of a server: the file that has it, and where clients find the one to give.

A server makes the file at its first start, with mode 0600, and reads it at each attempt, so that a
new token holds at once. A file that others can read or write is not used.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kernelbus.bus.errors import BusError
from kernelbus.shell.state import state_directory

__all__ = ["VARIABLE", "TokenError", "TokenFile", "check_token", "find_token", "server_token"]

_log = logging.getLogger("kernelbus.server")

#: The environment variable from which clients take the token.
VARIABLE = "KERNELBUS_TOKEN"

_NAME = "access-token"
_SHORTEST, _LONGEST = 16, 1000


class TokenError(BusError):
    """A token cannot be used; the text names its file and says what to do."""


class TokenFile:
    """A file with a token.

    Args:
        path: the file; None: the one in the user's state folder.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = state_directory() / _NAME if path is None else Path(path).expanduser()

    def __str__(self) -> str:
        return str(self.path)

    def read(self, *, pipe: bool = False) -> str:
        """Return the token.

        Args:
            pipe: whether the file may also be a pipe, as `<(...)` is in a shell.

        Raises:
            FileNotFoundError: there is no such file.
            TokenError: it cannot be read, is open to others, or has no token.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipe else os.O_NONBLOCK))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise TokenError(f"{self}: the token cannot be read: {error.strerror}") from None
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            os.close(descriptor)
            raise TokenError(f"{self}: this is a folder, not a file with a token")
        with open(descriptor, "rb") as file:
            if stat.S_ISREG(status.st_mode):
                self._check(status)
            elif not (pipe and stat.S_ISFIFO(status.st_mode)):
                raise TokenError(f"{self}: this is not a file with a token")
            try:
                data = file.read(_LONGEST + 2)
            except OSError as error:
                raise TokenError(f"{self}: the token cannot be read: {error.strerror}") from None
        return self._checked(data)

    def make(self) -> str:
        """Return the token; make one if there is none yet.

        Raises:
            TokenError: it cannot be made, or as :meth:`read`.
        """
        with contextlib.suppress(FileNotFoundError):
            return self.read()
        # Of two servers that start at once, one makes the token of both.
        with self._written() as temporary, contextlib.suppress(FileExistsError):
            os.link(temporary, self.path)
        return self.read()

    def replace(self) -> str:
        """Make another token in place of the one that is there, and return it.

        Raises:
            TokenError: it cannot be made.
        """
        with self._written() as temporary:
            os.replace(temporary, self.path)
        return self.read()

    @contextlib.contextmanager
    def _written(self) -> Iterator[Path]:
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "w", encoding="ascii") as file:
                    file.write(secrets.token_urlsafe(24) + "\n")
                    file.flush()
                    os.fsync(descriptor)
                yield temporary
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        except OSError as error:
            raise TokenError(f"{self}: the token cannot be made: {error.strerror}") from None

    def _check(self, status: os.stat_result) -> None:
        if os.name != "posix":
            return
        if status.st_uid not in (0, os.geteuid()):
            raise TokenError(f"{self}: it is neither yours nor root's, so its token is not used: make another with kernelbus access new")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise TokenError(f"{self}: others can read or write it (mode {mode:04o}), so its token is not used: run chmod 600 {self}")

    def _checked(self, data: bytes) -> str:
        try:
            return check_token(data.decode("ascii").strip())
        except (UnicodeDecodeError, ValueError) as error:
            why = "it is no plain text" if isinstance(error, UnicodeDecodeError) else str(error)
            raise TokenError(f"{self}: this is not a token ({why}): make one with kernelbus access new") from None


def server_token(path: str | Path | None) -> Callable[[], str]:
    """Make a server's token if there is none, and return what reads it again at each attempt.

    Args:
        path: the file; None: the one in the user's state folder.

    Returns:
        A function that returns the token; "" if it cannot be read, which is logged.
    """
    file = TokenFile(path)

    def read(make: bool = False) -> str:
        try:
            return file.make() if make else file.read()
        except (TokenError, FileNotFoundError) as error:
            told = str(error) if isinstance(error, TokenError) else f"{file}: the token is gone: make another with kernelbus access new"
            _log.error("%s; until then a client that needs the token cannot be served", told)
            return ""

    read(make=True)
    return read


def check_token(text: str) -> str:
    """Return `text` if it can be a token.

    Raises:
        ValueError: it cannot; the text says why.
    """
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise ValueError(f"it has {len(text)} characters, and a token {_SHORTEST} to {_LONGEST}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it has spaces, or characters that are not of ASCII")
    return text


def find_token(host: str, file: str | None = None, environment: Mapping[str, str] | None = None, known: str = "") -> str:
    """Return the token to give to a server that wants one; "" if none is known.

    Args:
        host: where the server is. A server of this machine may be this user's own, whose token is
            in the state folder.
        file: the file that the user names; None: none.
        environment: where :data:`VARIABLE` may be; None: the process's.
        known: the token with which this server was reached before.

    Raises:
        TokenError: the file, or what the variable has, cannot be used.
    """
    if file is not None:
        try:
            return TokenFile(file).read(pipe=True)
        except FileNotFoundError:
            raise TokenError(f"{file}: there is no such file with a token") from None
    given = (os.environ if environment is None else environment).get(VARIABLE, "")
    if given:
        try:
            return check_token(given.strip())
        except ValueError as error:
            raise TokenError(f"{VARIABLE} is not a token: {error}") from None
    if known or not _is_here(host):
        return known
    try:
        return TokenFile().read()
    except (FileNotFoundError, TokenError):
        return ""  # nobody has named this file


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
