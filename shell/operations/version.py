"""The version that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

__all__ = ["version"]


def version() -> str:
    """Give this kernelbus's version; `unknown` where it is run from its source and not installed.
    """
    try:
        return _version("kernelbus")
    except PackageNotFoundError:
        return "unknown"
