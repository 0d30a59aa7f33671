"""What a notebook gets of an output: kernelbus.shell.jupyter.rendering."""

from __future__ import annotations

import base64
import re

import pytest

from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.clients.pictures import PNG
from kernelbus.shell.jupyter.rendering import (
    DEFINITIONS,
    Rendered,
    as_tex,
    bundle,
    only,
    plain,
    rendering,
    worth_asking,
)
from wstp import Expr, Symbol

DRAWN = PNG + bytes(range(256))
SVG = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (["none"], {}),
        (["tex", "\\frac{x}{2}"], {"text/latex": "$\\displaystyle \\frac{x}{2}$"}),
        (["tex", ""], {}),
        (["tex", "\\text{\\'{e}} + x"], {}),
        (["picture", SVG, DRAWN.decode("latin-1")], {"image/svg+xml": SVG, "image/png": base64.b64encode(DRAWN).decode()}),
        (["picture", "", DRAWN], {"image/png": base64.b64encode(DRAWN).decode()}),
        (["table", [], ["a"], [["<1>"]], 1, 1], {"text/html": "<table><tbody><tr><th>a</th><td>&lt;1&gt;</td></tr></tbody></table>"}),
        (
            ["table", ["c"], ["r"], [[["table", [], [], [["x\ny"]], 1, 1]]], 1, 1],
            {
                "text/html": "<table><thead><tr><th></th><th>c</th></tr></thead><tbody><tr><th>r</th><td>"
                "<table><tbody><tr><td>x<br/>y</td></tr></tbody></table></td></tr></tbody></table>"
            },
        ),
        (["table", "nonsense"], {}),
    ],
)
def test_bundles(answer: Expr, data: dict[str, str]) -> None:
    rendered = bundle(answer)
    assert rendered is not None
    assert (rendered.data, rendered.aborted, rendered.undrawn) == (data, False, False)


def test_pictures_in_a_table() -> None:
    rendered = bundle(["table", [], [], [[["image", SVG], ["image", DRAWN.decode("latin-1")], ["image", 5_000_000]]], 1, 3])
    assert rendered is not None
    html = rendered.data["text/html"]
    assert [base64.b64decode(found) for found in re.findall(r'src="data:image/[^;]*;base64,([^"]*)"', html)] == [SVG.encode(), DRAWN]
    assert "(a picture)" in html


def test_things_in_a_row() -> None:
    rendered = bundle(["row", ["a < ", ["row", ["{", ["image", SVG], "}"]], ["table", [], [], [["1"]], 1, 1]]])
    assert rendered is not None
    encoded = base64.b64encode(SVG.encode()).decode()
    picture = f'<img style="vertical-align: middle" src="data:image/svg+xml;base64,{encoded}" alt="picture"/>'
    table = '<table style="display: inline-table; vertical-align: middle"><tbody><tr><td>1</td></tr></tbody></table>'
    assert rendered.data == {"text/html": f"<pre>a &lt; {{{picture}}}{table}</pre>"}


def test_what_a_table_leaves_out() -> None:
    rendered = bundle(["table", [], [], [["1", "2"]], 5000, 40])
    assert rendered is not None
    assert rendered.data["text/html"].endswith("</table><p>... 4,999 more rows and 38 more columns</p>")


def test_what_is_not_rendered() -> None:
    assert bundle(["aborted"]) == bundle(Symbol("$Aborted")) == Rendered(aborted=True)
    assert bundle(Symbol("$Failed")) is None and bundle(["what"]) is None
    undrawn = bundle(["picture", "", Symbol("$Failed")])
    assert undrawn is not None and undrawn.undrawn and not undrawn.data
    large = bundle(["picture", 3_000_000, "\u20ac"])
    assert large is not None and not large.undrawn
    assert large.left_out == ["its SVG is left out: it has 3,000,000 characters"]


def test_a_long_text_is_cut() -> None:
    assert plain("ab\n", 1) == "ab"
    text = plain("a" * 50_000_000 + "end", 7)
    assert len(text) < 10_000 and text.startswith("aaa") and text.endswith("aend")
    assert "49,991,003 characters are left out: Short[Out[7], 20] shows more of it" in text


@pytest.mark.parametrize(
    ("text", "label", "worth"),
    [
        ("5", "Out[1]= ", False),
        ("-3.25", "Out[1]= ", False),
        ("-Graphics-", "Out[1]= ", True),
        ("x + y", "Out[1]= ", True),
        ("x + y", "Out[1]//InputForm= ", False),
        ("{{1}}", "Out[1]//MatrixForm= ", True),
        ("x" * 200_000, "Out[1]= ", False),
    ],
)
def test_what_is_worth_asking(text: str, label: str, worth: bool) -> None:
    assert worth_asking(text, label) is worth


def test_the_kernel_is_asked_by_names_that_nobody_has_defined_otherwise() -> None:
    asked = rendering(3, "x", "Out[3]//TableForm= ")
    assert full_form(asked) == 'Kernelbus`Notebook`render[List[Out[3]], "TableForm", True, 1000000, 1000000]'
    names = re.findall(r"(?<![\w$`#])[A-Za-z$][\w$]*`?", re.sub(r'\\"(?:[^"\\]|\\\\.)*\\"', "", full_form(DEFINITIONS)))
    without = {name for name in names if not name.endswith("`")}
    assert without <= {"If", "SameQ", "DownValues", "List", "CompoundExpression", "ToExpression", "Null", "None", "Set"}


def test_one_kind_alone_is_left() -> None:
    both = Rendered({"image/png": "p", "image/svg+xml": "s"}, {"image/png": {"width": 3}, "image/svg+xml": {}})
    assert only(both, "image/png") == Rendered({"image/png": "p"}, {"image/png": {"width": 3}})
    assert only(both, "") == Rendered()
    assert only(Rendered({"text/html": "t"}), "image/png") is None
    assert only(Rendered(aborted=True), "image/png") == Rendered(aborted=True)
    assert as_tex(" x^2\n") == {"text/plain": "x^2", "text/latex": "$\\displaystyle x^2$"}
