"""Parts of lists and associations: found, set, and left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.associations import parts

SQUARE = "m = {{1, 2}, {3, 4}}\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('{<|"k" -> 1|>, <|"k" -> 2|>}[[All, "k"]]', "{1, 2}"),
        ('<|"a" -> <|"n" -> {1, 2, 3}|>|>[["a", "n", 2 ;;]]', "{2, 3}"),
        ('<|"a" -> 1, "b" -> 2|>[[{"b", "c"}]]', '<|"b" -> 2, "c" -> Missing["KeyAbsent", "c"]|>'),
        ('<|"a" -> 1, "b" -> 2|>[[{-1}]]', '<|"b" -> 2|>'),
        ('<|"a" -> 1|>[["c", 1, 2]]', 'Missing["KeyAbsent", "c"]'),
        ("{1, 2, 3, 4}[[-1 ;; 1 ;; -2]]", "{4, 2}"),
        ("{1, 2, 3}[[2 ;; 1]]", "{}"),
        ("{}[[All]]", "{}"),
        ("f[a, b, c][[{1, 0}]]", "f[a, f]"),
        ("f[a, b, c][[0]]", "f"),
    ],
)
def test_parts_are_found(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


@pytest.mark.parametrize("code", ["{1, 2}[[3]]", "{1}[[1,1]]", '{1, 2}[["k"]]', "{1, 2}[[x]]", "{1, 2}[[1 ;; 3]]", "<|a -> 1|>[[2]]"])
def test_what_is_no_part_stays(code: str, value: Callable[[str], str]) -> None:
    assert value(code) == code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("m[[All, 2]] = 0", "{{1, 0}, {3, 0}}"),
        ("m[[All, 2]] = {5, 6}", "{{1, 5}, {3, 6}}"),
        ("m[[2]] = {5, 6}", "{{1, 2}, {5, 6}}"),
        ("m[[1 ;; 2, 1]] = {5, 6}", "{{5, 2}, {6, 4}}"),
        ("m[[{2, 1}, 1]] = {5, 6}", "{{6, 2}, {5, 4}}"),
        ("m[[All, All]] = {{a, b}, {c, d}}", "{{a, b}, {c, d}}"),
        ("m[[1, 0]] = f", "{f[1, 2], {3, 4}}"),
        ("m[[3]] = 1", "{{1, 2}, {3, 4}}"),
    ],
)
def test_parts_are_set(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(SQUARE + code + "\nm") == expected
    assert value(SQUARE + "kept = m\n" + code + "\nkept") == "{{1, 2}, {3, 4}}"


def test_a_key_is_a_string_or_marked() -> None:
    from mathics.core.atoms import Integer, String

    assert parts.is_key(String("k"))
    assert not parts.is_key(Integer(1))
