"""The functions that talk to the client, with a client that records."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.atoms import Integer, String
from mathics.core.symbols import Symbol
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.evaluation.terminal import Client, Terminal
from kernelbus.kernelhost.mathics.forms.inputform import input_form


class Recorder:
    """Answer every question with the number of questions so far."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def text(self, text: str) -> None:
        self.asked.append(f"text {text!r}")

    def input(self, prompt: str) -> Any:
        self.asked.append(f"input {prompt!r}")
        return Integer(len(self.asked))

    def input_string(self, prompt: str) -> Any:
        self.asked.append(f"string {prompt!r}")
        return String(str(len(self.asked)))

    def dialog(self, initial: Any | None) -> Any:
        self.asked.append(f"dialog {None if initial is None else input_form(initial)}")
        return Symbol("Global`left")

    def menu(self) -> None:
        self.asked.append("menu")


@pytest.mark.parametrize(
    ("code", "value", "asked"),
    [
        ("{Input[], Input[x^2]}", "{1, 2}", ["input '? '", "input 'x ^ 2'"]),
        ('InputString["name: "]', '"1"', ["string 'name: '"]),
        ("Interrupt[]; 5", "5", ["menu"]),
        ("{Dialog[], Dialog[1 + 2]}", "{left, left}", ["dialog None", "dialog 3"]),
        ("Dialog[q, DialogSymbols :> {q = 9}]", "left", ["dialog 9"]),
        ("Dialog[p, DialogProlog :> (p = 3)]", "left", ["dialog 3"]),
        ("Dialog[1, 2]", "Dialog[1, 2]", []),
        ('WriteString["stdout", "a"]; WriteString[$Output, "b"]', "Null", ["text 'a'", "text 'b'"]),
        ("AbortProtect[1 + 1]", "2", []),
        ('{ReadLine["stdin"], ReadLine[], Read["stdin", String]}', '{"1", "2", "3"}', ["string ''"] * 3),
        ('{Read["stdin"], Read["stdin", Number]}', "{1, 2}", ["input ''"] * 2),
        ('ReadLine[StringToStream["a\\nb"]]', '"a"', []),
    ],
)
def test_evaluations_ask_their_client(code: str, value: str, asked: list[str], loaded: Loaded) -> None:
    client = Recorder()
    accepted: Client = client
    loaded.terminal.client = accepted
    assert text_of(loaded, code) == value
    assert client.asked == asked


def test_nobody_answers_without_a_client(loaded: Loaded) -> None:
    assert isinstance(loaded.terminal, Terminal)
    assert loaded.terminal.client is None
    assert text_of(loaded, "{Input[], InputString[], Dialog[]}") == "{EndOfFile, EndOfFile, Null}"
    assert text_of(loaded, '{ReadLine["stdin"], ReadList["stdin", String], ReadString["stdin"]}') == '{EndOfFile, {}, ""}'
    assert text_of(loaded, "CheckAbort[Interrupt[], aborted]") == "aborted"
