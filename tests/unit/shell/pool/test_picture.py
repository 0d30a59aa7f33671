"""Results that notebooks can show."""

from __future__ import annotations

import copy
import pickle

import pytest

from kernelbus.shell.pool.picture import Picture, mime_bundle
from kernelbus.shell.pool.said import EvaluationFailed
from wstp import Expr, Function, Symbol

GRAPHICS, IMAGE = Symbol("Graphics")([]), Symbol("Image")([[0.5]])


def draw(expr: Expr, form: str) -> str:
    return {"PNG": "\x89PNG\xff", "SVG": "<svg/>", "OutputForm": "x", "TeXForm": "x^2"}[form]


def fail(expr: Expr, form: str) -> str:
    raise EvaluationFailed(f"the kernel gave no {form}")


def test_a_picture_is_its_expression() -> None:
    picture = Picture(GRAPHICS, draw)
    assert isinstance(picture, Function) and picture == GRAPHICS and hash(picture) == hash(GRAPHICS)
    assert type(picture.expression) is Function
    assert str(picture) == "-Graphics-" and repr(picture) == "<Picture -Graphics->"
    assert (picture.png, picture.svg) == (b"\x89PNG\xff", "<svg/>")


def test_notebooks_show_it() -> None:
    assert Picture(GRAPHICS, draw)._repr_mimebundle_() == {
        "text/plain": "-Graphics-",
        "image/svg+xml": "<svg/>",
        "image/png": b"\x89PNG\xff",
    }
    assert list(Picture(IMAGE, draw)._repr_mimebundle_()) == ["text/plain", "image/png"]
    assert list(Picture(GRAPHICS, draw)._repr_mimebundle_(exclude={"image/svg+xml"})) == ["text/plain", "image/png"]
    assert list(Picture(GRAPHICS, draw)._repr_mimebundle_(include={"image/svg+xml"})) == ["text/plain", "image/svg+xml"]


def test_one_that_is_not_drawn_says_why() -> None:
    assert Picture(IMAGE, fail)._repr_mimebundle_() == {"text/plain": "-Image-: the kernel gave no PNG"}


def test_what_has_been_drawn_is_kept_without_the_session() -> None:
    picture = Picture(GRAPHICS, draw)
    for other in (pickle.loads(pickle.dumps(picture)), copy.deepcopy(picture)):
        assert other == picture and (other.svg, other.png) == ("<svg/>", b"\x89PNG\xff")
    for drawn_by in (fail, None):
        other = pickle.loads(pickle.dumps(Picture(GRAPHICS, drawn_by)))
        with pytest.raises(EvaluationFailed, match="was not drawn"):
            _ = other.png


def test_formulas() -> None:
    assert mime_bundle(Symbol("x"), draw) == {"text/plain": "x", "text/latex": "$\\displaystyle x^2$"}
    assert mime_bundle(5, draw) == {"text/plain": "x"}
    assert "image/png" in mime_bundle(Picture(GRAPHICS, draw), draw)
