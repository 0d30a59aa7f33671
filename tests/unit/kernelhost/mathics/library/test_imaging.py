"""Functions of images."""

from __future__ import annotations

import numpy as np
import pytest
from mathics_values import text_of

from kernelbus.kernelhost.mathics.evaluation.loading import Loaded
from kernelbus.kernelhost.mathics.library.imaging import convolved, gaussian, labelled


def test_arrays() -> None:
    spot = np.zeros((5, 5))
    spot[2, 2] = 1
    assert np.array_equal(convolved(spot, np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0]]))[2], [0, 0, 0, 1, 0])
    assert gaussian(2).sum() == pytest.approx(1)
    assert gaussian(2).argmax() == 12
    assert np.array_equal(labelled(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]]) > 0), [[1, 0, 1], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ImageData[ColorNegate[Image[{{0.25, 1}}]]]", "{{0.75, 0.}}"),
        ("ImageData[Binarize[Image[{{0.1, 0.7, 0.9}}], 0.8]]", "{{0, 0, 1}}"),
        ("ImageData[Binarize[Image[{{0.1, 0.9}}]]]", "{{0, 1}}"),
        ("ImageData[ImageRotate[Image[{{0, 1}}], Pi]]", "{{1., 0.}}"),
        ("ImageDimensions[ImageRotate[Image[ConstantArray[1, {10, 10}]], Pi/4]]", "{16, 16}"),
        ("ImageDimensions[ImageResize[Image[ConstantArray[1, {4, 8, 3}]], 4]]", "{4, 2}"),
        ("ImageDimensions[ImageResize[Image[ConstantArray[1, {4, 8}]], {Automatic, 8}]]", "{16, 8}"),
        ("ImageDimensions[Thumbnail[Image[ConstantArray[1, {4, 8}]], 2]]", "{2, 1}"),
        ("ImageData[ImageTake[Image[{{1, 0}, {0, 1}, {0, 0}}], {2, 3}, -1]]", "{{1.}, {0.}}"),
        ("ImageDimensions[ImageCrop[Image[ConstantArray[1, {4, 8}]], {3, 5}]]", "{3, 5}"),
        ("ImageData[ImageCrop[Image[{{0, 0, 0}, {0, 1, 0}, {0, 0, 0}}]]]", "{{1.}}"),
        ("ImageData[ImagePad[Image[{{1}}], 1]]", "{{0., 0., 0.}, {0., 1., 0.}, {0., 0., 0.}}"),
        ("ImageData[ImagePad[Image[{{1}}], {{1, 0}, {0, 0}}, 0.5]]", "{{0.5, 1.}}"),
        ("ImageData[ImageApply[#^2 &, Image[{{0.5}}]]]", "{{0.25}}"),
        ("ImageData[ImageApply[Reverse, Image[{{{1, 0, 0}}}]]]", "{{{0., 0., 1.}}}"),
        ("PixelValue[Image[{{0, 1}, {0.5, 0}}], {1, 1}]", "0.5"),
        ("PixelValue[Image[{{0}}], {3, 1}]", 'PixelValue[Image[NumericArray[{{0.}}, "Real32"], "Real32", ColorSpace -> Automatic, '
         "Interleaving -> None], {3, 1}]"),
        ('ImageData[ColorConvert[Image[{{{1, 1, 1}}}], "Grayscale"]]', "{{1.}}"),
        ("ImageData[ImageAdjust[Image[{{0.25, 0.75}}]]]", "{{0., 1.}}"),
        ("ImageData[MaxFilter[Image[{{0, 0, 1}}], 1]]", "{{0., 1., 1.}}"),
        ("ImageData[Opening[Image[{{0, 1, 0, 0}}], 1]]", "{{0., 0., 0., 0.}}"),
        ("ImageData[ImageConvolve[Image[{{0, 1, 0}}], {{1/2, 0, 1/2}}]]", "{{0.5, 0., 0.5}}"),
        ("Total[Flatten[ImageData[EdgeDetect[Image[Table[Boole[j > 4], {8}, {j, 8}]], 1]]]] > 0", "True"),
        ("Total[Flatten[ImageData[EdgeDetect[Image[ConstantArray[0.5, {5, 5}]]]]]]", "0"),
        ("ImageData[Sharpen[Image[ConstantArray[0.5, {3, 3}]]]][[2, 2]] == 0.5", "True"),
        ("MorphologicalComponents[Image[{{1, 0, 1}}]]", "{{1, 0, 2}}"),
        ('ImageMeasurements[Image[{{0, 1}, {1, 1}}], "Mean"]', "0.75"),
        ("ImageDimensions[ImageAssemble[{{Image[{{0}}], Image[{{1}}]}}]]", "{2, 1}"),
        ("{ImageQ[Image[{{0}}]], ImageQ[5]}", "{True, False}"),
        ('{ImageType[Image[{{0, 1}}]], ImageType[Image[{{0, 1}}, "Bit"]]}', '{"Real32", "Bit"}'),
        ('ImageData[Image[{{0, 1}}, "Bit"]]', "{{0, 1}}"),
        ("Image[{{0, 1}}]", 'Image[NumericArray[{{0., 1.}}, "Real32"], "Real32", ColorSpace -> Automatic, Interleaving -> None]'),
        ("ImageData[ToExpression[ToString[Image[{{{0.5, 0, 1}}}], InputForm]]]", "{{{0.5, 0., 1.}}}"),
        ("ImageResize[x, 2]", "ImageResize[x, 2]"),
    ],
)  # fmt: skip
def test_functions(loaded: Loaded, code: str, expected: str) -> None:
    assert text_of(loaded, code) == expected
