"""The list of messages, handlers of messages, and texts about syntax."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mathics_values import Recorder, evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Entered, Evaluator, SyntaxFault
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.messages import Handlers, handlers


@pytest.fixture(autouse=True)
def no_handlers() -> Iterator[None]:
    yield
    handlers.clear()


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1/0; $MessageList", "{HoldForm[Power::infy]}"),
        ("{1/0, 0^0}; $MessageList", "{HoldForm[Power::infy], HoldForm[Power::indet]}"),
        ("Quiet[1/0]; $MessageList", "{}"),
        ("Block[{$MessageList = {}}, 1/0; Length[$MessageList]]", "1"),
        ("Do[1/0, {9}]; $MessageList", "{HoldForm[Power::infy], HoldForm[Power::infy], HoldForm[Power::infy], HoldForm[General::stop]}"),
        ("2; $MessageList", "{}"),
        ('Internal`AddHandler["x", f]; Internal`AddHandler["x", f]; Internal`Handlers["x"]', "{f}"),
        ('Internal`AddHandler["x", f]; Internal`RemoveHandler["x", f]; Internal`Handlers[]', "{}"),
        ('heard = {}; Internal`HandlerBlock[{"Message", AppendTo[heard, #] &}, Quiet[1/0]]; heard[[1, 2]]', "False"),
        ('heard = {}; Internal`HandlerBlock[{"Message", AppendTo[heard, #] &}, 1/0]; {heard[[1, 1, 1]], Internal`Handlers[]}',
         "{Power::infy, {}}"),
        ("Internal`DeactivateMessages[1/0; $MessageList]", "{}"),
    ],
)  # fmt: skip
def test_values(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value


def test_each_input_has_its_list(loaded: Loaded) -> None:
    evaluator = Evaluator(loaded, Recorder())
    entered: list[Entered] = []
    loaded.definitions.set_line_no(1)
    for code in ("1/0", "2", "{MessageList[1], MessageList[-1], $MessageList}"):
        evaluator.read(code, False, lambda query, source: bool(entered.append(evaluator.enter(query, source))) or True)
    assert entered[-1].text == "{{Power::infy}, MessageList[2], {}}"


def test_a_handler_that_fails_does_not_call_itself(loaded: Loaded) -> None:
    assert text_of(loaded, 'n = 0; Internal`HandlerBlock[{"Message", (n++; 1/0) &}, 1/0]; n') == "1"


@pytest.mark.parametrize(
    ("text", "shown"), [("1 +", "Incomplete expression; more input is needed."), ("f[1)", '"f[1" cannot be followed by ")".')]
)
def test_syntax_messages_name_no_line_of_nothing(loaded: Loaded, text: str, shown: str) -> None:
    class Texts(Recorder):
        def message(self, symbol: str, tag: str, text: str) -> None:
            self.lines.append(text)

    heard = Texts()
    with pytest.raises(SyntaxFault):
        Evaluator(loaded, heard).read(text, False, lambda query, _: True)
    assert heard.lines == [shown]


def test_syntax_messages_name_the_line_of_a_file(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "wrong.m"
    file.write_text("a = 1;\nf[1)\n")
    text = evaluate(loaded, f'heard = {{}}; Internal`HandlerBlock[{{"Message", AppendTo[heard, #[[1, -1]]] &}}, Get["{file}"]]; heard')
    assert str(text.elements[0].value) == f' (line 2 of "{file}")'


def test_handlers_are_called_in_order() -> None:
    class Name(str):
        def sameQ(self, other: object) -> bool:  # noqa: N802 - as Mathics3 calls it
            return self == other

    found = Handlers()
    for name in ("a", "b", "a"):
        found.add("event", Name(name))
    assert found.of("event") == ["a", "b"]
    assert found.all() == [("event", "a"), ("event", "b")]
    found.remove("event", Name("a"))
    assert found.of("event") == ["b"]
    found.clear()
    assert found.of("event") == []
