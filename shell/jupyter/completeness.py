"""Whether a text may be run as it is, or goes on in the next line. Sans-IO."""

from __future__ import annotations

from typing import Any

from kernelbus.shell.clients.statements import statements
from kernelbus.shell.jupyter.magics import MagicError, read_cell

__all__ = ["completeness"]

_INDENT = "  "


def completeness(code: str) -> dict[str, Any]:
    """Return the content of an `is_complete_reply`: the status, and the indent of the next line."""
    try:
        cell = read_cell(code)
    except MagicError:
        return {"status": "invalid"}
    last = None
    for last in statements(cell.code):
        if last.fault and not last.unfinished:
            return {"status": "invalid"}
    if last is not None and last.unfinished:
        return {"status": "incomplete", "indent": _INDENT * max(last.depth, 1)}
    if last is None and cell.magics and cell.magics[-1].name.startswith("%%"):
        return {"status": "incomplete", "indent": ""}
    return {"status": "complete"}
