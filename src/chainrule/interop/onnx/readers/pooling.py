"""Pooling: windows, whole images, and reductions over axes of positions."""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from chainrule.interop.onnx.call import Call, Feature
from chainrule.interop.onnx.readers.affine import scaled
from chainrule.interop.onnx.readers.arithmetic import merged
from chainrule.interop.onnx.readers.windows import brief, brief_padding, image, lowered, window_of

GLOBAL = {"AveragePool2D": "GlobalAveragePool2D", "MaxPool2D": "GlobalMaxPool2D"}


def max_pool(call: Call) -> Feature:
    """Return MaxPool2D."""
    if call.wanted > 1:
        raise call.refusal("the positions of the maxima are read", "their values alone")
    return _pool(call, "MaxPool2D", {})


def average_pool(call: Call) -> Feature:
    """Return AveragePool2D."""
    return _pool(call, "AveragePool2D", {"count_padding": call.integer("count_include_pad", 0) != 0})


def _pool(call: Call, kind: str, options: dict[str, Any]) -> Feature:
    x = call.samples(2 + len(call.integers("kernel_shape")))
    if len(x.node.shape) not in (2, 3):
        raise call.refusal(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    window = window_of(call, call.integers("kernel_shape"), x.node.shape[1:])
    if max(window.dilation) > 1:
        raise call.refusal(f"dilations {list(window.dilation)}", "1; pooling has no other here")
    lift = 3 - len(x.node.shape)
    options = {
        "window": brief((*[1] * lift, *window.kernel)),
        "padding": brief_padding((*[(0, 0)] * lift, *window.padding)),
        **({} if window.stride == window.kernel else {"stride": brief((*[1] * lift, *window.stride))}),
        **options,
        **({"ceil_mode": True} if window.ceil_mode else {}),
    }
    if not any(map(sum, window.padding)) and not window.ceil_mode:
        options.pop("count_padding", None)
    return lowered(call, call.layer(kind, image(call, x), **options), x)


def whole(kind: str) -> Callable[[Call], Feature]:
    """Return the translation of pooling over all positions, which keeps their axes, with sizes of 1."""

    def translate(call: Call) -> Feature:
        x = call.samples()
        return reduced(call, x, list(range(2, len(x.shape))), kind, keep=True)

    translate.__doc__ = f"Return {GLOBAL[kind]}."
    return translate


def reduction(kind: str) -> Callable[[Call], Feature]:
    """Return the translation of a reduction over axes of positions."""

    def translate(call: Call) -> Feature:
        x = call.feature()
        axes = call.listed("axes", 1, 13 if kind == "SumPool2D" else 18)
        if not axes and call.integer("noop_with_empty_axes", 0):
            return x
        found = sorted(call.axis_in(axis, len(x.shape)) for axis in axes or range(len(x.shape)))
        return reduced(call, x, found, kind, keep=call.integer("keepdims", 1) != 0)

    translate.__doc__ = (
        f"Return {kind} over neighbouring axes of a sample{', or ' + GLOBAL[kind] if kind in GLOBAL else ''}."
    )
    return translate


def reduced(call: Call, x: Feature, axes: list[int], kind: str, *, keep: bool) -> Feature:
    """Return the mean, maximum or sum over neighbouring axes of a sample, counted as in the file."""
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise call.refusal(f"axes {axes} of {x.shape}", "neighbouring axes of a sample")
    x, axes = call.in_sample(x, axes)
    shape, first, last = x.node.shape, axes[0], axes[-1] + 1
    before, size, after = shape[:first], shape[first:last], shape[last:]
    kept = (*before, *([1] * len(size) if keep else []), *after)
    if not kept:
        kept = (1,)
        if not keep:
            raise call.refusal(f"axes {axes} of {x.shape}", "one axis that is left of a sample, or keepdims")
    if math.prod(after) == 1 and kind in GLOBAL:
        positions = size if len(size) == 2 else (1, math.prod(size))
        y = call.layer(GLOBAL[kind], call.reshape(x, (math.prod(before), *positions)))
        return call.reshape(y, kept)
    stacked = call.reshape(x, (math.prod(before), math.prod(size), math.prod(after)))
    return call.reshape(call.layer(kind, stacked, window=(math.prod(size), 1)), kept)


def mean_of_inputs(call: Call) -> Feature:
    """Return the mean of several inputs."""
    inputs = [call.feature(index) for index in range(len(call.values))]
    if len(inputs) == 1:
        return inputs[0]
    alike = all(each.shape == inputs[0].shape and each.batched == inputs[0].batched for each in inputs)
    total = call.layer("Add", *inputs) if alike else reduce(partial(merged, call, "Add"), inputs)
    return scaled(call, total, np.array(1 / len(inputs)))


OPERATORS = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": whole("AveragePool2D"),
    "GlobalMaxPool": whole("MaxPool2D"),
    "ReduceMean": reduction("AveragePool2D"),
    "ReduceMax": reduction("MaxPool2D"),
    "ReduceSum": reduction("SumPool2D"),
    "Mean": mean_of_inputs,
}
