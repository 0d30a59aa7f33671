"""What a notebook missed: of which input and of which cell it is."""

from __future__ import annotations

from kernelbus.shell.clients.profile import CellNote
from kernelbus.shell.jupyter.conversation import Happening, Printed, Prompted, Result, Returned, Told
from kernelbus.shell.jupyter.missed import Came, Missed, came_back, outputs_in

NOTE = CellNote(7, 20, "c-7", "Pause[60]; 1", 2)


def lines(missed: Missed, *happenings: Happening, start: int = 20) -> list[str | None]:
    return [missed.take(happening, position) for position, happening in enumerate(happenings, start + 1)]


def test_what_the_noted_cell_asked_for_is_said_to_be_its() -> None:
    missed = Missed(NOTE, "c-9")
    told = lines(missed, Printed("a\n"), Printed("b\n"), Result(7, "Out[7]= ", "1"), Prompted("In[8]:= ", 8, 0))
    assert told == ["missed from In[7], which the cell  Pause[60]; 1  asked for:", None, None, None]
    assert missed.end == "that is all that was missed; the last 2 inputs of that cell were not run"
    missed = Missed(NOTE, "c-7")
    assert lines(missed, Told("Power::infy", "x")) == ["missed from In[7], which this cell asked for:"]
    nameless = Missed(CellNote(7, 20, "", "x", 1), "")
    assert lines(nameless, Printed("a")) == ["missed from In[7], which the cell  x  asked for:"], "no id is the id of no cell"
    assert nameless.end == "that is all that was missed; the last input of that cell was not run"


def test_what_other_clients_asked_for_is_no_cells() -> None:
    missed = Missed(NOTE, "c-7")
    prompts = Prompted("In[8]:= ", 8, 0), Prompted("In[9]:= ", 9, 0)
    told = lines(missed, Printed("a"), prompts[0], Printed("b"), Result(8, "Out[8]= ", "2"), prompts[1], Printed("c"))
    assert told[2:] == ["missed from In[8], which no cell of this notebook asked for:", None, None,
                        "missed from In[9], which no cell of this notebook asked for:"]  # fmt: skip
    missed = Missed(None, "c-7")
    assert lines(missed, Printed("a"), prompts[0], Printed("b")) == [
        "missed from an input, which no cell of this notebook asked for:",
        None,
        "missed from In[8], which no cell of this notebook asked for:",
    ]
    assert missed.end == "that is all that was missed"


def test_what_came_before_the_noted_cell_was_run_is_of_an_earlier_input() -> None:
    missed = Missed(NOTE, "")
    assert lines(missed, Printed("late"), Prompted("In[7]:= ", 7, 0), Printed("its own"), start=18) == [
        "from In[6], which may have been shown already:",
        None,
        "missed from In[7], which the cell  Pause[60]; 1  asked for:",
    ]
    assert missed.of_note(21) and not missed.of_note(20)


def test_a_dialogs_prompt_ends_no_input() -> None:
    missed = Missed(NOTE, "")
    told = lines(missed, Prompted("(Dialog) In[8]:= ", 8, 1), Printed("a"))
    assert told[1] == "missed from In[7], which the cell  Pause[60]; 1  asked for:"


def test_nothing_is_said_of_nothing() -> None:
    missed = Missed(NOTE, "")
    assert lines(missed, Prompted("In[8]:= ", 8, 0), Returned(1)) == [None, None]
    assert missed.end is None


def test_coming_back_is_one_line() -> None:
    assert outputs_in([Printed("a"), Prompted("", 8, 0), Result(None, "", "b"), Returned(1)]) == 2
    came = Came("XgiAT2-nFs22", "Main", "work.ipynb", "29 Nov 14:02", 2, False, False)
    assert came_back(came) == "back in session XgiAT2-n of work.ipynb (pool Main, begun 29 Nov 14:02): 2 outputs were missed"
    busy = came_back(Came("XgiAT2-nFs22", "Main", "work.ipynb", "", 0, True, True))
    assert busy.endswith("(pool Main): nothing was missed so far, and it evaluates still: this cell waits for it")
