"""The command line, programs, streams."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.programs import PROGRAM, command_line


@pytest.fixture(autouse=True)
def words() -> Iterator[None]:
    yield
    command_line(())


def test_the_command_line_is_the_kernels(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/a/file/of/ours.py", "--", "x"])
    command_line(["-wstp", "-noprompt"])
    assert text_of(loaded, "{$CommandLine, $ScriptCommandLine}") == f'{{{{"{PROGRAM}", "-wstp", "-noprompt"}}, {{}}}}'


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ('Read[StringToStream["1+1"], HoldComplete[Expression]]', "HoldComplete[1 + 1]"),
        ('Read[StringToStream["1+1"], Hold[Expression]]', "Hold[1 + 1]"),
        ('Read[StringToStream["1+1"], f[Expression]]', "f[2]"),
        ('Read[StringToStream["a 1 2"], {Word, {Number, Number}}]', '{"a", {1, 2}}'),
        ('Read[StringToStream[""], HoldComplete[Expression]]', "EndOfFile"),
        ('ReadList[StringToStream["a 1\\nb 2"], h[Word, Number]]', '{h["a", 1], h["b", 2]}'),
        ('ReadList[StringToStream["1 2"], Number]', "{1, 2}"),
        ('ReadList["!echo 1 2", Number]', "{1, 2}"),
        ('Import["!echo hi", "Text"]', '"hi\\n"'),
        ('RunThrough["cat", 2 + a]', "2 + a"),
        ('Get["!echo 1+1"]', "2"),
        ('Run["exit 3"]', "3"),
        ("{$FrontEnd, $Notebooks, $Linked, $EvaluationEnvironment, IntegerQ[$ProcessorCount]}", '{Null, False, True, "Session", True}'),
        ("b = Internal`Bag[{1}]; Internal`StuffBag[b, 2]; Internal`StuffBag[b, {3}, 1]; {Internal`BagLength[b], Internal`BagPart[b, All]}",
         "{3, {1, 2, 3}}"),
        ("Internal`BagLength[Internal`Bag[10^6]]", "Internal`BagLength[Internal`Bag[1000000]]"),
        ("{Take[{1, 2, 3}, -UpTo[2]], Drop[{1, 2}, UpTo[5]]}", "{{2, 3}, {}}"),
        ('Run["test", 1, "=", 1]', "0"),
    ],
)
def test_values(loaded: Loaded, code: str, value: str) -> None:
    assert text_of(loaded, code) == value


def test_a_list_is_read_from_a_file(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_text("1 2\n3 4\n")
    assert text_of(loaded, f'ReadList["{tmp_path / "pairs"}", p[Number, Number]]') == "{p[1, 2], p[3, 4]}"
