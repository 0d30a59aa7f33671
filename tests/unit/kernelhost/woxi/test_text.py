"""Expressions as text that Woxi reads."""

from __future__ import annotations

import numpy as np
import pytest

from kernelbus.kernelhost.woxi.text import code_of
from kernelbus.kernelhost.woxi.wxf import read_wxf
from wstp import BigReal, Expr, Function, Symbol

TO_STRING, RULE = Symbol("ToString"), Symbol("Rule")

@pytest.mark.parametrize(
    ("expr", "code"),
    [
        (Symbol("Plus")(2, -2), "Plus[2, (-2)]"),
        (Symbol("System`f")(Symbol("Global`x"), Symbol("p`y")), "f[x, p`y]"),
        # What J/Link asks for.
        (TO_STRING("x", RULE(Symbol("FormatType"), Symbol("InputForm")), RULE(Symbol("PageWidth"), 80)), 'ToString["x", InputForm]'),
        (TO_STRING(TO_STRING(1, RULE(Symbol("PageWidth"), 80)), Symbol("InputForm")), "ToString[ToString[1], InputForm]"),
        (TO_STRING(RULE(1, 2)), "ToString[Rule[1, 2]]"),
        (TO_STRING(), "ToString[]"),
        (Function(Symbol("f")(1), 2), "f[1][2]"),
        (['a"\\\n', []], '{"a\\"\\\\\\n", {}}'),
        ({"a": 1, 2: [True, None]}, '<|"a" -> 1, 2 -> {True, Null}|>'),
        ([1.5, -1e-300, 1e22, 2.0], "{1.5, (-1.*^-300), 1.*^22, 2.}"),
        ([float("inf"), float("-inf"), float("nan")], "{Infinity, (-Infinity), Indeterminate}"),
        (1 - 2j, "Complex[1., (-2.)]"),
        (BigReal("1.5`20."), "(1.5`20.)"),
        (b"ab", 'ByteArray["YWI="]'),
        (np.array([[1, 2], [3, 4]]), "{{1, 2}, {3, 4}}"),
        (np.float64(2.5), "2.5"),
    ],
)
def test_an_expression_has_text(expr: Expr, code: str) -> None:
    assert code_of(expr) == code


@pytest.mark.parametrize("kind", ["int8", "int64", "uint64", "float32", "float64"])
def test_a_long_array_travels_as_wxf(kind: str) -> None:
    import base64
    import re

    array = np.arange(1000).reshape(10, 100).astype(kind)
    found = re.fullmatch(r'BinaryDeserialize\[BaseDecode\["(.*)"\]\]', code_of(array))
    assert found is not None
    assert read_wxf(base64.b64decode(found[1])) == array.tolist()


def test_depth_does_not_matter() -> None:
    deep: Expr = Symbol("x")
    for _ in range(20_000):
        deep = Symbol("f")(deep)
    assert code_of(deep) == "f[" * 20_000 + "x" + "]" * 20_000


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="object has no text"):
        code_of([object()])
