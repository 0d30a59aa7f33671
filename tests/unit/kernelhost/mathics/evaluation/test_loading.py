"""The changes that loading makes in Mathics3."""

from __future__ import annotations

from pathlib import Path

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded


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
