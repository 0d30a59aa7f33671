"""What a page's blocks are, and when what they print is what the page shows."""

from __future__ import annotations

import pytest
from consoleblocks import Block, Fault, Ids, Line, align, commands, difference, parse, typed_after


def blocks(*lines: str) -> list[Block]:
    return parse("\n".join(lines))


def mistakes(*lines: str) -> list[tuple[int, str]]:
    with pytest.raises(ExceptionGroup) as caught:
        parse("\n".join(lines))
    return [(fault.line, fault.text) for fault in caught.value.exceptions if isinstance(fault, Fault)]


def lines(*texts: str, exact: bool = False) -> list[Line]:
    return [Line(number, text, exact) for number, text in enumerate(texts, 1)]


def same(shown: str, printed: str, *, exact: bool = False) -> bool:
    return align(lines(shown, exact=exact), [printed]) is not None


class TestParse:
    def test_blocks_that_are_run(self) -> None:
        page = [
            "# Title",
            "```console",
            "$ true",
            "```",
            "",
            "~~~python title='x'",
            "pass",
            "~~~",
            "```c",
            "int i;",
            "```",
        ]
        assert blocks(*page) == [Block(3, "console", ("$ true",)), Block(7, "python", ("pass",))]

    def test_what_comments_say(self) -> None:
        page = [
            "<!-- terminal: server -->",
            "```console",
            "$ true",
            "```",
            "<!-- file: a.conf -->",
            "",
            "```json",
            "{}",
            "```",
        ]
        assert blocks(*page) == [
            Block(3, "console", ("$ true",), "server"),
            Block(8, "file", ("{}",), "a.conf"),
        ]

    def test_a_block_in_a_list(self) -> None:
        assert blocks("* item", "", "    ```console", "    $ true", "      a", "    ```") == [
            Block(4, "console", ("$ true", "  a"))
        ]

    def test_a_fence_in_a_longer_fence(self) -> None:
        assert blocks("````markdown", "```console", "nothing", "```", "````") == []

    def test_a_block_in_a_comment(self) -> None:
        assert blocks("<!-- An idea:", "```console", "nothing", "```", "-->", "text") == []

    def test_not_run(self) -> None:
        assert blocks("<!-- not run: it needs Docker -->", "```console", "docker compose up", "```") == []

    @pytest.mark.parametrize(
        "page",
        [
            ["<!-- not run -->", "```console", "$ true", "```"],
            ["<!-- not run: -->", "```console", "$ true", "```"],
            ["<!-- not run:   -->", "```python", "pass", "```"],
        ],
    )
    def test_not_run_without_a_reason(self, page: list[str]) -> None:
        ((line, text),) = mistakes(*page)
        assert line == 1
        assert "needs a text" in text

    @pytest.mark.parametrize("first", ["kernelbus serve", "front$ kernelbus serve", "Listening"])
    def test_a_console_block_that_nothing_runs(self, first: str) -> None:
        ((line, text),) = mistakes("text", "```console", first, "```")
        assert line == 3
        assert "begins with no command" in text

    def test_an_empty_console_block(self) -> None:
        assert len(mistakes("```console", "```")) == 1

    def test_a_block_goes_on_where_the_one_before_it_stopped(self) -> None:
        found = blocks("```console", "$ kernelbus shell", "```", "```console", "kernelbus> pools", "```")
        assert [block.text[0] for block in found] == ["$ kernelbus shell", "kernelbus> pools"]

    def test_it_does_not_go_on_in_another_terminal(self) -> None:
        page = [
            "```console",
            "$ kernelbus shell",
            "```",
            "<!-- terminal: other -->",
            "```console",
            "kernelbus> pools",
            "```",
        ]
        assert [line for line, _ in mistakes(*page)] == [6]

    @pytest.mark.parametrize("language", ["", "sh", "text", "bash"])
    def test_a_command_that_is_no_console_block(self, language: str) -> None:
        ((line, text),) = mistakes(f"```{language}", "$ true", "```")
        assert line == 1
        assert "write ```console" in text

    def test_a_comment_that_nobody_knows(self) -> None:
        ((line, text),) = mistakes("<!-- notrun: because -->", "```console", "$ true", "```")
        assert line == 1
        assert "notrun" in text

    def test_a_comment_that_no_block_follows(self) -> None:
        ((line, text),) = mistakes("<!-- not run: why -->", "A paragraph.", "```console", "$ true", "```")
        assert line == 1
        assert "no block follows" in text

    def test_other_comments_are_left_alone(self) -> None:
        assert blocks("<!-- made by a script -->", "text") == []

    def test_a_block_that_is_not_closed(self) -> None:
        assert mistakes("```console", "$ true")[0][0] == 1

    def test_output_of_no_python(self) -> None:
        assert "no python block" in mistakes("<!-- prints -->", "```", "4", "```")[0][1]

    def test_all_mistakes_are_told(self) -> None:
        assert [
            line
            for line, _ in mistakes(
                "```console", "nothing", "```", "<!-- terminal: -->", "```console", "$ true", "```"
            )
        ] == [2, 4]


class TestCommands:
    def test_commands_and_what_they_print(self) -> None:
        (block,) = blocks("```console", "$ a", "1", "$ b \\", ">   c", "> d", "2", "> e", "```")
        before, (first, second) = commands(block)
        assert before == ()
        assert (first.number, first.text, [line.text for line in first.shown]) == (2, "a", ["1"])
        assert (second.number, second.lines, [line.text for line in second.shown]) == (
            4,
            ("b \\", "  c", "d"),
            ["2", "> e"],
        )

    @pytest.mark.parametrize(
        ("command", "shown", "exact"),
        [
            ("kernelbus eval '2+2'", "4", True),
            ("A=1 kernelbus eval '2+2'", "4", True),
            ("kernelbus status", "4 kernels", False),
            ("kernelbus repl", "Out[1]= 4", True),
            ("kernelbus repl", "4", False),
        ],
    )
    def test_where_numbers_count(self, command: str, shown: str, exact: bool) -> None:
        (block,) = blocks("```console", f"$ {command}", shown, "```")
        assert commands(block)[1][0].shown[0].exact is exact

    @pytest.mark.parametrize(
        ("prompt", "line", "typed"),
        [
            ("In[1]:= ", "In[1]:= 2+2", "2+2"),
            ("In[1]:= ", "In[1]:=", ""),
            ("In[1]:= ", "In[2]:= 2+2", None),
            ("How many? ", "How many? 3", "3"),
            ("How many? ", "How ", None),
            ("        ", "        2]", "2]"),
            ("        ", "          2]", "  2]"),
            ("        ", "Out[1]= 2", None),
        ],
    )
    def test_what_is_typed_at_a_prompt(self, prompt: str, line: str, typed: str | None) -> None:
        assert typed_after(prompt, line) == typed


class TestSame:
    @pytest.mark.parametrize(
        ("shown", "printed"),
        [
            ("Listening on port 31415", "Listening on port 4000"),
            ("up 41 s", "up 2 min"),
            ("up 41 s, 3.5 kernels", "up 0.4 s, 3 kernels"),
            ("took 1.5e-05 s", "took 2 s"),
            ("free 22 GiB of 24GiB", "free 812 B of 1.5KiB"),
            ("NAME   PORT", "NAME PORT"),
            ("  indented", "indented"),
            ("kernel mRQc7YFM of pool Main", "kernel a_b-cdef of pool Main"),
            ("kernel INj-kmXu", "kernel 12345678"),
            ("--kernel-id=mRQc7YFMlTmyVbnK7vTkSA", "--kernel-id=----_abcdefghijklmnopq"),
            ("channel 8c182766c5a3157", "channel 8c182766c5a31"),
            ("host afd5b72f", "host 03fe6367"),
            (
                "allow '06UhIxq3J24fZID]!JDS0>JED+JD@cQ#VlaCt0ig' lab",
                "allow 'iP6$z>MT^X1]{F<M!xt:/%D59G.2ng.]}n<5s:{C' lab",
            ),
            ("2026-11-26 00:54:31.831 [ERROR] broker: gone", "2027-01-02 10:04:01.001 [ERROR] broker: gone"),
            ("client 10.0.0.5:54348", "client 127.0.0.1:9"),
            ("done", "^Cdone"),
        ],
    )
    def test_things_of_one_kind(self, shown: str, printed: str) -> None:
        assert same(shown, printed)

    @pytest.mark.parametrize(
        ("shown", "printed"),
        [
            ("attached", "detached"),
            ("Teaching", "Learning"),
            ("up 41 s", "up 41 GiB"),
            ("up 41 s", "up long"),
            ("kernel mRQc7YFM of pool Main", "kernel mRQc of pool Main"),
            ("kernel mRQc7YFM of pool Main", "kernel mRQc7YFM of pool Other"),
            ("4", "four"),
            ("4", ""),
            ("", "4"),
            ("ab", "a b"),
            ("x^2 + y^2", "x^2 - y^2"),
        ],
    )
    def test_things_that_differ(self, shown: str, printed: str) -> None:
        assert not same(shown, printed)

    def test_numbers_that_count(self) -> None:
        assert same("x^3 + 3*x", "x^3  + 3*x", exact=True)
        assert not same("x^3 + 3*x", "x^2 + 3*x", exact=True)

    @pytest.mark.parametrize("printed", [["a", "z"], ["a", "b", "z"], ["a", "z", "z"], ["a", "a", "b", "z"]])
    def test_any_lines(self, printed: list[str]) -> None:
        assert align(lines("a", "...", "z"), printed) is not None

    @pytest.mark.parametrize("printed", [["a"], ["z"], ["a", "z", "b"], []])
    def test_any_lines_but_these(self, printed: list[str]) -> None:
        assert align(lines("a", "...", "z"), printed) is None

    def test_blank_lines_do_not_count(self) -> None:
        assert align(lines("a", "", "b"), ["", "a", "b", "", ""]) is not None

    def test_what_has_begun(self) -> None:
        assert align(lines("a"), ["a", "b"]) is None
        assert align(lines("a"), ["a", "b"], begun=True) is not None
        assert align(lines("a", "b"), ["a"], begun=True) is None
        assert align([], [], begun=True) == []

    def test_the_difference_has_only_what_differs(self) -> None:
        shown = lines("port 1", "b", "...", "z")
        assert difference(shown, ["port 2", "c", "z"]).splitlines() == [
            "  port 1",
            "+ c",
            "- b",
            "- ...",
            "  z",
        ]


class TestIds:
    @pytest.fixture
    def ids(self) -> Ids:
        ids = Ids()
        shown = lines("kernel INj-kmXu of x3Y47Tyn", "id mRQc7YFMlTmyVbnK7vTkSA")
        pairs = align(shown, ["kernel abcd1234 of xyz98765", "id ABCDEFGHIJKLMNOPQRSTuv"])
        assert pairs is not None
        ids.learn(pairs)
        return ids

    @pytest.mark.parametrize(
        ("shown", "typed"),
        [
            ("show INj-kmXu", "show abcd1234"),
            ("show INj", "show abc"),
            ("show IN", "show IN"),
            ("repl --kernel-id=mRQc7YFMlTmyVbnK7vTkSA", "repl --kernel-id=ABCDEFGHIJKLMNOPQRSTuv"),
            ("pools", "pools"),
        ],
    )
    def test_what_is_typed(self, ids: Ids, shown: str, typed: str) -> None:
        assert ids.typed(shown) == typed

    def test_keys(self) -> None:
        ids = Ids()
        shown, real = "06UhIxq3J24fZID]!JDS0>JED+JD@cQ#VlaCt0ig", "iP6$z>MT^X1]{F<M!xt:/%D59G.2ng.]}n<5s:{C"
        pairs = align(lines(f"{shown} lab1"), [f"{real} lab1"])
        assert pairs is not None
        ids.learn(pairs)
        assert ids.typed(f"keys allow '{shown}' lab1") == f"keys allow '{real}' lab1"
