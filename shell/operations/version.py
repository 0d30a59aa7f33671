"""The installed version."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

__all__ = ["version"]


def version() -> str:
    """Return the version of this kernelbus; `unknown` where it runs from its source, not installed.
    """
    try:
        return _version("kernelbus")
    except PackageNotFoundError:
        return "unknown"
