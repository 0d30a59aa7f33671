"""Results that notebooks can show: pictures, and other expressions as formulas.

Both are the expression that the kernel gave, so they can be sent to a kernel again. What draws them
is asked only when somebody wants to see them, and what it gave is kept.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kernelbus.shell.commands import name_of
from kernelbus.shell.pool.said import EvaluationFailed, KernelMessage, KernelPoolError
from wstp import Expr, Function, Symbol

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PICTURES", "Draw", "Picture", "drawing", "drawn", "mime_bundle"]

#: The heads of expressions that are pictures.
PICTURES: Final = frozenset(("Graphics", "Graphics3D", "GeoGraphics", "Image", "Image3D", "Graph", "Legended"))

#: Returns what a kernel gives for an expression in a form: `PNG`, `SVG`, `TeXForm`, `OutputForm`.
Draw = Callable[[Expr, str], str]

_EXPORTED: Final = ("PNG", "SVG")
_set = object.__setattr__


class Picture(Function):
    """Graphics, an image or a graph: the expression, and what it looks like.

    >>> picture = session.evaluate("Plot[Sin[x], {x, 0, 6}]")  # doctest: +SKIP
    >>> open("sine.png", "wb").write(picture.png)  # doctest: +SKIP

    Notebooks show it. The kernel draws it when it is first looked at, so its session must not be
    closed before that; what has been drawn is kept, also when the picture is pickled.
    """

    __slots__ = ("_draw", "_made")
    _draw: Draw | None
    _made: dict[str, bytes | str]

    def __new__(cls, function: Function, draw: Draw | None = None, made: Mapping[str, bytes | str] | None = None) -> Picture:
        """Take the expression, what draws it, and what has been drawn of it."""
        picture = object.__new__(cls)
        _set(picture, "head", function.head)
        _set(picture, "args", function.args)
        _set(picture, "_draw", draw)
        _set(picture, "_made", dict(made or {}))
        return picture

    @property
    def expression(self) -> Function:
        """Return the expression alone."""
        return Function(self.head, *self.args)

    @property
    def png(self) -> bytes:
        """Return the picture as PNG.

        Raises:
            EvaluationFailed: the kernel does not draw it; the text quotes its message.
            NoKernel, KernelDied: there is no kernel any more that could draw it.
        """
        return self._get("PNG").encode("latin-1")

    @property
    def svg(self) -> str:
        """Return the picture as SVG; raises as :attr:`png` does."""
        return self._get("SVG")

    def image(self) -> Image:
        """Return the picture as an image of PIL, which must be installed; raises as :attr:`png`."""
        from PIL import Image

        return Image.open(io.BytesIO(self.png))

    def _get(self, form: str) -> str:
        made = self._made.get(form)
        if made is None:
            if self._draw is None:
                raise EvaluationFailed(f"{self!s} was not drawn before it left its session")
            made = self._made[form] = self._draw(self.expression, form)
        return str(made)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Return what notebooks show."""
        # An image is no vector graphics: an SVG of it would be the PNG in a wrapper.
        types = ["image/png"] if name_of(self.head).startswith("Image") else ["image/svg+xml", "image/png"]
        bundle: dict[str, Any] = {"text/plain": str(self)}
        for type_ in types:
            if (include and type_ not in include) or (exclude and type_ in exclude):
                continue
            try:
                bundle[type_] = self.png if type_ == "image/png" else self.svg
            except KernelPoolError as error:
                bundle["text/plain"] = f"{self}: {error}"
        return bundle

    def __str__(self) -> str:
        return f"-{name_of(self.head)}-"

    def __repr__(self) -> str:
        return f"<Picture {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Where it arrives nobody can draw it.
        if self._draw is not None:
            for form in ("PNG",) if name_of(self.head).startswith("Image") else ("SVG", "PNG"):
                with contextlib.suppress(KernelPoolError):
                    self._get(form)
        return Picture, (self.expression, None, self._made)

    def __deepcopy__(self, memo: dict[int, Any]) -> Picture:
        return Picture(super().__deepcopy__(memo), self._draw, self._made)


def drawing(expression: Expr, form: str) -> Function:
    """Return the expression whose value is `expression` in a form, as text."""
    if form in _EXPORTED:
        return Function("ExportString", expression, form)
    return Function("ToString", expression, Symbol(form))


def drawn(value: Expr, messages: Sequence[KernelMessage], form: str) -> str:
    """Return the text that a kernel gave for :func:`drawing`.

    Raises:
        EvaluationFailed: it gave none.
    """
    if not isinstance(value, str):
        raise EvaluationFailed(f"the kernel gave no {form}", messages)
    return value


def mime_bundle(value: Expr, draw: Draw) -> dict[str, Any]:
    """Return how notebooks show an expression: its OutputForm, and its TeXForm where it has one.

    Args:
        value: what the kernel gave.
        draw: asks the kernel for the forms.
    """
    if isinstance(value, Picture):
        return value._repr_mimebundle_()
    bundle = {"text/plain": draw(value, "OutputForm")}
    if isinstance(value, Function | Symbol):
        try:
            bundle["text/latex"] = f"$\\displaystyle {draw(value, 'TeXForm')}$"
        except EvaluationFailed:
            pass  # it has none
    return bundle
