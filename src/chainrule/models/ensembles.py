"""Ensembles: one network that computes the mean of the outputs of several."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.words import checked_options
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, quoted
from chainrule.layers import Add, FixedAffine, Input, Node, Rescaling, node
from chainrule.models.model import Graph, Model

# What members have in common, since the mean has it, too
COMMON = "input_shape output_shape has_ports dtype task classes thresholds columns mask_values positions"


@checked_options
def ensemble(models: Sequence[Model], *, name: str = "ensemble") -> Graph:
    """Return a network whose outputs are the means of those of several networks, with copies of their weights.

    Probabilities are averaged, and logits are averaged as they are. The networks run side by side on the same inputs:
    the result is saved, loaded, evaluated and exported as any other. It returns numbers in the units of the targets.
    Pass another ``seed`` to each network: networks that are built without a seed are all equal.

    Errors   OptionError for fewer than two networks, several inputs or outputs, or if the networks differ in what the
             mean can have only once: shapes, names of classes or columns, task, thresholds, dtype

    >>> models = [build(seed) for seed in range(5)]
    >>> for model in models:
    ...     model.fit(x, y)
    >>> ensemble(models).save("five.safetensors")
    """
    _check(models)
    first = models[0]
    x = Input(first.input_shape)
    weights = dict[str, Array]()
    results = list[Node]()
    hashes = dict[int, None]()
    for number, member in enumerate(models, 1):
        results.append(_output(member, f"member{number}_", x, first.normalization, weights))
        hashes |= dict.fromkeys(member.training_hashes)
    mean = Rescaling(1 / len(results))(Add()(*results))
    options: dict[str, Any] = {"dtype": str(first.dtype), "seed": first.seed, "loss": first.loss, "weights": weights}
    options |= {"engine": first.engine.name, "threads": first.threads, "precise": first.precise}
    model = Graph(x, mean, name=name, **options)
    model.adopt(replace(first.fitted, target_scaling=None, training_hashes=tuple(hashes)))
    return model


def _check(models: Any) -> None:
    """Raise OptionError unless the models have a mean that is a network."""
    members: list[Any] = [*models] if isinstance(models, list | tuple) else []
    if len(members) < 2 or not all(isinstance(member, Model) for member in members):
        raise OptionError(f"ensemble {quoted(cast('Any', models))}: expected a list of at least two models")
    first, *others = members
    if first.has_ports:
        raise OptionError("an ensemble is for networks with one input and one output; average the predictions instead")
    for member in others:
        for attribute in COMMON.split():
            expected = getattr(first, attribute)
            actual = getattr(member, attribute)
            if actual != expected:
                raise OptionError(f"the models of an ensemble have different {attribute}: {expected} and {actual}")


def _output(member: Model, prefix: str, x: Node, before: Normalization, weights: dict[str, Array]) -> Node:
    """Return the output of a member in the units of the targets, and add its weights to those of the ensemble.

    prefix   beginning of the names of its layers
    before   normalization of the input x
    """
    for name, values in member.weights.items():
        weights[prefix + name] = values
    results = [_affine(x, *_conversion(before, member.normalization), f"{prefix}normalization", weights)]
    layers = [copy.copy(layer) for layer in member.layers]
    for name, reads, owner in zip(member.names, member.wiring.inputs, member.wiring.owners, strict=True):
        result = node.apply(layers[owner], [results[number] for number in reads], prefix + name)
        result.read = result.invented = True
        results.append(result)
    scaling = member.target_scaling
    if scaling is None:
        return results[-1]
    return _affine(results[-1], np.array(scaling.deviations), np.array(scaling.means), f"{prefix}units", weights)


def _conversion(before: Normalization, after: Normalization) -> tuple[Floats, Floats]:
    """Return scale and shift that convert inputs with a normalization to those with another, for each channel.

    Errors   OptionError if the first maps a channel to 0, but the other does not
    """
    origin, gain = before.constants
    new_origin, new_gain = after.constants
    if np.any((gain == 0) & (new_gain != 0)):
        raise OptionError("a column is constant only in the training data of the first model; pass this model last")
    scale = np.where(gain == 0, 0.0, new_gain / np.where(gain == 0, 1.0, gain))
    return scale, (origin - new_origin) * new_gain


def _affine(x: Node, scale: Floats, shift: Floats, name: str, weights: dict[str, Array]) -> Node:
    """Return scale · x + shift, with a number for each channel, and add the weights of the layer, if it is needed."""
    if np.all(scale == 1) and not shift.any():
        return x
    weights[f"{name}.w"] = np.broadcast_to(scale, x.shape[:1])
    weights[f"{name}.b"] = np.broadcast_to(shift, x.shape[:1])
    return FixedAffine()(x, name=name)
