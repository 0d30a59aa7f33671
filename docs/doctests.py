"""A Griffe extension: show the examples of docstrings (``>>>``) as code on the API page.

To Markdown, ``>>>`` at the beginning of a line is a quotation; in a fence it is code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["Doctests", "fenced", "shown"]

_EXAMPLE = re.compile(r"(?:^[ ]*>>> .*\n?(?:^(?![ ]*>>> |[ ]*$).*\n?)*)+", re.MULTILINE)

_ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


def fenced(text: str) -> str:
    """Return a docstring with each run of examples in a fence, at its own indentation."""

    def fence(found: re.Match[str]) -> str:
        block = found[0].rstrip("\n")
        indent = re.match(r" *", block)
        margin = indent[0] if indent is not None else ""
        return f"{margin}```pycon\n{block}\n{margin}```\n"

    return _EXAMPLE.sub(fence, text)


def shown(text: str) -> str:
    """Return a docstring as Markdown: its examples fenced, its roles (``:class:``) as code."""
    return fenced(_ROLE.sub(r"`\1`", text))


class Doctests(griffe.Extension):
    """Make Markdown of the docstring of every object."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Handle an object that was read."""
        if obj.docstring is not None and not obj.is_module:
            obj.docstring.value = shown(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Handle a package when all of it was read."""
        if pkg.docstring is not None:
            pkg.docstring.value = shown(pkg.docstring.value)
