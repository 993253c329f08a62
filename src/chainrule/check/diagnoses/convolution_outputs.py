"""Classic mistakes in the forward pass of a convolutional layer."""

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.kernels import bias_of, groups_of, slid_kernel, slide_of, tied_bias, undilated
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("convolution")
add = CATALOGUE.add


@add("y", "correlation-convolution-mixed-up")
def rotated_output(t: GroundTruth) -> Candidates:
    """Is the output of a true convolution: do not rotate the kernel."""
    if not t.attributes.get("flip"):
        yield _turned(t)


@add("y", "correlation-convolution-mixed-up")
def unrotated_output(t: GroundTruth) -> Candidates:
    """Is the output of a cross-correlation: rotate the kernel by 180° first."""
    if t.attributes.get("flip"):
        yield _turned(t)


@add("y", "bias-not-added")
def without_bias(t: GroundTruth) -> Candidates:
    """Equals the output without the bias: add b[o] to every entry of output channel o."""
    if "b" in t.values:
        yield sliding.correlate(t.x, slid_kernel(t), None, slide_of(t), groups_of(t))


@add("y", "bias-added-repeatedly")
def repeated_bias(t: GroundTruth) -> Candidates:
    """Contains the bias several times: add it once, after the sums over c, u and v."""
    b = tied_bias(t)
    if b is not None:
        channels, rows, columns = t.values["w"].shape[1:]
        for count in (channels, rows * columns, channels * rows * columns):
            yield t.y + (count - 1) * b[:, None, None]


@add("y", "channel-sum-missing")
def one_channel(t: GroundTruth) -> Candidates:
    """Includes one input channel only: sum over all channels that a filter reads."""
    if groups_of(t) == 1:
        for c in (t.x.shape[1] - 1, 0):
            image, kernel = t.x[:, c : c + 1], slid_kernel(t)
            yield sliding.correlate(image, kernel[:, c : c + 1], bias_of(t), slide_of(t), 1)
            yield sliding.correlate(image, kernel.sum(axis=1, keepdims=True), bias_of(t), slide_of(t), 1)


@add("y", "samples-added-up")
def all_samples(t: GroundTruth) -> Candidates:
    """Adds up the samples of the batch: each has an output of its own, so sum over c, u and v only."""
    alone = sliding.correlate(t.x, slid_kernel(t), None, slide_of(t), groups_of(t))
    b = bias_of(t)
    bias = 0 if b is None else b.reshape(-1, 1, 1) if b.ndim == 1 else b
    yield np.broadcast_to(alone.sum(axis=0, keepdims=True), alone.shape) + bias


@add("y", "stride-forgotten")
def every_position(t: GroundTruth) -> Candidates:
    """Equals the output for stride 1: move the window by s from one output to the next."""
    if slide_of(t).stride != (1, 1):
        yield _moved(t, slide_of(t).replace(stride=(1, 1)))


@add("y", "dilation-ignored")
def close_output(t: GroundTruth) -> Candidates:
    """Equals the output for dilation 1: kernel element (u, v) lies at offset (d·u, d·v)."""
    for slide in undilated(t):
        yield _moved(t, slide)


@add("y", "padding-ignored")
def unpadded(t: GroundTruth) -> Candidates:
    """Equals the output without padding: pad x with zeros first."""
    yield _moved(t, slide_of(t).replace(padding=((0, 0), (0, 0))))


@add("y", "padding-at-wrong-end")
def exchanged_padding(t: GroundTruth) -> Candidates:
    """Equals the output with the padding before and after x swapped: it is ((top, bottom), (left, right))."""
    slide = slide_of(t)
    (top, bottom), (left, right) = slide.padding
    yield _moved(t, slide.replace(padding=((bottom, top), (right, left))))


def _moved(t: GroundTruth, slide: SlidingWindow) -> Array:
    """Return the output for another geometry; an untied bias, which does not fit it, is left out."""
    return sliding.correlate(t.x, slid_kernel(t), tied_bias(t), slide, groups_of(t))


def _turned(t: GroundTruth) -> Array:
    """Return the output for the kernel rotated by 180°."""
    kernel = slid_kernel(t)[:, :, ::-1, ::-1]
    return sliding.correlate(t.x, kernel, bias_of(t), slide_of(t), groups_of(t))
