"""Single functions that Mathics3 lacks or has in part."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernelbus.kernelhost.mathics.library import various


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{Abs[-x], Abs[-2*x*y], Abs[Pi*x], Abs[x*y], Abs[Abs[x]], Abs[-3]}", "{Abs[x], 2*Abs[x*y], Pi*Abs[x], Abs[x*y], Abs[x], 3}"),
        ("Permutations[{a, a, b}]", "{{a, a, b}, {a, b, a}, {b, a, a}}"),
        ("{Permutations[{b, a, b}, {2}], Permutations[{a, a}, 1], Length[Permutations[Range[4]]]}",
         "{{{b, a}, {b, b}, {a, b}}, {{}, {a}}, 24}"),
        ("{RightComposition[][x], (f /* g)[x, y], Attributes[RightComposition]}", "{x, g[f[x, y]], {Flat, OneIdentity, Protected}}"),
        ('RunProcess[{"echo", "hi"}, "StandardOutput"]', '"hi\\n"'),
        ('RunProcess[{"sh", "-c", "exit 3"}, "ExitCode"]', "3"),
        ('RunProcess["cat", "StandardOutput", "in"]', '"in"'),
        ('RunProcess["true"]', '<|"ExitCode" -> 0, "StandardOutput" -> "", "StandardError" -> ""|>'),
        ('RunProcess["no such program here"]', "$Failed"),
        ('DateString[{2020, 1, 2, 3, 4, 5}, "ISODate"]', '"2020-01-02"'),
        ('DateString[{2020, 1, 2, 3, 4, 5}, "ISODateTime"]', '"2020-01-02T03:04:05"'),
        ("BlockRandom[RandomReal[]] === RandomReal[]", "True"),
        ("BlockRandom[RandomInteger[10^6], RandomSeeding -> 5] == BlockRandom[RandomInteger[10^6], RandomSeeding -> 5]", "True"),
        ("Head /@ RepeatedTiming[1 + 1, 0.01]", "{Real, Integer}"),
        ("StringLength[CreateUUID[\"x-\"]]", "38"),
        ("RandomChoice[{a}]", "a"),
        ("RandomChoice[{1, 0} -> {a, b}]", "a"),
        ("RandomChoice[{0, 1} -> {a, b}, 2]", "{b, b}"),
        ("RandomChoice[<|k -> 1|>]", "1"),
        ("{Riffle[{a}, s], Riffle[{a, b}, s], Riffle[{}, s]}", "{{a}, {a, s, b}, {}}"),
        ("{Riffle[{a}, {x}], Riffle[{a, b}, {x, y}], Riffle[{a, b, c}, {x}]}", "{{a, x}, {a, x, b, y}, {a, x, b, x, c}}"),
    ],
)
def test_values(code: str, expected: str, value: Callable[[str], str]) -> None:
    assert value(code) == expected
    assert various.__doc__


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "Linux-x86-64"),
        ("linux", "aarch64", "Linux-ARM64"),
        ("darwin", "arm64", "MacOSX-ARM64"),
        ("win32", "AMD64", "Windows-x86-64"),
    ],
)
def test_the_name_of_the_system(system: str, machine: str, expected: str) -> None:
    assert various.system_id(system, machine) == expected
