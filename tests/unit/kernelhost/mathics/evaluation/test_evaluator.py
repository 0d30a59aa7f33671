"""One evaluation: its output as it happens, its result whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from mathics_values import Recorder

from kernelbus.kernelhost.mathics.evaluation.evaluator import DialogLeft, Evaluator, SyntaxFault
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.inputform import input_form


class Kernel:
    """Read, evaluate and enter text."""

    def __init__(self, loaded: Loaded) -> None:
        self.output = Recorder()
        self.evaluator = Evaluator(loaded, self.output)
        loaded.definitions.set_line_no(1)

    def read(self, text: str) -> list[tuple[str, str]]:
        """Return each expression in InputForm, and its source."""
        found: list[tuple[str, str]] = []
        self.evaluator.read(text, False, lambda query, source: bool(found.append((input_form(query), source))) or True)
        return found

    def enter(self, text: str) -> Any:
        """Return the Entered of the last expression in a text."""
        found: list[Any] = []
        self.evaluator.read(text, False, lambda query, source: bool(found.append(self.evaluator.enter(query, source))) or True)
        return found[-1]


@pytest.fixture
def kernel(loaded: Loaded) -> Kernel:
    return Kernel(loaded)


def test_a_text_is_read_expression_by_expression(kernel: Kernel) -> None:
    assert kernel.read("1 +\n2\nx; y\n") == [("1 + 2", "1 +\n2\n"), ("x; y", "x; y\n")]


def test_reading_stops_when_it_is_told_to(kernel: Kernel) -> None:
    found: list[Any] = []
    kernel.evaluator.read("1\n2\n3]", False, lambda query, _: bool(found.append(query.value)))
    assert found == [1]


@pytest.mark.parametrize(("text", "position"), [("1 + ]", 6), ("1\n2 ]", 6), ("f[1,", 5)])
def test_a_fault_has_its_position(text: str, position: int, kernel: Kernel) -> None:
    with pytest.raises(SyntaxFault) as fault:
        kernel.read(text)
    assert fault.value.position == position
    assert kernel.output.lines[0].startswith("Syntax::")


def test_inputs_are_numbered(kernel: Kernel) -> None:
    first, second = kernel.enter("x^2"), kernel.enter("InputForm[% + 1]")
    assert (first.line, first.text, first.form) == (1, " 2\nx", "")
    assert (second.line, second.text, second.form) == (2, "1 + x^2", "InputForm")
    assert kernel.enter("Null").result is None
    assert kernel.evaluator.line == 4


def test_evaluating_is_not_entering(kernel: Kernel, loaded: Loaded) -> None:
    assert kernel.evaluator.evaluate(lambda: loaded.definitions.get_config_value).get_name() == "System`$Failed"
    assert kernel.evaluator.line == 1
    assert kernel.output.lines == ["Kernel::error"]


def test_a_repeated_message_is_suppressed(kernel: Kernel) -> None:
    kernel.enter("Do[1/0, {10}]")
    assert kernel.output.lines == ["Power::infy"] * 3 + ["General::stop"]


@pytest.mark.parametrize(("entered", "value"), [("Return[]", "7"), ("Return[% + 1]", "8")])
def test_return_leaves_a_dialog(entered: str, value: str, kernel: Kernel, loaded: Loaded) -> None:
    kernel.enter("100")
    seven = kernel.enter("7").result
    with kernel.evaluator.dialog(seven):
        assert kernel.evaluator.label("In[3]:= ") == "(Dialog) In[3]:= "
        with pytest.raises(DialogLeft) as left:
            kernel.enter(entered)
    assert input_form(left.value.value) == value
    assert kernel.evaluator.line == 3
    assert kernel.enter("Return[5]").text == "5", "outside a dialog Return gives its value"


def test_what_is_evaluated_is_shown_in_input_form(kernel: Kernel) -> None:
    assert kernel.evaluator.shown(kernel.enter("a/b").result) == "a/b"
    assert kernel.evaluator.shown(None) == ""
