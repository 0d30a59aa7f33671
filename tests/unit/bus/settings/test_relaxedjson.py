"""The tolerant JSON reader: what it takes, what it refuses in which words, and that tolerance
changes no value.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbus.bus.settings.relaxedjson import MAXIMUM_DEPTH, SyntaxFault, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("\ufeff{}", {}),
        ('[1, -2.5, 1e3, true, false, null, "x"]', [1, -2.5, 1000.0, True, False, None, "x"]),
        ('{"a": [1, 2, ], }', {"a": [1, 2]}),
        ('# one\n{ # two\n"a"# three\n:# four\n1# five\n}# six', {"a": 1}),
        ('{"a": "# no comment, }"}', {"a": "# no comment, }"}),
        (r'{"a": "\" # \\"}', {"a": '" # \\'}),
        (r'"\u00e9\ud83d\ude00\n"', "é😀\n"),
        ('{\r\n"a":\r1}', {"a": 1}),
        ('{"": 1}', {"": 1}),
        ("12345678901234567890", 12345678901234567890),
    ],
)
def test_reads(text: str, value: Any) -> None:
    assert parse(text).value == value


def test_numbers_keep_their_kind() -> None:
    whole, real = parse("[1, 1.0]").value
    assert (type(whole), type(real)) == (int, float)


def test_lines() -> None:
    document = parse('\ufeff# first\r\n{\r\n"a": {\r"b":\n\n[1,\n2]},\n"c": 3}')
    assert document.lines == {(): 2, ("a",): 3, ("a", "b"): 4, ("a", "b", 0): 6, ("a", "b", 1): 7, ("c",): 8}
    assert document.line(("a", "nowhere", "at all")) == 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "nothing here but space and comments"),
        ("\n# only this\n", 3, "nothing here but space and comments"),
        ('{"a": 1\n"b": 2}', 2, 'a comma or } is missing before "b"'),
        ("[1\n2]", 2, "a comma or ] is missing before 2"),
        ('{"a": 1]', 1, "a comma or } is missing before ]"),
        ('{"a" 1}', 1, 'a colon and a value must follow "a", not 1'),
        ('{"a":}', 1, "a value is missing before }"),
        ('{"a":\n', 2, "a value is missing before the end of the file"),
        ("{,}", 1, "a key in double quotes is missing before ,"),
        ("[,]", 1, "a value is missing before ,"),
        ("[1,,2]", 1, "a value is missing before ,"),
        ('\n{\n"a": 1,\n', 2, "the { of this line is still open at the end of the file: add }"),
        ("\n\n[1,", 3, "the [ of this line is still open at the end of the file: add ]"),
        ("[1", 1, "the [ of this line is still open at the end of the file: add ]"),
        ("{}\n}", 2, "} comes after the end"),
        ("{} 1", 1, "1 comes after the end"),
        ("{a: 1}", 1, 'a key stands in double quotes: write "a"'),
        ("{'a': 1}", 1, 'a key stands in double quotes: write "a"'),
        ("{1: 1}", 1, 'a key stands in double quotes: write "1"'),
        ("{\"a\": 'b'}", 1, "'b' is neither a number nor true, false or null: put a string in double quotes"),
        ('{"a": /usr/bin}', 1, "/usr/bin is neither a number"),
        ('{"a": True}', 1, "True is not JSON: write true"),
        ('{"a": NULL}', 1, "NULL is not JSON: write null"),
        ('{"a": NaN}', 1, "NaN is neither a number"),
        ('{"a": -Infinity}', 1, "-Infinity is neither a number"),
        ('{"a": 01}', 1, "01 is neither a number"),
        ('{"a": +1}', 1, "+1 is neither a number"),
        ('{"a": 1e999}', 1, "1e999 is too large a number"),
        ("9" * 1000, 1, "a number of 1000 digits"),
        ("// note\n{}", 1, "comments begin with #, not with //"),
        ("{ // note\n}", 1, "comments begin with #, not with //"),
        ("/* note */ {}", 1, "comments begin with #, not with /*"),
        ('{"a": "x\ny"}', 1, "a string that does not end on its line"),
        ('{"a": "x', 1, "a string that does not end on its line"),
        ('{"a": "x\\"}', 1, "a string that does not end on its line"),
        ('{"a": "\\q"}', 1, '"\\q" is not a JSON string: invalid \\escape'),
        ('{"a": "\t"}', 1, "is not a JSON string: invalid control character"),
        ('{"a": "\\ud800"}', 1, "half a surrogate pair"),
        ('{"a":\u00a01}', 1, "the character U+00A0 has no place here"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 3, '"a" is given twice, first on line 1'),
        ("[" * 100_000, 1, f"brackets nested more than {MAXIMUM_DEPTH} deep"),
        ("[" * 100_000 + "]" * 100_000, 1, f"brackets nested more than {MAXIMUM_DEPTH} deep"),
    ],
)
def test_refuses_in_words(text: str, line: int, words: str) -> None:
    with pytest.raises(SyntaxFault) as refused:
        parse(text)
    assert words in str(refused.value)
    assert refused.value.line == line
    assert "\n" not in str(refused.value)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_filling = st.lists(
    st.sampled_from([" ", "\t", "\n", "\r\n", "\r", '# comment , ] } " {\n', "#\r\n", "# é日\r"]), max_size=3
).map("".join)


def _written(value: Any, draw: Any) -> str:
    """Write JSON with space, comments and trailing commas where they are tolerated."""

    def fill() -> str:
        return str(draw(_filling))

    def comma(empty: bool) -> str:
        return "" if empty or not draw(st.booleans()) else fill() + ","

    if isinstance(value, dict):
        members = (
            f"{fill()}{json.dumps(key, ensure_ascii=draw(st.booleans()))}{fill()}:{_written(inner, draw)}"
            for key, inner in value.items()
        )
        text = "{" + ",".join(members) + comma(not value) + fill() + "}"
    elif isinstance(value, list):
        text = "[" + ",".join(_written(inner, draw) for inner in value) + comma(not value) + fill() + "]"
    else:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return fill() + text + fill()


@given(_json, st.data(), st.booleans())
def test_tolerance_changes_no_value(value: Any, data: st.DataObject, mark: bool) -> None:
    text = ("\ufeff" if mark else "") + _written(value, data.draw)
    assert parse(text).value == value


@given(_json, st.data())
def test_what_is_cut_is_refused_and_nothing_else_is_raised(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"key": value}, indent=data.draw(st.sampled_from([None, 1])))
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(SyntaxFault):
        parse(cut)


@given(st.text(alphabet='{}[],:"#\\ \n1e.-truefalsn/\u00a0x', max_size=40))
def test_any_text_is_json_or_a_fault(text: str) -> None:
    try:
        value = parse(text).value
    except SyntaxFault as fault:
        line = fault.line
    else:
        json.dumps(value)
        line = 1
    assert 1 <= line <= text.count("\n") + 1
