"""Resizing and cropping of images to a given size."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.weights import KerasValue

MODES = ("nearest", "bilinear")
Line = tuple[int, int, int]


def resizing(call: KerasCall) -> KerasValue:
    """Return Resample2D, nearest or bilinear, after Crop2D or Pad2D to keep the aspect ratio."""
    return resized(call, call.integer("height"), call.integer("width"))


def resize(call: KerasCall) -> KerasValue:
    """Return Resample2D: the function keras.ops.image.resize."""
    height, width = call.integers("size", 2)
    return resized(call, height, width)


def resized(call: KerasCall, height: int, width: int) -> KerasValue:
    """Return images in another size, with centers of pixels aligned as in Keras."""
    channels, mode = call.channel_axis(3), call.choice("interpolation", "bilinear", MODES)
    if call.flag("antialias", False):
        raise call.unsupported("antialias true", "false")
    for name in ("fill_mode", "fill_value"):  # used only by pad_to_aspect_ratio
        call.option(name)
    x = call.x
    size = [side for axis, side in enumerate(x.shape) if axis != channels]
    if call.flag("crop_to_aspect_ratio", False):
        x = call.spatial(x, "Crop2D", channels, cropping=_margins(size, _largest(size, height, width, inside=True)))
    elif call.flag("pad_to_aspect_ratio", False):
        if call.option("fill_value", 0.0) or call.option("fill_mode", "constant") != "constant":
            raise call.unsupported(f"fill_value {quoted(call.option('fill_value'))}", "zeros")
        margins = _margins(_largest(size, height, width, inside=False), size)
        before = tuple((first, first) for first, _ in margins)  # Keras adds as many pixels after the image
        x = call.spatial(x, "Pad2D", channels, padding=before)
    return _resampled(call, x, channels, height, width, mode)


def _resampled(call: KerasCall, x: KerasValue, channels: int, height: int, width: int, mode: str) -> KerasValue:
    """Return images in another size."""
    size = [side for axis, side in enumerate(x.shape) if axis != channels]
    if size == [height, width]:
        return x
    rows, columns = (_line(mode, side, count) for side, count in zip(size, (height, width), strict=True))
    options = {"outputs": (height, width), "rows": rows, "columns": columns, "mode": mode}
    return call.spatial(x, "Resample2D", channels, **options)


def _line(mode: str, size: int, count: int) -> Line:
    """Return the numbers (a, b, c) of the positions (a·i + b)/c at which `count` outputs read `size` pixels.

    Pixel centers coincide, at (i + ½) · size/count − ½. "nearest" reads the pixel that contains this center.
    """
    return (2 * size, size, 2 * count) if mode == "nearest" else (2 * size, size - count, 2 * count)


def _largest(size: list[int], height: int, width: int, *, inside: bool) -> list[int]:
    """Return the size with the aspect ratio height : width that contains an image or, if `inside`, is inside it."""
    high, wide = floor(Fraction(size[1] * height, width)), floor(Fraction(size[0] * width, height))
    choose = min if inside else max
    return [max(choose(size[0], high), 1), max(choose(size[1], wide), 1)]


def _margins(large: list[int], small: list[int]) -> tuple[tuple[int, int], ...]:
    """Return the number of pixels before and after a centered image along each axis."""
    totals = [more - less for more, less in zip(large, small, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def center_crop(call: KerasCall) -> KerasValue:
    """Return Crop2D, or for a smaller image Crop2D and Resample2D, as Resizing with crop_to_aspect_ratio."""
    channels, height, width = call.channel_axis(3), call.integer("height"), call.integer("width")
    size = [side for axis, side in enumerate(call.x.shape) if axis != channels]
    is_large = size[0] >= height and size[1] >= width
    part = [height, width] if is_large else _largest(size, height, width, inside=True)
    x = call.spatial(call.x, "Crop2D", channels, cropping=_margins(size, part))
    return _resampled(call, x, channels, height, width, "bilinear")


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {"Resizing": resizing, "CenterCrop": center_crop}
