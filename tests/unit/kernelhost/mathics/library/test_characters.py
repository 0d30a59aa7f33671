"""Characters of text that is entered: letters, blanks, operators, and strings that keep theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library.characters import Plain


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # Blanks, as they come from web pages and word processors.
        ("1\u00a0+\u00a01", "2"),
        ("a\u2009b\u3000c\u200b", "a*b*c"),
        # Letters of all scripts, alone and in longer names.
        ("名前 = 3\n名前 + 1", "4"),
        ("привет[x_] := x^2\nпривет[5]", "25"),
        ("x名_Integer", "x名_Integer"),
        ("{שלום, مرحبا, नमस्ते, ña, Δx1, ctx`é, 😀}", "{שלום, مرحبا, नमस्ते, ña, Δx1, ctx`é, 😀}"),
        ("(#名前 + 1)&[<|\"名前\" -> 2|>]", "3"),
        ('ToExpression["名前"] === Symbol["名前"]', "True"),
        # Operators in Unicode, by their names, and in the private codes of front ends.
        ("7 − 2 \u2212 1", "4"),
        ("7 \\[Minus] 2", "5"),
        ("{√16, √x^2, ¬True, ⌊2.5⌋, ⌈2.5⌉}", "{4, Sqrt[x^2], False, 2, 3}"),
        ("{3 ∈ Integers, x ∉ Reals, x \\[Element] Reals}", "{True, NotElement[x, Reals], Element[x, Reals]}"),
        ("{10, 20}〚2〛", "20"),
        ("{10, 20}\\[LeftDoubleBracket]1\\[RightDoubleBracket]", "10"),
        ("\uf113\"a\" \uf522 1\uf114", '<|"a" -> 1|>'),
        ("{2\uf74e, \\[ImaginaryI]^2, 2\u2148, \uf74d^0, N[\\[ExponentialE]]}", "{2*I, -1, 2*I, 1, 2.718281828459045}"),
        ("2\u2062x\u2062y", "2*x*y"),
        ("{a\u2063b, a\\[InvisibleComma]b}", "{a, b, a, b}"),
        ("Hold[x \\[Distributed] d, x \uf3d3 y]", "Hold[Distributed[x, d], Conditioned[x, y]]"),
        ("\uf817 === \\[FormalX]", "True"),
        # Strings and comments keep what they have.
        ('ToCharacterCode["\u2212\u00a0\uf74e\uf522\u2062"]', "{8722, 160, 63310, 62754, 8290}"),
        ('StringLength["a\\"\u2212"] \u2212 1', "2"),
        ('1 (* "\u2212 *) \u2212 1', "0"),
        ('{"(*", 3 \u2212 1, "\u2212"}', '{"(*", 2, "\u2212"}'),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected


def test_a_string_and_a_comment_go_over_several_pieces() -> None:
    plain = Plain()
    assert plain('1 \u2212 "a\u2212') == '1 - "a\u2212'
    assert plain('\u2212\\"\u2212" \u2212 (* \u2212 (*') == '\u2212\\"\u2212" - (* \u2212 (*'
    assert plain('\u2212 " *) \u2212 *) \u2212') == '\u2212 " *) \u2212 *) -'


def test_the_place_of_a_fault_stays() -> None:
    text = "1\u00a0\u2212 \\[InvisibleTimes] \\[Minus]\u2062 2"
    assert len(Plain()(text)) == len(text)
