"""The tables of what the engine answers."""

from __future__ import annotations

from importlib.resources import files

import pytest

from kernelbus.kernelhost.mathics.engine.names import Better, read_better, read_functions, read_names

ROOM = files("kernelbus.kernelhost.mathics.engine")


def test_tables_are_read() -> None:
    assert read_functions("f\ng HoldAll Listable\n\n") == {"f": (), "g": ("HoldAll", "Listable")}
    assert read_names("a\nb\n") == ["a", "b"]
    entry = "[f]\nask = 'first'\nheads = 'g.*'\nshown_by = [['f[1]', '2']]\n[g]\nask = 'after'\nshown_by = [['g', '1']]"
    assert read_better(entry) == [Better("f", True, "g.*", (("f[1]", "2"),)), Better("g", False, "", (("g", "1"),))]


@pytest.mark.parametrize("entry", ["[f]\nask = 'later'\nshown_by = [{}]\n", "[f]\nask = 'after'\nshown_by = []\n", "[f]\n"])
def test_an_entry_that_shows_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^f: "):
        read_better(entry)


def test_the_tables_here_are_in_order_and_share_no_name() -> None:
    functions = list(read_functions((ROOM / "functions.txt").read_text(encoding="utf-8")))
    names = read_names((ROOM / "names.txt").read_text(encoding="utf-8"))
    assert functions == sorted(set(functions))
    assert names == sorted(set(names))
    assert not set(functions) & set(names)
    assert len(functions) > 1300
    assert len(functions) + len(names) > 4500
