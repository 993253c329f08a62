"""Ensembles: one network that computes the mean of the outputs of several."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.words import checked_options
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, quoted
from chainrule.layers import Add, FixedAffine, Input, Node, Rescaling, node
from chainrule.layers.base import PACK, UNPACK
from chainrule.models.model import Graph, Model

# What members have in common, since the mean has it, too
COMMON = "input_shape input_names output_shape output_names dtype task classes thresholds columns mask_values positions"


@checked_options
def ensemble(models: Sequence[Model], *, name: str = "ensemble") -> Graph:
    """Return a network whose outputs are the means of those of several networks, with copies of their weights.

    Probabilities are averaged, and logits are averaged as they are. The networks run side by side on the same inputs:
    the result is saved, loaded, evaluated and exported as any other. It returns numbers in the units of the targets.
    Pass another ``seed`` to each network: networks that are built without a seed are all equal.

    Errors   OptionError for fewer than two networks, or if they differ in what the mean can have only once: shapes,
             names of classes or columns, task, thresholds, dtype

    >>> models = [build(seed) for seed in range(5)]
    >>> for model in models:
    ...     model.fit(x, y)
    >>> ensemble(models).save("five.safetensors")
    """
    members = _checked(models)
    first = members[0]
    shapes = {"": first.input_shape} if first.input_ports is None else first.input_ports.shapes
    inputs = {port: Input(shape) for port, shape in shapes.items()}
    weights = dict[str, Array]()
    outputs = dict[str, list[Node]]()
    for number, member in enumerate(members, 1):
        ends = _outputs(member, f"member{number}_", inputs, first, weights)
        for port, result in ends.items():
            outputs.setdefault(port, []).append(result)
    means = dict[str, Node]()
    for port, results in outputs.items():
        means[port] = Rescaling(1 / len(results))(Add()(*results))
    options: dict[str, Any] = {"dtype": str(first.dtype), "seed": first.seed, "loss": first.loss, "weights": weights}
    options |= {"engine": first.engine.name, "threads": first.threads, "precise": first.precise}
    model = Graph(inputs.get("", inputs), means.get("", means), name=name, **options)
    hashes = dict[int, None]()
    for member in members:
        hashes |= dict.fromkeys(member.training_hashes)
    fitted = replace(first.fitted, target_scaling=None, training_hashes=tuple(hashes))
    model.adopt(fitted)
    return model


def _checked(models: Any) -> list[Model]:
    """Return the models; OptionError if they are no models, or if their mean is no network."""
    members = [*models]
    if len(members) < 2 or not all(isinstance(member, Model) for member in members):
        raise OptionError(f"ensemble {quoted(models)}: expected a list of at least two models")
    first, *others = members
    for member in others:
        for attribute in COMMON.split():
            expected, found = getattr(first, attribute), getattr(member, attribute)
            if found != expected:
                raise OptionError(f"the models of an ensemble have different {attribute}: {expected} and {found}")
    return members


def _outputs(
    member: Model, prefix: str, inputs: Mapping[str, Node], first: Model, weights: dict[str, Array]
) -> dict[str, Node]:
    """Return the outputs of a member by name, in the units of the targets, and add its weights to the ensemble's.

    prefix     beginning of the names of its layers
    inputs     inputs by name, normalized as those of the first member
    """
    for name, values in member.weights.items():
        weights[prefix + name] = values
    sources = dict[str, Node]()
    for port, source in inputs.items():
        of_first, own = (model.normalization.parts.get(port, model.normalization) for model in (first, member))
        sources[port] = _affine(source, *_conversion(of_first, own), f"{prefix}normalization_{port}", weights)
    results: list[Any] = [sources.get("")]
    layers = [copy.copy(layer) for layer in member.layers]
    for name, reads, owner in zip(member.names, member.wiring.inputs, member.wiring.owners, strict=True):
        layer: Any = layers[owner]
        if layer.kind == UNPACK:
            results.append(sources[layer.label or name])
        elif layer.kind != PACK:
            result = node.apply(layer, [results[number] for number in reads], prefix + name)
            result.read = result.invented = True
            results.append(result)
    outputs = dict[str, Node]()
    scaling = member.target_scaling
    first_row = 0
    for end in member.outputs:
        result = results[end.number + 1]
        rows = slice(first_row, first_row + end.shape[0])
        first_row = rows.stop
        if scaling is not None:
            units = np.array(scaling.deviations[rows]), np.array(scaling.means[rows])
            result = _affine(result, *units, f"{prefix}units_{end.name}", weights)
        outputs[end.name] = result
    return outputs


def _conversion(before: Normalization, after: Normalization) -> tuple[Floats, Floats]:
    """Return scale and shift that convert inputs with a normalization to those with another, for each channel.

    Errors   OptionError if the first maps a channel to 0, but the other does not
    """
    (origin, gain), (new_origin, new_gain) = before.constants, after.constants
    if np.any((gain == 0) & (new_gain != 0)):
        raise OptionError("a column is constant only in the training data of the first model; pass this model last")
    scale = np.where(gain == 0, 0.0, new_gain / np.where(gain == 0, 1.0, gain))
    return scale, (origin - new_origin) * new_gain


def _affine(x: Node, scale: Floats, shift: Floats, name: str, weights: dict[str, Array]) -> Node:
    """Return scale · x + shift, with a number for each channel, and add the weights of the layer, if it is needed."""
    if np.all(scale == 1) and not shift.any():
        return x
    for weight, values in (("w", scale), ("b", shift)):
        weights[f"{name}.{weight}"] = np.broadcast_to(values, x.shape[:1])
    return FixedAffine()(x, name=name)
