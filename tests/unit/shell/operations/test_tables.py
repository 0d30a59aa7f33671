"""Tables fit their terminal, and show times, sizes and clients' names."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from kernelbus.bus.protocol.reports import FrontendStatus, HostStatus, KernelStatus, LinkStatus, PoolStatus
from kernelbus.shell.operations.tables import (
    COLUMNS,
    NEVER,
    POOLS,
    SESSIONS,
    Column,
    duration,
    fit,
    printable,
    records,
    size,
    table,
    width,
)

KERNEL = KernelStatus(
    "h3-Yc0PqkQ2Zl1bXb8m1wA", "Main", "alpha.example.org", "attached", 7300.0, 12.0, "In[12]:= ", "10.0.0.5:53211", "nightly run",
    120, 3, 4096, 10**9, 340.0, 300 * 2**20, 0.0, True, 4711, "", True,
)  # fmt: skip
ROWS: dict[str, list[object]] = {
    "pools": [PoolStatus("Main", "serving", True, True, False, 2, 1, 2, 3, 2, 1, 4, 31.0, 4, 16, "no program", "", 1, True)],
    "kernels": [KERNEL, replace(KERNEL, kernel="x" * 22, state="ready", client="", profile="", idle=3.0)],
    "sessions": [KERNEL, replace(KERNEL, state="lost", text="its host did not come back after the broker's restart")],
    "hosts": [
        HostStatus(
            "alpha.example.org", "84aceb4b", "up", "0.1.0", 0.3, ["Main", "Teaching"], 7, 4,
            True, 1e6, "Linux", "3.11", "M", 8, 0.5, 2**34, 2**33,
        ),
        HostStatus("beta", "11aceb4b", "lost", "0.1.0", 90.0, [], 0, 0, text="it has been silent for 60 s"),
    ],
    "links": [LinkStatus("10.0.0.5:53211", "alpha.example.org", "attached", "h3-Yc0PqkQ2Zl1bXb8m1wA", "Main", 7300.0, 10**7, 10**9)],
    "frontends": [FrontendStatus("alpha.example.org", "84aceb4b", "up", "0.1.0", 0.3, 31415, "", 1e6, 12, 4000, 3, 10**7, 10**9)],
}  # fmt: skip


@pytest.mark.parametrize("part", COLUMNS)
def test_a_table_fits_every_terminal_that_has_room_for_what_is_never_left_out(part: str) -> None:
    for room in range(40, 201):
        lines = table(COLUMNS[part], ROWS[part], room=room)
        assert max(map(width, lines)) <= room, (room, lines)
        for column in COLUMNS[part]:
            assert column.rank or column.heading in lines[0], (room, column.name)


@pytest.mark.parametrize("part", COLUMNS)
def test_wider_terminals_show_no_less(part: str) -> None:
    cells = [[column.text(row) for column in COLUMNS[part]] for row in ROWS[part]]
    shown = [len(fit(COLUMNS[part], cells, room)) for room in range(40, 400)]
    assert shown == sorted(shown)
    assert shown[-1] > shown[0]


@pytest.mark.parametrize("part", COLUMNS)
def test_without_a_terminal_nothing_is_left_out_or_cut(part: str) -> None:
    lines = table(COLUMNS[part], ROWS[part])
    for column in COLUMNS[part]:
        texts = [column.text(row) for row in ROWS[part]]
        if column.rank != NEVER and any(texts):
            assert column.heading in lines[0]
            assert all(text in line for text, line in zip(texts, lines[1:], strict=True))


@pytest.mark.parametrize("part", COLUMNS)
def test_wide_has_every_column_and_whole_ids(part: str) -> None:
    lines = table(COLUMNS[part], ROWS[part], room=40, wide=True)
    for row, line in zip(ROWS[part], lines[1:], strict=True):
        for column in COLUMNS[part]:
            if column.heading == "KERNEL" and isinstance(row, KernelStatus | LinkStatus):
                assert row.kernel in line
            else:
                assert column.text(row) in line


def test_columns_stand_under_their_headings() -> None:
    columns = (Column("a", "NAME", ""), Column("b", "COUNT", "", str, right=True), Column("c", "TEXT", ""))
    rows = [SimpleNamespace(a="é", b=1, c="x"), SimpleNamespace(a="日本", b=12345678, c="y")]
    assert table(columns, rows) == [
        "NAME     COUNT  TEXT",
        "é            1  x",
        "日本  12345678  y",
    ]


def test_a_text_is_cut_and_says_so() -> None:
    columns = (Column("a", "NAME", ""), Column("b", "TEXT", ""))
    lines = table(columns, [SimpleNamespace(a="alpha", b="日本語" * 20)], room=30)
    assert lines[1] == "alpha  日本語日本語日本語日本…"
    assert width(lines[1]) <= 30


def test_columns_that_say_nothing_are_left_out() -> None:
    columns = (Column("a", "NAME", ""), Column("b", "WHY", "", rank=3))
    assert table(columns, [SimpleNamespace(a="x", b="")]) == ["NAME", "x"]
    assert table(columns, [SimpleNamespace(a="x", b=""), SimpleNamespace(a="y", b="z")]) == ["NAME  WHY", "x", "y     z"]
    assert table(columns, []) == ["NAME  WHY"]


def test_what_clients_have_named_moves_no_cursor() -> None:
    assert printable("a\x1b[2Jb\nc\x07") == "a�[2Jb c�"
    assert "\x1b" not in "\n".join(table(COLUMNS["sessions"], [replace(KERNEL, profile="\x1b[31mred\x1b[0m")]))


def test_records_say_all_that_is_known() -> None:
    lines = records(COLUMNS["kernels"], KERNEL)
    assert lines[0] == "Kernel     h3-Yc0PqkQ2Zl1bXb8m1wA"
    assert "Client     10.0.0.5:53211" in lines
    assert "Memory     300 MiB" in lines
    assert not any(line.startswith("Text") for line in lines)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.04, "0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.4, "99 s"), (99.6, "2 min"), (180, "3 min"),
     (5900, "98 min"), (5990, "1.7 h"), (36000, "10 h"), (47 * 3600, "47 h"), (49 * 3600, "2.0 d"), (86400 * 30, "30 d")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (12 * 2**20, "12 MiB"),
        (1023 * 1024, "1.0 MiB"),
        (2**40, "1.0 TiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_what_a_kernel_does_and_that_a_pool_is_full_are_seen_at_any_width() -> None:
    for room in (None, 60, 80):
        assert "at its maximum" in table(POOLS, ROWS["pools"], room=room)[1]
    sessions = [replace(KERNEL, state="detached", asking=asks) for asks in (False, True)]
    for line, said in zip(table(SESSIONS, sessions, room=80)[1:], ("busy", "asks"), strict=True):
        assert "detached" in line
        assert said in line.split()
