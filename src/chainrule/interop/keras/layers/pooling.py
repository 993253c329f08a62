"""Pooling."""

from collections.abc import Callable
from typing import Any

from chainrule.interop.keras.call import KerasCall
from chainrule.interop.keras.layers.convolution import brief
from chainrule.interop.keras.layout import KerasValue, placed


def pool(kind: str, axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of pooling by windows."""

    def translate(call: KerasCall) -> KerasValue:
        channels, window = call.channels(axes + 1), call.wholes("pool_size", axes, 2)
        stride = window if call.option("strides") is None else call.wholes("strides", axes)
        options: dict[str, Any] = {"window": brief(window), "padding": call.choice("padding", "valid", PADDINGS)}
        options |= {} if stride == window else {"stride": brief(stride)}
        return call.spatial(call.x, kind, channels, **options)

    translate.__doc__ = f"Return {kind}{', which leaves the padding out of its means' if 'Average' in kind else ''}."
    return translate


PADDINGS = ("valid", "same")


def whole(kind: str, axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of pooling over all positions."""

    def translate(call: KerasCall) -> KerasValue:
        x, channels = call.x, call.channels(axes + 1)
        y = placed(call.assembly.apply(kind, x.with_first(channels)), [0])
        kept = tuple(size if axis == channels else 1 for axis, size in enumerate(x.shape))
        return y.reshaped(kept) if call.flag("keepdims", False) else y

    translate.__doc__ = f"Return {kind}."
    return translate


def adaptive(call: KerasCall) -> KerasValue:
    """Return AdaptiveAveragePool2D."""
    channels = call.channels(3)
    return call.spatial(call.x, "AdaptiveAveragePool2D", channels, outputs=brief(call.wholes("output_size", 2)))


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    **{f"MaxPooling{axes}D": pool(f"MaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"AveragePooling{axes}D": pool(f"AveragePool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalMaxPooling{axes}D": whole(f"GlobalMaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalAveragePooling{axes}D": whole(f"GlobalAveragePool{axes}D", axes) for axes in (1, 2)},
    "AdaptiveAveragePooling2D": adaptive,
}
