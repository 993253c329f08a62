"""Where a model looks, for a user's inputs: conversion of the inputs, and the figure. `explain.saliency` computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.core.options import plain
from chainrule.core.shapes import text
from chainrule.data.inputs import read_inputs
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.explain import saliency
from chainrule.models.reading import normalization_of
from chainrule.network.ports import Ports
from chainrule.network.shapes import input_array
from chainrule.plotting import heat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.models.trainable import TrainableNetwork


def samples_of(model: TrainableNetwork, x: Any) -> Array:
    """Return inputs of `predict` as an array (N, *input_shape); OptionError if the model has several inputs."""
    if model.has_ports:
        raise OptionError("where a model looks is shown only for one input and one output")
    inputs = Ports.single(read_inputs(x, model.input_shape, model.classes))
    return input_array(inputs, model.input_shape, single=True)


def normalized(model: TrainableNetwork, x: Any) -> Array:
    """Return inputs of `predict` as a normalized array (N, *input_shape)."""
    samples = samples_of(model, x)
    return normalization_of(model, samples).apply(samples, model.dtype)


def plot(model: TrainableNetwork, name: str, x: Any, label: Any, layer: str | None) -> Figure:
    """Plot the first image with its saliency and, if the model has feature maps, its Grad-CAM."""
    images = samples_of(model, x)[:1]
    if images.ndim != 4 or not len(images):
        raise OptionError(f"plot_heat requires an image; the model's inputs are {text(model.input_shape)}")
    inputs = normalized(model, images)
    maps = {"saliency": saliency.saliency(model, inputs, label, model.classes)[0]}
    if layer is not None or any(len(shape) > 2 for (shape, *_) in model.input_shapes[1:]):
        maps["Grad-CAM"] = saliency.grad_cam(model, inputs, label, layer, model.classes)[0]
    index = plain(label)
    about = f" for {label}" if isinstance(index, str) else ""
    if isinstance(index, int) and index < len(model.classes):
        about = f" for {model.classes[index]}"
    return heat.heat_maps(images[0], maps, f"Where {name} looks{about}")
