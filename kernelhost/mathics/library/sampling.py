"""Draw random values of distributions, and random points of regions.

Mathics3 has a few distributions and the second engine none. numpy draws here, from the sequence
that ``SeedRandom`` seeds. A distribution that is not in the table is drawn by its quantiles, if it
has one variable and these have values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from mathics.core.atoms import Integer, String
from mathics.core.convert.python import from_python
from mathics.core.list import ListExpression

from kernelbus.kernelhost.mathics.native import add_message, call, define

__all__ = ["DISTRIBUTIONS", "install_sampling"]

Numbers = list[float]
#: Draws so many values, from the parameters of a distribution.
Draw = Callable[[Numbers, int], Any]
_random = np.random
#: The most values that are drawn at once.
_MOST: Final = 10_000_000


def _inverse(cdf: Callable[[Numbers, Any], Any]) -> Draw:
    return lambda p, count: cdf(p, _random.uniform(size=count))


def _triangular(p: Numbers, count: int) -> Any:
    return _random.triangular(p[0], p[2] if len(p) > 2 else (p[0] + p[1]) / 2, p[1], count)


#: How each distribution is drawn: whether its values are integers, its numbers of parameters, how.
DISTRIBUTIONS: Final[dict[str, tuple[bool, tuple[int, ...], Draw]]] = {
    "ArcSinDistribution": (False, (2,), lambda p, n: p[0] + (p[1] - p[0]) * _random.beta(0.5, 0.5, n)),
    "BernoulliDistribution": (True, (1,), lambda p, n: _random.binomial(1, p[0], n)),
    "BetaDistribution": (False, (2,), lambda p, n: _random.beta(p[0], p[1], n)),
    "BinomialDistribution": (True, (2,), lambda p, n: _random.binomial(int(p[0]), p[1], n)),
    "CauchyDistribution": (False, (0, 2), lambda p, n: _random.standard_cauchy(n) * (p[1] if p else 1) + (p[0] if p else 0)),
    "ChiDistribution": (False, (1,), lambda p, n: np.sqrt(_random.chisquare(p[0], n))),
    "ChiSquareDistribution": (False, (1,), lambda p, n: _random.chisquare(p[0], n)),
    "DiscreteUniformDistribution": (True, (2,), lambda p, n: _random.randint(int(p[0]), int(p[1]) + 1, n)),
    "ErlangDistribution": (False, (2,), lambda p, n: _random.gamma(p[0], 1 / p[1], n)),
    "ExponentialDistribution": (False, (1,), lambda p, n: _random.exponential(1 / p[0], n)),
    "ExtremeValueDistribution": (False, (0, 2), lambda p, n: _random.gumbel(p[0] if p else 0, p[1] if p else 1, n)),
    "FRatioDistribution": (False, (2,), lambda p, n: _random.f(p[0], p[1], n)),
    "FrechetDistribution": (False, (2,), _inverse(lambda p, u: p[1] * (-np.log(u)) ** (-1 / p[0]))),
    "GammaDistribution": (False, (2,), lambda p, n: _random.gamma(p[0], p[1], n)),
    "GeometricDistribution": (True, (1,), lambda p, n: _random.geometric(p[0], n) - 1),
    "GumbelDistribution": (False, (0, 2), lambda p, n: -_random.gumbel(-(p[0] if p else 0), p[1] if p else 1, n)),
    "HalfNormalDistribution": (False, (1,), lambda p, n: np.abs(_random.normal(0, math.sqrt(math.pi / 2) / p[0], n))),
    "HypergeometricDistribution": (True, (3,), lambda p, n: _random.hypergeometric(int(p[1]), int(p[2] - p[1]), int(p[0]), n)),
    "InverseGammaDistribution": (False, (2,), lambda p, n: p[1] / _random.gamma(p[0], 1, n)),
    "InverseGaussianDistribution": (False, (2,), lambda p, n: _random.wald(p[0], p[1], n)),
    "LaplaceDistribution": (False, (0, 2), lambda p, n: _random.laplace(p[0] if p else 0, p[1] if p else 1, n)),
    "LogNormalDistribution": (False, (2,), lambda p, n: _random.lognormal(p[0], p[1], n)),
    "LogSeriesDistribution": (True, (1,), lambda p, n: _random.logseries(p[0], n)),
    "LogisticDistribution": (False, (0, 2), lambda p, n: _random.logistic(p[0] if p else 0, p[1] if p else 1, n)),
    "MaxwellDistribution": (False, (1,), lambda p, n: p[0] * np.sqrt(_random.chisquare(3, n))),
    "NegativeBinomialDistribution": (True, (2,), lambda p, n: _random.negative_binomial(p[0], p[1], n)),
    "NormalDistribution": (False, (0, 2), lambda p, n: _random.normal(p[0] if p else 0, p[1] if p else 1, n)),
    "ParetoDistribution": (False, (2,), lambda p, n: p[0] * (1 + _random.pareto(p[1], n))),
    "PascalDistribution": (True, (2,), lambda p, n: _random.negative_binomial(p[0], p[1], n) + int(p[0])),
    "PoissonDistribution": (True, (1,), lambda p, n: _random.poisson(p[0], n)),
    "RayleighDistribution": (False, (1,), lambda p, n: _random.rayleigh(p[0], n)),
    "StudentTDistribution": (
        False, (1, 3), lambda p, n: _random.standard_t(p[-1], n) * (p[1] if len(p) > 1 else 1) + (p[0] if len(p) > 1 else 0),
    ),
    "TriangularDistribution": (False, (0, 2, 3), lambda p, n: _triangular(p or [0.0, 1.0], n)),
    "UniformDistribution": (False, (0, 2), lambda p, n: _random.uniform(p[0] if p else 0, p[1] if p else 1, n)),
    "WeibullDistribution": (False, (2, 3), lambda p, n: p[1] * _random.weibull(p[0], n) + (p[2] if len(p) > 2 else 0)),
    "ZipfDistribution": (True, (1,), lambda p, n: _random.zipf(p[0] + 1, n)),
}  # fmt: skip


def _numbers(elements: Sequence[Any], evaluation: Any) -> Numbers | None:
    """Return the parameters of a distribution; those in lists follow one another."""
    found: Numbers = []
    for each in elements:
        items = each.elements if each.has_form("List", None) else (each,)
        for item in items:
            number = item.round_to_float(evaluation)
            if number is None:
                return None
            found.append(float(number))
    return found


def _matrix(expr: Any, evaluation: Any) -> Any:
    rows = [_numbers(row.get_elements(), evaluation) for row in expr.get_elements()]
    return None if not rows or None in rows else np.array(rows)


def _drawn(distribution: Any, count: int, evaluation: Any) -> list[Any] | None:
    """Return so many values, None if the distribution is not known. Raises ValueError."""
    name = distribution.get_head_name().removeprefix("System`")
    elements = distribution.get_elements()
    entry = DISTRIBUTIONS.get(name)
    if entry is not None:
        parameters = _numbers(elements, evaluation)
        if parameters is None or len(parameters) not in entry[1]:
            return None
        values = entry[2](parameters, count)
        return [int(each) for each in values] if entry[0] else [float(each) for each in values]
    if name == "MultinormalDistribution" and 1 <= len(elements) <= 2:
        covariance = _matrix(elements[-1], evaluation)
        mean = [0.0] * len(covariance) if covariance is not None and len(elements) == 1 else _numbers([elements[0]], evaluation)
        return None if covariance is None or mean is None else _random.multivariate_normal(mean, covariance, count).tolist()
    if name in ("DirichletDistribution", "MultinomialDistribution"):
        parameters = _numbers(elements, evaluation)
        if parameters is None:
            return None
        if name == "DirichletDistribution":
            return _random.dirichlet(parameters, count)[:, :-1].tolist()
        return _random.multinomial(int(parameters[0]), parameters[1:], count).tolist()
    if name == "MixtureDistribution" and len(elements) == 2:
        weights = _numbers([elements[0]], evaluation)
        parts = elements[1].get_elements()
        if weights is None or len(weights) != len(parts) or not sum(weights):
            return None
        found: list[Any] = []
        for index in _random.choice(len(parts), size=count, p=np.array(weights) / sum(weights)):
            value = _drawn(parts[int(index)], 1, evaluation)
            if value is None:
                return None
            found += value
        return found
    return None


def _by_quantiles(distribution: Any, count: int, evaluation: Any) -> list[Any] | None:
    """Return values from the quantiles of uniform numbers, None if these have no values."""
    found = []
    for number in _random.uniform(size=count).tolist():
        value = call("InverseCDF", distribution, from_python(number)).evaluate(evaluation)
        if value.round_to_float(evaluation) is None:
            return None
        found.append(value)
    return found


def _shape(spec: Any) -> list[int] | None:
    items = spec.elements if spec.has_form("List", None) else (spec,)
    sizes = [int(each.value) if isinstance(each, Integer) and each.value >= 0 else None for each in items]
    known = [each for each in sizes if each is not None]
    return known if len(known) == len(sizes) and math.prod(known) <= _MOST else None


def _arranged(values: list[Any], shape: Sequence[int]) -> Any:
    """Return values in nested lists."""
    if len(shape) <= 1:
        return ListExpression(*(each if not isinstance(each, (int, float, list)) else from_python(each) for each in values))
    size = math.prod(shape[1:])
    return ListExpression(*(_arranged(values[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])))


def _sampled(expression: Any, evaluation: Any, draw: Callable[[Any, int, Any], list[Any] | None], tag: str) -> Any:
    """Return one value, or an array of values, of what is drawn from the first argument."""
    from mathics.builtin.numbers.randomnumbers import RandomEnv

    elements = [each for each in expression.elements if not each.has_form(("Rule", "RuleDelayed"), 2)]
    if not 1 <= len(elements) <= 2:
        return None
    shape = None if len(elements) == 1 else _shape(elements[1])
    if len(elements) == 2 and shape is None:
        return None
    count = 1 if shape is None else math.prod(shape)
    try:
        with RandomEnv(evaluation):
            values = draw(elements[0], count, evaluation)
    except (ValueError, OverflowError, np.linalg.LinAlgError) as error:
        evaluation.message(expression.get_head_name(), tag, elements[0], String(str(error)))
        return None
    if values is None:
        return None
    listed = _arranged(values, shape or [1])
    return listed.elements[0] if shape is None else listed


def _variate(expression: Any, evaluation: Any) -> Any:
    def draw(distribution: Any, count: int, running: Any) -> list[Any] | None:
        values = _drawn(distribution, count, running)
        if values is None and distribution.get_head_name().endswith("Distribution"):
            values = _by_quantiles(distribution, count, running)
        return values

    return _sampled(expression, evaluation, draw, "param")


def _points(region: Any, count: int, evaluation: Any) -> list[Any] | None:
    """Return points that are spread evenly in a region."""
    name = region.get_head_name().removeprefix("System`")
    elements = region.get_elements()
    if name == "Cuboid" and len(elements) == 1 and elements[0].has_form("List", 2) and elements[0].elements[0].has_form("List", None):
        elements = elements[0].elements  # both corners in one list

    def vector(index: int, default: Sequence[float]) -> Any:
        if len(elements) <= index:
            return np.array(default)
        numbers = _numbers([elements[index]], evaluation)
        return None if numbers is None else np.array(numbers)

    if name in ("Disk", "Circle", "Ball", "Sphere"):
        flat = name in ("Disk", "Circle")
        center, radius = vector(0, [0.0] * (2 if flat else 3)), vector(1, [1.0])
        if center is None or radius is None or len(radius) not in (1, len(center)):
            return None
        directions = _random.normal(size=(count, len(center)))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        distances = _random.uniform(size=(count, 1)) ** (1 / len(center)) if name in ("Disk", "Ball") else 1.0
        return (center + radius * directions * distances).tolist()
    if name in ("Rectangle", "Cuboid"):
        low = vector(0, [0.0] * (2 if name == "Rectangle" else 3))
        high = None if low is None else vector(1, low + 1)
        if low is None or high is None or len(low) != len(high):
            return None
        return _random.uniform(low, high, size=(count, len(low))).tolist()
    if name == "Interval" and elements:
        ends = _numbers([elements[0]], evaluation)
        return None if ends is None or len(ends) != 2 else [[each] for each in _random.uniform(ends[0], ends[1], count).tolist()]
    corners = _matrix(elements[0], evaluation) if name in ("Line", "Triangle", "Simplex", "Point") and len(elements) == 1 else None
    if corners is None or corners.ndim != 2 or (name == "Triangle" and len(corners) != 3):
        return None
    if name == "Point":
        return corners[_random.randint(0, len(corners), count)].tolist()
    if name == "Line":
        steps = np.diff(corners, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        chosen = _random.choice(len(steps), size=count, p=lengths / lengths.sum())
        return (corners[chosen] + steps[chosen] * _random.uniform(size=(count, 1))).tolist()
    weights = _random.exponential(size=(count, len(corners)))
    return ((weights / weights.sum(axis=1, keepdims=True)) @ corners).tolist()


def _point(expression: Any, evaluation: Any) -> Any:
    return _sampled(expression, evaluation, _points, "param")


def _too_many(expression: Any, evaluation: Any) -> Any:
    """Say that ``RandomSample[list, n]`` has not enough elements."""
    elements = expression.elements
    if len(elements) != 2 or not elements[0].has_form("List", None) or not isinstance(elements[1], Integer):
        return None
    if elements[1].value <= len(elements[0].elements):
        return None
    evaluation.message("RandomSample", "smplen", elements[1], elements[0])
    return expression


def install_sampling(definitions: Any) -> None:
    """Define the functions, before Mathics3's and the engine's."""
    define(definitions, "RandomVariate", _variate)
    define(definitions, "RandomPoint", _point)
    define(definitions, "RandomSample", _too_many)
    for name in ("RandomVariate", "RandomPoint"):
        add_message(definitions, name, "param", "Nothing can be drawn from `1`: `2`.")
    text = "RandomSample cannot generate a sample of length `1`, which is greater than the length of the sample set `2`."
    add_message(definitions, "RandomSample", "smplen", text)
