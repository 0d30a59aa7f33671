"""Define the version of the protocol that parts of the bus speak, and what a difference means.

Rules of this module: no I/O. Every control message says in which version it was written, as
`MAJOR.MINOR`.

* The same major: both understand each other. The side with the lower minor passes over fields and
  messages that it does not know; those that it knows have kept their meaning. The side with the
  higher minor gives each field that the other does not send its default.
* Another major: nothing is read; the message is refused with a line that names both versions.

So a field is added with a default, and raises the minor. Whatever else changes a message raises the
major. The release of kernelbus has a number of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["PROTOCOL", "Version"]

_FORM = re.compile(r"(\d{1,4})\.(\d{1,4})")


class Version(NamedTuple):
    """A version of the protocol."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def of(cls, text: object) -> Version | None:
        """Return the version that a message names; None: it names none that can be read."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        return cls(int(found[1]), int(found[2])) if found else None


#: The version that this program speaks.
PROTOCOL = Version(1, 2)
