"""Random values of distributions, and random points of regions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from mathics_values import Recorder, evaluate, text_of

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.sampling import DISTRIBUTIONS

#: Parameters of each distribution, with its mean; None: it has none, or one that converges slowly.
_MEANS: dict[str, tuple[list[float], float | None]] = {
    "ArcSinDistribution": ([0, 2], 1), "BernoulliDistribution": ([0.25], 0.25), "BetaDistribution": ([2, 3], 0.4),
    "BinomialDistribution": ([10, 0.3], 3), "CauchyDistribution": ([0, 1], None), "ChiDistribution": ([1], 0.7979),
    "ChiSquareDistribution": ([3], 3), "DiscreteUniformDistribution": ([1, 6], 3.5), "ErlangDistribution": ([2, 4], 0.5),
    "ExponentialDistribution": ([4], 0.25), "ExtremeValueDistribution": ([0, 1], 0.5772), "FRatioDistribution": ([3, 12], 1.2),
    "FrechetDistribution": ([3, 1], 1.3541), "GammaDistribution": ([2, 3], 6), "GeometricDistribution": ([0.25], 3),
    "GumbelDistribution": ([0, 1], -0.5772), "HalfNormalDistribution": ([2], 0.5), "HypergeometricDistribution": ([5, 10, 20], 2.5),
    "InverseGammaDistribution": ([6, 1], 0.2), "InverseGaussianDistribution": ([2, 3], 2), "LaplaceDistribution": ([1, 1], 1),
    "LogNormalDistribution": ([0, 0.5], 1.1331), "LogSeriesDistribution": ([0.5], 1.4427), "LogisticDistribution": ([2, 1], 2),
    "MaxwellDistribution": ([1], 1.5958), "NegativeBinomialDistribution": ([3, 0.5], 3), "NormalDistribution": ([5, 1], 5),
    "ParetoDistribution": ([1, 5], 1.25), "PascalDistribution": ([3, 0.5], 6), "PoissonDistribution": ([4], 4),
    "RayleighDistribution": ([1], 1.2533), "StudentTDistribution": ([1, 2, 9], 1), "TriangularDistribution": ([0, 3, 3], 2),
    "UniformDistribution": ([2, 4], 3), "WeibullDistribution": ([2, 1], 0.8862), "ZipfDistribution": ([3], 1.1106),
}  # fmt: skip


@pytest.fixture
def seeded() -> Iterator[None]:
    before = np.random.get_state()
    np.random.seed(20)
    yield
    np.random.set_state(before)


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
@pytest.mark.usefixtures("seeded")
def test_the_mean_of_what_is_drawn(name: str) -> None:
    whole, counts, draw = DISTRIBUTIONS[name]
    parameters, mean = _MEANS[name]
    assert len(parameters) in counts
    values = np.asarray(draw(parameters, 40_000))
    assert values.shape == (40_000,)
    assert not whole or np.array_equal(values, np.round(values))
    if mean is not None:
        assert abs(values.mean() - mean) < 6 * values.std() / 200


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Dimensions[RandomVariate[NormalDistribution[], {2, 3}]]", "{2, 3}"),
        ("Dimensions[RandomVariate[MultinormalDistribution[{0, 0}, {{1, 0}, {0, 1}}], 4]]", "{4, 2}"),
        ("Total[RandomVariate[MultinomialDistribution[5, {0.5, 0.5}]]]", "5"),
        ("RandomVariate[BernoulliDistribution[1], 2]", "{1, 1}"),
        ("Head[RandomVariate[GammaDistribution[2, 1]]]", "Real"),
        ("MemberQ[{1, 2, 3}, RandomVariate[EmpiricalDistribution[{1, 2, 3}]]]", "True"),
        ("d = BetaDistribution[2, 1]; SeedRandom[3]; a = RandomVariate[d, 2]; SeedRandom[3]; a === RandomVariate[d, 2]", "True"),
        ("NumberQ[RandomVariate[MixtureDistribution[{1, 3}, {NormalDistribution[], ExponentialDistribution[2]}]]]", "True"),
        ("Norm[RandomPoint[Circle[{0, 0}, 2]]] - 2 < 10^-9", "True"),
        ("AllTrue[RandomPoint[Disk[{5, 5}], 20], Norm[# - {5, 5}] <= 1 &]", "True"),
        ("AllTrue[RandomPoint[Triangle[{{0, 0}, {1, 0}, {0, 1}}], 20], Total[#] <= 1 &]", "True"),
        ("Dimensions[RandomPoint[Cuboid[], 2]]", "{2, 3}"),
        ("RandomVariate[x]", "RandomVariate[x]"),
        ("RandomPoint[x]", "RandomPoint[x]"),
        ("Quiet[RandomSample[{1, 2}, 3]]", "RandomSample[{1, 2}, 3]"),
        ("Sort[RandomSample[{2, 1}, 2]]", "{1, 2}"),
        ("$InputFileName", '""'),
    ],
)
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    pytest.importorskip("woxi")
    assert text_of(loaded, code) == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [("RandomVariate[NormalDistribution[0, -1]]", "RandomVariate::param"), ("RandomSample[{1}, 2]", "RandomSample::smplen")],
)
def test_it_is_said(loaded: Loaded, code: str, message: str) -> None:
    heard = Recorder()
    evaluator = Evaluator(loaded, heard)
    evaluator.read(code, False, lambda query, _: bool(evaluator.evaluate(lambda: query)))
    assert heard.lines[0] == message
    assert evaluate(loaded, "1")
