"""The package ``NETLink` ``, as far as a .NET program at the other end of the link calls it.

``EvaluateToImage`` and ``EvaluateToTypeset`` of .NET/Link evaluate ``Needs["NETLink`"]``, look at
the version of J/Link, and then call :mod:`kernelbus.kernelhost.mathics.library.jlink`. Its class
``MathKernel`` evaluates ``NETLink`Package`computeWrapper``.

Calls in the other direction, from the language into .NET, need a kernel that sends CallPacket and
reads the answer while it evaluates. Every function for them says that this kernel does not.
``EnableObjectReferences`` evaluates ``InstallNET["link name"]``, which fails so; the definitions
that it sends behind that are passed over by
:mod:`kernelbus.kernelhost.mathics.packets.mainloop`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from mathics.core.attributes import A_HOLD_FIRST, A_PROTECTED
from mathics.core.builtin import Builtin
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.library import jlink

__all__ = ["CONTEXT", "add_package", "open_package"]

CONTEXT = "NETLink`"
_INTERNAL = "NETLink`Package`"

_FAILED = Symbol("System`$Failed")


class InstallNET(Builtin):
    """Say that .NET cannot be called from this kernel."""

    context = CONTEXT
    messages: ClassVar[dict[str, str]] = {"nonet": "This kernel cannot call .NET. Programs that call the kernel need no InstallNET."}
    summary_text = "say that .NET cannot be called from this kernel"

    def eval(self, arguments: Any, evaluation: Any) -> Any:
        "NETLink`InstallNET[arguments___]"
        evaluation.message("NETLink`InstallNET", "nonet")
        return _FAILED


class UninstallNET(Builtin):
    """Do nothing, since there is no .NET."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`UninstallNET[___]": "Null"}
    summary_text = "do nothing: .NET cannot be called from this kernel"


class NETNew(Builtin):
    """Fail as InstallNET does."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`NETNew[___]": "NETLink`InstallNET[]"}
    summary_text = "say that .NET cannot be called from this kernel"


class LoadNETType(Builtin):
    """Fail as InstallNET does."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`LoadNETType[___]": "NETLink`InstallNET[]"}
    summary_text = "say that .NET cannot be called from this kernel"


class LoadNETAssembly(Builtin):
    """Fail as InstallNET does."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`LoadNETAssembly[___]": "NETLink`InstallNET[]"}
    summary_text = "say that .NET cannot be called from this kernel"


class CreateInstanceDefs(Builtin):
    """Fail as InstallNET does: this stands for an object that a program puts by reference."""

    name = "createInstanceDefs"
    context = _INTERNAL
    rules: ClassVar[dict[str, str]] = {"NETLink`Package`createInstanceDefs[___]": "NETLink`InstallNET[]"}
    summary_text = "say that .NET cannot be called from this kernel"


class NETObjectQ(Builtin):
    """Return False: there are no .NET objects."""

    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`NETObjectQ[_]": "False"}
    summary_text = "give False: this kernel has no .NET objects"


class NETBlock(Builtin):
    """Evaluate an expression; there are no .NET objects to release behind it."""

    attributes = A_PROTECTED | A_HOLD_FIRST
    context = CONTEXT
    rules: ClassVar[dict[str, str]] = {"NETLink`NETBlock[expr_]": "expr"}
    summary_text = "evaluate an expression"


class ComputeWrapper(Builtin):
    """Evaluate an input of the class MathKernel, and return the result in a form."""

    name = "computeWrapper"
    attributes = A_PROTECTED | A_HOLD_FIRST
    context = _INTERNAL
    rules: ClassVar[dict[str, str]] = {
        "NETLink`Package`computeWrapper[input_String, more__]": (
            "NETLink`Package`computeWrapper[ToExpression[input], more]"
        ),
        "NETLink`Package`computeWrapper[input_, form_String, width_, image_String, ___]": """Switch[form,
            "InputForm", ToString[input, FormatType -> InputForm],
            "OutputForm", ToString[input, FormatType -> OutputForm, PageWidth -> If[width > 0, width, Infinity]],
            "MathML", ToString[input, FormatType -> MathMLForm],
            "Expr", input,
            _, JLink`EvaluateToTypeset[input, If[width > 0, width, 0], image]
        ]""",
    }
    summary_text = "give the result of an input in a form, to a program on the other end of the link"


def add_package(definitions: Any) -> None:
    """Define the package's symbols. They are not on ``$ContextPath`` until :func:`open_package`."""
    for kind in (
        InstallNET,
        UninstallNET,
        NETNew,
        LoadNETType,
        LoadNETAssembly,
        CreateInstanceDefs,
        NETObjectQ,
        NETBlock,
        ComputeWrapper,
    ):
        kind(expression=False).contribute(definitions)


def open_package(definitions: Any) -> None:
    """Put the package, and ``JLink` ``, which it needs, on ``$ContextPath``."""
    jlink.open_package(definitions)
    path = definitions.get_context_path()
    if CONTEXT not in path:
        definitions.set_context_path((CONTEXT, *path))
