"""The harness passes pages that do what they show, and reports pages that do not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from docpages import PageFaults, run_page, why_not

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.timeout(600),
]

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a page of these lines."""

    def run_lines(*lines: str, **options: float) -> None:
        page = tmp_path / "page.md"
        page.write_text("\n".join(lines) + "\n")
        (tmp_path / "run").mkdir()
        run_page(page, tmp_path / "run", **options)

    return run_lines


def faults(run: Run, *lines: str, **options: float) -> list[str]:
    """Run a page that is wrong; give what is said of it, each from the number of its line on."""
    with pytest.raises(PageFaults) as caught:
        run(*lines, **options)
    told = re.split(r"\n\n(?=/)", str(caught.value))
    assert all("/page.md:" in text for text in told)
    return [text.split("/page.md:", 1)[1] for text in told]


ASKS = [
    "<!-- file: asks.py -->",
    "```python",
    "n = input('How many? ')",
    "print('So', n)",
    "input('Sure? [y/N] ')",
    "```",
]


class TestGood:
    def test_commands(self, run: Run) -> None:
        run(
            "```console", "$ echo one; echo; echo two", "one", "two", "$ false", "$ echo $?", "1", "```",
            "```console", "$ x=5", "$ printf 'no end'", "no end", "$ cat <<EOF", "> a $x", "> EOF", "a 5", "```",
        )  # fmt: skip

    def test_a_place_of_its_own(self, run: Run) -> None:
        run(
            "```console", "$ pwd; echo $XDG_STATE_HOME; ls -A; hostname", "/home/you", "/home/you/.local/state", "alpha", "```",
            "```console", "$ ip -br address | cut -d ' ' -f 1", "lo", "$ tput cols", "132", "```",
        )  # fmt: skip

    def test_long_lines_are_whole(self, run: Run) -> None:
        run("```console", f"$ echo {'word ' * 60}", "word " * 60, "```")

    def test_files(self, run: Run) -> None:
        run(
            "<!-- file: a/tool -->", "```sh", "#!/bin/sh", "echo made", "```",
            "<!-- file: ~/.config/b -->", "```", "b", "```",
            "```console", "$ a/tool; cat .config/b", "made", "b", "```",
        )  # fmt: skip

    def test_what_asks(self, run: Run) -> None:
        run(*ASKS, "```console", "$ python asks.py", "How many? 3", "So 3", "Sure? [y/N] y", "$ true", "```")

    def test_an_interpreter(self, run: Run) -> None:
        run(
            "```console", "$ python -q", ">>> x = 2 + 2", ">>> for y in 1, 2:", "...     print(x + y)", "...", "5", "6", ">>>", "```",
            "```console", ">>> x", "4", ">>> import time; time.sleep(3600)", "^C", "...", "KeyboardInterrupt", ">>>", "^D",
            "$ echo left", "left", "```",
        )  # fmt: skip

    def test_terminals(self, run: Run) -> None:
        run(
            "<!-- terminal: server -->", "```console", "$ sh -c 'echo ready; exec sleep 3600'", "ready", "```",
            "```console", "$ echo here", "here", "```",
            "<!-- terminal: server -->", "```console", "^C", "$ echo stopped", "stopped", "```",
        )  # fmt: skip

    def test_what_a_program_that_runs_on_prints_later(self, run: Run) -> None:
        page = ["<!-- terminal: a -->", "```console", "$ python -q", ">>> import time", ">>> time.sleep(3600)", "```"]
        run(*page, "<!-- terminal: a -->", "```console", "^C", "...", "KeyboardInterrupt", ">>> 5", "5", "```")

    def test_python(self, run: Run) -> None:
        run(
            "```python", "x = 6", "print(x)", "```", "<!-- prints -->", "```", "6", "```",
            "```pycon", ">>> x * 7", "42", ">>> y = 1", "```",
            "```python", "assert y == 1", "import os", "assert os.getcwd() == os.environ['HOME']", "```",
        )  # fmt: skip

    def test_ids_of_this_run_are_typed(self, run: Run) -> None:
        run(
            "```console",
            "$ f() { echo kernel 12345abc; }; f",
            "kernel mRQc7YFM",
            "$ echo $((0x9)) mRQ",
            "9 123",
            "```",
        )

    def test_ports_are_free(self, run: Run) -> None:
        run("```python", "import socket", "s = socket.create_server(('127.0.0.1', 31415))", "```")

    def test_nothing_is_left(self, run: Run, tmp_path: Path) -> None:
        endless = "sh -c 'while true; do date > alive; sleep 0.1; done'"
        run(
            "```console",
            f"$ nohup {endless} >/dev/null 2>&1 &",
            "...",
            "$ until test -s alive; do sleep 0.1; done",
            "```",
        )
        # The processes have ended with the namespace, so the file can stay away.
        alive = tmp_path / "run" / "home" / "alive"
        alive.unlink(missing_ok=True)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            assert not alive.exists()


class TestBad:
    def test_another_output(self, run: Run) -> None:
        first, second = faults(
            run, "```console", "$ echo one", "two", "$ echo a; echo b", "a", "$ echo good", "good", "```"
        )
        assert first.startswith("2: $ echo one\n")
        assert "- two\n+ one" in first
        assert second.startswith("4: $ echo a; echo b\n")
        assert "  a\n+ b" in second

    def test_no_output(self, run: Run) -> None:
        (told,) = faults(run, "", "```console", "$ true", "some", "```")
        assert told.startswith("3: $ true")
        assert "- some" in told

    def test_a_missing_reason(self, run: Run) -> None:
        (told,) = faults(run, "<!-- not run: -->", "```console", "$ true", "```")
        assert told.startswith("1: ")
        assert "needs a text" in told

    def test_a_block_that_is_not_run(self, run: Run) -> None:
        (told,) = faults(run, "```console", "true", "```")
        assert told.startswith("2: this console block begins with no command")

    def test_what_hangs(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ echo begun; sleep 3600", "begun", "$ true", "```", patience=3)
        assert told.startswith("2: $ echo begun; sleep 3600\nthis does not end")
        assert "not in 3 s" in told
        assert "begun" in told.splitlines()[-1]

    def test_what_is_never_shown(self, run: Run) -> None:
        (told,) = faults(
            run, "<!-- terminal: a -->", "```console", "$ echo other; sleep 3600", "ready", "```", patience=3
        )
        assert told.startswith("3: $ echo other")
        assert "- ready\n+ other" in told or "+ other\n- ready" in told

    def test_a_command_while_another_runs(self, run: Run) -> None:
        block = ["<!-- terminal: a -->", "```console", "$ echo ready; sleep 3600", "ready", "```"]
        (told,) = faults(run, *block, "<!-- terminal: a -->", "```console", "$ true", "```", patience=3)
        assert told.startswith("8: $ true\nthis cannot be typed")

    def test_a_command_at_a_program_that_waits(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ python -q", ">>> 1", "1", "$ true", "```")
        assert told.startswith("5: $ true\n")
        assert "waits at '>>> '" in told

    def test_a_question_that_the_page_does_not_show(self, run: Run) -> None:
        (told,) = faults(run, *ASKS, "```console", "$ python asks.py", "How much? 3", "```", patience=5)
        assert told.startswith("8: $ python asks.py")
        assert "How many?" in told

    def test_a_wrong_answer(self, run: Run) -> None:
        (told,) = faults(
            run, *ASKS, "```console", "$ python asks.py", "How many? 3", "But 3", "Sure? [y/N] y", "```"
        )
        assert told.startswith("9: How many? 3\n")
        assert "- But 3" in told
        assert "+ So 3" in told

    def test_a_key_after_the_end(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ true", "^C", "```")
        assert told.startswith("3: ^C cannot be pressed")

    def test_a_line_too_few(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ echo 'a", "```")
        assert told.startswith("2: $ echo 'a\nthe shell asks for more")

    def test_a_line_too_many(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ echo a", "> b", "```")
        assert told.startswith("3: $ echo a\nb\nthe shell does not ask for the line `> b`")

    def test_a_shell_that_ends(self, run: Run) -> None:
        (told,) = faults(run, "```console", "$ exit", "```")
        assert told.startswith("2: $ exit")
        assert "closed" in told

    def test_python_that_fails(self, run: Run) -> None:
        (told,) = faults(run, "```python", "x = 1", "```", "```python", "", "1 / (x - 1)", "```")
        assert told.startswith("5: this Python fails")
        assert 'page.md", line 6' in told
        assert "ZeroDivisionError" in told

    def test_python_that_prints_something_else(self, run: Run) -> None:
        (told,) = faults(run, "```python", "print('a')", "```", "<!-- prints -->", "```", "b", "```")
        assert told.startswith("6: the Python before this block prints something else")

    def test_python_that_ends(self, run: Run) -> None:
        (told,) = faults(run, "```python", "import os; os._exit(3)", "```")
        assert told.startswith("2: this Python ended its process")

    def test_python_whose_end_fails(self, run: Run) -> None:
        (told,) = faults(run, "```python", "import atexit, os; atexit.register(os._exit, 3)", "```")
        assert "exit status 3" in told

    def test_python_that_hangs(self, run: Run) -> None:
        (told,) = faults(run, "```python", "import time", "time.sleep(3600)", "```", patience=3)
        assert told.startswith("2: this Python goes on for more than 3 s")

    def test_a_doctest(self, run: Run) -> None:
        (told,) = faults(run, "```pycon", ">>> 2 + 2", "5", "```")
        assert told.startswith("2: this Python fails")
        assert 'page.md", line 2' in told

    def test_a_file_outside(self, run: Run) -> None:
        (told,) = faults(run, "<!-- file: ../../x -->", "```", "x", "```")
        assert told.startswith("3: ../../x is outside")
