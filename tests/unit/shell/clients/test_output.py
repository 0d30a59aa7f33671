"""Streams for a kernel's output: where a new line begins."""

from __future__ import annotations

import io

from kernelbus.shell.clients.output import Output


def test_a_line_begins_on_a_line_of_its_own() -> None:
    stream = io.StringIO()
    output = Output(lambda: stream)
    output.line("first")
    output.write("unfinished")
    output.line("second\n\n")
    output.write("prompt")
    output.typed()
    output.line("third")
    assert stream.getvalue() == "first\nunfinished\nsecond\npromptthird\n"


def test_the_stream_is_looked_up_at_each_write() -> None:
    streams = [io.StringIO(), io.StringIO()]
    output = Output(lambda: streams[0])
    output.write("a")
    streams.reverse()
    output.write("b")
    assert [stream.getvalue() for stream in streams] == ["b", "a"]


def test_a_terminal_is_not_steered_by_what_a_kernel_says() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), "a\\x1b[2Jb\n"), (io.StringIO(), "a\x1b[2Jb\n")):
        output = Output(lambda stream=stream: stream)  # type: ignore[misc]
        output.write("a\x1b[2Jb\n")
        assert stream.getvalue() == shown
