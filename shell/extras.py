"""Packages that only some commands need: what a missing one is part of, and how to install it.

The distribution requires what every part needs; the rest comes with its extras (pyproject.toml).
Whoever imports such a package late, or in another process, calls :func:`require` first, so that its
absence is one line at the start and no traceback later.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MissingExtra", "missing", "needed", "require"]

#: The packages by the extra that brings them, as they are imported and as they are installed.
_PACKAGES = {
    "wstp": {"numpy": "numpy", "ifaddr": "ifaddr"},
    "embedded": {"mathics": "Mathics3", "packaging": "packaging", "sympy": "sympy"},
    "engine": {"woxi": "woxi"},
    "admin": {"cmd2": "cmd2", "prompt_toolkit": "prompt_toolkit"},
    "discovery": {"zeroconf": "zeroconf", "ifaddr": "ifaddr"},
    "metrics": {"prometheus_client": "prometheus_client"},
    "jupyter": {"ipykernel": "ipykernel", "jupyter_client": "jupyter_client"},
    "wolframclient": {"wolframclient": "wolframclient"},
}


class MissingExtra(ImportError):
    """A package of an extra is not installed; the text names it, and says what to install."""

    def __init__(self, package: str, extra: str) -> None:
        installed = _PACKAGES[extra].get(package, package)
        super().__init__(f"{installed} is not installed: pip install 'kernelbus[{extra}]'", name=package)


def missing(extra: str, *packages: str) -> MissingExtra | None:
    """Look for `packages` of `extra`, or for all of it, and import none of them.

    Returns:
        An error about the first that is not installed; None: all are.
    """
    for package in packages or _PACKAGES[extra]:
        try:
            found = importlib.util.find_spec(package)
        except ImportError:
            found = None
        if found is None:
            return MissingExtra(package, extra)
    return None


def require(extra: str, *packages: str) -> None:
    """Check that `packages` of `extra`, or all of it, are installed.

    Raises:
        MissingExtra: one is not.
    """
    if (error := missing(extra, *packages)) is not None:
        raise error


@contextmanager
def needed() -> Iterator[None]:
    """Turn a failed import of an extra's package into a :class:`MissingExtra`.

    Raises:
        MissingExtra: a package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in _PACKAGES.items():
            if package in packages:
                raise MissingExtra(package, extra) from None
        raise
