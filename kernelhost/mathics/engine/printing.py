"""Have the second engine write expressions as TeX, C and Fortran.

``TeXForm``, ``CForm`` and ``FortranForm`` are shown as text wherever an expression is shown.
Mathics3 has the first, in part, and neither of the others. What the engine cannot write is shown as
Mathics3 shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from mathics.core.atoms import String

from kernelbus.kernelhost.mathics.engine.delegation import Delegate
from kernelbus.kernelhost.mathics.engine.process import is_installed
from kernelbus.kernelhost.mathics.forms.described import describe
from kernelbus.kernelhost.mathics.native import call

__all__ = ["WRITTEN", "install_printing"]

#: The forms that the engine writes.
WRITTEN: Final = ("CForm", "FortranForm", "TeXForm")
#: A command of TeX that is a letter or a sign, behind which Wolfram kernels write a blank.
_LETTER: Final = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi|pi|varpi|rho|varrho|sigma|tau"
    r"|upsilon|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega|infty|hbar|ell)(?=[^A-Za-z\s^_])"
)


def install_printing() -> None:
    """Have these forms shown by the engine, if there is one."""
    if not is_installed():
        return
    delegate = Delegate()
    for name in WRITTEN:
        describe(f"System`{name}", _maker(delegate, name))


def _maker(delegate: Delegate, name: str) -> Callable[[Any, Any], str | None]:
    return partial(_written, delegate, name)


def _written(delegate: Delegate, name: str, expr: Any, evaluation: Any) -> str | None:
    """Return the text of ``CForm[expr]`` or its like, None if the engine has none."""
    if len(expr.elements) != 1:
        return None
    found = delegate.value(call("ToString", call(name, expr.elements[0])), evaluation, quiet=True)
    if not isinstance(found, String) or f"{name}[" in found.value:
        return None
    text = str(found.value)
    return _LETTER.sub(r"\g<0> ", text) if name == "TeXForm" else text
