"""Conversion of expressions by value, to Mathics3 and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelbus.kernelhost.mathics.forms.convert import PACK_MINIMUM, ConversionError, from_mathics, to_mathics
from kernelbus.kernelhost.mathics.forms.reals import parse_real
from wstp import BigReal, Function, Symbol, same

S = Symbol


def there_and_back(value: Any, definitions: Any) -> Any:
    return from_mathics(to_mathics(value, definitions), definitions)


# A value that comes back as it is, and how Mathics3 shows it in full.
SAME: list[tuple[Any, str]] = [
    (0, "0"),
    (-5, "-5"),
    (2**63, "9223372036854775808"),
    (10**50, "1" + "0" * 50),
    (1.5, "1.5"),
    ("", '""'),
    ('é日"\\\n', '"é日"\\\n"'),
    ("\uf74c\U0001f600\x00", '"\uf74c\U0001f600\x00"'),
    (S("x"), "Global`x"),
    (S("Plus"), "System`Plus"),
    (S("foo`bar"), "foo`bar"),
    (S("$Aborted"), "System`$Aborted"),
    (S("Plus")(2, S("x")), "System`Plus[2, Global`x]"),
    (S("f")(), "Global`f[]"),
    (S("f")(1)(2), "Global`f[1][2]"),
    (Function(Function(S("Derivative"), 1), S("f")), "System`Derivative[1][Global`f]"),
    (S("Rational")(1, 3), "1/3"),
    (S("Complex")(1, 2), "1 + 2*I"),
    (S("Complex")(0.5, -1.5), "0.5 - 1.5*I"),
    (S("Complex")(S("Rational")(1, 2), 3), "1/2 + 3*I"),
    (S("Complex")(0, 10**400), f"System`Complex[0, {10**400}]"),
    (S("Rational")(1, S("x")), "System`Rational[1, Global`x]"),
    (BigReal("3.14`20."), "3.1400000000000000000"),
    (BigReal("1.`20.*^-1000"), "1.0000000000000000000e-1000"),
    (BigReal("0``20."), "0"),
    (BigReal("17.`30.2304"), "17.0000000000000000000000000000"),
    (S("Complex")(BigReal("1.5`20.25"), BigReal("-2.5`30.5")), "1.5 - 2.5*I"),
    (-0.0, "-0.0"),
    ([0.0, -0.0], "{0.0,-0.0}"),
    (S("Complex")(-0.0, -0.0), "0"),
    ("a\ud83d", '"a\ud83d"'),
    (S("😀"), "Global`😀"),
    (b"\x00abc\xff", "AGFiY/8="),
    ([], "{}"),
    ([1, "a", [S("x"), 2.5]], '{1,"a",{Global`x,2.5}}'),
    ([1, 2.5], "{1,2.5}"),
    ([[1, 2], [3]], "{{1,2},{3}}"),
    (S("Rule")("a", 1), 'System`Rule["a", 1]'),
    (S("Association")(S("Rule")("a", 1)), 'System`Association[System`Rule["a", 1]]'),
]
OTHER: list[tuple[Any, Any]] = [
    (S("Global`x"), S("x")),
    (S("System`Plus")(1), S("Plus")(1)),
    (S("`x"), S("x")),
    (True, S("True")),
    (None, S("Null")),
    (1 + 2j, S("Complex")(1.0, 2.0)),
    ((1, 2), [1, 2]),
    ({"a": [1]}, S("Association")(S("Rule")("a", [1]))),
    (S("List")(1, 2), [1, 2]),
    (S("Rational")(2, 4), S("Rational")(1, 2)),
    (S("Rational")(4, 2), 2),
    (S("Rational")(1, 0), S("ComplexInfinity")),
    (S("Complex")(1, 0), 1),
    (BigReal("3.14`20"), BigReal("3.14`20.")),
    (BigReal("1.5`"), 1.5),
    (BigReal("1.`20.*^-9999999"), S("Underflow")()),
    (BigReal("1.`20.*^9999999"), S("Overflow")()),
    (float("nan"), S("Indeterminate")),
    (BigReal("1.5``20"), BigReal("1.5`20.17609125905568")),
    (BigReal("1.*^400"), BigReal("1.`15.954589770191003*^400")),
    (BigReal("-0."), -0.0),
    (BigReal("9999999999999999999.*^-3"), BigReal("9.999999999999999999`19.*^15")),
    (float("-inf"), S("DirectedInfinity")(-1)),
    (complex(float("nan"), 1), S("Indeterminate")),
    (complex(1, float("-inf")), S("DirectedInfinity")(S("Complex")(0, -1))),
    (complex(float("inf"), 1), S("DirectedInfinity")(1)),
    (complex(float("inf"), float("inf")), S("DirectedInfinity")()),
    (S("Complex")(float("nan"), S("x")), S("Indeterminate")),
    (S("Complex")(S("x"), float("inf")), S("Complex")(S("x"), S("DirectedInfinity")(1))),
    (np.array([complex(1, float("nan")), 2]), [S("Indeterminate"), S("Complex")(2.0, 0.0)]),
    (np.array([[-0.0], [np.nan]]), [[-0.0], [S("Indeterminate")]]),
    (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
    (np.array([1.0, np.inf]), [1.0, S("DirectedInfinity")(1)]),
    (np.zeros((2, 0)), [[], []]),
    (np.float32(0.5), 0.5),
    (np.int64(7), 7),
    ([float("inf")] * PACK_MINIMUM, [S("DirectedInfinity")(1)] * PACK_MINIMUM),
    ([2**70] * PACK_MINIMUM, [2**70] * PACK_MINIMUM),
]
ARRAYS = [
    np.arange(PACK_MINIMUM),
    np.arange(PACK_MINIMUM) / 2,
    np.arange(40).reshape(2, 20),
    np.arange(24.0).reshape(2, 3, 4),
    np.arange(200, 240, dtype=np.uint8),
    np.arange(40, dtype=np.float32),
    np.array([1 + 2j] * PACK_MINIMUM),
    np.array([[1 + 2j, 3.5 - 1j]] * 20),
    np.array([2**62, -(2**62)] * 10),
]


@pytest.mark.parametrize(("value", "shown"), SAME, ids=[repr(value)[:40] for value, _ in SAME])
def test_values_mean_what_they_say_and_come_back(value: Any, shown: str, definitions: Any) -> None:
    inside = to_mathics(value, definitions)
    if shown != "0" or isinstance(value, int):
        assert str(inside) == shown
    assert same(from_mathics(inside, definitions), value)


@pytest.mark.parametrize(("value", "back"), OTHER, ids=[repr(value)[:40] for value, _ in OTHER])
def test_values_that_come_back_otherwise(value: Any, back: Any, definitions: Any) -> None:
    assert same(there_and_back(value, definitions), back)


@pytest.mark.parametrize("array", ARRAYS, ids=[f"{a.dtype}{a.shape}" for a in ARRAYS])
def test_arrays_leave_packed(array: np.ndarray, definitions: Any) -> None:
    back = there_and_back(array, definitions)
    assert isinstance(back, np.ndarray)
    assert np.array_equal(back, array)
    assert back.dtype.kind == {"u": "i"}.get(array.dtype.kind, array.dtype.kind)


def test_arrays_are_the_lists_that_input_makes(definitions: Any) -> None:
    array = np.array([3.0, 1.0, 2.0] * 10)
    inside, typed = to_mathics(array, definitions), to_mathics([*array.tolist(), S("x")], definitions)
    assert inside.elements == typed.elements[:-1]
    assert {hash(e) for e in inside.elements} == {hash(e) for e in typed.elements[:-1]}
    assert inside.sameQ(to_mathics(array.tolist(), definitions))


def test_integers_made_in_bulk_are_whole(definitions: Any) -> None:
    inside = to_mathics(np.array([10**12 + 1] * PACK_MINIMUM), definitions).elements[0]
    assert inside.sympy == 10**12 + 1
    assert hash(inside) == hash(to_mathics(10**12 + 1, definitions))


def test_numbers_in_bulk_do_not_stay_in_tables(definitions: Any) -> None:
    from mathics.core.atoms import Integer, MachineReal

    before = len(Integer._integers), len(MachineReal._machine_reals)
    there_and_back(np.arange(10**7, 10**7 + 1000), definitions)
    there_and_back(np.arange(1000) / 7, definitions)
    assert (len(Integer._integers), len(MachineReal._machine_reals)) == before


def test_symbols_are_looked_up_where_input_is(definitions: Any) -> None:
    definitions.set_current_context("mine`")
    assert to_mathics(S("unheard"), definitions).name == "mine`unheard"
    assert to_mathics(S("Sin"), definitions).name == "System`Sin"
    assert there_and_back(S("unheard"), definitions) == S("unheard")
    assert there_and_back(S("mine`sub`x"), definitions) == S("mine`sub`x")


def test_a_shadowed_symbol_keeps_its_context(definitions: Any) -> None:
    from mathics.core.symbols import Symbol as MathicsSymbol

    # Global`Sin is not the Sin that a reader would take it for.
    assert from_mathics(MathicsSymbol("Global`Sin"), definitions) == S("Global`Sin")


def test_boxes_and_atoms_of_mathics_leave_as_expressions(definitions: Any) -> None:
    from mathics.builtin.box.layout import SuperscriptBox
    from mathics.core.atoms import NumericArray, String

    boxes = from_mathics(SuperscriptBox(String("x"), String("2")), definitions)
    assert boxes.head == S("SuperscriptBox")
    assert boxes.args[:2] == ("x", "2")
    array = from_mathics(NumericArray(np.arange(3.0)), definitions)
    assert array.head == S("NumericArray")
    assert np.array_equal(array.args[0], np.arange(3.0))


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array(["x"])], ids=["object", "set", "text array"])
def test_what_stands_for_no_expression_is_refused(value: Any, definitions: Any) -> None:
    with pytest.raises(ConversionError, match="stands for no expression"):
        to_mathics([value], definitions)


DEEP = 100_000


def nested(wrap: Any) -> Any:
    value: Any = S("x")
    for _ in range(DEEP):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap", [S("f"), lambda v: [v], lambda v: Function(v, 1)], ids=["arguments", "lists", "heads"]
)
def test_depth_costs_no_stack(wrap: Any, definitions: Any) -> None:
    value = nested(wrap)
    assert same(there_and_back(value, definitions), value)


def rationals() -> st.SearchStrategy[Any]:
    fractions = st.fractions().filter(lambda f: f.denominator != 1)
    return st.builds(lambda f: S("Rational")(f.numerator, f.denominator), fractions)


machine_reals = st.floats(allow_nan=False, allow_infinity=False).filter(lambda v: v != 0)
big_integers = st.builds(
    lambda bits, low, sign: sign * ((1 << bits) + low), st.integers(64, 5000), st.integers(0, 2**64), st.sampled_from([1, -1])
)
# A last digit of zero may come back or not: what counts is the number and its precision.
precise_reals = st.builds(
    lambda sign, mantissa, exponent, precision: BigReal(f"{sign}{mantissa}`{precision}.*^{exponent}"),
    st.sampled_from(["", "-"]),
    st.integers(1, 10**17),
    st.integers(-400, 400),
    st.integers(18, 60),
)
exact = st.one_of(st.integers(), big_integers, rationals())
complexes = st.one_of(
    st.builds(S("Complex"), exact, exact.filter(lambda v: v != 0)),
    st.builds(S("Complex"), machine_reals, machine_reals),
)
# Any character that a string on a link may hold, private use and beyond 16 bits included, but no
# half of a surrogate pair.
private = st.characters(min_codepoint=0xE000, max_codepoint=0xF8FF)
texts = st.one_of(st.text(), st.text(private), st.text(st.characters(min_codepoint=0x10000)))
leaves = st.one_of(
    st.integers(),
    big_integers,
    machine_reals,
    texts,
    st.binary(),
    rationals(),
    complexes,
    st.sampled_from([S("x"), S("Plus"), S("a`b"), BigReal("2.5`30."), S("Rational")(2, 3), S("Complex")(1, 2)]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.builds(
            lambda head, args: Function(head, *args),
            st.sampled_from([S("f"), S("Hold")]),
            st.lists(inner, max_size=4),
        ),
        st.builds(
            lambda head, args: Function(Function(S("g"), head), *args), inner, st.lists(inner, max_size=3)
        ),
        st.builds(
            lambda pairs: Function(S("Association"), *(S("Rule")(*pair) for pair in pairs)),
            st.lists(st.tuples(inner, inner), max_size=4),
        ),
    ),
    max_leaves=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60)
@given(value=trees)
def test_any_tree_comes_back(value: Any, definitions: Any) -> None:
    back = there_and_back(value, definitions)
    assert same(_plain(back), _plain(value))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=precise_reals)
def test_any_precise_real_comes_back(value: BigReal, definitions: Any) -> None:
    back = there_and_back(value, definitions)
    sent, got = parse_real(value.text), parse_real(back.text)
    assert got.digits == sent.digits
    # The precision that this number of bits can tell apart.
    exact, found = (Fraction(-r.mantissa if r.negative else r.mantissa) * Fraction(10) ** r.exponent for r in (sent, got))
    assert abs(found - exact) <= abs(exact) / 2 ** (sent.bits - 1)
    assert there_and_back(back, definitions) == back


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_packed_array_comes_back(data: st.DataObject, definitions: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple))
    kind, items = data.draw(
        st.sampled_from(
            [
                ("<i8", st.integers(-(2**63), 2**63 - 1)),
                ("<i4", st.integers(-(2**31), 2**31 - 1)),
                ("<f8", machine_reals),
                ("<c16", st.builds(complex, machine_reals, machine_reals)),
            ]
        )
    )
    size = int(np.prod(shape))
    array = np.array(data.draw(st.lists(items, min_size=size, max_size=size)), dtype=kind).reshape(shape)
    back = there_and_back(array, definitions)
    assert same(_plain(back), _plain(array))
    if size >= PACK_MINIMUM:
        assert isinstance(back, np.ndarray)
        assert back.dtype.kind == array.dtype.kind


def _plain(value: Any) -> Any:
    """Undo packing, which does not change what an expression is."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, complex):
        return S("Complex")(value.real, value.imag)
    if isinstance(value, Function):
        return Function(_plain(value.head), *map(_plain, value.args))
    return value
