"""Functions that the engine answers, in a session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy
import pytest
from mathics.core.definitions import Definition

from kernelbus.kernelhost.mathics.engine import delegation, sending
from kernelbus.kernelhost.mathics.engine.names import read_better, read_functions, read_names
from kernelbus.kernelhost.mathics.engine.process import EngineError, engine, is_installed
from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded

needs_woxi = pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")
ROOM = files("kernelbus.kernelhost.mathics.engine")


class Session:
    """Evaluate inputs in a session, and note what is said."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.said: list[str] = []
        self._evaluator = Evaluator(loaded, self)

    def text(self, text: str) -> None:
        self.said.append(text)

    def message(self, symbol: str, tag: str, text: str) -> None:
        self.said.append(f"{symbol}::{tag}: {text}")

    def __call__(self, source: str) -> str:
        """Return the value of the last expression of an input, in InputForm."""
        self.said = []
        values: list[Any] = []

        def use(query: Any, _: str) -> bool:
            values.append(self._evaluator.evaluate(lambda: query))
            return True

        self._evaluator.read(source, False, use)
        return self._evaluator.shown(values[-1])


@pytest.fixture
def session(loaded: Loaded) -> Iterator[Session]:
    yield Session(loaded)
    engine.stop()


@needs_woxi
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("CDF[UniformDistribution[{0, 4}], 1]", "1/4"),
        ("PolynomialGCD[x^2 - 1, x - 1]", "-1 + x"),
        # A name's own value is not what the engine's name has.
        ("Block[{a = x - 1}, PolynomialGCD[x^2 - 1, a]]", "-1 + x"),
        ("f[n_] := 1/2^n; Round[NSum[f[n], {n, 1, Infinity}], 1/1000]", "1"),
        ("n = 7; Round[NSum[1/2^n, {n, 1, Infinity}], 1/1000]", "1"),
        ("p := x^2 - 1; f[a_] := a - 1; PolynomialGCD[p, f[x]]", "-1 + x"),
        ("FoldPairList[{#1, #1 + #2} &, 0, {1, 2, 3}]", "{0, 1, 3}"),
        ("LessThan[3][2]", "True"),
        ("{Interval[{1, 2}] + 1, 2*Interval[{1, 2}] - Interval[{0, 1}], Max[Interval[{1, 3}]]}",
         "{Interval[{2, 3}], Interval[{1, 4}], 3}"),
        ('TakeList[{"a\\"b", "c\\\\d", "é\\n"}, {1, 2}]', '{{"a\\"b"}, {"c\\\\d", "é\\n"}}'),
        ("a`b = 5; TakeList[{a`c, a`b, x}, {1, 2}]", "{{a`c}, {5, x}}"),
        ("PDF[undefined, x]", "PDF[undefined, x]"),
        ("PDF[undefined, x] + PDF[undefined, x]", "2*PDF[undefined, x]"),
        ("SetPrecision[2, 20]", "2.`20."),
        ("Precision[TakeList[{N[Pi, 40]}, {1}][[1, 1]]]", "40."),
        ("FittedX[PDF]", "FittedX[PDF]"),
        ("CheckAbort[TakeList[{1}, {1}], no]", "{{1}}"),
        ("Attributes[NSum]", "{HoldAll, Protected}"),
        ("Unprotect[PDF]; PDF[mine, x_] := x^3; PDF[mine, 2]", "8"),
    ],
)
def test_what_mathics_lacks_is_answered(session: Session, source: str, value: str) -> None:
    assert session(source) == value
    assert session.said == []


@needs_woxi
def test_prints_and_messages_are_the_sessions(session: Session) -> None:
    source = "f[x_] := (Print[x]; If[x > 1, Message[f::odd, x]]; x); f::odd = \"Odd: `1`.\"; SequenceFold[f[#2] &, {0}, {1, 2}]"
    session(source)
    assert session.said == ["1\n", "2\n", "f::odd: Odd: 2."]
    assert session("PolynomialQuotient[1, 0, x]") == "PolynomialQuotient[1, 0, x]"
    assert session("Interpolation[{{0, 0}, {1, 1}}][0.5]") == "0.5"
    assert session.said == ["Interpolation::inhr: Requested order is too high; order has been reduced to {1}."]
    assert session("Quiet[Interpolation[{{0, 0}, {1, 1}}]][0.5]") == "0.5"
    assert session.said == []
    assert session("Check[Interpolation[{{0, 0}, {1, 1}}], 3, Interpolation::inhr]") == "3"


@needs_woxi
def test_random_numbers_follow_seed_random(session: Session) -> None:
    source = "RandomVariate[NormalDistribution[0, 1], 2]"
    first, again = (session(f"SeedRandom[1]; {source}") for _ in range(2))
    assert first == again
    assert session(source) != first
    # Other questions do not draw a number.
    assert session("SeedRandom[1]; PDF[NormalDistribution[0, 1], 0]; RandomReal[]") == session("SeedRandom[1]; RandomReal[]")


@needs_woxi
def test_time_limits_and_aborts_reach_the_engine(session: Session) -> None:
    began = time.monotonic()
    assert session("TimeConstrained[NSum[While[True], {n, 1, 3}], 0.3, late]") == "late"
    assert session("CheckAbort[TimeConstrained[NSum[While[True], {n, 1, 3}], 0.3, Abort[]], caught]") == "caught"
    assert time.monotonic() - began < 60
    assert engine.pid == 0
    assert session("LessThan[3][4]") == "False"


@needs_woxi
def test_what_comes_back_as_it_went_is_asked_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    theirs = engine.ask

    def ask(text: str, **options: Any) -> Any:
        asked.append(text)
        return theirs(text, **options)

    monkeypatch.setattr(engine, "ask", ask)
    session("Do[PDF[mine, i]; PDF[mine, x], {i, 3}]")
    assert len(asked) == 4


@needs_woxi
def test_an_answer_in_terms_of_the_question_is_no_loop(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        wrong, events = "", ()
        text = "{1 + PDF[loop, x]}"

    monkeypatch.setattr(engine, "ask", lambda text, **options: Wrong)
    assert session("PDF[loop, x]") == "1 + PDF[loop, x]"


@needs_woxi
def test_a_question_that_is_too_large_is_said_to_be(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_TEXT", 100)
    assert session("TakeList[Range[100], {100}][[0]]") == "TakeList"
    assert "TakeList is not evaluated: its arguments are" in session.said[0]


@needs_woxi
def test_an_engine_that_fails_leaves_the_expression(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(text: str, **options: Any) -> Any:
        raise EngineError("the second engine has failed")

    monkeypatch.setattr(engine, "ask", ask)
    assert session("PDF[fails]") == "PDF[fails]"
    assert session.said == ["Kernel::engine: PDF is not evaluated: the second engine has failed."]


@needs_woxi
def test_what_mathics_gets_wrong_is_answered_better(session: Session) -> None:
    builtin, wrong = session.loaded.definitions.builtin, []
    for entry in read_better((ROOM / "better.toml").read_text(encoding="utf-8")):
        definition = builtin[f"System`{entry.name}"]
        for source, value in entry.shown_by:
            found = session(source)
            if (found, session.said) != (value, []):
                wrong.append(f"{source}: {found} {session.said}")
            if entry.only:
                continue
            kept = definition.downvalues, definition.subvalues
            for values in ("downvalues", "subvalues"):
                setattr(definition, values, [rule for rule in getattr(definition, values) if not isinstance(rule, delegation.AskRule)])
            session.loaded.definitions.clear_cache()
            if session(source) == value:
                wrong.append(f"{source}: the kernel has it right by itself: take {entry.name} off the list")
            definition.downvalues, definition.subvalues = kept
            session.loaded.definitions.clear_cache()
    assert wrong == []


@needs_woxi
def test_what_mathics_leaves_keeps_its_messages(session: Session) -> None:
    assert session('StringTake["ab", 7]') == 'StringTake["ab", 7]'
    assert len(session.said) == 1
    assert session('StringTake["planet", 2 ;; 4]') == '"lan"'
    assert session.said == []


def test_every_name_of_the_language_is_known(session: Session) -> None:
    builtin = session.loaded.definitions.builtin
    for table, reader in (("functions.txt", read_functions), ("names.txt", read_names)):
        for name in reader((ROOM / table).read_text(encoding="utf-8")):
            assert f"System`{name}" in builtin
    assert session("{Context[Bold], Context[FontTracking], Attributes[Bold]}") == '{"System`", "System`", {Protected}}'


def test_without_woxi_functions_are_only_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "is_installed", lambda: False)

    class Bare:
        def __init__(self) -> None:
            self.builtin = {"System`CDF": Definition("System`CDF")}

        def clear_cache(self) -> None:
            pass

    bare = Bare()
    mine = bare.builtin["System`CDF"]
    delegation.install(bare)
    assert bare.builtin["System`PDF"].downvalues == []
    assert bare.builtin["System`CDF"] is mine


def test_only_a_random_question_draws_a_number(session: Session) -> None:
    numpy.random.seed(5)
    before = numpy.random.get_state()[1].tolist()
    session("PDF[mine, x]")
    assert numpy.random.get_state()[1].tolist() == before
