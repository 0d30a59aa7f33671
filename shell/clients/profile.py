"""Profiles: small files that say how to attach a kernel again (DESIGN.md, "Profiles").

A profile is named by a path (a name with a / in it, or one that ends in .json) or by a bare name,
for a file in the user's state directory. Who can read the kernel's id can take the kernel, so only
its owner can read a profile (mode 0600). It is replaced as a whole, by a rename: whenever the
writer is killed, the old file or the new one is there.

The resume point in it counts the packets of the session's output that have been shown. It is
written at every prompt, every tenth of a second during output, and when output pauses; never before
the packets that it counts are shown.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbus.bus.settings.files import read_file
from kernelbus.shell.address import Address, AddressError
from kernelbus.shell.commands import COMMAND_LINE, Words
from kernelbus.shell.state import replace_file, state_directory

if TYPE_CHECKING:
    from marshmallow import Schema

__all__ = ["VERSION", "CellNote", "Profile", "ProfileError", "ProfileFile", "known_servers", "profile_files"]

#: The version of the format written here.
VERSION = 1

_CELL_KEYS = {"number": "Input", "start": "Start", "cell": "Id", "title": "Title", "left": "Left"}

#: What is left out where it is not known, as versions that do not have it expect it.
_LATER = ("token", "service", "notebook", "asks")

_BARE = re.compile(r"[\w][\w.+-]*")
_LARGEST = 1 << 16


class ProfileError(Exception):
    """A profile cannot be used; the text names the file and says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class CellNote:
    """The cell of a notebook that asked for what the kernel evaluates.

    Attributes:
        number: n of its `In[n]`.
        start: how many packets the session's output had when it was asked for.
        cell: the id of the cell; "" if the front end gives none.
        title: a line that stands for the cell, for people.
        left: how many inputs of the cell have not been sent to the kernel.
    """

    number: int
    start: int
    cell: str = ""
    title: str = ""
    left: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """How to attach a kernel again.

    Attributes:
        server: where it is; with the file of certificates to trust, under TLS.
        kernel: its id.
        pool: the pool that was asked for; "" for the server's choice.
        parallel: whether a parallel kernel was asked for.
        resume_point: how many packets of the session's output have been shown, which is the number
            of the next one.
        token: what is given to a server that wants its token first; "" if none is known.
        service: the name under which the server is advertised, if it was found by that; else "".
        notebook: the path of the notebook whose session it is; "": it is of none.
        asks: the cell whose evaluation is under way; None: none is, or it is of no cell.
        created, used: when the kernel was attached first, and when the profile was last written
            (ISO 8601, UTC).
    """

    server: Address
    kernel: str
    pool: str = ""
    parallel: bool = False
    resume_point: int = 0
    token: str = ""
    service: str = ""
    notebook: str = ""
    asks: CellNote | None = None
    created: str = ""
    used: str = ""


_KEYS = {
    "kernel": "Kernel",
    "pool": "Pool",
    "parallel": "Parallel",
    "resume_point": "ResumePoint",
    "token": "Token",
    "service": "Service",
    "notebook": "Notebook",
    "asks": "Cell",
    "created": "Created",
    "used": "Used",
}


@functools.cache
def _schema() -> Schema:
    # Imported here, since only reading a profile needs marshmallow.
    from marshmallow import EXCLUDE, Schema, fields, validate


    def count(default: int | None = None) -> fields.Field[Any]:
        given: Any = {"required": True} if default is None else {"load_default": default}
        return fields.Integer(strict=True, validate=validate.Range(0, 2**63), **given)

    def text() -> fields.Field[Any]:
        return fields.String(load_default="", validate=validate.Length(0, 4096))

    cell = {"Input": count(), "Start": count(), "Id": text(), "Title": text(), "Left": count(0)}
    known: dict[str, fields.Field[Any]] = {
        "Version": fields.Integer(required=True, strict=True),
        "Server": fields.String(required=True),
        "Kernel": fields.String(required=True, validate=validate.Length(1, 200)),
        "Pool": fields.String(load_default=""),
        "Parallel": fields.Boolean(load_default=False, truthy={True}, falsy={False}),
        "ResumePoint": fields.Integer(load_default=0, strict=True, validate=validate.Range(0, 2**63)),
        "Token": fields.String(load_default="", validate=validate.Length(0, 1000)),
        "CaFile": fields.String(load_default="", validate=validate.Length(0, 4096)),
        "Service": fields.String(load_default="", validate=validate.Length(0, 200)),
        "Notebook": text(),
        "Cell": fields.Nested(Schema.from_dict(cell, name="Cell")(unknown=EXCLUDE), load_default=None),
        "Created": fields.String(load_default=""),
        "Used": fields.String(load_default=""),
    }
    return Schema.from_dict(dict(known), name="Profile")(unknown=EXCLUDE)


class ProfileFile:
    """The file of a profile.

    Attributes:
        name: as it was given.
        path: the file.
    """

    def __init__(self, name: str, words: Words = COMMAND_LINE) -> None:
        """Take a path or a bare name; `words`: how errors say what to do.

        Raises:
            ProfileError: `name` is neither.
        """
        self.name = name
        self._words = words
        self._durable = False
        if os.sep in name or name.endswith(".json"):
            # Follow a symbolic link, so that its target is replaced and not the link.
            self.path = Path(os.path.realpath(os.path.expanduser(name)))
        elif _BARE.fullmatch(name):
            self.path = state_directory() / "profiles" / f"{name}.json"
        else:
            raise ProfileError(
                f"{name!r} is no profile's name: give letters, digits, ., + and -, or a path with a / in it"
            )

    def __str__(self) -> str:
        return str(self.path)

    @property
    def label(self) -> str:
        """Return what the server is told that the session is called."""
        return self.path.name.removesuffix(".json")[:100]

    def exists(self) -> bool:
        """Tell whether the file exists."""
        return self.path.exists()

    def read(self) -> Profile:
        """Read the profile.

        Raises:
            ProfileError: there is none, or it cannot be read, or is not a valid profile.
        """
        try:
            data = read_file(self.path, _LARGEST)
        except FileNotFoundError:
            raise ProfileError(f"there is no profile {self}: --start-profile {self.name} makes it") from None
        except OSError as error:
            raise ProfileError(f"profile {self} cannot be read: {error.strerror}") from None
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._bad(f"is not JSON ({error})") from None
        if not isinstance(content, dict):
            raise self._bad("is not a JSON object")
        version = content.get("Version")
        if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
            raise ProfileError(
                f"profile {self} is of version {version}, which a later kernelbus wrote: use that one"
            )
        schema = _schema()
        unknown = sorted(set(content) - set(schema.fields))
        if unknown:
            known = ", ".join(schema.fields)
            raise self._bad(f"has an unknown key {unknown[0]!r} (known are {known})")
        from marshmallow import ValidationError

        try:
            loaded: dict[str, Any] = schema.load(content)
        except ValidationError as error:
            key, texts = next(iter(error.normalized_messages().items()))
            raise self._bad(f"has a wrong {key!r}: {texts[0] if isinstance(texts, list) else texts}") from None
        try:
            server = Address.parse(loaded["Server"]).trusting(loaded["CaFile"] or None)
        except AddressError as error:
            raise self._bad(f"has a wrong 'Server': {error}") from None
        if (cell := loaded["Cell"]) is not None:
            loaded["Cell"] = CellNote(**{name: cell[key] for name, key in _CELL_KEYS.items()})
        return Profile(server, **{name: loaded[key] for name, key in _KEYS.items()})

    def _bad(self, why: str) -> ProfileError:
        return ProfileError(f"profile {self} {why}: mend it, or {self._words.anew.format(name=self.name)}")

    def check_writable(self) -> None:
        """Check that the profile can be written, before a kernel is attached for it.

        Raises:
            ProfileError: it cannot.
        """
        self._make_directory()
        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            raise ProfileError(f"profile {self} cannot be written: its directory is not yours to write to")

    def _make_directory(self) -> None:
        if self.path.parent.is_dir():
            return
        if self.path.parent != state_directory() / "profiles":
            raise ProfileError(f"profile {self} cannot be written: there is no directory {self.path.parent}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ProfileError(f"profile {self} cannot be written: {error.strerror}") from None

    def write(self, profile: Profile) -> Profile:
        """Replace the file.

        Returns:
            `profile` with the times that are in the file now.

        Raises:
            ProfileError: it cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        profile = replace(profile, created=profile.created or now, used=now)
        known = asdict(profile)
        content: dict[str, Any] = {"Version": VERSION, "Server": str(profile.server)}
        if profile.server.ca_file:
            content["CaFile"] = profile.server.ca_file
        if profile.asks is not None:
            known["asks"] = {_CELL_KEYS[name]: value for name, value in known["asks"].items()}
        content |= {key: known[name] for name, key in _KEYS.items() if name not in _LATER or known[name]}
        try:
            self._make_directory()
            # The kernel's id must survive a power cut; the resume point need not.
            replace_file(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n", durable=not self._durable)
        except OSError as error:
            raise ProfileError(f"profile {self} cannot be written: {error.strerror}") from None
        self._durable = True
        return profile


def profile_files() -> list[Path]:
    """Return the files of the profiles in the user's state directory."""
    return sorted((state_directory() / "profiles").glob("*.json"))


def known_servers() -> list[tuple[Address, str]]:
    """Return the servers of this user's profiles, each with the token in the profile, or "".

    A profile that cannot be read is left out.
    """
    found = []
    for path in profile_files():
        with contextlib.suppress(ProfileError):
            profile = ProfileFile(str(path)).read()
            found.append((profile.server, profile.token))
    return found
