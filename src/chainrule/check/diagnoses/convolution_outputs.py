"""Classic mistakes in the forward pass of a convolutional layer."""

from typing import Any

import numpy as np

from chainrule.check.diagnoses.kernels import dilated, flipped, slide_of, turned
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.numpy.convolution import cross_correlate
from chainrule.engines.protocol import Array


def _moved(t: GroundTruth, **changes: Any) -> Array:
    """Return the output for another geometry; an untied bias, which does not fit it, is left out."""
    b = t.values.get("b")
    return cross_correlate(t.x, t.values["w"], None if b is None or b.ndim > 1 else b, **{**t.attributes, **changes})


def _turned(t: GroundTruth) -> Array:
    return cross_correlate(t.x, turned(t.values["w"]), t.values.get("b"), **t.attributes)


def _repeated_bias(t: GroundTruth) -> Candidates:
    if "b" in t.values and t.values["b"].ndim == 1:
        channels, rows, columns = t.values["w"].shape[1:]
        for count in (channels, rows * columns, channels * rows * columns):
            yield t.y + (count - 1) * t.values["b"][:, None, None]


def _one_channel(t: GroundTruth) -> Candidates:
    if t.attributes["groups"] == 1:
        for c in (t.x.shape[1] - 1, 0):
            for w in (t.values["w"][:, c : c + 1], t.values["w"].sum(axis=1, keepdims=True)):
                yield cross_correlate(t.x[:, c : c + 1], w, t.values.get("b"), **t.attributes)


def _samples_added_up(t: GroundTruth) -> Candidates:
    alone, b = cross_correlate(t.x, t.values["w"], **t.attributes), t.values.get("b", np.zeros(1))
    yield np.broadcast_to(alone.sum(axis=0), alone.shape) + (b[:, None, None] if b.ndim == 1 else b)


def _exchanged_padding(t: GroundTruth) -> Candidates:
    (top, bottom), (left, right) = slide_of(t).padding
    yield _moved(t, padding=((bottom, top), (right, left)))


CATALOGUE = catalogue(
    "convolution",
    ("y", "correlation-convolution-mixed-up", "is the output of a true convolution: do not rotate the kernel",
     lambda t: [] if flipped(t) else [_turned(t)]),
    ("y", "correlation-convolution-mixed-up", "is the output of a cross-correlation: rotate the kernel by 180° first",
     lambda t: [_turned(t)] if flipped(t) else []),
    ("y", "bias-not-added", "equals the output without the bias: add b[o] to every entry of output channel o",
     lambda t: [cross_correlate(t.x, t.values["w"], **t.attributes)] if "b" in t.values else []),
    ("y", "bias-added-repeatedly", "contains the bias several times: add it once, after the sums over c, u and v",
     _repeated_bias),
    ("y", "channel-sum-missing", "includes one input channel only: sum over all channels that a filter reads",
     _one_channel),
    ("y", "samples-added-up",
     "adds up the samples of the batch: each has an output of its own, so sum over c, u and v only",
     _samples_added_up),
    ("y", "stride-forgotten", "equals the output for stride 1: move the window by s from one output to the next",
     lambda t: [_moved(t, stride=(1, 1))] if slide_of(t).stride != (1, 1) else []),
    ("y", "dilation-ignored", "equals the output for dilation 1: kernel element (u, v) lies at offset (d·u, d·v)",
     lambda t: [_moved(t, dilation=(1, 1))] if dilated(t) else []),
    ("y", "padding-ignored", "equals the output without padding: pad x with zeros first",
     lambda t: [_moved(t, padding=((0, 0), (0, 0)))]),
    ("y", "padding-at-wrong-end",
     "equals the output with the padding before and after x swapped: it is ((top, bottom), (left, right))",
     _exchanged_padding),
)  # fmt: skip
