"""What `%kernel` says, and what it prints."""

from __future__ import annotations

import pytest

from kernelbus.shell.jupyter.magics import MagicError
from kernelbus.shell.jupyter.orders import HELP, ORDERS, Facts, Order, described, read_order


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("", Order("")),
        ("  fresh ", Order("fresh")),
        ("attach", Order("attach")),
        ("attach  -Abc_1 ", Order("attach", "-Abc_1")),
        ("pool Big one", Order("pool", "Big one")),
        ("name work", Order("name", "work")),
    ],
)
def test_orders(words: str, order: Order) -> None:
    assert read_order(words) == order


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("restart", r"does not know 'restart': there are fresh, close, attach, pool, name, help, and nothing"),
        ("fresh now", "%kernel fresh takes nothing more, and not 'now'"),
        ("pool", "%kernel pool needs NAME: a fresh kernel of this pool"),
        ("name ", "%kernel name needs NAME"),
    ],
)
def test_what_is_no_order_says_what_there_is(words: str, told: str) -> None:
    with pytest.raises(MagicError, match=told):
        read_order(words)


def test_the_help_has_every_order() -> None:
    lines = HELP.splitlines()
    assert len(lines) == len(ORDERS)
    assert " ".join(lines[0].split()) == "%kernel which session this notebook has"
    assert "%kernel attach [ID]  leave" in HELP


def test_what_is_not_known_is_left_out() -> None:
    assert described(Facts("k-1", "31415@127.0.0.1", "Main"), "") == [
        "kernel      k-1",
        "server      31415@127.0.0.1",
        "pool        Main",
        "name        none",
        "kept        no: it ends when this kernel does, or with %kernel close",
    ]
    whole = described(Facts("k-1", "s", "Main", "n.ipynb-1", "/n.ipynb", "14:02", 3.0, 0, "for 2 days"), "3 s")
    assert [line.split()[0] for line in whole] == ["kernel", "server", "pool", "since", "evaluations", "idle", "name", "notebook", "kept"]
