"""Pictures as expressions, and the text that the engine makes them of."""

from __future__ import annotations

from typing import Any

import pytest
from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.engine.reading import read as expression
from kernelbus.kernelhost.mathics.engine.talk import Answer
from kernelbus.kernelhost.mathics.pictures.drawing import (
    MOST_TEXT,
    Source,
    TooLarge,
    drawn,
    is_drawable,
    source,
    with_drawing,
)

LIST = Symbol("System`List")


def read(definitions: Any, code: str) -> Any:
    return expression(f"{{{code}}}", definitions)


def picture(definitions_text: str = "", call: str = "Plot[x, {x, 0, 1}]", text: str = "-Graphics-") -> Any:
    return with_drawing(Answer(text, svg="<svg/>"), Source(definitions_text, call), Expression(LIST))


def test_a_picture_carries_its_svg_and_its_source() -> None:
    made = picture()
    assert made.get_head_name() == "System`Graphics"
    assert drawn(made) == "<svg/>"
    assert picture(text="-Graphics3D-").get_head_name() == "System`Graphics3D"


@pytest.mark.parametrize("answer", [Answer("3", svg="<svg/>"), Answer("-Graphics-"), Answer("-Image-", svg="<svg/>")])
def test_other_answers_are_no_pictures(answer: Answer) -> None:
    assert with_drawing(answer, Source("", "f[]"), Expression(LIST)) is None


def test_a_picture_within_another_is_made_anew_with_its_own_definitions(definitions: Any) -> None:
    first, second = picture("f[x_] := x^2", "Plot[f[x], {x, 0, 1}]"), picture("f[x_] := x^3", "Plot[f[x], {x, 0, 2}]")
    made = source(Expression(Symbol("System`Show"), first, second), definitions)
    assert made.definitions.split("\n") == [
        "f[x_] := x^2",
        "kernelBusPicture1 = Plot[f[x], {x, 0, 1}]",
        "ClearAll[f]",
        "f[x_] := x^3",
        "kernelBusPicture2 = Plot[f[x], {x, 0, 2}]",
        "ClearAll[f]",
    ]
    assert made.call == "Show[kernelBusPicture1, kernelBusPicture2]"


def test_a_source_has_the_definitions_of_the_session(definitions: Any) -> None:
    definitions.set_ownvalue("Global`a", read(definitions, "2"))
    made = source(read(definitions, "Plot[a x, {x, 0, 1}]"), definitions)
    assert "a := (2)" in made.definitions.split("\n")
    assert made.call == "Plot[a*x, {x, 0, 1}]"


def test_what_is_too_large_is_refused(definitions: Any) -> None:
    with pytest.raises(TooLarge, match=f"at most {MOST_TEXT}"):
        source(Expression(LIST, String("x" * MOST_TEXT)), definitions)


@pytest.mark.parametrize(
    ("code", "drawable"),
    [
        ("Graphics[{}]", True),
        ("Graphics3D[{}]", True),
        ("Graph[{1 -> 2}]", True),
        ("Grid[{{1}}]", True),
        ("f[Graphics[{}]]", False),
        ("2", False),
    ],
)
def test_what_is_shown_as_a_picture(definitions: Any, code: str, drawable: bool) -> None:
    assert is_drawable(read(definitions, code)) is drawable


def test_what_has_a_drawn_picture_in_it_is_shown_as_one() -> None:
    assert is_drawable(Expression(LIST, picture()))


@pytest.mark.parametrize("broken", ["KernelBus`Drawing -> 3", 'KernelBus`Drawing -> KernelBus`Drawn["a", 2, "b"]', "PlotRange -> All"])
def test_what_only_looks_like_a_drawn_picture_is_none(definitions: Any, broken: str) -> None:
    assert drawn(read(definitions, f"Graphics[{{}}, {broken}]")) is None
