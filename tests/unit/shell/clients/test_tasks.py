"""What a kernel is sent for a code, and what its answer means."""

from __future__ import annotations

import pytest

from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.statements import Source
from kernelbus.shell.clients.tasks import (
    PLAIN,
    Manner,
    Print,
    Shown,
    Task,
    failure_in,
    form_named,
    preparation,
    shown,
    tasks,
    tasks_of_line,
)
from wstp import Symbol


def sent(source: Source, **manner: object) -> list[tuple[str, str, Shown]]:
    return [(full_form(task.expression), task.place, task.shown) for task in tasks(source, 1, Manner(**manner))]  # type: ignore[arg-type]


SHOWN = 'ToString[ToExpression["b"], InputForm]'
UNSHOWN = 'If[FreeQ[List[ToExpression["a"]], Alternatives[$Failed, $Aborted]], "Null", "$Failed"]'


def test_a_code_travels_as_a_whole() -> None:
    assert sent(Source("b")) == [(SHOWN, "", Shown.VALUE)]


@pytest.mark.parametrize(
    ("printing", "values"),
    [
        (Print.LAST, [UNSHOWN, SHOWN]),
        (Print.ALL, [SHOWN.replace('"b"', '"a"'), SHOWN]),
        (Print.NONE, [UNSHOWN, UNSHOWN.replace('"a"', '"b"')]),
    ],
)
def test_a_file_travels_by_expressions(printing: Print, values: list[str]) -> None:
    assert [text for text, _, _ in sent(Source("a\n\nb", "f.wls"), print=printing)] == values


def test_an_expression_of_a_file_knows_its_place_and_its_file() -> None:
    (expression, place, show), = sent(Source("\nb", "f.wls", "/d/f.wls"))
    assert expression == f'Block[List[Set[$InputFileName, "/d/f.wls"]], {SHOWN}]'
    assert (place, show) == ("f.wls:2", Shown.UNLESS_NULL)


def test_a_line_of_input_is_a_code_or_what_one_is_about() -> None:
    def of_line(source: Source, line: str) -> list[tuple[str, str]]:
        return [(full_form(task.expression), task.what) for task in tasks_of_line(source, line, "input:3", Manner())]

    assert of_line(Source("", linewise=True), "b") == [(SHOWN, "input:3")]
    assert of_line(Source("", linewise=True), "  ") == []
    assert of_line(Source("b", linewise=True), "x") == [(f'Block[List[Set[$ScriptInputString, "x"]], {SHOWN}]', "input:3")]
    assert [what for _, what in of_line(Source("b\nc", "f.wls", linewise=True), "")] == ["input:3, f.wls:1", "input:3, f.wls:2"]
    assert of_line(Source("", "empty.wls", linewise=True), "b") == []
    assert of_line(Source("", linewise=True, call=lambda line: line.lower()), "B") == [(SHOWN, "input:3")]


def test_the_way_of_wolframscript_keeps_strings_apart() -> None:
    ((form, _, _),) = sent(Source("b"), form=PLAIN)
    assert form == 'Function[If[StringQ[Slot[1]], List[Slot[1]], ToString[Slot[1], InputForm]]][ToExpression["b"]]'


def test_a_form_is_found_however_it_is_written() -> None:
    assert [form_named(name) for name in ("texform", "InputForm", "json", "zork")] == ["TeXForm", "InputForm", "json", "zork"]


def test_other_forms_travel_with_whether_they_hold_a_failure() -> None:
    ((form, _, _),) = sent(Source("b"), form="TeXForm")
    assert form == 'Function[List[FreeQ[List[Slot[1]], Alternatives[$Failed, $Aborted]], ToString[Slot[1], TeXForm]]][ToExpression["b"]]'
    ((export, _, _),) = sent(Source("b"), form="JSON")
    assert 'ExportString[Slot[1], "JSON"]' in export


def test_a_script_is_prepared() -> None:
    assert preparation([Source("b")], Manner()) is None
    made = preparation([Source("b")], Manner(arguments=("f.wls", "x"), input_string="in"))
    assert 'Set[$ScriptCommandLine, List["f.wls", "x"]]' in full_form(made) and 'Set[$ScriptInputString, "in"]' in full_form(made)
    assert "ReadLine" in full_form(preparation([Source('ReadLine["stdin"]')], Manner()))


@pytest.mark.parametrize(
    "text", ["$Failed", "$Aborted", "{1, $Failed}", "f[System`$Aborted]", 'Failure["x", <||>]', '{"a", <|1 -> $Failed|>}']
)
def test_a_value_that_is_or_holds_a_failure(text: str) -> None:
    assert failure_in(text)


@pytest.mark.parametrize("text", ["1", '"$Failed"', '{"a\\"$Failed"}', "my$Failed", "$FailedToo", "pkg`$Failed", "f[Failure]"])
def test_a_value_that_only_looks_so(text: str) -> None:
    assert failure_in(text) == ""


VALUE, UNLESS, NOTHING = (Task(Symbol("x"), "it", each) for each in Shown)
PNG, JSON, TEX, STRING = (Task(Symbol("x"), "it", Shown.UNLESS_NULL, form=form) for form in ("PNG", "JSON", "TeXForm", PLAIN))
TRUE, FALSE = Symbol("True"), Symbol("False")


@pytest.mark.parametrize(
    ("value", "task", "failed", "text"),
    [
        ("Null", VALUE, False, "Null"),
        ("Null", UNLESS, False, None),
        ("4", UNLESS, False, "4"),
        ("Null", NOTHING, False, None),
        ("$Failed", NOTHING, True, None),
        ("$Failed", VALUE, True, "$Failed"),
        (Symbol("$Aborted"), UNLESS, True, "$Aborted"),
        (Symbol("Hold")(1), NOTHING, True, "Hold[1]"),
        ([TRUE, "x^2"], TEX, False, "x^2"),
        ([FALSE, "x"], TEX, True, "x"),
        ([TRUE, "Null"], TEX, False, None),
        ([TRUE, Symbol("$Failed")], JSON, True, None),
        ([TRUE, "\x89PNG\xff"], PNG, False, b"\x89PNG\xff"),
        ([TRUE, "\xc3\xa9"], JSON, False, "é"),
        ([TRUE, "é日"], JSON, False, "é日"),
        (Symbol("$Aborted"), JSON, True, "$Aborted"),
        (["$Failed"], STRING, False, "$Failed"),
        (["Null"], STRING, False, "Null"),
        ("{$Failed}", STRING, True, "{$Failed}"),
        ("Null", STRING, False, None),
    ],
)
def test_an_answer_means(value: object, task: Task, failed: bool, text: object) -> None:
    found = shown(value, task)
    assert (bool(found[0]), found[1]) == (failed, text)
