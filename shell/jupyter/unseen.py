"""Which outputs a page does not have that was loaded after they came. Sans-IO.

Jupyter passes what a cell gives to the page that has asked, and to no other. A page that is loaded
later, in the middle of a cell or after it, has what was in the notebook's file. :class:`Outputs`
remembers what the cells of each page gave, and tells what of it is not in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CellOutputs", "Outputs"]

#: What is remembered: so many cells, and so many bytes of one, about.
_CELLS = 20
_LARGEST = 1_000_000

_KINDS = frozenset({"stream", "display_data", "execute_result", "error"})


@dataclass(slots=True)
class CellOutputs:
    """What one cell gave.

    Attributes:
        page: the page that asked.
        cell: the cell's id.
        title: a line that stands for it.
        number: n of its last `Out[n]`; None: it has had none.
        outputs: each output: its type and its content.
        cut: whether the first ones are left out, since there were too many.
    """

    page: str
    cell: str
    title: str
    number: int | None = None
    outputs: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    cut: bool = False
    _size: int = 0

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Note an output."""
        if kind == "clear_output":
            self.outputs.clear()
            self.cut, self._size = False, 0
        if kind not in _KINDS:
            return
        if kind == "execute_result":
            self.number = content["execution_count"]
        self.outputs.append((kind, content))
        self._size += _size(content)
        while self._size > _LARGEST and len(self.outputs) > 1:
            self.cut = True
            self._size -= _size(self.outputs.pop(0)[1])

    def is_in(self, outputs: list[Mapping[str, Any]]) -> bool:
        """Tell whether the outputs that a notebook's file has of the cell have these, too."""
        saved = [output for output in outputs if output.get("output_type") != "stream"]
        if len(saved) < sum(kind != "stream" for kind, _ in self.outputs):
            return False
        for name in ("stdout", "stderr"):
            text = "".join(content["text"] for kind, content in self.outputs if kind == "stream" and content["name"] == name)
            there = "".join("".join(output.get("text", "")) for output in outputs if output.get("name") == name)
            # Front ends carry out what moves the cursor, so less may be there.
            if len(there) < len(text) and not (there and ("\r" in text or "\b" in text)):
                return False
        return True


class Outputs:
    """Remembers what cells gave."""

    def __init__(self) -> None:
        self._cells: list[CellOutputs] = []

    def begin(self, page: str, cell: str, title: str) -> CellOutputs:
        """Begin to remember what a cell gives; what it gave before is forgotten."""
        given = CellOutputs(page, cell, title)
        if page and cell:
            self._cells = [known for known in self._cells if known.cell != cell][1 - _CELLS :]
            self._cells.append(given)
        return given

    def others(self, page: str) -> bool:
        """Tell whether there are outputs that another page asked for."""
        return any(known.page != page and known.outputs for known in self._cells)

    def missing(self, page: str, cell: str, notebook: Mapping[str, Any]) -> list[CellOutputs]:
        """Return what other pages asked for and the notebook's file does not have; it is told once.

        Args:
            page: the page that asks now.
            cell: the id of its cell; one that is not in the file, as a console's, is told nothing.
            notebook: the content of the file.
        """
        saved = {str(known.get("id")): known for known in notebook.get("cells", ()) if isinstance(known, Mapping)}
        if cell not in saved:
            return []
        others = [known for known in self._cells if known.page != page and known.cell != cell]
        self._cells = [known for known in self._cells if known.page == page]
        return [known for known in others if known.outputs and not known.is_in(saved.get(known.cell, {}).get("outputs", []))]


def _size(content: Mapping[str, Any]) -> int:
    if "text" in content:
        return len(content["text"])
    return sum(len(value) if isinstance(value, str) else 1000 for value in content.get("data", {}).values())
