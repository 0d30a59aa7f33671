"""Functions of images, on arrays of numbers from 0 to 1.

Many of Mathics3's give errors for images of reals, or need a package that is not required. An
image is an array of rows of pixels; a pixel is a number or a list of channels. Filters see the
image go on beyond its border as its outermost pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import PIL.Image
from mathics.core.atoms import Integer, MachineReal, Rational, String
from mathics.core.convert.python import from_python
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import SymbolFalse, SymbolTrue

from kernelbus.kernelhost.mathics.library.images import made_image
from kernelbus.kernelhost.mathics.native import define

__all__ = ["convolved", "gaussian", "install_imaging", "labelled"]

Array = np.ndarray[Any, np.dtype[Any]]
_RULES: Final = ("Rule", "RuleDelayed")
#: The weights of red, green and blue in the lightness of a pixel.
_LUMA: Final = np.array([0.299, 0.587, 0.114])
#: The most pixels of an image that is made.
_MOST: Final = 100_000_000


def _is_image(expr: Any) -> bool:
    from mathics.builtin.image.base import Image

    return isinstance(expr, Image)


def _pixels(image: Any) -> Array:
    """Return the pixels as numbers from 0 to 1."""
    most = np.iinfo(image.pixels.dtype).max if image.pixels.dtype.kind in "iu" else 1
    found: Array = image.pixels.astype(float) / most
    return found[:, :, 0] if found.ndim == 3 and found.shape[2] == 1 else found


def _made(pixels: Array, like: Any = None) -> Any:
    """Return the image of pixels, with the colour space of another if it has as many channels."""
    space = None
    if like is not None and pixels.ndim == 3 and like.pixels.ndim == 3 and pixels.shape[2] == like.pixels.shape[2]:
        space = like.color_space
    return made_image(pixels, space)


def _real(expr: Any) -> float | None:
    return float(expr.value) if isinstance(expr, (Integer, MachineReal, Rational)) else None


def _split(expression: Any) -> tuple[Any, list[Any]] | None:
    """Return the image and the plain arguments behind it, None if there is no image."""
    plain = [each for each in expression.elements if not each.has_form(_RULES, 2)]
    if not plain or not _is_image(plain[0]):
        return None
    return plain[0], plain[1:]


Work = Callable[[Array, list[Any], Any], Array | None]


def _function(work: Work) -> Callable[[Any, Any], Any]:
    """Return the function of the language that makes an image of an image."""

    def apply(expression: Any, evaluation: Any) -> Any:
        found = _split(expression)
        if found is None:
            return None
        image, arguments = found
        pixels = work(_pixels(image), arguments, evaluation)
        return None if pixels is None else _made(pixels, image)

    return apply


# -- geometry -----------------------------------------


def _sizes(pixels: Array, spec: Any) -> tuple[int, int] | None:
    """Return width and height for a size: a width, ``{w, h}``, ``{w}``, ``{Automatic, h}``."""
    height, width = pixels.shape[:2]
    given = list(spec.elements) if spec.has_form("List", 1, 2) else [spec]
    numbers = [_real(each) for each in given]
    if spec.has_form("Scaled", 1):
        scale = _real(spec.elements[0])
        found = None if scale is None else (width * scale, height * scale)
    elif numbers[0] is not None and len(numbers) == 2 and numbers[1] is not None:
        found = (numbers[0], numbers[1])
    elif numbers[0] is not None:
        found = (numbers[0], numbers[0] * height / width)
    elif len(numbers) == 2 and numbers[1] is not None:
        found = (numbers[1] * width / height, numbers[1])
    else:
        found = None
    if found is None:
        return None
    sizes = max(round(found[0]), 1), max(round(found[1]), 1)
    return sizes if sizes[0] * sizes[1] <= _MOST else None


def _resampled(pixels: Array, width: int, height: int) -> Array:
    channels = [pixels] if pixels.ndim == 2 else [pixels[:, :, each] for each in range(pixels.shape[2])]
    smaller = width < pixels.shape[1] or height < pixels.shape[0]
    method = PIL.Image.Resampling.BOX if smaller else PIL.Image.Resampling.BICUBIC
    done = [np.asarray(PIL.Image.fromarray(each.astype(np.float32)).resize((width, height), method), dtype=float) for each in channels]
    found = np.clip(done[0] if pixels.ndim == 2 else np.stack(done, axis=2), 0, 1)
    return found


def _resize(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    sizes = _sizes(pixels, arguments[0]) if len(arguments) == 1 else None
    return None if sizes is None else _resampled(pixels, *sizes)


def _thumbnail(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    most = _real(arguments[0]) if arguments else 150.0
    if most is None:
        return None
    scale = most / max(pixels.shape[:2])
    return _resampled(pixels, max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1))


def _rotate(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    """Turn an image to the left, by a right angle if none is given."""
    angle = math.pi / 2 if not arguments else arguments[0].round_to_float(evaluation)
    if angle is None or len(arguments) > 1:
        return None
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) < 1e-9:
        return np.rot90(pixels, round(quarters) % 4)
    channels = [pixels] if pixels.ndim == 2 else [pixels[:, :, each] for each in range(pixels.shape[2])]
    turned = [
        np.asarray(PIL.Image.fromarray(each.astype(np.float32)).rotate(math.degrees(angle), PIL.Image.Resampling.BILINEAR, expand=True))
        for each in channels
    ]
    return np.clip((turned[0] if pixels.ndim == 2 else np.stack(turned, axis=2)).astype(float), 0, 1)


def _span(spec: Any, size: int) -> slice | None:
    """Return the rows or columns of ``n``, ``-n`` or ``{first, last}``."""
    if spec.get_name() == "System`All":
        return slice(0, size)
    if isinstance(spec, Integer):
        count = int(spec.value)
        return slice(0, min(count, size)) if count >= 0 else slice(max(size + count, 0), size)
    if spec.has_form("List", 2) and all(isinstance(each, Integer) for each in spec.elements):
        first, last = (int(each.value) if each.value > 0 else size + int(each.value) + 1 for each in spec.elements)
        return slice(max(first - 1, 0), min(last, size)) if first <= last else None
    return None


def _take(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    """``ImageTake[image, rows, columns]``."""
    if not 1 <= len(arguments) <= 2:
        return None
    rows = _span(arguments[0], pixels.shape[0])
    columns = _span(arguments[1], pixels.shape[1]) if len(arguments) == 2 else slice(0, pixels.shape[1])
    if rows is None or columns is None:
        return None
    found = pixels[rows, columns]
    return found if found.size else None


def _crop(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    """``ImageCrop[image, {width, height}]``, and without a size: the border of one colour goes."""
    height, width = pixels.shape[:2]
    if not arguments:
        flat = pixels if pixels.ndim == 2 else np.abs(pixels - pixels[0, 0]).max(axis=2) + 0.0
        differs = np.abs(flat - (flat[0, 0] if pixels.ndim == 2 else 0)) > 1e-9
        if not differs.any():
            return pixels
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sizes = _sizes(pixels, arguments[0]) if len(arguments) == 1 else None
    if sizes is None:
        return None
    new_width, new_height = sizes
    left, top = (width - new_width) // 2, (height - new_height) // 2
    padded = np.zeros((new_height, new_width, *pixels.shape[2:]))
    source = pixels[max(top, 0) : max(top, 0) + new_height, max(left, 0) : max(left, 0) + new_width]
    padded[max(-top, 0) : max(-top, 0) + source.shape[0], max(-left, 0) : max(-left, 0) + source.shape[1]] = source
    return padded


def _pad(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    """``ImagePad[image, n]``, ``ImagePad[image, {{left, right}, {bottom, top}}, colour]``."""
    if not 1 <= len(arguments) <= 2:
        return None
    spec = arguments[0]
    if isinstance(spec, Integer):
        left = right = bottom = top = int(spec.value)
    elif spec.has_form("List", 2) and all(each.has_form("List", 2) for each in spec.elements):
        values = [_real(each) for pair in spec.elements for each in pair.elements]
        if None in values:
            return None
        left, right, bottom, top = (int(each) for each in values if each is not None)
    else:
        return None
    colour: Any = 0.0
    if len(arguments) == 2:
        number = _real(arguments[1])
        parts = [number] if number is not None else [_real(each) for each in arguments[1].get_elements()]
        if not parts or None in parts:
            return None
        colour = np.array([each for each in parts if each is not None])
        colour = colour[0] if len(colour) == 1 else colour if pixels.ndim == 3 else float(colour[:3] @ _LUMA)
    if min(left, right, bottom, top) < 0:
        return pixels[max(-top, 0) : pixels.shape[0] + min(bottom, 0), max(-left, 0) : pixels.shape[1] + min(right, 0)]
    padded = np.empty((pixels.shape[0] + top + bottom, pixels.shape[1] + left + right, *pixels.shape[2:]))
    padded[...] = colour
    padded[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return padded


# -- values -----------------------------------------


def _gray(pixels: Array) -> Array:
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3:
        return pixels[:, :, 0]
    gray: Array = np.clip(np.round(pixels[:, :, :3] @ _LUMA, 15), 0, 1)
    return gray


def _negate(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    if arguments:
        return None
    found = 1 - pixels
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        found[:, :, -1] = pixels[:, :, -1]
    return found


def _threshold(gray: Array) -> float:
    """Return the value that separates an image best in two, by Otsu's method."""
    counts, edges = np.histogram(gray, bins=256, range=(0.0, 1.0))
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = np.nanmax(between) if np.isfinite(between).any() else None
    return 0.5 if best is None else float(middle[int(np.flatnonzero(between == best).mean())])


def _binarize(expression: Any, evaluation: Any) -> Any:
    """``Binarize[image]``, ``Binarize[image, t]``, ``Binarize[image, {low, high}]``."""
    found = _split(expression)
    if found is None or len(found[1]) > 1:
        return None
    gray = _gray(_pixels(found[0]))
    if not found[1]:
        bits = gray > _threshold(gray)
    elif found[1][0].has_form("List", 2):
        low, high = (_real(each) for each in found[1][0].elements)
        if low is None or high is None:
            return None
        bits = (gray >= low) & (gray <= high)
    else:
        limit = _real(found[1][0])
        if limit is None:
            return None
        bits = gray > limit
    return made_image(bits)


def _apply(expression: Any, evaluation: Any) -> Any:
    """``ImageApply[f, image]``: f of each pixel, a number or a list of channels."""
    plain = [each for each in expression.elements if not each.has_form(_RULES, 2)]
    if len(plain) != 2 or not _is_image(plain[1]):
        return None
    pixels = _pixels(plain[1])
    rows = []
    for row in pixels.tolist():
        made = []
        for pixel in row:
            given = ListExpression(*map(MachineReal, pixel)) if isinstance(pixel, list) else MachineReal(pixel)
            value = Expression(plain[0], given).evaluate(evaluation)
            numbers = [each.round_to_float(evaluation) for each in (value.elements if value.has_form("List", None) else (value,))]
            if None in numbers:
                return None
            made.append(numbers[0] if len(numbers) == 1 else numbers)
        rows.append(made)
    try:
        return _made(np.array(rows, dtype=float), plain[1])
    except ValueError:
        return None


def _pixel_value(expression: Any, evaluation: Any) -> Any:
    """``PixelValue[image, {x, y}]``, counted from the lower left."""
    found = _split(expression)
    if found is None or len(found[1]) != 1 or not found[1][0].has_form("List", 2):
        return None
    pixels = _pixels(found[0])
    x, y = (_real(each) for each in found[1][0].elements)
    if x is None or y is None or not (1 <= x <= pixels.shape[1] and 1 <= y <= pixels.shape[0]):
        return None
    value = pixels[pixels.shape[0] - int(y), int(x) - 1]
    return MachineReal(float(value)) if value.ndim == 0 else ListExpression(*map(MachineReal, value.tolist()))


def _grayscale(expression: Any, evaluation: Any) -> Any:
    """``ColorConvert[image, "Grayscale"]``; other colour spaces are Mathics3's."""
    found = _split(expression)
    if found is None or len(found[1]) != 1 or found[1][0].get_string_value() not in ("Grayscale", "Graylevel"):
        return None
    return made_image(_gray(_pixels(found[0])))


def _adjust(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    """``ImageAdjust[image]``: the least value becomes 0, the greatest 1."""
    if arguments:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    return pixels if low == high else (pixels - low) / (high - low)


# -- filters -----------------------------------------


def _framed(pixels: Array, radius: tuple[int, int]) -> Array:
    return np.pad(pixels, ((radius[0],) * 2, (radius[1],) * 2, *[(0, 0)] * (pixels.ndim - 2)), mode="edge")


def convolved(pixels: Array, kernel: Array) -> Array:
    """Return an image convolved with a kernel, whose middle is its centre."""
    kernel = kernel[::-1, ::-1]
    above, before = kernel.shape[0] // 2, kernel.shape[1] // 2
    framed = np.pad(
        pixels,
        ((above, kernel.shape[0] - 1 - above), (before, kernel.shape[1] - 1 - before), *[(0, 0)] * (pixels.ndim - 2)),
        mode="edge",
    )
    found = np.zeros(pixels.shape)
    for (row, column), weight in np.ndenumerate(kernel):
        if weight:
            found += weight * framed[row : row + pixels.shape[0], column : column + pixels.shape[1]]
    return found


def gaussian(radius: int) -> Array:
    """Return the weights of a Gaussian filter: the deviation is half the radius."""
    places = np.arange(-radius, radius + 1)
    weights = np.exp(-(places**2) / (2 * (max(radius, 1) / 2) ** 2))
    found: Array = np.outer(weights, weights)
    return found / found.sum()


def _radius(arguments: list[Any], default: int | None = None) -> int | None:
    if not arguments:
        return default
    given = arguments[0].elements[0] if arguments[0].has_form("List", 1, 2) else arguments[0]
    number = _real(given)
    return None if number is None or number < 0 or len(arguments) > 1 else int(number)


def _smoothed(default: int | None = None) -> Work:
    def work(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
        radius = _radius(arguments, default)
        return None if radius is None else convolved(pixels, gaussian(radius))

    return work


def _sharpen(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    radius = _radius(arguments, 2)
    return None if radius is None else np.clip(2 * pixels - convolved(pixels, gaussian(radius)), 0, 1)


def _neighbours(choose: Callable[..., Array], default: int | None = None) -> Work:
    """Return a filter that takes one of the values around each pixel."""

    def work(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
        radius = _radius(arguments, default)
        if radius is None:
            return None
        framed = _framed(pixels, (radius, radius))
        size = 2 * radius + 1
        around = [framed[row : row + pixels.shape[0], column : column + pixels.shape[1]] for row in range(size) for column in range(size)]
        return choose(np.stack(around), axis=0)

    return work


def _convolve(pixels: Array, arguments: list[Any], evaluation: Any) -> Array | None:
    if len(arguments) != 1 or not arguments[0].has_form("List", None):
        return None
    rows = [[each.round_to_float(evaluation) for each in row.get_elements()] for row in arguments[0].elements]
    try:
        kernel = np.array(rows, dtype=float)
    except (TypeError, ValueError):
        return None
    return convolved(pixels, kernel) if kernel.ndim == 2 and kernel.size else None


_SOBEL: Final = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8


def _slope(pixels: Array, radius: int) -> Array:
    gray = convolved(_gray(pixels), gaussian(radius))
    return np.hypot(convolved(gray, _SOBEL), convolved(gray, _SOBEL.T))


def _edges(expression: Any, evaluation: Any) -> Any:
    """``EdgeDetect[image]``, ``EdgeDetect[image, r]``: where the lightness changes most."""
    found = _split(expression)
    radius = None if found is None else _radius(found[1], 2)
    if found is None or radius is None:
        return None
    slope = _slope(_pixels(found[0]), radius)
    most = float(slope.max())
    return made_image(slope > (most * _threshold(slope / most) if most > 1e-9 else 1.0))


def labelled(bits: Array) -> Array:
    """Number connected parts, also over corners, in the order of their first pixels."""
    labels = np.zeros(bits.shape, dtype=int)
    count = 0
    for start in zip(*np.nonzero(bits), strict=True):
        if labels[start]:
            continue
        count += 1
        waiting = [start]
        labels[start] = count
        while waiting:
            row, column = waiting.pop()
            for near_row in range(max(row - 1, 0), min(row + 2, bits.shape[0])):
                for near_column in range(max(column - 1, 0), min(column + 2, bits.shape[1])):
                    if bits[near_row, near_column] and not labels[near_row, near_column]:
                        labels[near_row, near_column] = count
                        waiting.append((near_row, near_column))
    return labels


def _components(expression: Any, evaluation: Any) -> Any:
    """``MorphologicalComponents[image]``, ``MorphologicalComponents[image, t]``."""
    found = _split(expression)
    if found is None or len(found[1]) > 1:
        return None
    gray = _gray(_pixels(found[0]))
    limit = _real(found[1][0]) if found[1] else 0.0
    if limit is None:
        return None
    return ListExpression(*(ListExpression(*map(Integer, row)) for row in labelled(gray > limit).tolist()))


def _measurements(expression: Any, evaluation: Any) -> Any:
    """``ImageMeasurements[image, property]``."""
    found = _split(expression)
    name = found[1][0].get_string_value() if found is not None and len(found[1]) == 1 else None
    if found is None or name is None:
        return None
    pixels = _pixels(found[0])
    works: dict[str, Callable[..., Any]] = {
        "Mean": np.mean,
        "Min": np.min,
        "Max": np.max,
        "Total": np.sum,
        "Median": np.median,
    }
    work = works.get(name)
    if work is not None:
        values = np.atleast_1d(work(pixels, axis=(0, 1))).tolist()
        return MachineReal(values[0]) if len(values) == 1 else ListExpression(*map(MachineReal, values))
    if name == "Dimensions":
        return ListExpression(Integer(pixels.shape[1]), Integer(pixels.shape[0]))
    if name == "Channels":
        return Integer(1 if pixels.ndim == 2 else pixels.shape[2])
    return None


def _type(expression: Any, evaluation: Any) -> Any:
    """``ImageType[image]``: reals are those of 32 bits, as Wolfram kernels make them."""
    found = _split(expression)
    if found is None or found[1]:
        return None
    kind = found[0].storage_type()
    return String("Real32" if kind == "Real" else kind)


def _is_image_function(expression: Any, evaluation: Any) -> Any:
    if len(expression.elements) != 1:
        return None
    return SymbolTrue if _is_image(expression.elements[0]) else SymbolFalse


def _assemble(expression: Any, evaluation: Any) -> Any:
    """``ImageAssemble[{{image, ...}, ...}]``: images beside and below one another."""
    if len(expression.elements) != 1 or not expression.elements[0].has_form("List", None):
        return None
    rows = expression.elements[0].elements
    if all(map(_is_image, rows)):
        rows = (expression.elements[0],)
    if not rows or not all(row.has_form("List", None) and row.elements and all(map(_is_image, row.elements)) for row in rows):
        return None
    try:
        parts = [np.concatenate([_pixels(each) for each in row.elements], axis=1) for row in rows]
        return _made(np.concatenate(parts, axis=0), rows[0].elements[0])
    except ValueError:
        return None


def _reals(expression: Any, evaluation: Any) -> Any:
    """``ImageData[image]``: bits are integers, all others reals."""
    found = _split(expression)
    if found is None or found[1] or found[0].pixels.dtype.kind not in "bu":
        return None
    if found[0].pixels.dtype.kind == "u":
        return from_python(_pixels(found[0]).tolist())
    bits = found[0].pixels.astype(int)
    bits = bits[:, :, 0] if bits.ndim == 3 else bits
    return ListExpression(*(ListExpression(*map(Integer, row)) for row in bits.tolist()))


def install_imaging(definitions: Any) -> None:
    """Define the functions, before Mathics3's."""
    works: dict[str, Work] = {
        "Blur": _smoothed(2),
        "Closing": lambda pixels, arguments, evaluation: _twice(pixels, arguments, evaluation, np.max, np.min),
        "ColorNegate": _negate,
        "Dilation": _neighbours(np.max),
        "Erosion": _neighbours(np.min),
        "GaussianFilter": _smoothed(),
        "ImageAdjust": _adjust,
        "ImageConvolve": _convolve,
        "ImageCrop": _crop,
        "ImagePad": _pad,
        "ImageResize": _resize,
        "ImageRotate": _rotate,
        "ImageTake": _take,
        "MaxFilter": _neighbours(np.max),
        "MeanFilter": _neighbours(np.mean),
        "MedianFilter": _neighbours(np.median),
        "MinFilter": _neighbours(np.min),
        "Opening": lambda pixels, arguments, evaluation: _twice(pixels, arguments, evaluation, np.min, np.max),
        "Sharpen": _sharpen,
        "Thumbnail": _thumbnail,
    }
    for name, work in works.items():
        define(definitions, name, _function(work))
    for name, function in (
        ("Binarize", _binarize),
        ("ColorConvert", _grayscale),
        ("EdgeDetect", _edges),
        ("ImageApply", _apply),
        ("ImageAssemble", _assemble),
        ("ImageData", _reals),
        ("ImageMeasurements", _measurements),
        ("ImageQ", _is_image_function),
        ("ImageType", _type),
        ("MorphologicalComponents", _components),
        ("PixelValue", _pixel_value),
    ):
        define(definitions, name, function)


def _twice(pixels: Array, arguments: list[Any], evaluation: Any, first: Any, second: Any) -> Array | None:
    once = _neighbours(first)(pixels, arguments, evaluation)
    return None if once is None else _neighbours(second)(once, arguments, evaluation)
