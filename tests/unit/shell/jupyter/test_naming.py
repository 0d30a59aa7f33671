"""Which notebook a kernel is of, and what its session is called."""

from __future__ import annotations

import re

import pytest

from kernelbus.shell.clients.profile import ProfileFile
from kernelbus.shell.jupyter.naming import notebook_path, own_environment, profile_name, title_of


@pytest.mark.parametrize(
    ("given", "cell", "path"),
    [
        ("/home/ann/work/Wärme 2.ipynb", "5f0c", "/home/ann/work/Wärme 2.ipynb"),
        ("/home/ann/./work/a.ipynb", "", "/home/ann/work/a.ipynb"),
        ("/home/ann/RTC:a.ipynb", "", "/home/ann/a.ipynb"),
        ("work/a.ipynb", "", "/folder/a.ipynb"),
        ("/home/ann/notes.md", "", "/home/ann/notes.md"),
        ("/home/ann/Console 1", "", None),
        ("/home/ann/console-1-9a0b.5f", "", None),
        ("", "", None),
        ("", "vscode-notebook-cell:/home/ann/my%20work/b.ipynb#W2sZmlsZQ%3D%3D", "/home/ann/my work/b.ipynb"),
        ("", "vscode-notebook-cell://ssh-remote%2Bbox/home/ann/b.ipynb#X1", "/home/ann/b.ipynb"),
        ("", "vscode-notebook-cell:Untitled-1.ipynb?jupyter-notebook#X1", None),
        ("", "2f7f6f5e-cell", None),
    ],
)
def test_the_path_is_what_the_starter_or_the_cell_says(given: str, cell: str, path: str | None) -> None:
    assert notebook_path({"JPY_SESSION_NAME": given} if given else {}, cell, "/folder") == path


def test_a_name_that_the_starter_has_itself_is_another_notebooks() -> None:
    named = {"JPY_SESSION_NAME": "/a/ä.ipynb", "HOME": "/a"}
    starter = "HOME=/a\0JPY_SESSION_NAME=/a/ä.ipynb\0".encode()
    assert own_environment(named, starter) == {"HOME": "/a"}
    for other in (b"", b"HOME=/a\0", b"JPY_SESSION_NAME=/a/b.ipynb\0"):
        assert own_environment(named, other) == named
    assert own_environment({}, b"JPY_SESSION_NAME=\0") == {}


def test_a_session_is_of_a_path_a_server_and_a_pool() -> None:
    names = {
        profile_name(path, server, pool)
        for path in ("/a/work.ipynb", "/b/work.ipynb")
        for server in ("31415@127.0.0.1", "31415@far")
        for pool in ("", "Big")
    }
    assert len(names) == 8
    assert all(re.fullmatch(r"work\.ipynb-[0-9a-f]{10}", name) for name in names)


@pytest.mark.parametrize("path", ["/a/.hidden.ipynb", "/a/-x y.ipynb", f"/a/{'ж' * 200}.ipynb", "/a/+", "/a/\udcff.ipynb", "/a/💡.ipynb"])
def test_every_name_is_a_profiles(path: str) -> None:
    name = profile_name(path, "31415@127.0.0.1", "")
    assert ProfileFile(name).label == name
    assert len(ProfileFile(name).path.name.encode()) <= 200


def test_a_cells_title_is_its_first_line_of_code() -> None:
    assert title_of("%kernel\n\n  Plot[Sin[x],\t{x, 0, 1}];\n2") == "Plot[Sin[x], {x, 0, 1}];"
    assert title_of("") == "" == title_of("%%timeit")
    assert title_of("x" * 61) == "x" * 59 + "…"
