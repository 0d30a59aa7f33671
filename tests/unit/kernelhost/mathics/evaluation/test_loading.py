"""What is mended in Mathics3 when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelbus.kernelhost.mathics.evaluation.evaluator import Evaluator
from kernelbus.kernelhost.mathics.evaluation.identity import renew
from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.start.preparation import InitialisationError, prepare
from kernelbus.kernelhost.process.initialisation import Initialisation, verdict


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def text(self, text: str) -> None:
        self.lines.append(text)

    def message(self, symbol: str, tag: str, text: str) -> None:
        self.lines.append(f"{symbol}::{tag}")


def evaluate(loaded: Loaded, code: str) -> Any:
    found = []
    evaluator = Evaluator(loaded, Said())
    evaluator.read(code, False, lambda query, _: bool(found.append(evaluator.evaluate(lambda: query))) or True)
    return found[-1]


def text_of(loaded: Loaded, code: str) -> str:
    return str(evaluate(loaded, f"ToString[{code}, InputForm]").value)


@pytest.mark.parametrize(
    ("number", "precision"),
    [
        ("0.00000000000000012345", "MachinePrecision"),
        ("0.18229166666666666", "MachinePrecision"),
        ("-0.005208333333333343", "MachinePrecision"),
        ("0.123456789012345678901234", "24."),
    ],
)
def test_zeros_before_a_numbers_first_digit_do_not_count(loaded: Loaded, number: str, precision: str) -> None:
    assert text_of(loaded, f"Precision[{number}]") == precision


def test_get_of_a_file_with_wrong_syntax_fails(loaded: Loaded, tmp_path: Path) -> None:
    wrong, right, outer = (tmp_path / name for name in ("wrong.m", "right.m", "outer.m"))
    wrong.write_text("1\n((\n")
    right.write_text('ToExpression["(("];\n5\n')
    outer.write_text(f'inner = Get["{wrong}"];\n7\n')
    assert text_of(loaded, f'Get["{wrong}"]') == "$Failed"
    assert text_of(loaded, f'Get["{right}"]') == "5", "the file itself is right"
    assert text_of(loaded, f'Get["{outer}"]') == "7"
    assert text_of(loaded, "inner") == "$Failed"
    assert text_of(loaded, f'Get["{tmp_path / "none.m"}"]') == "$Failed"


def test_a_seed_of_the_parent_reaches_no_kernel(loaded: Loaded) -> None:
    draws = []
    for _ in range(2):
        evaluate(loaded, "SeedRandom[7]")
        renew(loaded.definitions)
        draws.append(text_of(loaded, "{RandomReal[], $SessionID}"))
    assert draws[0] != draws[1]
    for _ in range(2):
        renew(loaded.definitions)
        draws.append(text_of(loaded, "SeedRandom[7]; {RandomReal[]}"))
    assert draws[2] == draws[3]


def test_an_initialisation_that_says_too_much_is_cut_short(loaded: Loaded) -> None:
    said: list[tuple[str, bool]] = []
    code = 'Print[StringJoin[Table["x", {10000}]]]; 1/0; Do[Print[i], {i, 1000}]; late = 1'
    prepare(loaded, Initialisation(None, code), lambda text, message: said.append((text, message)))
    assert len(said) == 200
    assert said[0] == ("x" * 2000, False)
    assert said[1][0].startswith("Power::infy: ")
    assert said[1][1]
    assert "not logged" in said[-1][0]
    assert text_of(loaded, "late") == "1", "it goes on all the same"


def test_no_code_beyond_a_failed_file_is_run(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(InitialisationError, match=r"InitializationFile .*none\.m gave \$Failed; its last message: Get::noopen"):
        prepare(loaded, Initialisation(str(tmp_path / "none.m"), "reached = 1"), lambda *_: None)
    assert text_of(loaded, "reached") == "reached"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("done", None),
        ("gave $Failed", "gave $Failed"),
        ("$Aborted", "was aborted"),
        (None, "was left by Throw or Return"),
        (5, "was left by Throw or Return"),
    ],
)
def test_what_a_steps_value_tells(value: object, why: str | None) -> None:
    assert verdict(value) == why
