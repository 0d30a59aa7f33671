"""Functions that make pictures: plots, charts, and what puts pictures together.

The second engine draws them. Mathics3's own function is what remains of a plot that the engine does
not draw, and where there is no engine.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy
from mathics.core.attributes import A_HOLD_ALL
from mathics.core.convert.expression import to_mathics_list

from kernelbus.kernelhost.mathics.engine.delegation import pass_on, say
from kernelbus.kernelhost.mathics.engine.process import EngineError, engine, is_installed
from kernelbus.kernelhost.mathics.engine.reading import read
from kernelbus.kernelhost.mathics.engine.sending import draws_random_numbers
from kernelbus.kernelhost.mathics.native import define, definition_of
from kernelbus.kernelhost.mathics.pictures import drawing

__all__ = ["HOLDING", "OTHERS", "install"]

_log = logging.getLogger("kernelhost.mathics")

#: Functions whose arguments are not evaluated.
HOLDING: Final = (
    "Plot", "Plot3D", "LogPlot", "LogLogPlot", "LogLinearPlot", "ParametricPlot", "ParametricPlot3D", "PolarPlot", "ReImPlot",
    "ContourPlot", "ContourPlot3D", "DensityPlot", "RegionPlot", "RegionPlot3D", "StreamPlot", "StreamDensityPlot", "VectorPlot",
    "VectorPlot3D", "DiscretePlot", "DiscretePlot3D", "RevolutionPlot3D", "SphericalPlot3D", "ComplexPlot", "ComplexPlot3D",
    "ComplexRegionPlot",
)  # fmt: skip
#: The others.
OTHERS: Final = (
    "AngularGauge", "ArrayPlot", "BarChart", "BarChart3D", "BodePlot", "BoxWhiskerChart", "BubbleChart", "BubbleHistogram",
    "ComplexListPlot", "DateListPlot", "DateListLogPlot", "GeoHistogram", "GeoRegionValuePlot", "GraphicsColumn", "GraphicsGrid",
    "GraphicsRow", "Histogram", "ListContourPlot", "ListDensityPlot", "ListLinePlot", "ListLinePlot3D", "ListLogLinearPlot",
    "ListLogLogPlot", "ListLogPlot", "ListPlot", "ListPlot3D", "ListPointPlot3D", "ListPolarPlot", "ListStepPlot",
    "ListVectorPlot", "MatrixPlot", "MoleculePlot", "NumberLinePlot", "PeriodicTablePlot", "PieChart", "PieChart3D", "PlotGrid",
    "RulePlot", "SectorChart", "Show", "StackedListPlot", "TernaryListPlot", "TimelinePlot", "WaveletImagePlot",
    "WaveletListPlot", "WaveletMatrixPlot", "WordCloud", "GraphPlot", "LayeredGraphPlot", "TreePlot",
)  # fmt: skip
#: Whose lines and points stand in the expression, where programs look for them.
_WITH_CONTENT: Final = frozenset(
    f"System`{name}"
    for name in (
        "Plot", "LogPlot", "LogLogPlot", "LogLinearPlot", "ParametricPlot", "PolarPlot", "DiscretePlot", "ListPlot", "ListLinePlot",
        "ListStepPlot", "ListLogPlot", "ListLogLogPlot", "ListLogLinearPlot", "ListPolarPlot",
    )
)  # fmt: skip
_MOST_CONTENT: Final = 60_000


class _Draw:
    """Draw calls of one function."""

    def __init__(self, has_own: bool) -> None:
        self._has_own = has_own

    def __call__(self, expr: Any, evaluation: Any) -> Any | None:
        """Return the picture; None if the engine makes none: then Mathics3 may."""
        name = expr.get_lookup_name()
        try:
            made = drawing.source(expr, evaluation.definitions)
            seed = int(numpy.random.randint(0, 2**62)) if draws_random_numbers(str(made)) else None
            answer = drawing.ask(made, seed)
        except drawing.TooLarge as large:
            if not self._has_own:
                short = name.removeprefix("System`")
                say(evaluation, "Kernel", "large", f"{short} is not drawn: {large}.")
            return None
        except EngineError as error:
            _log.warning("%s: %s", name, error)
            if not self._has_own:
                say(evaluation, "Kernel", "engine", f"{name.removeprefix('System`')} is not drawn: {error}.")
            return None
        picture = drawing.with_drawing(answer, made, to_mathics_list())
        if picture is None:
            if not self._has_own:
                pass_on(answer, evaluation)
            return None
        pass_on(answer, evaluation)
        content = _content(made, evaluation) if name in _WITH_CONTENT else None
        return picture if content is None else drawing.with_drawing(answer, made, content)


def _content(made: drawing.Source, evaluation: Any) -> Any | None:
    """Return the lines and points of a plot; None if they are too many, or not to be had."""
    call = f"ToString[{{Cases[First[{made.call}], _Line | _Point | _Polygon, Infinity]}}, InputForm]"
    try:
        answer = engine.ask(str(drawing.Source(made.definitions, call)))
    except EngineError:
        return None
    if answer.wrong or len(answer.text) > _MOST_CONTENT:
        return None
    return read(answer.text, evaluation.definitions)


def install(definitions: Any) -> None:
    """Have the engine draw, if there is one."""
    if not is_installed():
        return
    for names, attributes in ((HOLDING, A_HOLD_ALL), (OTHERS, 0)):
        for name in names:
            known = definition_of(definitions, f"System`{name}")
            known.attributes |= attributes
            define(definitions, name, _Draw(has_own=bool(known.downvalues)))
    definitions.clear_cache()
