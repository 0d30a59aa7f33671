"""Streams that begin a new line only where one is not begun already."""

from __future__ import annotations

import io

from kernelbus.shell.clients.output import Output


def test_a_line_begins_at_the_margin() -> None:
    stream = io.StringIO()
    output = Output(lambda: stream)
    output.line("first")
    output.write("printed")
    output.line("second\n\n")
    output.write("")
    output.line("third")
    assert stream.getvalue() == "first\nprinted\nsecond\nthird\n"


def test_what_a_person_typed_ends_a_line() -> None:
    stream = io.StringIO()
    output = Output(lambda: stream)
    output.write("How many? ")
    output.typed()
    output.line("3")
    assert stream.getvalue() == "How many? 3\n"


def test_the_stream_is_asked_for_at_each_write() -> None:
    streams = [io.StringIO(), io.StringIO()]
    output = Output(lambda: streams[0])
    output.write("a")
    streams.reverse()
    output.write("b")
    assert [stream.getvalue() for stream in streams] == ["b", "a"]
