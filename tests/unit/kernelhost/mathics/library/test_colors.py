"""Colours in other spaces, and lists of colours."""

from __future__ import annotations

import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.colors import converted


@pytest.mark.parametrize(
    ("head", "values", "target", "expected"),
    [
        ("RGBColor", [1, 0, 0], "GrayLevel", (0.299,)),
        ("RGBColor", [0, 0, 1], "Hue", (2 / 3, 1.0, 1.0)),
        ("Hue", [0.5], "RGBColor", (0.0, 1.0, 1.0)),
        ("Hue", [1, 1, 0.5], "RGBColor", (0.5, 0.0, 0.0)),
        ("GrayLevel", [0.25], "RGBColor", (0.25, 0.25, 0.25)),
        ("RGBColor", [1, 0, 0], "CMYKColor", (0.0, 1.0, 1.0, 0.0)),
        ("RGBColor", [0, 0, 0], "CMYKColor", (0.0, 0.0, 0.0, 1.0)),
        ("CMYKColor", [0, 1, 0, 0.5], "RGBColor", (0.5, 0.0, 0.5)),
    ],
)
def test_spaces(head: str, values: list[float], target: str, expected: tuple[float, ...]) -> None:
    assert converted(head, values, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('ColorConvert[RGBColor[0, 1, 0, 0.5], "Grayscale"]', "GrayLevel[0.587, 0.5]"),
        ('ColorConvert[{Red, Blue}, "Grayscale"]', "{GrayLevel[0.299], GrayLevel[0.114]}"),
        ('{RGBColor["#00ff00"], RGBColor["#00f"]}', "{RGBColor[0., 1., 0.], RGBColor[0., 0., 1.]}"),
        ("{Pink, LightGreen}", "{RGBColor[1, 0.5, 0.5], RGBColor[0.88, 1, 0.88]}"),
        ("{ColorData[97, 2], ColorData[97][2]}", "{RGBColor[0.880722, 0.611041, 0.142051], RGBColor[0.880722, 0.611041, 0.142051]}"),
        ('Length[ColorData[97, "ColorList"]]', "15"),
        ('Head /@ {ColorData["Rainbow"][0.5], ColorData["Rainbow", 0.5]}', "{RGBColor, RGBColor}"),
        ('RGBColor["red"]', 'RGBColor["red"]'),
    ],
)
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected
