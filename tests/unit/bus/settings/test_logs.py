"""Logging: the levels, the line's format, where lines go, and that no text forges a line."""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kernelbus.bus.settings import logs
from kernelbus.bus.settings.config import ConfigError

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


def entries(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("trace", file, "json")
    say_everything()
    try:
        raise ValueError("why")
    except ValueError:
        PART.exception("it failed:\nforged \u2028 \x85 \x1b[2J \ud800")
    found = entries(file)
    assert [entry["level"] for entry in found] == ["error", "warning", "info", "debug", "trace", "warning", "error"]
    assert [entry["part"] for entry in found] == ["frontend"] * 5 + ["zeroconf", "frontend"]
    assert list(found[0]) == ["time", "level", "part", "message"]
    assert found[-1]["message"] == "it failed:\nforged \u2028 \x85 \x1b[2J \ud800"
    first, *_, last = found[-1]["exception"].splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: why")
    for entry in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", entry["time"])
        assert abs(datetime.fromisoformat(entry["time"]).timestamp() - time.time()) < 600


def test_fields_are_in_json_and_not_in_text(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    client = ""
    log = logs.EventLogger(PART, lambda: {"kernel": "k" * 22, "client": client, "time": "never"})
    logs.setup("error", file, "json")
    log.warning("one")
    client = "127.0.0.1:7"
    log.warning("two", extra=logs.fields(pool="Main", kernel="other", channel=None))
    PART.warning("three", extra=logs.fields(pool="Main", at=Path("/x")))
    logs.setup("error", file, "text")
    log.warning("four", extra=logs.fields(pool="Main"))
    *lines, text = file.read_text().splitlines()
    told = [{name: value for name, value in json.loads(line).items() if name not in ("time", "level", "part")} for line in lines]
    assert told == [
        {"message": "one", "kernel": "k" * 22},
        {"message": "two", "kernel": "other", "client": "127.0.0.1:7", "pool": "Main"},
        {"message": "three", "pool": "Main", "at": "/x"},
    ]
    assert text.endswith("[WARNING] frontend: four")
    assert all(json.loads(line)["time"] != "never" for line in lines)


def test_what_is_not_shown_is_not_looked_up(tmp_path: Path) -> None:
    def about() -> dict[str, object]:
        raise AssertionError("it was looked up")

    logs.setup("error", tmp_path / "k.log")
    logs.EventLogger(PART, about).info("an information")


def test_the_level_is_set_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    logs.setup("error", file)
    for level, shown in (("error", "error"), ("2", "debug"), ("trace", "trace"), (logging.WARNING, "error")):
        logs.set_level(level)
        assert logs.current_level() == shown
        say_everything()
    counts = [len(re.findall(rf"\[{name}\]", file.read_text())) for name in ("ERROR", "INFO", "DEBUG", "TRACE")]
    assert counts == [4, 2, 2, 1]
    with pytest.raises(ConfigError, match='"loud" is not a log level'):
        logs.set_level("loud")


def test_no_such_format() -> None:
    with pytest.raises(ConfigError, match='"xml" is not a log format: say text or json'):
        logs.setup("error", None, "xml")
