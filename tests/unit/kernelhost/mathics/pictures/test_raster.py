"""Text and SVG drawn as pixels."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from kernelbus.kernelhost.mathics.pictures import raster
from kernelbus.kernelhost.mathics.pictures.raster import (
    FORMATS,
    MAXIMUM_SIDE,
    draw_svg,
    draw_text,
    encode,
    fitted,
)

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def svg(content: str, box: str = "0 0 20 10") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{content}</svg>'


def test_shapes_are_where_they_should_be() -> None:
    left = '<rect x="0" y="0" width="10" height="10" style="fill: rgb(100%, 0%, 0%); stroke: none"/>'
    right = '<path d="M10,0 L20,0 L20,10 L10,10 Z" style="fill: rgb(0, 0, 255); stroke: none"/>'
    image = draw_svg(svg(left + right), 100)
    assert image.size == (100, 50)
    assert [image.getpixel(at) for at in [(25, 25), (75, 25)]] == [RED, BLUE]
    half = draw_svg(svg(left), 100)
    assert half.getpixel((75, 25)) == WHITE


def test_unknown_elements_and_unescaped_text_do_no_harm() -> None:
    image = draw_svg(svg('<mystery/><text x="10" y="5">a < b & c</text>'), 200)
    assert min(image.convert("L").tobytes()) < 128, "the text is drawn"


def test_text_is_drawn_also_where_the_system_has_no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "_FONT_FOLDERS", ())
    raster._fonts.cache_clear()
    try:
        fonts = raster._fonts()
        assert fonts["font_files"]
        image = draw_svg(svg('<text x="2" y="8" font-family="monospace">ab</text>'), 200)
        assert min(image.convert("L").tobytes()) < 128, "the text is drawn"
    finally:
        raster._fonts.cache_clear()


@pytest.mark.parametrize(("offset", "sides"), [(0, (True, True)), (1, (True, False)), (-1, (False, True))])
def test_text_stands_where_mathics_wants_it(offset: int, sides: tuple[bool, bool]) -> None:
    """Mathics3's own attribute tells on which side of its place text stands."""
    image = draw_svg(svg(f'<text x="20" y="8" ox="{offset}" oy="0" style="font-size: 10">oo</text>', "0 0 40 10"), 400).convert("L")
    left, right = (min(image.crop(box).tobytes()) < 128 for box in [(0, 0, 195, 100), (205, 0, 400, 100)])
    assert (left, right) == sides


@pytest.mark.parametrize("text", ["", "no picture", "<svg", svg("", "0 0 0 10"), svg("", "0 0 inf 1")])
def test_text_that_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SVG picture"):
        draw_svg(text)


@pytest.mark.parametrize(
    ("width", "height", "factor", "scale"),
    [
        (100, 0, 1.0, 10),
        (0, 100, 1.0, 5),
        (100, 100, 9.0, 5),
        (0, 0, 3.0, 3),
        (0, 0, 1e9, MAXIMUM_SIDE / 20),
        (10**6, 0, 1.0, MAXIMUM_SIDE / 20),
    ],
)
def test_fitted(width: int, height: int, factor: float, scale: float) -> None:
    assert fitted((10, 20), width, height, factor) == scale


def test_lines_of_text_are_broken_at_a_width() -> None:
    whole, broken = draw_text("x" * 60), draw_text("x" * 60, 200)
    assert broken.width <= 200 < whole.width
    assert broken.height > whole.height


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_reads_back(form: str) -> None:
    image = Image.open(io.BytesIO(encode(draw_text("x"), form)))
    assert image.format == FORMATS[form]
    assert image.size == draw_text("x").size
