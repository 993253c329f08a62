"""Resizing and cropping of images to a given size."""

from collections.abc import Callable, Sequence

from chainrule.core.shapes import Pair
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall, Translation
from chainrule.interop.keras.layers.by_onnx import padded, resized
from chainrule.interop.keras.layouts import KerasValue

MODES = ("nearest", "bilinear")


def resizing(call: KerasCall) -> KerasValue:
    """Return Resample2D or UpSample2D, nearest or bilinear, after Crop2D or Pad2D to keep the aspect ratio."""
    return _resized(call, (call.integer("height"), call.integer("width")))


def resize(call: KerasCall) -> KerasValue:
    """Return Resample2D or UpSample2D: the function keras.ops.image.resize."""
    return _resized(call, call.integers("size", 2))


def _resized(call: KerasCall, size: tuple[int, ...]) -> KerasValue:
    """Return images in another size, with centers of pixels aligned as in Keras."""
    channels = call.channel_axis(3)
    mode = call.choice("interpolation", "bilinear", MODES)
    if call.flag("antialias", False):
        raise call.unsupported("antialias true", "false")
    fill_mode = call.option("fill_mode", "constant")  # both are used only by pad_to_aspect_ratio
    fill_value = call.option("fill_value", 0.0)
    x = call.x
    sides = x.sides(channels)
    if call.flag("crop_to_aspect_ratio", False):
        x = _cropped(call, channels, _with_aspect_ratio(min, sides, size))
    elif call.flag("pad_to_aspect_ratio", False):
        if fill_value or fill_mode != "constant":
            raise call.unsupported(f"fill_value {quoted(fill_value)}", "zeros")
        margins: list[Pair] = []
        for large, side in zip(_with_aspect_ratio(max, sides, size), sides, strict=True):
            margin = (large - side) // 2
            margins.append((margin, margin))  # Keras adds as many pixels after the image
        margins.insert(channels, (0, 0))
        x = padded(call, x, margins)
    return resized(call, x, channels, size, mode)


def _with_aspect_ratio(choose: Callable[..., int], sides: list[int], size: Sequence[int]) -> list[int]:
    """Return the size with another aspect ratio that contains an image (max), or is inside it (min).

    choose   max or min
    sides    height and width of the image
    size     height and width with the aspect ratio
    """
    height, width = sides
    new_height = choose(height, width * size[0] // size[1])
    new_width = choose(width, height * size[1] // size[0])
    return [max(new_height, 1), max(new_width, 1)]


def _cropped(call: KerasCall, channels: int, size: Sequence[int]) -> KerasValue:
    """Return the center of an image."""
    totals = [more - less for more, less in zip(call.x.sides(channels), size, strict=True)]
    totals.insert(channels, 0)
    borders: list[Pair] = []
    for total in totals:
        before = total // 2
        borders.append((-before, before - total))
    return padded(call, call.x, borders)


def center_crop(call: KerasCall) -> KerasValue:
    """Return Crop2D, or for a smaller image Crop2D and Resample2D, as Resizing with crop_to_aspect_ratio."""
    channels = call.channel_axis(3)
    height = call.integer("height")
    width = call.integer("width")
    sides = call.x.sides(channels)
    cropped_size = [height, width]
    if sides[0] < height or sides[1] < width:
        cropped_size = _with_aspect_ratio(min, sides, cropped_size)
    x = _cropped(call, channels, cropped_size)
    return resized(call, x, channels, [height, width], "bilinear")


LAYERS: dict[str, Translation] = {"Resizing": resizing, "CenterCrop": center_crop}
