"""What stands at a cursor: kernelbus.shell.jupyter.places."""

from __future__ import annotations

import pytest

from kernelbus.shell.jupyter.places import Place, name_at, place_at


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("", Place("name", "", 0)),
        ("Plo", Place("name", "Plo", 0)),
        ("1 + Foo`Ba", Place("name", "Foo`Ba", 4)),
        ("2x + $Ve", Place("name", "$Ve", 5)),
        ("f[x_Int", Place("name", "Int", 4, "f")),
        ("Plot[x, {x, 0, 1}, Plo", Place("name", "Plo", 19, "Plot")),
        ("Plot [x, {x, ", Place("name", "", 13, "")),
        ("Plot[f[x], ", Place("name", "", 11, "Plot")),
        ("x[[a", Place("name", "a", 3, "")),
        ("(Plot)[a", Place("name", "a", 7, "")),
        ('"𝒳𝒴" <> Str', Place("name", "Str", 8)),
        ('f["a", "/tmp/b', Place("string", "/tmp/b", 8)),
        ('"say \\"hi', Place("string", 'say \\"hi', 1)),
        ("\\[Alp", Place("character", "Alp", 2)),
        ('"𝒳\\[Alp', Place("character", "Alp", 4)),
        ("\\[Alpha]x", Place("name", "x", 8)),
        ("(* Plo", Place("none", "", 6)),
        ("(* (* *) Plo", Place("none", "", 12)),
        ("(* Plo *) Plo", Place("name", "Plo", 10)),
        ("%ker", Place("magic", "%ker", 0)),
        ("x\n%%ti", Place("magic", "%%ti", 2)),
        ("% + Plo", Place("name", "Plo", 4)),
    ],
)
def test_what_is_before_the_cursor(code: str, place: Place) -> None:
    assert place_at(code, len(code)) == place
    assert place_at(code + " + more[", len(code)) == place


@pytest.mark.parametrize(
    ("code", "cursor", "name"),
    [("Plot", 0, "Plot"), ("Plot", 2, "Plot"), ("Plot[x, ", 8, "Plot"), ("Plot[xy, ", 6, "xy"), ("1 + ", 4, ""), ('"Plot"', 3, "")],
)
def test_the_name_at_the_cursor(code: str, cursor: int, name: str) -> None:
    assert name_at(code, cursor) == name
