"""How the kernel is asked for the renderings of an output, and what a notebook gets. Sans-IO.

The text of a result comes with it. :func:`rendering` is an expression that the kernel evaluates
beside its inputs, so In, Out and `%` stay as they are; :func:`bundle` makes a MIME bundle of its
value. The functions for it are defined in the kernel once (:data:`DEFINITIONS`), in a context of
their own, and everything that they return is bounded.

| value | what is added to text/plain |
|---|---|
| a picture, and one in Style, Framed, Panel or the like | image/svg+xml, image/png |
| Dataset, Grid, TableForm, Column, an association, a list or Row of pictures | text/html |
| another expression that is neither plain data nor large | text/latex |

**What is printed** is rendered while the evaluation goes on, since it is nowhere afterwards. The
kernel's Print calls a function for that, which does something in the one input that the notebook
has entered (:func:`prints`), for pictures, tables and what contains them. It writes an
`ExpressionPacket` before the packet with the text: a client that does not know it has the text as
ever. Printing in an input of another client is as if there were no rule.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kernelbus.shell.clients.pictures import PNG, is_picture
from kernelbus.shell.commands import name_of
from kernelbus.shell.jupyter.kernelcode import CONTEXT, PRINTED, code
from wstp import Expr, Symbol

__all__ = [
    "DEFINITIONS",
    "Rendered",
    "bundle",
    "by_package",
    "plain",
    "printed_as",
    "printing",
    "prints",
    "rendering",
    "shown_of",
    "value_of",
    "worth_asking",
]

#: The longest text that is shown whole, and how much is shown of a longer one, in characters.
_LONGEST = 100_000
_HEAD = 8_000
_TAIL = 1_000

#: The longest text of what is written in TeX, and the largest pictures, in characters and bytes.
#: Jupyter Server drops what a kernel sends beyond 3 MB in three seconds.
_MATHEMATICAL = 1_000
_LARGEST_SVG = 1_000_000
_LARGEST_PNG = 1_000_000

_FORM = re.compile(r"//(\w+)=")
#: Forms whose text is what was asked for.
_TEXTUAL = frozenset({"InputForm", "FullForm", "OutputForm", "CForm", "FortranForm", "TeXForm", "MathMLForm", "CharacterEncodingForm"})
#: What MathJax and KaTeX do not know within text.
_ACCENT = re.compile(r"\\text\{[^}]*\\['`^\"~=.cvuHdbrk]\W")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?")

# Each text is one definition.
_SOURCE = (
    # Whether something is drawn.
    "picture[x_] := MatchQ[Head[x], Graphics | Graphics3D | Graph | Image | Image3D | Legended | GeoGraphics]",
    # What is shown of something that only dresses it, which not every kernel can draw.
    "bare[x_] := If[MatchQ[Head[x], Style | Framed | Panel | Pane | Tooltip | Annotation | Magnify | Deploy | Item] && Length[x] > 0 "
    "&& (picture[First[x]] || bare[First[x]] =!= First[x]), bare[First[x]], x]",
    "tabular[x_] := MatchQ[Head[x], Grid | TableForm | Column] && Length[x] > 0 || Head[x] === Dataset",
    # A picture as {SVG, PNG}; "" for what the kernel does not draw, a length for what is too long.
    "drawn[x_, s_, p_] := {If[MatchQ[Head[x], Image | Image3D], \"\", bounded[ExportString[x, \"SVG\"], s]], "
    "bounded[ExportString[x, \"PNG\"], p]}",
    "bounded[x_, n_] := If[StringQ[x], If[StringLength[x] <= n, x, StringLength[x]], \"\"]",
    # A cell of a table: text, or something within it.
    "text[x_] := With[{t = ToString[x]}, If[StringQ[t], StringTake[t, UpTo[400]], \"\"]]",
    "cell[x_, d_] := Which[StringQ[x], StringTake[x, UpTo[400]], NumberQ[x], text[x], "
    "picture[bare[x]], image[bare[x]], "
    "d > 0 && AssociationQ[x], table[x, d - 1], True, text[x]]",
    "image[x_] := {\"image\", bounded[ExportString[x, If[MatchQ[Head[x], Image | Image3D], \"PNG\", \"SVG\"]], 500000]}",
    "few[x_, n_] := If[Length[x] > n, Take[x, n], x]",
    # A table: {"table", heads of columns, heads of rows, rows, number of rows, number of columns}.
    "table[x_, d_] := Which["
    "AssociationQ[x] && Length[x] > 0 && AllTrue[Values[x], AssociationQ], "
    "records[Values[few[x, 100]], text /@ Keys[few[x, 100]], Length[x], d], "
    "AssociationQ[x], {\"table\", {}, text /@ Keys[few[x, 100]], {cell[#, d]} & /@ Values[few[x, 100]], Length[x], 1}, "
    "ListQ[x] && Length[x] > 0 && AllTrue[few[x, 100], AssociationQ], records[few[x, 100], {}, Length[x], d], "
    "ListQ[x] && Length[x] > 0 && AllTrue[few[x, 100], ListQ], "
    "{\"table\", {}, {}, (cell[#, d] & /@ few[#, 30]) & /@ few[x, 100], Length[x], Max[Length /@ few[x, 100]]}, "
    "ListQ[x], {\"table\", {}, {}, {cell[#, d]} & /@ few[x, 100], Length[x], 1}, "
    "True, {\"none\"}]",
    "records[r_, h_, n_, d_] := With[{k = DeleteDuplicates[Join @@ (Keys /@ r)]}, "
    "{\"table\", text /@ few[k, 30], h, Function[a, cell[Lookup[a, Key[#], \"\"], d] & /@ few[k, 30]] /@ r, n, Length[k]}]",
    "inside[x_] := With[{n = Normal[x]}, If[Head[n] === Dataset, First[x], n]]",
    # TeX of what is mathematics: no plain data, nothing large, nothing that is drawn or a string.
    "plain[x_] := NumberQ[x] || StringQ[x] || MatchQ[Head[x], Symbol | DirectedInfinity] || (ListQ[x] && AllTrue[x, plain])",
    "tex[x_] := If[plain[x] || LeafCount[x] > 500 || !FreeQ[x, _String | _Graphics | _Graphics3D | _Image | _Association | _ByteArray "
    "| _NumericArray | _SparseArray | _Function | _Hold | _HoldComplete | _Dataset | _Failure], {\"none\"}, "
    "TimeConstrained[With[{t = ToString[TeXForm[x]]}, If[StringQ[t] && StringLength[t] < 20000, {\"tex\", t}, {\"none\"}]], 3, "
    "{\"none\"}]]",
    # Things in a row, of which text stays whole.
    "row[l_] := {\"row\", piece[bare[#]] & /@ few[l, 200]}",
    "listed[x_] := row[Join[{\"{\"}, Riffle[x, \", \"], {\"}\"}]]",
    "titled[x_] := table[{{x[[1]]}, {x[[2]]}}, 1]",
    "piece[x_] := Which[StringQ[x], x, picture[x], image[x], Head[x] === Dataset, table[inside[x], 2], tabular[x], table[First[x], 1], "
    "Head[x] === Row && strewn[x], row[between[x]], labeled[x], titled[x], mixed[x], listed[x], "
    "True, With[{t = ToString[x]}, If[StringQ[t], t, \"\"]]]",
    "strewn[x_] := Length[x] > 0 && ListQ[First[x]] && !FreeQ[drawable /@ First[x], True]",
    "labeled[x_] := Head[x] === Labeled && Length[x] > 1 && picture[bare[First[x]]]",
    "mixed[x_] := ListQ[x] && Length[x] <= 30 && !FreeQ[picture[bare[#]] & /@ x, True]",
    "between[x_] := If[Length[x] > 1, Riffle[First[x], x[[2]]], First[x]]",
    "pictures[x_] := ListQ[x] && 0 < Length[x] <= 30 && (AllTrue[x, picture] "
    "|| AllTrue[x, ListQ[#] && 0 < Length[#] <= 30 && AllTrue[#, picture] &])",
    # Whether more than text is shown of what is printed.
    "drawable[x_] := picture[x] || tabular[x] || pictures[x] || Head[x] === MatrixForm || Head[x] === Row && strewn[x] "
    "|| labeled[x] || mixed[x] || bare[x] =!= x",
    "shows[{x_}] := If[Head[x] === MatrixForm, render[{First[x]}, \"MatrixForm\", False, svg, png], "
    "render[{x}, \"\", False, svg, png]]",
    "shows[l_] := row[l]",
    f"svg = {_LARGEST_SVG}; png = {_LARGEST_PNG}; line = 0",
    "printed[l_] := If[line === $Line && !FreeQ[drawable /@ l, True] && $Output =!= {}, Block[{line = 0}, tell[shows[l]]]]",
    f"tell[r_] := If[r =!= {{\"none\"}}, LinkWrite[$ParentLink, ExpressionPacket[{{\"{PRINTED}\", r}}]]]",
    "render[{x_}, f_, m_, s_, p_] := Which["
    "x === $Aborted, {\"aborted\"}, "
    "picture[bare[x]], Prepend[drawn[bare[x], s, p], \"picture\"], "
    "Head[x] === Dataset, table[inside[x], 2], "
    "tabular[x], table[First[x], 1], "
    "Head[x] === Row && strewn[x], row[between[x]], "
    "labeled[x], titled[x], "
    "f === \"TableForm\" && ListQ[x], table[x, 1], "
    "f === \"MatrixForm\", TimeConstrained[With[{t = ToString[TeXForm[MatrixForm[x]]]}, {\"tex\", bounded[t, 20000]}], 3, {\"none\"}], "
    "AssociationQ[x] && Length[x] > 0, table[x, 2], "
    "pictures[x], table[If[FreeQ[picture /@ x, True], x, {x}], 1], "
    "mixed[x], listed[x], "
    "ListQ[x] && Length[x] > 0 && AllTrue[few[x, 100], AssociationQ], table[x, 1], "
    "m, tex[x], "
    "True, {\"none\"}]",
    "render[_, _, _, _, _] := {\"none\"}",
    # The value of a text, which is no input: its own text, and how it is rendered.
    "shown[{Null}, _, _] := {\"\", {\"none\"}}",
    "shown[{x_}, s_, p_] := With[{t = ToString[x]}, {bounded[t, p], render[{x}, \"\", TrueQ[StringLength[t] <= 1000], s, p]}]",
    "shown[_, _, _] := {\"\", {\"none\"}}",
)

# For kernels whose Print has no place for a function of ours.
_RULE = (
    "Unprotect[Print]",
    "Print[a__] := (printed[{a}]; Block[{line = 0}, Print[a]]) /; line === $Line",
    "Protect[Print]",
)
_PLACE = Symbol("Kernelbus`$Printing")

#: The definitions, to be evaluated before the first rendering; does nothing where they are known.
DEFINITIONS: Expr = Symbol("If")(
    Symbol("SameQ")(Symbol("DownValues")(Symbol(CONTEXT + "shown")), []),
    Symbol("CompoundExpression")(
        *map(code, _SOURCE),
        Symbol("If")(
            Symbol("SameQ")(_PLACE, Symbol("None")),
            Symbol("Set")(_PLACE, Symbol(CONTEXT + "printed")),
            Symbol("CompoundExpression")(*map(code, _RULE)),
        ),
        Symbol("Null"),
    ),
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a notebook shows of an output.

    Attributes:
        data: the MIME bundle, without text/plain.
        metadata: about its entries.
        left_out: what is not shown, in a line each.
        aborted: whether the value is `$Aborted`.
        undrawn: whether it is a picture that the kernel has not drawn.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    aborted: bool = False
    undrawn: bool = False


def only(rendered: Rendered, kind: str) -> Rendered | None:
    """Return what is left of a bundle if only one MIME type is wanted ("": text); None: nothing.
    """
    if rendered.aborted or not kind:
        return replace(rendered, data={}, metadata={})
    if kind not in rendered.data:
        return None
    metadata = {key: value for key, value in rendered.metadata.items() if key == kind}
    return replace(rendered, data={kind: rendered.data[kind]}, metadata=metadata)


def prints(number: int) -> Expr:
    """Return the expression by which what `In[n]` prints is rendered; nothing else's is."""
    return Symbol("CompoundExpression")(Symbol("Set")(Symbol(CONTEXT + "line"), number), Symbol("Null"))


def printing(expression: Expr) -> Expr:
    """Return an expression that is evaluated beside the inputs, and what it prints rendered."""
    return Symbol("Block")([Symbol("Set")(Symbol(CONTEXT + "line"), Symbol("$Line"))], expression)


def tex_of(number: int) -> Expr:
    """Return the expression whose value is the TeX of an output."""
    return Symbol("ToString")(Symbol("TeXForm")(Symbol("Out")(number)))


def as_tex(source: str) -> dict[str, Any]:
    """Return the bundle of TeX: how it looks, and its source."""
    return {"text/plain": source.strip(), "text/latex": f"$\\displaystyle {source.strip()}$"}


def plain(text: str, number: int | None) -> str:
    """Return the text of a result, or of a long one how it begins and ends."""
    text = text.rstrip("\n")
    if len(text) <= _LONGEST:
        return text
    left = len(text) - _HEAD - _TAIL
    how = f": Short[Out[{number}], 20] shows more of it, Export[\"FILE\", Out[{number}]] writes it" if number is not None else ""
    return f"{text[:_HEAD]}\n... {left:,} characters are left out{how} ...\n{text[-_TAIL:]}"


def worth_asking(text: str, label: str) -> bool:
    """Tell whether a result may have other renderings than its text.

    Args:
        text: the text.
        label: the name of the output, with its form.
    """
    if _form(label) in _TEXTUAL:
        return False
    return is_picture(text) or not (len(text) > _LONGEST or _NUMBER.fullmatch(text.strip()))


def _form(label: str) -> str:
    found = _FORM.search(label)
    return found[1] if found else ""


def rendering(number: int, text: str, label: str) -> Expr:
    """Return an expression whose value :func:`bundle` takes.

    Args:
        number: n of the `Out[n]` that is rendered.
        text: its text.
        label: its name, with its form.
    """
    # Of what is long already as text, TeX is longer.
    mathematical = Symbol("True" if len(text) <= _MATHEMATICAL else "False")
    return Symbol(CONTEXT + "render")([Symbol("Out")(number)], _form(label), mathematical, _LARGEST_SVG, _LARGEST_PNG)


def value_of(text: str) -> Expr:
    """Return an expression that gives the value of a text that is no input, in a list.

    The list has the text of the value, or its length if it is too long, and what :func:`bundle`
    takes.
    """
    return shown_of(Symbol("ToExpression")(text))


def shown_of(expression: Expr) -> Expr:
    """Return an expression that gives the value of an expression, as :func:`value_of` does."""
    return Symbol(CONTEXT + "shown")([expression], _LARGEST_SVG, _LARGEST_PNG)


def by_package(number: int) -> Expr:
    """Return an expression that draws `Out[n]` by J/Link, where Export cannot: as above."""
    drawn = Symbol("CompoundExpression")(Symbol("Needs")("JLink`"), Symbol("JLink`EvaluateToImage")(Symbol("Out")(number), "PNG"))
    return ["picture", "", drawn]


def printed_as(value: Expr) -> Rendered | None:
    """Return how printed text is shown, by the packet before it; None: that is of something else.
    """
    match value:
        case [str(mark), answer] if mark == PRINTED:
            return bundle(answer)
    return None


def bundle(answer: Expr) -> Rendered | None:
    """Return what is shown, by the value of :func:`rendering`; None: it is none."""
    match answer:
        case ["none"]:
            return Rendered()
        case ["aborted"]:
            return Rendered(aborted=True)
        case ["tex", str(tex)] if tex.strip() and not _ACCENT.search(tex):
            return Rendered({"text/latex": as_tex(tex)["text/latex"]})
        case ["picture", svg, png]:
            return _picture(svg, png)
        case ["table" | "row", *_]:
            shown = _table(answer) or _row(answer)
            return Rendered({"text/html": shown}) if shown else Rendered()
        case ["tex", _]:
            return Rendered()
    return Rendered(aborted=True) if name_of(answer) == "$Aborted" else None


def _picture(svg: Expr, png: Expr) -> Rendered:
    data: dict[str, Any] = {}
    left_out = [
        f"its {name} is left out: it has {size:,} {unit}"
        for name, size, unit in (("SVG", svg, "characters"), ("PNG", png, "bytes"))
        if isinstance(size, int)
    ]
    if isinstance(svg, str) and "<svg" in svg[:1000]:
        data["image/svg+xml"] = svg
    encoded = _png(png)
    if encoded:
        data["image/png"] = encoded
    return Rendered(data, left_out=left_out, undrawn=not data and not left_out)


def _png(png: Expr) -> str:
    """Return a PNG that came as a string of bytes, in base64; "" for anything else."""
    try:
        data = png.encode("latin-1") if isinstance(png, str) else png if isinstance(png, bytes) else b""
    except UnicodeEncodeError:
        return ""
    return base64.b64encode(data).decode("ascii") if data.startswith(PNG) else ""


def _table(table: Expr) -> str:
    """Write a table; "" if it is none."""
    match table:
        case ["table", list(columns), list(heads), list(rows), int(height), int(width)]:
            pass
        case _:
            return ""
    pieces = ["<table>"]
    if columns:
        corner = "<th></th>" if heads else ""
        pieces.append(f"<thead><tr>{corner}{''.join(f'<th>{_text(column)}</th>' for column in columns)}</tr></thead>")
    pieces.append("<tbody>")
    for number, row in enumerate(rows):
        head = f"<th>{_text(heads[number])}</th>" if number < len(heads) else ""
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in (row if isinstance(row, list) else [row]))
        pieces.append(f"<tr>{head}{cells}</tr>")
    pieces.append("</tbody></table>")
    shown = max([len(columns), *(len(row) for row in rows if isinstance(row, list))], default=0)
    more = [
        f"{whole - there:,} more {name}"
        for whole, there, name in ((height, len(rows), "rows"), (width, shown, "columns"))
        if whole > there
    ]
    return "".join(pieces) + (f"<p>... {' and '.join(more)}</p>" if more else "")


# How a table begins that stands beside text.
_BESIDE = '<table style="display: inline-table; vertical-align: middle"'


def _row(row: Expr) -> str:
    """Write things in a row; "" if it is none."""
    match row:
        case ["row", list(pieces)]:
            within = "".join(map(_cell, pieces))
            within = within.replace("<img", '<img style="vertical-align: middle"')
            return f"<pre>{within.replace('<table', _BESIDE)}</pre>"
    return ""


def _cell(cell: Expr) -> str:
    match cell:
        case ["table", *_]:
            return _table(cell)
        case ["row", list(pieces)]:
            return "".join(map(_cell, pieces))
        case ["image", str(image)] if "<svg" in image[:1000]:
            return _image("image/svg+xml", base64.b64encode(image.encode()).decode("ascii"))
        case ["image", image]:
            encoded = _png(image)
            return _image("image/png", encoded) if encoded else "(a picture)"
    return _text(cell)


def _image(kind: str, encoded: str) -> str:
    return f'<img src="data:{kind};base64,{encoded}" alt="picture"/>'


def _text(text: Expr) -> str:
    return html.escape(str(text)).replace("\n", "<br/>")
