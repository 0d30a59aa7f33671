"""Pictures for terminals: which way a terminal shows them, and the bytes for it. No I/O.

| way | terminals |
|---|---|
| kitty | kitty, Ghostty, Konsole: the PNG in pieces, in APC sequences |
| iterm | iTerm2, WezTerm, mintty: the PNG in an OSC 1337 sequence |
| sixel | what says so when it is asked for its attributes (DA1): xterm, foot, mlterm, tmux, ... |
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping

__all__ = ["CHOICE", "PNG", "how_to_save", "is_picture", "known_way", "packed", "says_sixel"]

#: The environment variable that says how pictures are shown: one of the ways, or `file`.
CHOICE = "KERNELBUS_PICTURES"
WAYS = ("kitty", "iterm", "sixel")

#: How a PNG begins.
PNG = b"\x89PNG\r\n\x1a\n"

_PIECE = 4096
_COLOURS = 255
#: What kernels show in the place of a picture.
_PICTURE = re.compile(r"\s*-(?:Graphics3?D?|Image|Graph|Legended|Grid)-\s*")


def how_to_save(how: str) -> str:
    """Say how to see a picture where only text is shown.

    Args:
        how: what saves it: an option, or an expression.
    """
    return f"the result is a picture, which is not shown here: {how} saves it"


def is_picture(text: str) -> bool:
    """Tell whether the text of a result stands for a picture."""
    return _PICTURE.fullmatch(text) is not None


def known_way(environment: Mapping[str, str]) -> str | None:
    """Return the way in which a terminal shows pictures, as far as the environment tells.

    Returns:
        `kitty`, `iterm`, `sixel`; "": as files; None: the terminal has to be asked.
    """
    choice = environment.get(CHOICE, "")
    if choice:
        return choice if choice in WAYS else ""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("", "dumb", "linux"):
        return ""
    if "TMUX" in environment or term.startswith(("tmux", "screen")):
        # What is around it does not see the sequences of the other ways.
        return None
    if term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty" or {"KITTY_WINDOW_ID", "KONSOLE_VERSION"} & set(environment):
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return None


def says_sixel(answer: bytes) -> bool:
    """Tell whether a terminal's answer to DA1 says that it shows sixel graphics."""
    found = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return found is not None and b"4" in found[1].split(b";")[1:]


def packed(png: bytes, way: str) -> bytes:
    """Return the bytes with which a terminal shows a PNG.

    Raises:
        ImportError: Pillow is not installed, which sixel needs.
        OSError: the PNG cannot be read.
    """
    if way == "kitty":
        return b"".join(_kitty(base64.b64encode(png)))
    if way == "iterm":
        return b"\x1b]1337;File=inline=1;size=%d:%s\x07" % (len(png), base64.b64encode(png))
    return _sixel(png)


def _kitty(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        more = int(start + _PIECE < len(data))
        keys = b"f=100,a=T,m=%d" % more if start == 0 else b"m=%d" % more
        yield b"\x1b_G%s;%s\x1b\\" % (keys, data[start : start + _PIECE])


def _sixel(png: bytes) -> bytes:
    """Write a picture as sixels: bands of six rows, in each a line for every colour in it."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        rgba = opened.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    picture = Image.alpha_composite(white, rgba).convert("RGB").quantize(_COLOURS)
    width, height = picture.size
    palette = picture.getpalette() or []
    pixels = picture.tobytes()
    pieces = [b'\x1bPq"1;1;%d;%d' % (width, height)]
    for number in sorted(set(pixels)):
        red, green, blue = (round(part * 100 / 255) for part in palette[3 * number : 3 * number + 3])
        pieces.append(b"#%d;2;%d;%d;%d" % (number, red, green, blue))
    for top in range(0, height, 6):
        rows = [pixels[row * width : (row + 1) * width] for row in range(top, min(top + 6, height))]
        lines = []
        for number in sorted(set(b"".join(rows))):
            bits = bytearray(width)
            for place, row in enumerate(rows):
                column = row.find(number)
                while column >= 0:
                    bits[column] |= 1 << place
                    column = row.find(number, column + 1)
            lines.append(b"#%d%s" % (number, _runs(bytes(63 + bit for bit in bits))))
        pieces.append(b"$".join(lines) + b"-")
    return b"".join(pieces) + b"\x1b\\"


def _runs(characters: bytes) -> bytes:
    """Write repeated characters as their number and one of them."""

    def shortened(found: re.Match[bytes]) -> bytes:
        return b"!%d%s" % (len(found[0]), found[1])

    return re.sub(rb"(.)\1{3,}", shortened, characters, flags=re.DOTALL)
