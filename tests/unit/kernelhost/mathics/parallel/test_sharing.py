"""A kernel that shares symbols with its master, which a list of answers plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mathics.core.evaluation import Evaluation
from mathics_values import Recorder, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.forms.convert import to_mathics
from kernelbus.kernelhost.mathics.parallel.sharing import CHANGING, Sharing
from wstp import Expr, Function, Symbol

S = Symbol


class Master:
    """Answer each question with what a function makes of it."""

    def __init__(self, loaded: Loaded, answer: Callable[[str], Expr]) -> None:
        self._definitions = loaded.definitions
        self._answer = answer
        self.asked: list[str] = []
        self.before: list[Expr] = []
        self._waiting: list[Expr] = []

    def put(self, expr: Expr) -> None:
        assert isinstance(expr, Function)
        assert expr.head == S("EvaluatePacket")
        (question,) = expr.args
        assert isinstance(question, Function)
        number, wanted = question.args
        self.asked.append(str(wanted).replace("Global`", ""))
        self._waiting = [*self.before, S("ReturnPacket")(S("List")(number, self._answer(self.asked[-1])))]

    def take(self) -> Any:
        return to_mathics(self._waiting.pop(0), self._definitions)


@pytest.fixture
def master(loaded: Loaded) -> Iterator[Callable[[Callable[[str], Expr]], Master]]:
    made: list[Sharing] = []

    def start(answer: Callable[[str], Expr]) -> Master:
        master = Master(loaded, answer)
        made.append(Sharing(lambda: master))
        made[-1].share(["Global`v"], [("Global`w", 0)], loaded.definitions)
        return master

    yield start
    for sharing in made:
        sharing.share([], [], loaded.definitions)
    for name in CHANGING:
        rules = loaded.definitions.builtin[f"System`{name}"].downvalues
        rules[:] = [rule for rule in rules if getattr(getattr(rule, "function", None), "__self__", None) not in made]
    loaded.definitions.clear_cache()


def test_values_are_the_masters(loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master]) -> None:
    master(lambda question: 7 if question == "v" else 20)
    assert text_of(loaded, "{v + 1, w[2, 3], Hold[v]}") == "{8, 20, Hold[v]}"


def test_what_has_no_value_there(loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master]) -> None:
    master(lambda question: S("v") if question == "v" else S("w")(2))
    assert text_of(loaded, "{v, w[2]}") == "{Null, w[2]}"


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("v = 1 + 1", "Symbol('Set')(Symbol('v'), 2)"),
        ("v++", "Symbol('Increment')(Symbol('v'))"),
        ("v += 1 + 1", "Symbol('AddTo')(Symbol('v'), 2)"),
        ("AppendTo[v, 1 + 1]", "Symbol('AppendTo')(Symbol('v'), 2)"),
        ("Block[{i = 2}, v[[i]] = 5]", "Symbol('Set')(Symbol('Part')(Symbol('v'), 2), 5)"),
        ("Block[{i = 2}, v[i] = 5]", "Symbol('Set')(Symbol('v')(2), 5)"),
        ("v =.", "Symbol('Unset')(Symbol('v'))"),
        ("w[1] = 2", "Symbol('Set')(Symbol('w')(1), 2)"),
        ("Clear[v, unshared]", "Symbol('Clear')(Symbol('v'))"),
    ],
)
def test_a_change_is_the_masters(
    loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master], code: str, asked: str
) -> None:
    asking = master(lambda question: 0)
    text_of(loaded, code)
    assert asking.asked == [asked]


def test_a_list_of_changes(loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master]) -> None:
    asking = master(lambda question: 0)
    assert text_of(loaded, "{v, here} = {3, 4}; here") == "4"
    assert asking.asked == ["Symbol('Set')(Symbol('v'), 3)"]


def test_old_answers_are_dropped(loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master]) -> None:
    asking = master(lambda question: 5)
    asking.before = [S("ReturnPacket")(S("List")(99, 1)), S("TextPacket")("x"), S("ReturnPacket")(3)]
    assert text_of(loaded, "v") == "5"


def test_a_master_that_aborts(loaded: Loaded, master: Callable[[Callable[[str], Expr]], Master]) -> None:
    asking = master(lambda question: 5)
    asking.before = [S("ReturnPacket")(S("$Aborted"))]
    assert text_of(loaded, "v") == "$Aborted"


def test_a_lock_is_asked_for_until_it_is_given(loaded: Loaded) -> None:
    answers = iter([S("False"), S("True"), S("Null")])
    asking = Master(loaded, lambda question: next(answers))
    sharing, work = Sharing(lambda: asking), []
    number = to_mathics(1, loaded.definitions)
    evaluation = Evaluation(loaded.definitions)

    def run() -> Any:
        return sharing.locked([to_mathics(S("Global`lock"), loaded.definitions)], number, lambda: work.append(1) or number, evaluation)

    assert Evaluator(loaded, Recorder()).evaluate(run) is number
    assert work == [1]
    assert [question.partition("(")[2][:14] for question in asking.asked] == ["'kernelbus`Loc", "'kernelbus`Loc", "'kernelbus`Unl"]


def test_nothing_is_shared_any_more(loaded: Loaded) -> None:
    sharing = Sharing(lambda: None)
    sharing.share(["Global`gone"], [], loaded.definitions)
    assert text_of(loaded, "gone") == "$Aborted"
    sharing.share([], [], loaded.definitions)
    assert text_of(loaded, "gone") == "gone"
