"""The tables of what the engine answers. No I/O.

``functions.txt`` has one function a line, with its attributes: functions of the language that
Mathics3 lacks and the engine has. ``names.txt`` has the other names of the language, which are only
known. ``tests/support/engine_tables.py`` writes both. ``better.toml`` is written by hand: functions
that Mathics3 has, and that the engine knows better, each with inputs that show it.
"""

from __future__ import annotations

import tomllib
from typing import NamedTuple

__all__ = ["Better", "read_better", "read_functions", "read_names"]


class Better(NamedTuple):
    """Say how a function that Mathics3 has is answered.

    Attributes:
        name: the function's name.
        first: whether the engine is asked first, and Mathics3 only for what it leaves; otherwise
            the engine is asked for what Mathics3 leaves unevaluated.
        heads: a pattern; the engine is asked only if the head of an argument matches it. "" matches
            all.
        shown_by: inputs, each with its right value, that Mathics3 alone gets wrong.
        only: whether Mathics3 is not asked at all, because its values are of another kind.
        form: whether both are asked, and the engine's form is taken of values that agree.
    """

    name: str
    first: bool
    heads: str
    shown_by: tuple[tuple[str, str], ...]
    only: bool = False
    form: bool = False


def read_functions(text: str) -> dict[str, tuple[str, ...]]:
    """Return the functions of a table, with the attributes of each."""
    return {words[0]: tuple(words[1:]) for line in text.splitlines() if (words := line.split())}


def read_names(text: str) -> list[str]:
    """Return the names of a table."""
    return text.split()


def read_better(text: str) -> list[Better]:
    """Return the functions that are answered better.

    Raises:
        ValueError: an entry is not as it should be.
    """
    found = []
    for name, entry in tomllib.loads(text).items():
        if entry.get("ask") not in ("first", "after", "only", "form") or not entry.get("shown_by"):
            raise ValueError(f'{name}: `ask` is none of "first", "after", "only" and "form", or `shown_by` is missing')
        inputs = tuple((source, value) for source, value in entry["shown_by"])
        ask = entry["ask"]
        found.append(Better(name, ask == "first", entry.get("heads", ""), inputs, ask == "only", ask == "form"))
    return found
