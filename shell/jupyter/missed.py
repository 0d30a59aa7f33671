"""What a notebook missed, and where it belongs. Sans-IO.

A notebook that comes back to its session gets what the kernel said meanwhile. :class:`Missed` says
of which input each piece is: the profile notes which cell asked for the evaluation that was under
way (:class:`~kernelbus.shell.clients.profile.CellNote`), and the prompts count the inputs. Other
inputs are of other clients, and of no cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelbus.shell.clients.profile import CellNote
from kernelbus.shell.jupyter.conversation import (
    Asked,
    Happening,
    Pictured,
    Printed,
    Prompted,
    Result,
    Told,
    Unreadable,
)

__all__ = ["Came", "Missed", "came_back", "outputs_in"]

_SHORT = 8
_KINDS = (Printed, Pictured, Told, Result)


def outputs_in(happenings: Sequence[Happening]) -> int:
    """Return how many of these are outputs that a person sees."""
    return sum(isinstance(happening, _KINDS) for happening in happenings)


@dataclass(frozen=True, slots=True)
class Came:
    """A notebook's coming back.

    Attributes:
        kernel: the kernel's id.
        pool: its pool.
        notebook: the notebook's name, or the session's.
        begun: when the session was begun, for people; "": not known.
        missed: how many outputs came meanwhile.
        more: whether more may come.
        busy: whether the kernel evaluates still.
    """

    kernel: str
    pool: str
    notebook: str
    begun: str
    missed: int
    more: bool
    busy: bool


def came_back(came: Came) -> str:
    """Return the line that says that a notebook is back in its session."""
    begun = f", begun {came.begun}" if came.begun else ""
    count = {0: "nothing was missed", 1: "1 output was missed"}.get(came.missed, f"{came.missed} outputs were missed")
    if came.more:
        count += " so far"
    if came.busy:
        count += ", and it evaluates still: this cell waits for it"
    return f"back in session {came.kernel[:_SHORT]} of {came.notebook} (pool {came.pool}{begun}): {count}"


class Missed:
    """Divides what was missed by inputs.

    Attributes:
        number: n of the `In[n]` that the next happening is of; None: not known.
    """

    def __init__(self, note: CellNote | None, cell: str) -> None:
        """Begin.

        Args:
            note: the cell that asked for the evaluation that was under way; None: none is known.
            cell: the id of the cell that is run now; "": it has none.
        """
        self._note = note
        self._cell = cell
        self._past = False  # whether the noted input has been answered
        self._said: int | None = -1
        self.number: int | None = None if note is None else note.number

    def of_note(self, position: int) -> bool:
        """Tell whether what came before packet `position` is of the noted cell."""
        return self._note is not None and not self._past and position > self._note.start

    def take(self, happening: Happening, position: int) -> str | None:
        """Take the next happening.

        Args:
            happening: it.
            position: how many packets the session's output has with it.

        Returns:
            A line to show before it, which says what it is of; None: no new one.
        """
        if isinstance(happening, Prompted):
            if happening.depth == 0 and (self._note is None or position > self._note.start):
                self._past = True
                self.number = happening.number
            return None
        if not isinstance(happening, (*_KINDS, Unreadable, Asked)):
            return None
        of_note = self.of_note(position)
        number = self.number if of_note or self._past or self._note is None else self._note.number - 1
        if number == self._said:
            return None
        self._said = number
        named = "an input" if number is None else f"In[{number}]"
        if self._note is not None and not of_note and not self._past:
            # It was saved as shown only a moment later, which did not come.
            return f"from {named}, which may have been shown already:"
        if not of_note or self._note is None:
            return f"missed from {named}, which no cell of this notebook asked for:"
        if self._note.cell and self._note.cell == self._cell:
            return f"missed from {named}, which this cell asked for:"
        return f"missed from {named}, which the cell  {self._note.title}  asked for:"

    @property
    def end(self) -> str | None:
        """The line that ends what was missed; None: nothing was."""
        if self._said == -1:
            return None
        left = self._note.left if self._note is not None else 0
        rest = {0: "", 1: "; the last input of that cell was not run"}.get(left, f"; the last {left} inputs of that cell were not run")
        return f"that is all that was missed{rest}"
