"""Logging: the levels, the line's format, where lines go, and that no text forges a line."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus import logs
from bus.config import ConfigError

PART = logging.getLogger("kernelbus.frontend")
LIBRARY = logging.getLogger("zeroconf")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    family = logging.getLogger("kernelbus")
    before = root.level, list(root.handlers), family.level
    yield
    logging.captureWarnings(False)
    for handler in [handler for handler in root.handlers if handler not in before[1]]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    family.setLevel(before[2])


def say_everything() -> None:
    PART.error("an error")
    PART.warning("a warning")
    PART.info("an information")
    PART.debug("a detail")
    PART.log(logs.TRACE, "a packet")
    LIBRARY.warning("a library's warning")
    LIBRARY.info("a library's information")


@pytest.mark.parametrize(
    ("names", "levels"),
    [
        (("error", "1", "ERROR"), ["ERROR", "WARNING", "WARNING"]),
        (("debug", "2"), ["ERROR", "WARNING", "INFO", "DEBUG", "WARNING"]),
        (("trace", "3"), ["ERROR", "WARNING", "INFO", "DEBUG", "TRACE", "WARNING"]),
    ],
)
def test_levels(names: tuple[str, ...], levels: list[str], tmp_path: Path) -> None:
    for name in names:
        file = tmp_path / f"{name}.log"
        logs.setup(name, file)
        say_everything()
        assert re.findall(r"\[(\w+)\]", file.read_text()) == levels


def test_line(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("debug", file)
    PART.info("link %d: %s", 7, "open")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[INFO\] frontend: link 7: open\n", file.read_text()
    )


def test_no_text_forges_a_line_or_steers_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("error", file)
    PART.warning(
        "client says %s", "a\n2026-01-01 00:00:00.000 [ERROR] broker: forged\r\x1b[2Jb\u2028c\x85d\0"
    )
    first, second = file.read_bytes().decode().splitlines()
    assert first.endswith("client says a")
    assert second == r"    2026-01-01 00:00:00.000 [ERROR] broker: forged\r\x1b[2Jb\u2028c\x85d\x00"


def test_a_traceback_is_indented(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("error", file)
    try:
        raise ValueError("why")
    except ValueError:
        PART.exception("it failed")
    first, *rest = file.read_text().splitlines()
    assert first.endswith("[ERROR] frontend: it failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    ValueError: why"


def test_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup()
    PART.warning("told")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.endswith("[WARNING] frontend: told\n")


def test_again_replaces(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    logs.setup("error", one)
    logs.setup("debug", two)
    PART.info("told")
    assert one.read_text() == ""
    assert two.read_text().count("told") == 1


def test_a_rotated_file_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("error", file)
    PART.warning("before")
    file.rename(tmp_path / "k.log.1")
    PART.warning("after")
    assert "before" in (tmp_path / "k.log.1").read_text()
    assert "after" in file.read_text()


def test_pythons_warnings_are_lines_too(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("error", file)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("mind this", UserWarning, stacklevel=1)
    assert "[WARNING] py.warnings: " in file.read_text()


def test_no_such_level() -> None:
    with pytest.raises(
        ConfigError, match='"loud" is not a log level: say error, debug or trace, or 1, 2 or 3'
    ):
        logs.setup("loud")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"nowhere/k\.log: cannot write this log file: No such file or directory"
    ):
        logs.setup("error", tmp_path / "nowhere" / "k.log")
