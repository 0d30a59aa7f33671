"""The association: keys that are the same, rules in order, what becomes of symbols in it."""

from __future__ import annotations

from collections.abc import Callable

from mathics.core.atoms import Integer, MachineReal, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.associations.expression import (
    as_rules,
    association_of,
    key_of,
    missing,
    rule,
)

ONE, TWO = Integer(1), Integer(2)
X, Y = Symbol("Global`x"), Symbol("Global`y")


def test_keys_are_the_same_if_they_are_same_expressions() -> None:
    assert key_of(Expression(X, ONE)) == key_of(Expression(X, Integer(1)))
    assert len({key_of(each) for each in (ONE, MachineReal(1.0), String("1"), X, Expression(X), Expression(X, ONE))}) == 6


def test_the_last_value_of_a_key_stands_at_its_first_place() -> None:
    found = association_of([rule(X, ONE), rule(Y, ONE), rule(X, TWO)])
    assert found.keys == [X, Y]
    assert found.values == [TWO, ONE]
    assert found.get(X) is TWO
    assert found.get(ONE) is None


def test_a_changed_association_is_another() -> None:
    old = association_of([rule(X, ONE)])
    assert old.with_rule(rule(X, TWO)).get(X) is TWO
    assert old.with_rule(rule(Y, TWO)).keys == [X, Y]
    assert old.with_values([Symbol("System`Nothing")]).keys == []
    assert old.get(X) is ONE


def test_symbols_in_it_are_replaced_only_if_it_has_them() -> None:
    old = association_of([rule(String("k"), X)])
    assert old.replace_vars({"Global`y": ONE}) is old
    assert str(old.with_rule(rule(ONE, Y)).replace_vars({"Global`y": TWO})).endswith("2]]")


def test_of_rules_in_a_list_the_first_with_a_key_counts() -> None:
    found = as_rules(ListExpression(rule(X, ONE), ListExpression(rule(X, TWO), rule(Y, TWO))))
    assert found is not None
    assert found.values == [ONE, TWO]
    assert as_rules(ListExpression(ONE)) is None
    assert str(missing(X)) == 'System`Missing["KeyAbsent", Global`x]'


def test_equality_is_of_keys_and_values(value: Callable[[str], str]) -> None:
    assert value('<|"a" -> 1|> == <|"a" -> 1.|>') == "True"
    assert value('<|"a" -> 1|> == <|"b" -> 1|>') == "False"
    assert value("<|1 -> x|> == <|1 -> y|>") == "<|1 -> x|> == <|1 -> y|>"


def test_evaluated_values_stay_and_rules_replace_only_values(value: Callable[[str], str]) -> None:
    assert value("a = <|k -> x|>\nx = 5\na") == "<|k -> x|>"
    assert value("<|y -> y|> /. y -> 1") == "<|y -> 1|>"
    assert value("Replace[<|1 -> {y}|>, {y} -> 2, {1}]") == "<|1 -> 2|>"
