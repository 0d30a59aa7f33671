"""The tables are made from what Woxi and Mathics3 have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files

import pytest
from engine_tables import KEPT, attributes, delegated, is_inert

from kernelbus.kernelhost.mathics.engine.names import read_functions
from kernelbus.kernelhost.mathics.engine.process import Engine, is_installed

pytestmark = pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[str], str]]:
    engine = Engine()
    yield lambda text: engine.ask(text).text
    engine.stop()


def listed(name: str, status: str = "✅", effect: str = "pure") -> dict[str, str]:
    return {"name": name, "implementation_status": status, "effect_level": effect}


def test_what_computes_is_delegated(ask: Callable[[str], str]) -> None:
    entries = [
        listed("PDF"), listed("Plus"), listed("SplicedDistribution", ""), listed("Bold", effect="none"), listed("SquaresR", effect="none"),
        listed("AssociateTo"), listed("OpenWrite", effect="effectful"), listed("Graph", effect="effectful"), listed("Plot3D"),
    ]  # fmt: skip
    assert delegated(entries, lambda name: name != "Plus", ask) == ["Graph", "PDF", "SquaresR"]
    assert all(reason.startswith("they ") for reason in KEPT)


def test_a_wrapper_is_inert(ask: Callable[[str], str]) -> None:
    assert is_inert(ask, "Tooltip")
    assert not is_inert(ask, "LaplaceTransform")


def test_the_table_here_has_woxis_attributes(ask: Callable[[str], str]) -> None:
    table = read_functions((files("kernelbus.kernelhost.mathics.engine") / "functions.txt").read_text(encoding="utf-8"))
    assert attributes(ask, table) == table
