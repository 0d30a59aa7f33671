"""Code that notebooks have their kernels evaluate, in a context of its own. Sans-IO.

A name that begins with a small letter is one of :data:`CONTEXT`, any other is the system's. The
context of each name is written out, so that no definition of a person's is meant, and no name of
theirs comes into being.
"""

from __future__ import annotations

import re

from wstp import Expr, Symbol

__all__ = ["CONTEXT", "PRINTED", "code", "quoted"]

#: The context of all that is defined in the kernel for notebooks.
CONTEXT = "Kernelbus`Notebook`"
#: What begins a packet with the rendering of printed text.
PRINTED = CONTEXT + "printed"

_WORD = re.compile(r'("(?:[^"\\]|\\.)*")|(?<![\w$`#])([a-z]\w*)|(?<![\w$`#])(\$?[A-Z]\w*)')


def code(source: str) -> Expr:
    """Return an expression that reads and evaluates a text."""
    text = _WORD.sub(lambda found: found[1] or (CONTEXT + found[2] if found[2] else f"System`{found[3]}"), source)
    return Symbol("ToExpression")(text)


def quoted(text: str) -> str:
    """Return a string of the language with this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
