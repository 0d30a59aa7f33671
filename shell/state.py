"""Where a user's state is kept between runs: profiles, and the history of what was typed."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["private_file", "state_directory"]


def state_directory() -> Path:
    """Return `kernelbus` in `$XDG_STATE_HOME`, or in `~/.local/state`.

    For a user without a home it is below the root folder, where only root can write.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    if os.path.isabs(given):
        return Path(given) / "kernelbus"
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/")
    return home / ".local" / "state" / "kernelbus"


def private_file(name: str) -> Path:
    """Make a file in the state directory that only its user can read, unless it exists.

    Raises:
        OSError: it cannot be made or written to.
    """
    path = state_directory() / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    return path
