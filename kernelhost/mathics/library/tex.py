"""The names of functions and constants in TeX, as Wolfram kernels write them.

Mathics3 writes a name of several letters as text, ``\\text{Sin}(x)``. The names that TeX has a
command for, and the constants, are written by that: ``\\sin (x)``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["mend_tex"]

_CIRCULAR: Final = ("Sin", "Cos", "Tan", "Cot", "Sec", "Csc", "Sinh", "Cosh", "Tanh", "Coth")
_NAMES: Final = {
    **{name: f"\\{name.lower()} " for name in (*_CIRCULAR, "Log", "Exp", "Max", "Min", "Arg")},
    **{f"Arc{name}": f"\\{name.lower()} ^{{-1}}" for name in _CIRCULAR},
    "Det": "\\det ",
    "GCD": "\\gcd ",
    "Re": "\\Re ",
    "Im": "\\Im ",
    "Gamma": "\\Gamma ",
    "Beta": "B",
    "Zeta": "\\zeta ",
    "Erf": "\\operatorname{erf}",
    "Erfc": "\\operatorname{erfc}",
    "Sign": "\\operatorname{sgn}",
    "EulerGamma": "\\gamma ",
    "GoldenRatio": "\\phi ",
    "Degree": "{}^{\\circ}",
    "E": "e",
    "I": "i",
}


def mend_tex() -> None:
    """Have Mathics3 write these names so, wherever it writes TeX."""
    from mathics.format.render import latex

    latex.AMSTEX_OPERATORS.update(_NAMES)
