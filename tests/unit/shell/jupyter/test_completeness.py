"""What may be run, and what goes on: kernelbus.shell.jupyter.completeness."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbus.shell.jupyter.completeness import completeness
from kernelbus.shell.jupyter.magics import MAGICS


@pytest.mark.parametrize(
    ("code", "reply"),
    [
        ("", {"status": "complete"}),
        ("1 + 1", {"status": "complete"}),
        ("f[x_] := x^2; f[3]", {"status": "complete"}),
        ("x;", {"status": "complete"}),
        ("x!", {"status": "complete"}),
        ("# + 1 &", {"status": "complete"}),
        ("(* a comment *)", {"status": "complete"}),
        ("%magics", {"status": "complete"}),
        ('"𝒳]"', {"status": "complete"}),
        ("f[", {"status": "incomplete", "indent": "  "}),
        ("f[{1,\n 2", {"status": "incomplete", "indent": "    "}),
        ("1 +", {"status": "incomplete", "indent": "  "}),
        ("x = 5\ny =", {"status": "incomplete", "indent": "  "}),
        ('"abc', {"status": "incomplete", "indent": "  "}),
        ("x (* why", {"status": "incomplete", "indent": "  "}),
        ("f[x]]", {"status": "invalid"}),
        ("f[x}", {"status": "invalid"}),
        ("f[x]]\ng[", {"status": "invalid"}),
        ("f[x}\n", {"status": "invalid"}),
        ("%nonsense", {"status": "invalid"}),
    ],
)
def test_what_may_be_run(code: str, reply: dict[str, Any]) -> None:
    assert completeness(code) == reply


def test_a_magic_of_a_cell_wants_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAGICS, "%%time", "")
    assert completeness("%%time") == {"status": "incomplete", "indent": ""}
    assert completeness("%%time\n1 + 1") == {"status": "complete"}
