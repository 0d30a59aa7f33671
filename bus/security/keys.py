"""The keys of this machine: its own CURVE pair and the keys it trusts, in two text files.

`machine.key` is the pair. Whoever can read it can act as this machine, so it is created with mode
0600, and is not used once anyone else may read or write it. `allowed` has a line for each machine
whose key is trusted, as a broker's (by parts that connect) or as a part's (by the broker): the
public key, a name, and optionally a comment. A line that begins with # is a comment. The file may
be edited by hand, and is read again whenever it has changed. Keys are written in Z85 (ZeroMQ RFC
32), 40 characters; ours never begin with # or -, so that they are neither comments nor options.

This module uses ZeroMQ only to make keys; it has no socket.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import zmq

from kernelbus.bus.errors import BusError
from kernelbus.bus.settings.config import user_folder
from kernelbus.bus.settings.schema import offer, shown

__all__ = ["AllowedKey", "KeyPair", "KeyStore", "KeysError", "check_key", "default_folder", "is_key", "key_text"]

_SECRET_FILE: Final = "machine.key"
_ALLOWED_FILE: Final = "allowed"

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_KEY_LENGTH: Final = 40
_NAME: Final = re.compile(r"[^\s#'\"\\-][^\s'\"\\]{0,99}")
#: A bound on the size of a file of keys, in bytes, far above what any real one has.
_LARGEST_FILE: Final = 2**20

_SECRET_TEXT: Final = """\
# The key pair of this machine on the bus of kernelbus. Who has this file can be this machine: keep it here, and to yourself.
# Others are given the public key: kernelbus keys show
public {public}
secret {secret}
"""
_ALLOWED_TEXT: Final = """\
# The machines that are trusted on the bus of kernelbus, one a line: public key, name, comment.
"""


class KeysError(BusError):
    """Keys cannot be used; the text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, both keys in Z85."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair({self.public!r}, ...)"  # keep the secret out of logs and tracebacks


class AllowedKey(NamedTuple):
    """A line of the file of trusted machines; `line` is its number, from 1."""

    name: str
    comment: str
    line: int


def default_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of keys where none is configured: `keys` in the user's folder."""
    return user_folder(environment) / "keys"


def is_key(text: str) -> bool:
    """Whether `text` has the form of a public or secret key: 32 bytes in Z85."""
    if len(text) != _KEY_LENGTH or not all(character in _VALUES for character in text):
        return False
    for start in range(0, _KEY_LENGTH, 5):
        value = 0
        for character in text[start : start + 5]:
            value = value * 85 + _VALUES[character]
        if value >= 2**32:
            return False
    return True


def key_text(key: bytes) -> str:
    """Return the bytes of a key in Z85."""
    text = ""
    for start in range(0, len(key), 4):
        value = int.from_bytes(key[start : start + 4])
        text += "".join(_ALPHABET[value // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return text


def check_key(text: str) -> str:
    """Return `text` if it is a key.

    Raises:
        KeysError: it is not; the text says what it looks like instead.
    """
    if re.search(r"(?m)^\s*secret\b", text):
        raise KeysError("this file holds a secret key, which must stay on its machine: give the public key that kernelbus keys show prints")
    if not is_key(text):
        told = shown(text if len(text) <= 60 else text[:57] + "...")
        if len(text) != _KEY_LENGTH:
            raise KeysError(f"{told} is not a key: one has {_KEY_LENGTH} characters, and this {len(text)} (put it in single quotes)")
        raise KeysError(f"{told} is not a key: it has the length of one, but is not Z85; kernelbus keys show prints the right one")
    if text[0] in "#-":
        raise KeysError(f"{shown(text)} begins with {text[0]}, as no key of kernelbus does: make another with kernelbus keys new")
    return text


def _user(number: int) -> str:
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return f"user {number}"


class KeyStore:
    """The keys in one folder.

    Args:
        folder: need not exist; it is created, for its owner alone, when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret_file = folder / _SECRET_FILE
        self.allowed_file = folder / _ALLOWED_FILE
        self._seen: tuple[int, ...] = ()
        self._entries: dict[str, AllowedKey] = {}
        self._names: Mapping[str, str] = MappingProxyType({})

    def command(self, words: str) -> str:
        """Return the command line of `kernelbus keys` with `words`, for this folder."""
        elsewhere = "" if self.folder == default_folder() else f" --keys {shlex.quote(str(self.folder))}"
        return f"kernelbus keys {words}{elsewhere}"

    # ---- this machine's pair ---------------------------------------------------------------------

    def pair(self) -> KeyPair | None:
        """Return this machine's key pair, or None if it has none.

        Raises:
            KeysError: the file is open to others, or damaged.
        """
        text = self._read(self.secret_file, forbidden=0o077, verb="read or write")
        if text is None:
            return None
        found: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 2 or words[0] not in ("public", "secret") or words[0] in found or not is_key(words[1]):
                # Do not show the line: it may be the secret.
                raise KeysError(f"{self.secret_file}:{number}: this is neither `public KEY` nor `secret KEY`: {self._renew()}")
            found[words[0]] = words[1]
        if len(found) != 2:
            raise KeysError(f"{self.secret_file}: a key is missing: {self._renew()}")
        pair = KeyPair(found["public"], found["secret"])
        if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
            raise KeysError(f"{self.secret_file}: the public key is not the secret key's: {self._renew()}")
        return pair

    def new(self, force: bool = False) -> KeyPair:
        """Create this machine's key pair.

        Args:
            force: replace a pair that exists, whatever its state.

        Raises:
            KeysError: there is a pair already, or the folder cannot be written.
        """
        with self._locked():
            if not force and os.path.lexists(self.secret_file):
                raise KeysError(
                    f"{self.secret_file}: this machine has a key pair already; with --force it gets a new one, "
                    "and is a stranger to all machines that allow the old key"
                )
            while True:
                public, secret = (key.decode() for key in zmq.curve_keypair())
                if public[0].isalnum():
                    break
            self._write(self.secret_file, _SECRET_TEXT.format(public=public, secret=secret))
        return KeyPair(public, secret)

    def _renew(self) -> str:
        return f"put back the one that was there, or make another: {self.command('new --force')}"

    # ---- the machines that are trusted -----------------------------------------------------------

    def allowed(self) -> Mapping[str, str]:
        """Return the names of the trusted machines by public key.

        The call is cheap while the file does not change.

        Raises:
            KeysError: a line cannot be read, or others may write the file.
        """
        self._refresh()
        return self._names

    def entries(self) -> Mapping[str, AllowedKey]:
        """Return the lines of the trusted machines by public key.

        Raises:
            KeysError: as for :meth:`allowed`.
        """
        self._refresh()
        return MappingProxyType(self._entries)

    def find(self, key_or_name: str) -> str:
        """Return the public key of a trusted machine, given that key or the machine's name.

        Raises:
            KeysError: there is none; the text offers the nearest name.
        """
        names = self.allowed()
        if key_or_name in names:
            return key_or_name
        for key, name in names.items():
            if name == key_or_name:
                return key
        if is_key(key_or_name):
            raise KeysError(f"{self.allowed_file}: the key {key_or_name} is not allowed here")
        told = offer(key_or_name, names.values(), "names") if names else "no key is allowed here"
        raise KeysError(f"{self.allowed_file}: no key is named {shown(key_or_name)}: {told}")

    def unknown(self, keys_or_names: Iterable[str]) -> list[str]:
        """Say, a line each, which of these are neither trusted keys nor names of such.

        Raises:
            KeysError: as for :meth:`allowed`.
        """
        pair, faults = self.pair(), []
        for entry in keys_or_names:
            try:
                if pair is None or entry != pair.public:
                    self.find(entry)
            except KeysError as error:
                faults.append(str(error))
        return faults

    def allow(self, key: str, name: str, comment: str = "") -> None:
        """Trust the machine with the public key `key`; rename it if it is trusted already.

        Raises:
            KeysError: `key` is not a key, or is this machine's secret key; or the name is invalid
                or another key's.
        """
        pair = self.pair()
        if pair is not None and key == pair.secret:
            raise KeysError("this is the secret key of this machine, which must stay here: kernelbus keys show prints the public one")
        check_key(key)
        if not _NAME.fullmatch(name):
            raise KeysError(f"{shown(name)} cannot name a machine: use up to 100 letters, digits and signs, without spaces and quotes")
        with self._locked():
            for other, entry in self.entries().items():
                if entry.name == name and other != key:
                    raise KeysError(f"{self.allowed_file}:{entry.line}: {name} is another key's name: revoke that key, or choose another")
            line = " ".join(filter(None, (key, name, " ".join(comment.split()))))
            known = self._entries.get(key)
            if known is not None:
                self._replace(known.line, line if comment else " ".join(filter(None, (line, known.comment))))
            else:
                text = self._text() or _ALLOWED_TEXT
                self._write(self.allowed_file, text + ("" if text.endswith("\n") else "\n") + line + "\n")

    def revoke(self, key_or_name: str) -> tuple[str, str]:
        """Stop trusting a machine, and return its public key and name.

        Raises:
            KeysError: it was not trusted; the text offers the nearest name.
        """
        with self._locked():
            key = self.find(key_or_name)
            entry = self._entries[key]
            self._replace(entry.line, None)
        return key, entry.name

    def _refresh(self) -> None:
        seen: tuple[int, ...] = ()
        try:
            status = os.stat(self.allowed_file)
            seen = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode, status.st_uid)
        except FileNotFoundError:
            seen = (0,)  # a missing file is a state too, and differs from the initial one
        except PermissionError:
            raise KeysError(f"{self.allowed_file}: this user may not read it: make keys as the user as whom kernelbus runs") from None
        except OSError as error:
            raise KeysError(f"{self.allowed_file}: cannot read this file: {error.strerror}") from None
        if seen != self._seen:
            self._entries = self._parse(self._text())
            self._names = MappingProxyType({key: entry.name for key, entry in self._entries.items()})
            self._seen = seen

    def _text(self) -> str:
        return self._read(self.allowed_file, forbidden=0o022, verb="write") or ""

    def _parse(self, text: str) -> dict[str, AllowedKey]:
        entries: dict[str, AllowedKey] = {}
        names: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{self.allowed_file}:{number}"
            words = line.split(None, 2)
            if not words or words[0].startswith("#"):
                continue
            try:
                check_key(words[0])
            except KeysError as error:
                raise KeysError(f"{where}: {error}") from None
            if len(words) < 2 or not _NAME.fullmatch(words[1]):
                raise KeysError(f"{where}: a name for the machine belongs behind its key, without spaces and quotes")
            if words[0] in entries:
                raise KeysError(f"{where}: this key is on line {entries[words[0]].line} already: remove one of the two")
            if words[1] in names:
                raise KeysError(f"{where}: the name {words[1]} is on line {names[words[1]]} already: choose another")
            names[words[1]] = number
            entries[words[0]] = AllowedKey(words[1], words[2].strip() if len(words) > 2 else "", number)
        return entries

    def _replace(self, number: int, line: str | None) -> None:
        lines = self._text().splitlines()
        lines[number - 1 : number] = [] if line is None else [line]
        self._write(self.allowed_file, "".join(f"{each}\n" for each in lines))

    # ---- files -----------------------------------------------------------------------------------

    def _read(self, path: Path, forbidden: int, verb: str) -> str | None:
        """Return the text of a file that others cannot have changed; None if there is none."""
        try:
            # Not `open`: it would wait for the writer of a FIFO.
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
                status = os.fstat(file.fileno())
                if os.name == "posix":
                    self._check(self.folder, os.stat(self.folder), 0o022, "write", 0o700)
                    self._check(path, status, forbidden, verb, 0o600)
                if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
                    raise KeysError(f"{path}: this is not a file of keys")
                return file.read(_LARGEST_FILE).decode()
        except FileNotFoundError:
            return None
        except PermissionError:
            raise KeysError(f"{path}: this user may not read it: make keys as the user as whom kernelbus runs") from None
        except OSError as error:
            raise KeysError(f"{path}: cannot read this file: {error.strerror}") from None
        except UnicodeDecodeError:
            raise KeysError(f"{path}: this is not a text file of keys") from None

    def _check(self, path: Path, status: os.stat_result, forbidden: int, verb: str, wanted: int) -> None:
        if status.st_uid not in (0, os.geteuid()):
            owner = _user(status.st_uid)
            raise KeysError(f"{path}: it is {owner}'s, neither yours nor root's, so it is not used: run this as {owner}, or make new keys")
        if status.st_mode & forbidden:
            mode = stat.S_IMODE(status.st_mode)
            raise KeysError(f"{path}: others can {verb} it (mode {mode:04o}), so it is not used: run chmod {wanted:o} {path}")

    def _write(self, path: Path, text: str) -> None:
        """Replace a file with `text`, completely or not at all."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise KeysError(f"{path}: cannot write this file: {error.strerror}") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs of `kernelbus keys` from changing the folder meanwhile."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise KeysError(f"{self.folder}: this folder for keys cannot be made: {error.strerror}") from None
        try:
            import fcntl  # not on Windows, where nothing locks

            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._check(self.folder, os.fstat(descriptor), 0o022, "write", 0o700)
            yield
        finally:
            os.close(descriptor)
