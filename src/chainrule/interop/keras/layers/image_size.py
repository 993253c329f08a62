"""Resizing and cropping of images to a given size."""

from collections.abc import Callable, Sequence

from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall
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
    channels, mode = call.channel_axis(3), call.choice("interpolation", "bilinear", MODES)
    if call.flag("antialias", False):
        raise call.unsupported("antialias true", "false")
    for name in ("fill_mode", "fill_value"):  # used only by pad_to_aspect_ratio
        call.option(name)
    x, own = call.x, call.x.sides(channels)
    if call.flag("crop_to_aspect_ratio", False):
        x = _cropped(call, channels, _largest(own, size, inside=True))
    elif call.flag("pad_to_aspect_ratio", False):
        if call.option("fill_value", 0.0) or call.option("fill_mode", "constant") != "constant":
            raise call.unsupported(f"fill_value {quoted(call.option('fill_value'))}", "zeros")
        margins = [(large - side) // 2 for large, side in zip(_largest(own, size, inside=False), own, strict=True)]
        margins.insert(channels, 0)
        x = padded(call, x, [(margin, margin) for margin in margins])  # Keras adds as many pixels after the image
    return resized(call, x, channels, size, mode)


def _largest(own: list[int], size: Sequence[int], *, inside: bool) -> list[int]:
    """Return the size with another aspect ratio that contains an image or, if `inside`, is inside it.

    own    height and width of the image
    size   height and width with the aspect ratio
    """
    sides = own[1] * size[0] // size[1], own[0] * size[1] // size[0]
    return [max((min if inside else max)(pair), 1) for pair in zip(own, sides, strict=True)]


def _cropped(call: KerasCall, channels: int, size: Sequence[int]) -> KerasValue:
    """Return the center of an image."""
    totals = [more - less for more, less in zip(call.x.sides(channels), size, strict=True)]
    totals.insert(channels, 0)
    return padded(call, call.x, [(-(total // 2), total // 2 - total) for total in totals])


def center_crop(call: KerasCall) -> KerasValue:
    """Return Crop2D, or for a smaller image Crop2D and Resample2D, as Resizing with crop_to_aspect_ratio."""
    channels, size = call.channel_axis(3), [call.integer("height"), call.integer("width")]
    own = call.x.sides(channels)
    is_large = own[0] >= size[0] and own[1] >= size[1]
    x = _cropped(call, channels, size if is_large else _largest(own, size, inside=True))
    return resized(call, x, channels, size, "bilinear")


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {"Resizing": resizing, "CenterCrop": center_crop}
