"""What a picture is in the language, and how an expression becomes SVG.

A plot that the second engine draws is an expression of the language as others are::

    Graphics[{Line[{{0., 0.}, ...}]},
      KernelBus`Drawing -> KernelBus`Drawn["<svg...", "f[x_] := x^2", "Plot[f[x], {x, 0, 1}]"]]

It carries its picture, and the text that made it: definitions, a line each, and a call. So it can
be saved, sent over a link, and be a part of another picture, for which the engine evaluates the
call again.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.engine.process import EngineError, engine, is_installed
from kernelbus.kernelhost.mathics.engine.sending import needed
from kernelbus.kernelhost.mathics.engine.talk import Answer
from kernelbus.kernelhost.mathics.forms.inputform import input_form

__all__ = ["MOST_TEXT", "Source", "TooLarge", "ask", "drawn", "is_drawable", "pdf", "source", "svg", "with_drawing"]

#: The most bytes of text that a picture may be made of.
MOST_TEXT: Final = 1_000_000
#: Heads of what is a picture, and of what is shown as one.
_DRAWABLE: Final = frozenset(
    f"System`{name}"
    for name in (
        "Graphics", "Graphics3D", "Graph", "GeoGraphics", "Legended", "Labeled", "Region", "MeshRegion", "BoundaryMeshRegion", "Molecule",
        "Tree", "TreeForm", "Dataset", "Grid", "TableForm", "MatrixForm", "Framed", "Panel", "GraphicsGrid", "Column", "Row",
    )
)  # fmt: skip
#: Heads that Mathics3 draws itself where there is no engine.
_PLAIN: Final = "System`Graphics"
_DRAWING: Final = Symbol("KernelBus`Drawing")
_DRAWN: Final = Symbol("KernelBus`Drawn")
_DEFINED: Final = re.compile(r"(?:SetAttributes\[|Options\[)?([A-Za-z$][\w$`]*)")
_ENCODED: Final = re.compile(r'data:image/svg\+xml;base64,([^"]*)"')
#: What the engine writes for a picture.
_KINDS: Final = {"-Graphics-": Symbol("System`Graphics"), "-Graphics3D-": Symbol("System`Graphics3D")}


class TooLarge(Exception):
    """Say that a picture is made of more than :data:`MOST_TEXT` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it is {size} bytes of text, and at most {MOST_TEXT} are drawn")


@dataclass(frozen=True, slots=True)
class Source:
    """What the engine makes a picture of.

    Attributes:
        definitions: lines that are evaluated first.
        call: the expression that is the picture.
    """

    definitions: str
    call: str

    def __str__(self) -> str:
        return f"{self.definitions}\n{self.call}" if self.definitions else self.call


def source(expr: Any, definitions: Any) -> Source:
    """Return what the engine makes the picture of an expression of.

    Args:
        expr: a Mathics3 expression, which may have pictures in it.
        definitions: Mathics3's definitions, which are not changed.

    Raises:
        TooLarge: it is too much.
    """
    parts: list[Source] = []
    whole = _without_drawings(expr, parts)
    lines: list[str] = []
    for number, part in enumerate(parts, 1):
        lines += [*part.definitions.split("\n"), f"{_name(number)} = {part.call}"]
        # The next part may define the same symbols in another way.
        lines += [f"ClearAll[{', '.join(names)}]"] if (names := _defined(part.definitions)) else []
    lines += needed(whole, definitions)
    made = Source("\n".join(line for line in lines if line), input_form(whole))
    size = len(str(made).encode(errors="replace"))
    if size > MOST_TEXT:
        raise TooLarge(size)
    return made


def _defined(lines: str) -> list[str]:
    found = (_DEFINED.match(line) for line in lines.split("\n"))
    return sorted({match[1] for match in found if match})


def _name(number: int) -> str:
    return f"kernelBusPicture{number}"


def _without_drawings(expr: Any, parts: list[Source]) -> Any:
    """Return an expression with names for the pictures in it, which are added to `parts`."""
    if not isinstance(expr, Expression):
        return expr
    found = _drawn(expr)
    if found is not None:
        parts.append(Source(found[1], found[2]))
        return Symbol(f"Global`{_name(len(parts))}")
    elements = [_without_drawings(element, parts) for element in expr.elements]
    if all(new is old for new, old in zip(elements, expr.elements, strict=True)):
        return expr
    return Expression(expr.head, *elements)


def _drawn(expr: Any) -> tuple[str, str, str] | None:
    """Return the picture that an expression carries, its definitions and its call."""
    last = expr.elements[-1] if isinstance(expr, Expression) and expr.elements else None
    if last is None or not last.has_form("Rule", 2) or last.elements[0] != _DRAWING:
        return None
    value = last.elements[1]
    if not isinstance(value, Expression) or value.head != _DRAWN or len(value.elements) != 3:
        return None
    texts = [element.value for element in value.elements if isinstance(element, String)]
    return (texts[0], texts[1], texts[2]) if len(texts) == 3 else None


def drawn(expr: Any) -> str | None:
    """Return the SVG that an expression carries, None if it carries none."""
    found = _drawn(expr)
    return None if found is None else found[0]


def is_drawable(expr: Any) -> bool:
    """Tell whether an expression is a picture, is shown as one, or has drawn ones in it."""
    waiting = [expr]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Expression):
            if found is expr and found.get_head_name() in _DRAWABLE:
                return True
            if _drawn(found) is not None:
                return True
            waiting += found.elements
    return False


def with_drawing(answer: Answer, made: Source, content: Any) -> Any | None:
    """Return a picture as an expression that carries it; None if the answer is no picture.

    Args:
        answer: the engine's answer.
        made: what it was asked.
        content: what stands in the expression as its primitives.
    """
    head = _KINDS.get(answer.text)
    if head is None or not answer.svg:
        return None
    carried = Expression(_DRAWN, String(answer.svg), String(made.definitions), String(made.call))
    return Expression(head, content, Expression(Symbol("System`Rule"), _DRAWING, carried))


def ask(made: Source, seed: int | None = None) -> Answer:
    """Have the engine draw.

    Raises:
        EngineError: there is no engine, or it has failed.
    """
    return engine.ask(str(made), picture=True, seed=seed)


def pdf(expr: Any, evaluation: Any) -> bytes:
    """Return the picture of an expression as PDF.

    Raises:
        EngineError: there is no engine, or it cannot draw this.
        TooLarge: the expression is too large.
    """
    made = source(expr, evaluation.definitions)
    call = f'StringJoin["kernelbus", ExportString[{made.call}, "PDF"]]'
    answer = engine.ask(str(Source(made.definitions, call)))
    _, begins, text = answer.text.partition("kernelbus")
    if answer.wrong or not begins or not text.startswith("%PDF"):
        raise EngineError(answer.wrong or "the second engine makes no PDF of this")
    return text.encode("latin-1", errors="replace")


def svg(expr: Any, evaluation: Any) -> str | None:
    """Return the picture of an expression as SVG; None if nothing here can draw it.

    Args:
        expr: an evaluated expression that :func:`is_drawable`.
        evaluation: the running evaluation.

    Raises:
        EngineError: it needs the engine, which is not there, or fails.
        TooLarge: the expression is too large.
    """
    carried = drawn(expr)
    if carried is not None:
        return carried
    if is_installed():
        answer = ask(source(expr, evaluation.definitions))
        if answer.svg:
            return answer.svg
    elif expr.get_head_name() != _PLAIN:
        engine.ask("")  # says what is missing
    return _plain(expr, evaluation) if expr.get_head_name() == _PLAIN else None


def _plain(expr: Any, evaluation: Any) -> str | None:
    """Return what Mathics3 draws of an expression; None if it draws nothing."""
    text = Expression(Symbol("System`ToString"), Expression(Symbol("System`MathMLForm"), expr)).evaluate(evaluation)
    found = _ENCODED.search(text.value) if isinstance(text, String) else None
    return None if found is None else base64.b64decode(found[1]).decode(errors="replace")
