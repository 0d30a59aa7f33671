"""Which outputs a page does not have that was loaded after they came."""

from __future__ import annotations

from typing import Any

from kernelbus.shell.jupyter.unseen import CellOutputs, Outputs


def stream(text: str) -> tuple[str, dict[str, Any]]:
    return "stream", {"name": "stdout", "text": text}


def result(number: int) -> tuple[str, dict[str, Any]]:
    return "execute_result", {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": number}


def notebook(**outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"cells": [{"id": name, "outputs": value} for name, value in outputs.items()]}


SAVED = [{"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}, {"output_type": "execute_result"}]


def given(*outputs: tuple[str, dict[str, Any]], page: str = "old") -> Outputs:
    made = Outputs()
    cell = made.begin(page, "one", "Print[1]")
    for kind, content in outputs:
        cell.add(kind, content)
    return made


def test_what_the_file_has_is_not_missing() -> None:
    whole = stream("a\n"), stream("b\n"), result(1)
    assert given(*whole).missing("new", "two", notebook(one=SAVED, two=[])) == []
    for saved in ([], SAVED[:1], SAVED[1:]):
        (missing,) = given(*whole).missing("new", "two", notebook(one=saved, two=[]))
        assert [kind for kind, _ in missing.outputs] == ["stream", "stream", "execute_result"] and missing.number == 1
    assert len(given(*whole).missing("new", "two", notebook(two=[]))) == 1, "the page has not even the cell"
    assert given(stream("10%\r20%\r30%")).missing("new", "two", notebook(one=SAVED[:1], two=[])) == [], "the cursor was moved"


def test_it_is_told_once_to_another_page_and_to_no_console() -> None:
    made = given(stream("a"))
    assert not made.others("old") and made.others("new")
    assert made.missing("new", "elsewhere", notebook(one=[])) == []
    assert made.others("new")
    assert len(made.missing("new", "two", notebook(one=[], two=[]))) == 1
    assert not made.others("new") and made.missing("new", "two", notebook(one=[], two=[])) == []


def test_a_cell_that_is_run_again_needs_nothing() -> None:
    assert given(stream("a")).missing("new", "one", notebook(one=[])) == []
    made = given(stream("a"))
    made.begin("new", "one", "")
    assert not made.others("new")
    made.begin("", "", "").add(*stream("a"))
    assert not made.others("new"), "without ids nothing can be known"


def test_much_is_bounded_and_what_is_cleared_is_gone() -> None:
    cell = CellOutputs("old", "one", "")
    for _ in range(5):
        cell.add(*stream("x" * 450_000))
    assert len(cell.outputs) == 2 and cell.cut
    cell.add("clear_output", {"wait": False})
    cell.add("status", {})
    assert cell.outputs == []
    made = Outputs()
    for number in range(30):
        made.begin("old", str(number), "").add(*stream("a"))
    assert len(made.missing("new", "x", notebook(x=[]))) == 20
