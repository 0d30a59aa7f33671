"""The package ``JLink` ``, as far as a program at the other end of the link calls it.

``evaluateToImage`` and ``evaluateToTypeset`` of J/Link and .NET/Link evaluate ``Needs["JLink`"]``,
and then one of

* ``EvaluateToImage[e, (True,) "GIF", (ImageResolution -> n,) (ImageSize -> {w, h})]``,
* ``EvaluateToTypeset[e, (TraditionalForm,) (width,) "GIF"]``,

where e is an expression or its text. They take a string whose characters are the bytes of an image
for an image, and anything else for a failure. Pictures are drawn
(:mod:`kernelbus.kernelhost.mathics.pictures.drawing`), an image is taken as it is, and anything
else is drawn as its OutputForm text. What cannot be drawn gives a message and ``$Failed``.

Calls in the other direction, from the language into Java, need a kernel that sends CallPacket and
reads the answer while it evaluates. ``InstallJava`` says that this kernel does not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mathics.core.atoms import Integer, String
from mathics.core.attributes import A_HOLD_FIRST, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.expression import Expression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.pictures.exporting import (
    RESOLUTION,
    Extent,
    UndrawableError,
    image,
    positive,
    size,
)
from kernelbus.kernelhost.mathics.pictures.raster import FORMATS, encode

__all__ = ["CONTEXT", "add_package", "open_package"]

CONTEXT = "JLink`"

_FAILED = Symbol("System`$Failed")


class EvaluateToImage(Builtin):
    """Return the bytes of an image of an expression."""

    attributes = A_PROTECTED
    context = CONTEXT
    messages: ClassVar[dict[str, str]] = {
        "format": "`1` is not a format for images: GIF, PNG, JPEG, TIFF or BMP is.",
        "draw": "`1` cannot be drawn by this kernel: `2`.",
    }
    summary_text = "give an image of a result to a program on the other end of the link"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "JLink`EvaluateToImage[arguments__]"
        value, *rest = arguments.get_sequence()
        form, width, height, factor = "GIF", 0, 0, 1.0
        for item in rest:
            if isinstance(item, String):
                form = item.value
            elif item.has_form("Rule", 2) and item.elements[0].get_name() == "System`ImageSize":
                width, height = size(item.elements[1])
            elif item.has_form("Rule", 2) and item.elements[0].get_name() == "System`ImageResolution":
                factor = positive(item.elements[1]) / RESOLUTION or 1.0
        return _image(_evaluated(value, evaluation), form, (width, height, factor), evaluation)


class EvaluateToTypeset(Builtin):
    """Return the bytes of an image of an expression's typeset form, which is its OutputForm here.
    """

    attributes = A_PROTECTED
    context = CONTEXT
    summary_text = "give an image of a typeset result to a program on the other end of the link"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "JLink`EvaluateToTypeset[arguments__]"
        value, *rest = arguments.get_sequence()
        form = next((item.value for item in rest if isinstance(item, String)), "GIF")
        width = next((item.value for item in rest if isinstance(item, Integer)), 0)
        return _image(_evaluated(value, evaluation), form, (max(width, 0), 0, 1.0), evaluation)


class Version(Builtin):
    """The version of J/Link whose functions these are; .NET/Link asks for it, and needs 2.1."""

    name = "$VersionNumber"
    context = f"{CONTEXT}Information`"
    rules: ClassVar[dict[str, str]] = {"JLink`Information`$VersionNumber": "4.9"}
    summary_text = "give the version of J/Link"


class InstallJava(Builtin):
    """Say that Java cannot be called from this kernel."""

    context = CONTEXT
    messages: ClassVar[dict[str, str]] = {"nojava": "This kernel cannot call Java. Programs that call the kernel need no InstallJava."}
    summary_text = "say that Java cannot be called from this kernel"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "JLink`InstallJava[arguments___]"
        evaluation.message("JLink`InstallJava", "nojava")
        return _FAILED


class GetJVM(Builtin):
    """Return the failure of InstallJava."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"JLink`GetJVM[___]": "$Failed"}
    summary_text = "give no Java virtual machine: Java cannot be called from this kernel"


class ConnectToFrontEnd(Builtin):
    """Say that there is no front end to connect to."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"JLink`ConnectToFrontEnd[___]": "False"}
    summary_text = "give False: this kernel has no front end of its own"


class CloseFrontEnd(Builtin):
    """Do nothing, since there is no front end."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"JLink`CloseFrontEnd[___]": "Null"}
    summary_text = "do nothing: this kernel has no front end of its own"


class UseFrontEnd(Builtin):
    """Evaluate without a front end."""

    attributes = A_PROTECTED | A_HOLD_FIRST
    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"JLink`UseFrontEnd[expr_]": "expr"}
    summary_text = "evaluate an expression; this kernel has no front end of its own"


class ImageResolution(Builtin):
    """The name of an option that Mathics3 does not have."""

    summary_text = "say how many pixels to the inch an image has"


class ToHeldExpression(Builtin):
    """Return the expression in a text, unevaluated, in Hold.

    J/Link uses this former function of the language to show messages.
    """

    summary_text = "give the expression of a text in Hold"

    def eval(self, text: Any, evaluation: Any) -> Any:
        "ToHeldExpression[text_String]"
        query = evaluation.parse(text.value)
        return _FAILED if query is None else Expression(Symbol("System`Hold"), query)


def add_package(definitions: Any) -> None:
    """Define the package's symbols. They are not on ``$ContextPath`` until :func:`open_package`."""
    for kind in (
        EvaluateToImage,
        EvaluateToTypeset,
        Version,
        InstallJava,
        GetJVM,
        ConnectToFrontEnd,
        CloseFrontEnd,
        UseFrontEnd,
        ImageResolution,
        ToHeldExpression,
    ):
        kind(expression=False).contribute(definitions)


def open_package(definitions: Any) -> None:
    """Put the package on ``$ContextPath``, as loading a package does."""
    path = definitions.get_context_path()
    if CONTEXT not in path:
        definitions.set_context_path((CONTEXT, *path))


def _evaluated(value: Any, evaluation: Any) -> Any:
    if isinstance(value, String):
        value = Expression(Symbol("System`ToExpression"), value)
    return value.evaluate(evaluation)


def _image(value: Any, form: str, extent: Extent, evaluation: Any) -> Any:
    """Return a value's image as a string of bytes, or what stands for a failure."""
    if form not in FORMATS:
        evaluation.message("JLink`EvaluateToImage", "format", form)
        return _FAILED
    if value.get_name() in ("System`$Failed", "System`$Aborted"):
        return value
    try:
        picture = image(value, extent, evaluation)
    except UndrawableError as error:
        evaluation.message("JLink`EvaluateToImage", "draw", value.get_head(), str(error))
        return _FAILED
    return String(encode(picture.convert("RGB"), form).decode("latin-1"))
