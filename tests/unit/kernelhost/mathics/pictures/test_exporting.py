"""Export, ExportString, Rasterize."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from mathics_client import Evaluate
from PIL import Image

from kernelbus.kernelhost.mathics.engine.process import is_installed
from kernelbus.kernelhost.mathics.pictures import drawing

PICTURE = "Graphics[{Red, Disk[]}]"
needs_engine = pytest.mark.skipif(not is_installed(), reason="Woxi is not installed")


@pytest.mark.parametrize(
    ("end", "form"), [("png", "PNG"), ("gif", "GIF"), ("jpg", "JPEG"), ("JPEG", "JPEG"), ("tif", "TIFF"), ("bmp", "BMP")]
)
@pytest.mark.parametrize("code", [PICTURE, "Image[{{0.1, 0.5}, {1, 0}}]", "x^2"])
def test_pictures_are_exported_by_the_ends_of_names(evaluate: Evaluate, tmp_path: Path, code: str, end: str, form: str) -> None:
    file = tmp_path / f"a.{end}"
    assert evaluate(f'Export["{file}", {code}]') == (str(file), [])
    with Image.open(file) as image:
        assert image.format == form


def test_the_pixels_are_those_of_the_picture(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate(f'Export["{tmp_path}/a.png", {PICTURE}, ImageSize -> 100]')
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] == 100
        red, green, blue = image.convert("RGB").getpixel((50, image.size[1] // 2))  # type: ignore[misc]
        assert (red > 200, green < 60, blue < 60) == (True, True, True)


@pytest.mark.parametrize(
    ("image", "mode", "pixels"),
    [
        ("Image[{{0, 0.5}, {1, 2.}}]", "L", [0, 128, 255, 255]),
        ("Image[{{0, 255}, {128, 1}}, \"Byte\"]", "L", [0, 255, 128, 1]),
        ("Image[{{{1, 0, 0}, {0, 0.2, 1}}}]", "RGB", [(255, 0, 0), (0, 51, 255)]),
    ],
)
def test_images_of_data_are_exported(evaluate: Evaluate, tmp_path: Path, image: str, mode: str, pixels: list[object]) -> None:
    file = tmp_path / "a.png"
    assert evaluate(f'Export["{file}", {image}]') == (str(file), [])
    with Image.open(file) as read:
        assert read.mode == mode
        assert [read.getpixel((x, y)) for y in range(read.height) for x in range(read.width)] == pixels


def test_an_explicit_format_comes_before_the_end_of_the_name(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate(f'Export["{tmp_path}/a.dat", {PICTURE}, "PNG"]')
    with Image.open(tmp_path / "a.dat") as image:
        assert image.format == "PNG"


def test_pictures_in_a_list_are_frames(evaluate: Evaluate, tmp_path: Path) -> None:
    frames = "{Image[{{0, 1}}], Image[{{1, 0}}], Image[{{1, 1}}]}"
    evaluate(f'Export["{tmp_path}/a.gif", {frames}, "DisplayDurations" -> 0.5]')
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.info["duration"]) == (3, 500)  # type: ignore[attr-defined]
    evaluate(f'Export["{tmp_path}/a.tiff", {frames}]')
    with Image.open(tmp_path / "a.tiff") as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]


def test_svg_is_text(evaluate: Evaluate, tmp_path: Path) -> None:
    text, messages = evaluate(f'ExportString[{PICTURE}, "SVG"]')
    assert text.startswith("<svg"), text[:60]
    assert messages == []
    evaluate(f'Export["{tmp_path}/a.svg", {PICTURE}]')
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


def test_a_picture_as_a_string_of_bytes(evaluate: Evaluate) -> None:
    data, _ = evaluate(f'ExportString[{PICTURE}, "PNG"]')
    with Image.open(io.BytesIO(data.encode("latin-1"))) as image:
        assert image.format == "PNG"


@needs_engine
def test_pdf(evaluate: Evaluate, tmp_path: Path) -> None:
    for name, code in (("a", "Plot[x, {x, 0, 1}]"), ("b", "Image[{{0, 1.}}]")):
        assert evaluate(f'Export["{tmp_path}/{name}.pdf", {code}]')[1] == []
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


@needs_engine
@pytest.mark.parametrize(
    "code",
    [
        "Graphics3D[Sphere[]]",
        "Graph[{1 -> 2, 2 -> 3}]",
        "{Plot[x, {x, 0, 1}], 2}",
        'Legended[Plot[x, {x, 0, 1}], "a"]',
        "Grid[{{1, 2}}]",
    ],
)
def test_what_only_the_engine_draws(evaluate: Evaluate, code: str) -> None:
    text, messages = evaluate(f'ExportString[{code}, "SVG"]')
    assert text.startswith("<svg")
    assert messages == []


def test_where_there_is_no_engine_flat_graphics_are_drawn_and_others_say_what_is_missing(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drawing, "is_installed", lambda: False)
    monkeypatch.setattr("kernelbus.kernelhost.mathics.engine.process._folder", lambda: None)
    drawing.engine.stop()
    assert evaluate(f'Export["{tmp_path}/a.png", {PICTURE}]')[1] == []
    value, messages = evaluate(f'Export["{tmp_path}/b.png", Graphics3D[Sphere[]]]')
    assert value.name == "$Failed"
    assert "pip install 'kernelbus[engine]'" in messages[0]


def test_a_file_that_cannot_be_written_is_named(evaluate: Evaluate, tmp_path: Path) -> None:
    value, messages = evaluate(f'Export["{tmp_path}/no/a.png", {PICTURE}]')
    assert value.name == "$Failed"
    assert f"{tmp_path}/no/a.png is not written: No such file or directory" in messages[0]


def test_pixels_are_no_svg(evaluate: Evaluate, tmp_path: Path) -> None:
    value, messages = evaluate(f'Export["{tmp_path}/a.svg", Image[{{{{0, 1.}}}}]]')
    assert value.name == "$Failed"
    assert "export it as PNG" in messages[0]


def test_other_formats_are_not_touched(evaluate: Evaluate, tmp_path: Path) -> None:
    assert evaluate(f'Export["{tmp_path}/a.txt", "text"]')[1] == []
    assert (tmp_path / "a.txt").read_text() == "text"


def test_rasterize(evaluate: Evaluate) -> None:
    assert evaluate(f"ToString[Head[Rasterize[{PICTURE}]]]") == ("Image", [])
    assert evaluate(f"ToString[ImageDimensions[Rasterize[{PICTURE}, ImageSize -> 50]]]")[0] == "{50, 50}"
    assert evaluate(f'ToString[Rasterize[{PICTURE}, "RasterSize", ImageSize -> 40]]')[0] == "{40, 40}"
    assert evaluate("ToString[Head[Rasterize[x^2]]]")[0] == "Image"
