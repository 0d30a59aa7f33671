"""Many who ask for the status share one answer, none of them an old one."""

from __future__ import annotations

from dataclasses import replace

from kernelbus.bus.protocol.reports import Status
from kernelbus.frontend.enquiries import AGE, Enquiries

STATUS = Status(1, "b", "1", "healthy", [], 2.0, 1, [], [], [], [])


def test_the_broker_is_asked_once_for_many() -> None:
    enquiries: Enquiries[int] = Enquiries()
    asked = 0
    for who in range(10_000):
        answer, ask = enquiries.ask(who, 0.0, 1.0 + who / 1e6)
        assert answer is None
        asked += ask
    assert asked == 1
    told, again = enquiries.told(STATUS, 1.1)
    assert told == list(range(10_000))
    assert not again
    assert enquiries.ask(1, 0.0, 1.0 + AGE / 2) == (STATUS, False)
    assert enquiries.ask(1, 0.0, 1.01 + AGE) == (None, True)


def test_an_answer_is_not_older_than_the_askers_last_change() -> None:
    enquiries: Enquiries[str] = Enquiries()
    assert enquiries.ask("a", 0.0, 1.0) == (None, True)
    # The link of b has changed since the broker was asked for a.
    assert enquiries.ask("b", 1.01, 1.02) == (None, False)
    assert enquiries.told(STATUS, 1.03) == (["a"], True)
    newer = replace(STATUS, up=3.0)
    assert enquiries.told(newer, 1.04) == (["b"], False)
    assert enquiries.ask("c", 1.035, 1.05) == (None, True)


def test_a_broker_that_does_not_answer_is_asked_again_by_the_next() -> None:
    enquiries: Enquiries[str] = Enquiries()
    enquiries.ask("a", 0.0, 1.0)
    assert enquiries.told(None, 6.0) == (["a"], False)
    assert enquiries.ask("a", 0.0, 6.0) == (None, True)


def test_what_is_made_of_an_answer_is_made_once() -> None:
    enquiries: Enquiries[str] = Enquiries()
    enquiries.ask("a", 0.0, 1.0)
    enquiries.told(STATUS, 1.0)
    made: list[str] = []

    def make(what: str) -> bytes:
        made.append(what)
        return what.encode()

    for kind in ("x", "y", "x", "y"):
        assert enquiries.form(STATUS, kind, lambda kind=kind: make(kind)) == kind.encode()  # type: ignore[misc]
    assert made == ["x", "y"]
    assert enquiries.form(replace(STATUS, up=9.0), "x", lambda: b"other") == b"other"
    for number in range(1000):
        enquiries.form(STATUS, number, lambda: b"")
    assert len(enquiries._forms) <= 64
