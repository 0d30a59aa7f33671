"""Texts of others, made plain: what a client or a file says can move no cursor and forge no line.

No I/O. Clients choose names, messages and results; files and networks have texts of their own. In a
log, or on a terminal, their control characters would be obeyed. So these are written as escapes, as
in ``\\x1b``: C0 and C1 controls, the line ends of Unicode, marks that change the direction of text,
the tags that no terminal shows, and halves of surrogate pairs.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["plain"]

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def plain(text: str, keep: str = "") -> str:
    """Return `text` with every character that is obeyed and not shown written as an escape.

    Args:
        keep: characters that are left as they are, as line ends where a text has lines.

    >>> print(plain("a\\x1b[2Jb\\nc"))
    a\\x1b[2Jb\\nc
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)
