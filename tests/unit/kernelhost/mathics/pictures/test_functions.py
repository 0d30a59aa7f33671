"""Plots and charts that the engine draws."""

from __future__ import annotations

import pytest
from mathics_client import Evaluate

from kernelbus.kernelhost.mathics.engine.process import EngineError, engine, is_installed
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.pictures import functions

pytestmark = pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")


@pytest.mark.parametrize(
    ("code", "head"),
    [
        ("Plot[Sin[x], {x, 0, 6}]", "Graphics"),
        ("ContourPlot[x y, {x, 0, 1}, {y, 0, 1}]", "Graphics"),
        ("BarChart[{1, 2, 3}]", "Graphics"),
        ("Plot3D[x y, {x, 0, 1}, {y, 0, 1}]", "Graphics3D"),
        ("Show[Plot[x, {x, 0, 1}], Plot[x^2, {x, 0, 1}]]", "Graphics"),
        ("Show[Graphics3D[Sphere[]], ParametricPlot3D[{Sin[u], Cos[u], u}, {u, 0, 6}]]", "Graphics3D"),
        ("GraphicsRow[{Plot[x, {x, 0, 1}], MatrixPlot[{{1, 2}, {3, 4}}]}]", "Graphics"),
    ],
)
def test_the_head_of_a_picture_is_that_of_graphics(evaluate: Evaluate, code: str, head: str) -> None:
    value, messages = evaluate(f"ToString[Head[{code}]]")
    assert (value, messages) == (head, [])


def test_a_plot_has_its_lines_and_points(evaluate: Evaluate) -> None:
    assert evaluate("Length[Cases[Plot[{x, x^2}, {x, 0, 1}], _Line, Infinity]]")[0] == 2
    assert evaluate("ToString[Cases[ListPlot[{1, 4}], Point[p_] :> p, Infinity]]")[0] == "{{{1., 1.}, {2., 4.}}}"


def test_a_plot_shows_the_definitions_of_its_time(evaluate: Evaluate) -> None:
    """A later change of a function does not change what was plotted, also not within Show."""
    evaluate("f[x_] := x; g = Plot[f[x], {x, 0, 1}]; before = ExportString[Show[g], \"SVG\"]; f[x_] := x^7;")
    assert evaluate('ExportString[Show[g], "SVG"] === before')[0].name == "True"
    assert evaluate('ExportString[Plot[f[x], {x, 0, 1}], "SVG"] === ExportString[g, "SVG"]')[0].name == "False"


def test_a_plot_shows_local_values(evaluate: Evaluate) -> None:
    first = 'Block[{a = 2}, ExportString[Plot[a x, {x, -1, 1}], "SVG"]]'
    second = 'Module[{b = 2}, ExportString[Plot[b x, {x, -1, 1}], "SVG"]]'
    assert evaluate(f"{first} === {second}")[0].name == "True"


def test_arguments_are_held_where_the_language_holds_them(evaluate: Evaluate) -> None:
    assert evaluate("x = 3; ToString[Head[ContourPlot[x + y, {x, 0, 1}, {y, 0, 1}]]]") == ("Graphics", [])


def test_random_data_follow_the_seed(evaluate: Evaluate) -> None:
    code = 'SeedRandom[5]; ExportString[Histogram[RandomReal[1, 50]], "SVG"]'
    assert evaluate(f"({code}) === ({code})")[0].name == "True"


def test_without_an_answer_mathics_draws_what_it_can(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise EngineError("the second engine has failed")

    monkeypatch.setattr(engine, "ask", fail)
    assert evaluate("ToString[Head[Plot[x, {x, 0, 1}]]]") == ("Graphics", [])
    value, messages = evaluate("ToString[Head[ContourPlot[x y, {x, 0, 1}, {y, 0, 1}]]]")
    assert value == "ContourPlot"
    assert "the second engine has failed" in messages[0]


def test_a_plot_that_is_none_stays_as_it_is(evaluate: Evaluate) -> None:
    assert evaluate("ToString[Head[ContourPlot[1]]]")[0] == "ContourPlot"


def test_nothing_is_changed_where_there_is_no_engine(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "is_installed", lambda: False)
    before = {name: list(definition.downvalues) for name, definition in loaded.definitions.builtin.items()}
    functions.install(loaded.definitions)
    assert {name: list(definition.downvalues) for name, definition in loaded.definitions.builtin.items()} == before
