"""Magics: the first lines of a cell that begin with % and a letter. Sans-IO.

``%name words`` is a line; ``%%name words`` is about the rest of the cell, and is its last magic. A
product with the last output is written with a space, ``% x``.

:data:`MAGICS` has what is known. Whoever adds a magic adds its name, its usage and what it does
here, and the code for it to :mod:`kernelbus.shell.jupyter.cells`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ALONE", "FORMS", "MAGICS", "Cell", "Magic", "MagicError", "read_cell"]

_MAGIC = re.compile(r"(%%?)([A-Za-z]\w*)(?:[ \t]+(.*))?")

#: What each magic does, by its name with its percent signs: for people.
MAGICS: dict[str, str] = {
    "%clear": "%clear: take away the outputs of the cell so far",
    "%magics": "%magics: this list",
    "%kernel": "%kernel: which session this notebook has; %kernel help: how to have another",
    "%%timeit": "%%timeit [-n LOOPS] [-r RUNS]: how long the rest of the cell takes, measured in the kernel",
    "%%png": "%%png: show the results of the rest of the cell as PNG alone",
    "%%svg": "%%svg: the same as SVG",
    "%%tex": "%%tex: the same as TeX, with its source",
    "%%text": "%%text: the same as text",
}

#: Magics that say how results are shown, and the MIME type that is left ("": text).
FORMS = {"%%png": "image/png", "%%svg": "image/svg+xml", "%%tex": "text/latex", "%%text": ""}

#: Magics that need no kernel, and are carried out before there is one.
ALONE = frozenset({"%clear", "%magics", "%kernel"})


class MagicError(ValueError):
    """There is no such magic; the text says so, and which there are."""


@dataclass(frozen=True, slots=True)
class Magic:
    """One magic.

    Attributes:
        name: with its percent signs.
        words: what follows it on its line.
    """

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        magics: its magics, in order; a cell's own (%%) is the last.
        code: what follows them.
    """

    magics: tuple[Magic, ...]
    code: str


def read_cell(text: str) -> Cell:
    """Divide a cell.

    Raises:
        MagicError: a magic is unknown.
    """
    magics: list[Magic] = []
    lines = text.split("\n")
    position = 0
    for position, line in enumerate(lines):
        if not line.strip():
            continue
        found = _MAGIC.fullmatch(line.rstrip())
        if found is None:
            break
        signs, name, words = found.groups()
        if signs + name not in MAGICS:
            raise MagicError(
                f"there is no magic {signs}{name}: there are {', '.join(sorted(MAGICS))}; "
                f"for a product with an output, write {signs} {name} with a space"
            )
        magics.append(Magic(signs + name, (words or "").strip()))
        if signs == "%%":
            position += 1
            break
    else:
        position = len(lines)
    return Cell(tuple(magics), "\n".join(lines[position:]))
