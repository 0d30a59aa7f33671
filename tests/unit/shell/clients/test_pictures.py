"""Pictures as terminals take them."""

from __future__ import annotations

import base64
import io
import re

import pytest

from kernelbus.shell.clients.pictures import PNG, is_picture, known_way, packed, says_sixel

Image = pytest.importorskip("PIL.Image")


def png(size: tuple[int, int] = (20, 13)) -> bytes:
    picture = Image.new("RGB", size, "white")
    for x in range(size[0]):
        picture.putpixel((x, x % size[1]), (255, 0, 0) if x % 2 else (0, 0, 255))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("text", ["-Graphics-", "-Graphics3D-\n", " -Image-", "-Graph-"])
def test_a_text_stands_for_a_picture(text: str) -> None:
    assert is_picture(text)


@pytest.mark.parametrize("text", ["{-Graphics-}", "-x-", "- Graphics -", "a-Graph-b"])
def test_a_text_is_only_text(text: str) -> None:
    assert not is_picture(text)


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, ""),
        ({"TERM": "dumb"}, ""),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "screen-256color", "TMUX": "x", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm", "KERNELBUS_PICTURES": "sixel"}, "sixel"),
        ({"TERM": "xterm-kitty", "KERNELBUS_PICTURES": "file"}, ""),
    ],
)
def test_the_environment_tells_the_way(environment: dict[str, str], way: str | None) -> None:
    assert known_way(environment) == way


@pytest.mark.parametrize(
    ("answer", "says"), [(b"\x1b[?62;4;22c", True), (b"\x1b[?4c", False), (b"\x1b[?64;14;24c", False), (b"", False), (b"\x1b[?1;2c", False)]
)
def test_a_terminal_says_whether_it_shows_sixels(answer: bytes, says: bool) -> None:
    assert says_sixel(answer) is says


def test_kitty_takes_a_png_in_pieces() -> None:
    data = png((300, 200)) + bytes(9000)
    pieces = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", packed(data, "kitty"))
    assert [keys for keys, _ in pieces] == [b"f=100,a=T,m=1"] + [b"m=1"] * (len(pieces) - 2) + [b"m=0"]
    assert base64.b64decode(b"".join(piece for _, piece in pieces)) == data
    assert max(len(piece) for _, piece in pieces) <= 4096


def test_iterm_takes_a_png_in_one() -> None:
    data = png()
    found = re.fullmatch(rb"\x1b\]1337;File=inline=1;size=(\d+):([^\x07]*)\x07", packed(data, "iterm"))
    assert found is not None
    assert (int(found[1]), base64.b64decode(found[2])) == (len(data), data)


def test_sixels_draw_the_same_picture() -> None:
    data = png()
    found = re.fullmatch(rb'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', packed(data, "sixel"), re.DOTALL)
    assert found is not None
    width, height = int(found[1]), int(found[2])
    colours: dict[int, tuple[int, ...]] = {}
    drawn: dict[tuple[int, int], tuple[int, ...]] = {}
    x = y = colour = 0
    for define, red, green, blue, select, count, character, move in re.findall(
        rb"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|(?:!(\d+))?([?-~])|([$-])", found[3]
    ):
        if define:
            colours[int(define)] = tuple(round(int(part) * 255 / 100) for part in (red, green, blue))
        elif select:
            colour = int(select)
        elif move:
            x, y = 0, y + (6 if move == b"-" else 0)
        else:
            columns = range(x, x + int(count or 1))
            bits = [bit for bit in range(6) if (character[0] - 63) >> bit & 1]
            drawn |= {(column, y + bit): colours[colour] for column in columns for bit in bits}
            x = columns.stop
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.size == (width, height)
        assert drawn == {(column, row): opened.getpixel((column, row)) for column in range(width) for row in range(height)}


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        packed(PNG + b"x", "sixel")
