"""The options of %wl and %%wl."""

from __future__ import annotations

import pytest

from kernelbus.shell.ipython.options import OptionError, Options, read


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("Prime[5]", Options(code="Prime[5]")),
        ("-x + 1", Options(code="-x + 1")),
        ("-i x,y -o z  Total[{x, y}]", Options([("x", "x"), ("y", "y")], [("z", "z")], code="Total[{x, y}]")),
        ("-i a=my_x -o my_y=b", Options([("a", "my_x")], [("my_y", "b")])),
        ("-q --timeout 2.5 While[True]", Options(quiet=True, timeout=2.5, code="While[True]")),
        ("--server=wstp://h/p --profile 'work'", Options(server="wstp://h/p", profile="work")),
        ("--kernel-id abc --close --help", Options(kernel_id="abc", close=True, help=True)),
        ("", Options()),
    ],
)
def test_what_stands_before_the_code(line: str, options: Options) -> None:
    assert read(line) == options
    assert read(line).attaches == bool(options.server or options.profile or options.kernel_id)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-i", "lacks its value"),
        ("-i 3x y", "'3x' is no name"),
        ("-i my_x x", "write -i myx=my_x"),
        ("-o my_y", "write -o my_y=myy"),
        ("-i x=a$b", "'a$b' is no name of Python"),
        ("--timeout soon", "a number of seconds"),
        ("--timeout -1", "a number of seconds"),
    ],
)
def test_what_is_wrong_with_them(line: str, why: str) -> None:
    with pytest.raises(OptionError) as error:
        read(line)
    assert why in str(error.value)
