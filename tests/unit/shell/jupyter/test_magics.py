"""Which lines of a cell are magics: kernelbus.shell.jupyter.magics."""

from __future__ import annotations

import pytest

from kernelbus.shell.jupyter.magics import MAGICS, Cell, Magic, MagicError, read_cell


def test_a_cell_without_magics() -> None:
    assert read_cell("1 + 1\n% + 2") == Cell((), "1 + 1\n% + 2")


@pytest.mark.parametrize("code", ["%", "%%", "% x", "%3 + 1", "%%%", "(* %magics *)", ""])
def test_outputs_are_no_magics(code: str) -> None:
    assert read_cell(code) == Cell((), code)


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAGICS, "%one", "")
    monkeypatch.setitem(MAGICS, "%%two", "")
    assert read_cell("\n%one a  b \n%magics\nx\n%one") == Cell((Magic("%one", "a  b"), Magic("%magics", "")), "x\n%one")
    assert read_cell("%one") == Cell((Magic("%one", ""),), "")
    assert read_cell("%%two 5\n%one") == Cell((Magic("%%two", "5"),), "%one")


def test_an_unknown_magic_is_named() -> None:
    with pytest.raises(MagicError, match=r"there is no magic %tmie: there are .*%magics"):
        read_cell("%tmie 5")
