"""Know the language's standard contexts: ``Needs`` and ``Get`` of one of them succeed.

Programs begin with ``Needs["Developer`"]`` and its like. A Wolfram kernel has these contexts in its
installation. Here

* a package that Mathics3 has as a file (``VectorAnalysis` ``) is read from it; for
  ``Combinatorica` `` the file is named here, as Mathics3's own start of it names others;
* ``JLink` `` and ``NETLink` `` are packages of this library;
* for every other standard context there is nothing to load. What this kernel has of its functions
  is defined from the start. The context is put on ``$ContextPath`` and ``$Packages`` all the same.

``Needs`` also puts the context of a package that is loaded already on ``$ContextPath``, and reads a
file given as its second argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mathics.core.atoms import String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol, SymbolNull

from kernelbus.kernelhost.mathics.library import jlink, netlink

__all__ = ["STANDARD", "comes_first", "is_standard", "mend_needs", "open_context"]

_NAMES = """
Algebra ANOVA Audio AuthorTools BarCharts Benchmarking BlackBodyRadiation Calculus Calendar
CCodeGenerator CCompilerDriver Charting CloudObject ClusterIntegration CodeFormatter CodeInspector
CodeParser Combinatorica Compatibility Compile CompiledFunctionTools CompileUtilities
ComputationalGeometry ComputerArithmetic Control CUDALink CURLLink DatabaseLink DataPaclets
Dataset DateUtilities Developer DifferentialEquations DiscreteMath DocumentationSearch
EntityFramework EquationTrekker ErrorBarPlots Experimental ExternalEvaluate FiniteFields
FourierSeries FrontEnd FunctionApproximations FunctionCompile GeneralUtilities Geodesy GeoGraphics
Geometry GPUTools Graphics GraphUtilities GUIKit HierarchicalClustering Histograms HTTPHandling
HypothesisTesting Image ImportExport Integrate Internal Interpreter Language LibraryLink
LightweightGridClient LinearAlgebra LinearRegression LocalKernels MachineLearning Macros
Manipulate MathLink Miscellaneous MongoLink MultivariateStatistics MUnit Music MXNetLink NDSolve
NeuralNetworks NonlinearRegression Notation NumberTheory NumericalCalculus
NumericalDifferentialEquationAnalysis NumericalMath OAuth OpenCascadeLink OpenCLLink Optimization
PacletManager PacletTools Parallel PhysicalConstants PieCharts PlotLegends PolyhedronOperations
Polytopes PrimalityProving ProcessLink Programming QuantityUnits Quaternions Random
RegressionCommon RemoteKernels ResonanceAbsorptionLines ResourceSystemClient RLink Security
SignalProcessing SpellCheck Splines StandardAtmosphere StatisticalPlots Statistics Streaming
SubKernels SymbolicC SystemTools Templating TetGenLink TextSearch TriangleLink Typeset TypeSystem
Units URLUtilities Utilities VariationalMethods VectorAnalysis VectorFieldPlots WebServices
WebUnit WolframScript WorldPlot WSMLink XML XMLSchema ZeroMQLink ZXingLink
"""
#: Contexts of a Wolfram installation. What is within one of them is standard, too.
STANDARD = frozenset(f"{name}`" for name in _NAMES.split()) | {jlink.CONTEXT, netlink.CONTEXT, "System`"}

#: The packages of this library, and what opens each.
_PACKAGES: dict[str, Callable[[Any], None]] = {
    jlink.CONTEXT: jlink.open_package,
    netlink.CONTEXT: netlink.open_package,
}
#: The files of packages whose first file does not load them, by their contexts.
_FILES = dict.fromkeys(("Combinatorica`", "DiscreteMath`Combinatorica`"), "Combinatorica/CombinatoricaV091.m")
_LOADED = "System`$Packages"


def is_standard(name: str) -> bool:
    """Tell whether a context is, or is within, one of a Wolfram installation."""
    return name.endswith("`") and f"{name.split('`', 1)[0]}`" in STANDARD


def comes_first(name: str) -> bool:
    """Tell whether a context is opened here whatever files there are."""
    return name in _PACKAGES or name in _FILES


def open_context(name: str, evaluation: Any) -> bool:
    """Open a standard context, and tell whether there was one to open.

    A context is on ``$ContextPath`` and in ``$Packages`` then.
    """
    definitions = evaluation.definitions
    package, loaded = _PACKAGES.get(name), _loaded(evaluation)
    if package is not None:
        package(definitions)
    elif is_standard(name):
        if name in _FILES and name not in loaded:
            # It defines names that the language has today; that is not worth a word.
            file = Expression(Symbol("System`Get"), String(_FILES[name]))
            Expression(Symbol("System`Quiet"), file).evaluate(evaluation)
            loaded = _loaded(evaluation)
        _on_path(name, definitions)
    else:
        return False
    if name not in loaded:
        definitions.set_ownvalue(_LOADED, ListExpression(*map(String, (name, *loaded))))
    return True


def _on_path(name: str, definitions: Any) -> None:
    path = definitions.get_context_path()
    if name not in path:
        definitions.set_context_path((name, *path))


def _loaded(evaluation: Any) -> list[str]:
    value = Symbol(_LOADED).evaluate(evaluation)
    if not value.has_form("List", None):
        return []
    return [text for item in value.elements if (text := item.get_string_value()) is not None]


def mend_needs(get: Callable[..., Any]) -> None:
    """Have ``Needs`` do what is documented; call this before definitions are made.

    Args:
        get: reads a file or package, as Mathics3's ``eval_Get``; it opens standard contexts itself.
    """
    from mathics.builtin.files_io.filesystem import Needs
    from mathics.core.symbols import valid_context_name

    failed = Symbol("System`$Failed")

    def whole_name(context: Any, evaluation: Any) -> str | None:
        """Return a context's whole name, None after a message for what is no context."""
        name: str = context.value
        if name.startswith("`"):
            name = evaluation.definitions.get_current_context() + name[1:]
        if valid_context_name(name):
            return name
        evaluation.message("Needs", "ctx", Expression(Symbol("System`Needs"), context), 1, "`")
        return None

    def load(name: str, source: str, evaluation: Any) -> Any:
        if name in _loaded(evaluation):
            _on_path(name, evaluation.definitions)
            return SymbolNull
        encoding = evaluation.definitions.get_ownvalue("System`$CharacterEncoding").value
        if get(source, evaluation, encoding) is failed:
            evaluation.message("Needs", "nocont", name)
            return failed
        return SymbolNull

    def needs(self: Any, context: Any, evaluation: Any) -> Any:
        if context.value == "":
            return SymbolNull
        name = whole_name(context, evaluation)
        return None if name is None else load(name, name, evaluation)

    def needs_file(self: Any, context: Any, file: Any, evaluation: Any) -> Any:
        name = whole_name(context, evaluation)
        return None if name is None else load(name, file.value, evaluation)

    needs.__doc__ = "Needs[context_String]"
    needs_file.__doc__ = "Needs[context_String, file_String]"
    Needs.eval, Needs.eval_file = needs, needs_file
