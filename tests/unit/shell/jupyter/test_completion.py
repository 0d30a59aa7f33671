"""What is offered at a cursor: kernelbus.shell.jupyter.completion."""

from __future__ import annotations

from kernelbus.shell.clients.forms import full_form
from kernelbus.shell.jupyter.completion import Known, complete, files_expression, reply
from kernelbus.shell.jupyter.places import Place, place_at


def offered(code: str, known: Known) -> list[tuple[str, str]]:
    return [(match.text, match.kind) for match in complete(place_at(code, len(code)), known)]


def learned() -> Known:
    known = Known()
    known.learn([["Plot", "PlotRange", "Sin"], ["plotter", "𝒳axis"], ["Global`", "System`"], "Plot", ["PlotRange", "Axes"], []])
    return known


def test_names_options_and_contexts() -> None:
    assert offered("Plo", learned()) == [("Plot", "function"), ("PlotRange", "function")]
    assert offered("plo", learned()) == [("plotter", "symbol")]
    assert offered("Plot", learned()) == [("PlotRange", "function")]
    assert offered("sIN", learned()) == [("Sin", "function")]
    assert offered("Glo", learned()) == [("Global`", "context")]
    assert offered("𝒳", learned()) == [("𝒳axis", "symbol")]
    assert offered("Plot[x, Pl", learned()) == [("PlotRange", "option"), ("Plot", "function")]
    assert offered("Plot[x, ", learned()) == [("Axes", "option"), ("PlotRange", "option")]
    assert offered("1 + ", learned()) == []


def test_what_is_asked_of_the_kernel() -> None:
    known = Known()
    first = full_form(known.lacks(place_at("Plo", 3)))
    assert 'System`Names[\\"System`*\\"]' in first
    known.learn([["Plot"], [], [], "", [], []])
    assert known.lacks(place_at("Plo", 3)) is None
    assert 'ToExpression[\\"f\\"' in full_form(known.lacks(place_at("f[a", 3)))
    assert 'Names[\\"Foo`b*\\"]' in full_form(known.lacks(place_at("Foo`b", 5)))
    known.note("newName[x_] := x")
    assert 'Names[\\"System`*\\"]' not in full_form(known.lacks(place_at("Plo", 3)))
    known.forget()
    assert full_form(known.lacks(place_at("Plo", 3))) == first
    assert known.lacks(place_at('"a', 2)) is None


def test_words_that_were_entered_serve_where_nothing_else_is_known() -> None:
    known = Known()
    known.note("velocity[t_] := 9.81 t")
    assert offered("vel", known) == [("velocity", "symbol")]
    known.learn("nonsense")
    assert offered("vel", known) == [("velocity", "symbol")]


def test_characters_and_magics() -> None:
    assert ("Alpha]", "character") in offered("\\[Al", Known())
    assert offered("%mag", Known()) == [("%magics", "magic")]
    assert offered("(* \\[", Known()) == []


def test_files() -> None:
    place = place_at('Import["/data/a', 15)
    asked = full_form(files_expression(place))
    assert 'FileNames[\\"a*\\"' in asked and '\\"/data/\\"' in asked
    matches = complete(place, Known(), ["a.csv", "about/"])
    assert reply(place, matches, 15)["cursor_start"] == 14
    assert [match.text for match in matches] == ["a.csv", "about/"]
    assert 'FileNames[\\"a\\\\\\"*\\"' in full_form(files_expression(Place("string", 'a"', 1)))


def test_a_reply_counts_characters() -> None:
    code = '"𝒳𝒴" <> Plo'
    place = place_at(code, len(code))
    answer = reply(place, complete(place, learned()), len(code))
    assert (answer["cursor_start"], answer["cursor_end"]) == (8, 11)
    assert answer["matches"] == ["Plot", "PlotRange"]
    assert answer["metadata"]["_jupyter_types_experimental"][0] == {"start": 8, "end": 11, "text": "Plot", "type": "function"}
