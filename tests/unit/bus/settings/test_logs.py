"""Logging: the levels, the line's format, where lines go, and that no text forges a line."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import time
import warnings
from collections.abc import Callable, Iterator
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
    (line,) = file.read_bytes().decode().splitlines()
    assert line.endswith(r"client says a\n2026-01-01 00:00:00.000 [ERROR] broker: forged\r\x1b[2Jb\u2028c\x85d\x00")


def test_a_log_file_is_private(tmp_path: Path) -> None:
    file = tmp_path / "k.log"
    before = os.umask(0)
    try:
        logs.setup("error", file)
    finally:
        os.umask(before)
    PART.warning("x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_text_has_no_whole_id_and_json_has(tmp_path: Path) -> None:
    kernel, other = "679Y2xnSABCdefgh-_12aZ", "kLmN0pQrStUv1234wXyZ_-"
    for format in ("text", "json"):
        file = tmp_path / f"{format}.log"
        logs.setup("error", file, format)
        PART.warning("%s is gone; there is no kernel %s (see EnableAutomaticKernel)", kernel, other, extra=logs.fields(kernel=kernel))
        try:
            raise ValueError(kernel)
        except ValueError:
            PART.exception("it failed")
        text = file.read_text()
        assert (kernel in text) == (format == "json")
        if format == "text":
            assert "679Y2xnS is gone; there is no kernel kLmN0pQr (see EnableAutomaticKernel)" in text
            assert other not in text


def flood_filter() -> tuple[logs.FloodFilter, list[str], list[Callable[[], None]], list[float]]:
    """Return a filter, what it writes by itself, what it wants called later, and its clock."""
    written: list[str] = []
    later: list[Callable[[], None]] = []
    now = [0.0]
    made = logs.FloodFilter(lambda record: written.append(record.getMessage()), lambda: now[0], lambda seconds, call: later.append(call))
    return made, written, later, now


def record(text: str, *arguments: object, level: int = logging.ERROR, **about: object) -> logging.LogRecord:
    made = logging.LogRecord("kernelbus.link", level, "", 0, text, arguments, None)
    made.fields = about
    return made


def test_a_flood_of_one_address_is_one_line_and_a_number() -> None:
    made, written, later, now = flood_filter()
    shown = [made.filter(record("link %s: byte %d begins no expression", f"10.0.0.1:{port}", port)) for port in range(50_000)]
    assert shown == [True] + [False] * 49_999
    assert made.filter(record("link %s: byte %d begins no expression", "10.0.0.2:5", 1)), "another address"
    assert made.filter(record("link %s is up", "10.0.0.1:7", level=logging.INFO)), "no warning"
    assert len(later) == 1
    now[0] = 5.0
    later[0]()
    assert written == ["link 10.0.0.1:49999: byte 49999 begins no expression (49999 more like it about 10.0.0.1)"]
    assert len(later) == 1, "nothing more is left out"
    made.filter(record("link %s: byte %d begins no expression", "10.0.0.1:8", 8))
    assert len(later) == 2
    made.flush()
    assert written[1:] == ["link 10.0.0.1:8: byte 8 begins no expression (1 more like it about 10.0.0.1)"]


def test_what_a_client_chooses_does_not_make_other_lines() -> None:
    made, written, later, now = flood_filter()
    for number in range(1000):
        made.filter(record('no pool is named "%s"', chr(97 + number % 26) * 5, client=f"[::1]:{number}"))
    assert len(later) == 1
    now[0] = 5.0
    later[0]()
    (line,) = written
    assert line.endswith("(999 more like it about ::1)")


def test_many_different_lines_about_an_address_are_counted_too() -> None:
    made, written, later, now = flood_filter()
    shown = sum(made.filter(record(f"fault {chr(97 + n // 26)}{chr(97 + n % 26)}", client="10.0.0.1:1")) for n in range(500))
    assert shown == 20
    now[0] = 5.0
    later[0]()
    assert written == ["(480 more lines about 10.0.0.1)"]


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
