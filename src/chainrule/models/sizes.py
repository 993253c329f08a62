"""Networks with the same weights for inputs of another height, width or length, or for other classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chainrule import layers
from chainrule.core import randomness
from chainrule.core.options import plain
from chainrule.core.shapes import differ_in_ones, text
from chainrule.data.containers import Column
from chainrule.errors import OptionError, ShapeError
from chainrule.layers import Dense, GlobalAveragePool1D, GlobalAveragePool2D, Layer, Softmax, node
from chainrule.layers.node import Wiring
from chainrule.network.fitted import checked_labels
from chainrule.network.losses import PROBABILITIES
from chainrule.network.network import Network
from chainrule.network.shapes import checked_seed
from chainrule.network.sizes import resized
from chainrule.training.freezing import frozen_names

BACKBONE = "backbone"  # name for all layers but the last one with parameters
N = TypeVar("N", bound=Network)


def sized(network: N, inputs: Mapping[Any, Column], *, single: bool = False) -> N:
    """Return the network, or one with the same weights for the height, width or length of inputs x.

    For a network of inputs (3, 32, 32), for example, x of shape (10, 3, 48, 64) returns one of inputs (3, 48, 64).

    inputs   the inputs as columns. The network itself is returned for several, and for samples of different shapes
    single   whether x may be one sample
    Errors   ShapeError if the network does not support this size
    """
    if network.input_ports or len(inputs) != 1:
        return network
    (column,) = inputs.values()
    sizes = column.shape
    shape = _shape_of_other_size(sizes, network.input_shape, single=single)
    if shape is None:
        return network
    try:
        return resized(network, shape)
    except ShapeError as error:
        expected = f"expected a batch of shape N×{text(network.input_shape)}, found {text(sizes)}"
        raise ShapeError(f"{expected}; {error}") from None


def with_classes(network: N, connect: Callable[..., N], classes: Any, seed: int, *, append: bool) -> N:
    """Return a copy of a network for other classes, with a new head, as `Model.with_classes`.

    connect   function (layers, input_shape, wiring, **options) that returns a network
    """
    listed: Any = plain(classes)
    count = 0
    if hasattr(listed, "__len__"):
        count = len(listed)
    names = checked_labels(listed, network.output_ports, count).names
    layers = [*network.layers]
    wiring = network.wiring
    loss = network.loss
    head = None  # the layer to replace
    if not append and not _ends_in_features(network):
        head = logit_layer(network)
    if head is None:
        # features (F,), series (C, L) and images (C, H, W) become vectors for the dense layer
        pools = [[], [GlobalAveragePool1D()], [GlobalAveragePool2D()]][len(network.output_shape) - 1]
        layers += [*pools, Dense(len(names)), Softmax()]
        wiring = _extended(wiring, layers)
        loss = None
    else:
        layer = layers[network.names.index(head)]
        size = {"filters": len(names)}
        if isinstance(layer, Dense):
            size = {"features": len(names)}
        enlarged = replace(layer, **size)
        for number, other in enumerate(layers):
            if other is layer:
                layers[number] = enlarged
    twin = connect(
        layers,
        network.input_shape,
        wiring,
        dtype=str(network.dtype),
        seed=randomness.child_seed(network.seed, "with_classes", checked_seed(seed)),
        engine=network.engine.name,
        threads=network.threads,
        precise=network.precise,
        classes=names,
        normalization=network.normalization,
        loss=loss,
    )
    twin.largest_input = network.largest_input
    for name in network.table.keys() & twin.table.keys():
        if name.rpartition(".")[0] != head:
            twin.weights[name][...] = network.weights[name]
    return twin


def names_to_freeze(network: Network, names: Sequence[str], option: str) -> tuple[str, ...]:
    """Return names for `freezing.frozen_names`: without layers that have no parameters, and with those of `BACKBONE`.

    For layers conv1, relu1, conv2, dense1, "backbone" becomes conv1 and conv2; of several outputs, the last layer with
    parameters of each is left out. Names of single parameters, such as "conv1.w", are kept.

    Errors   OptionError for a name that matches no parameter
    """
    trainable = list(filter(network.size, network.names))
    selected = list[str]()
    for name in names:
        if name not in network.names or name in trainable:
            selected.append(name)
    if BACKBONE in selected and BACKBONE not in network.names:
        heads = {*trainable[-1:]}
        if network.output_ports:
            heads = _heads(network)
        backbone = [name for name in trainable if name not in heads]
        if not backbone:
            raise OptionError(f"{option} {BACKBONE}: the network has no parameters before its last layer")
        selected = backbone + [name for name in selected if name != BACKBONE]
    frozen_names(selected, network.trainable_layout, option)
    return tuple(selected)


def _heads(network: Network) -> set[str]:
    """Return the last layer with parameters before each of several outputs."""
    heads = set[str]()
    for end in network.outputs:
        number = end.number + 1  # layers are numbered from 1 in `wiring.inputs`, where 0 is the network's input
        while number and not network.size(network.names[number - 1]):
            number = network.wiring.inputs[number - 1][0]
        if number:
            heads.add(network.names[number - 1])
    return heads


def _ends_in_features(network: Network) -> bool:
    """Return whether a network has no head: no probabilities, no recorded task, and no dense layer at the end."""
    if network.last_layer in PROBABILITIES or network.task is not None:
        return False
    try:
        return not isinstance(network.layers[network.names.index(logit_layer(network))], Dense)
    except OptionError:
        return True


def _extended(wiring: Wiring, layers: Sequence[Layer]) -> Wiring:
    """Return a wiring with the further layers added one after the other."""
    own = node.chain(layers)
    count = len(wiring.names)
    names = (*wiring.names, *own.names[count:])
    return Wiring(names, (*wiring.inputs, *own.inputs[count:]), (*wiring.owners, *own.owners[count:]))


def _shape_of_other_size(sizes: tuple[int, ...], shape: tuple[int, ...], *, single: bool) -> tuple[int, ...] | None:
    """Return the shape of a sample with the channels of ``shape``, but another height, width or length.

    None: the array fits as it is, or differs in more. If images have one channel, arrays may lack its axis.

    sizes    shape of the array, whose channels may be first or last, as in `input_array`
    single   whether the array may be one sample
    """
    channels, *positions = shape
    # possible shapes of a sample: the array without its first axis, or all of it
    samples = [sizes[1:]]
    if single and len(sizes) == len(shape):
        samples.append(sizes)
    for part in samples:
        if not positions or differ_in_ones(part, shape) or part == (*positions, channels):
            return None
    for part in samples:
        whole = _channels_first(part, channels, len(shape))
        if whole is not None:
            return whole
    for part in samples:
        if channels == 1 and len(part) == len(positions):
            return (1, *part)
    return None


def _channels_first(sizes: tuple[int, ...], channels: int, axes: int) -> tuple[int, ...] | None:
    """Return the last axes of an array, with the channels first; None if it has other channels or further axes."""
    before = sizes[:-axes]
    own = sizes[-axes:]
    if len(own) < axes or {*before} - {1} or channels not in (own[0], own[-1]):
        return None
    if own[0] == channels:
        return own
    return (channels, *own[:-1])


COMPUTED = (layers.Dense, layers.Conv1D, layers.Conv2D)  # layers that can compute logits
PASSED = (layers.Flatten, layers.Dropout, layers.GlobalAveragePool1D, layers.GlobalAveragePool2D)  # f(z / T) = f(z) / T


def logit_layer(model: Network) -> str:
    """Return the name of the layer whose weights are proportional to the logits; OptionError if there is none."""
    wiring = model.wiring
    parts = model.layers
    number = len(parts)  # layers are numbered from 1 in `wiring.inputs`, where 0 is the network's input
    if isinstance(parts[-1], layers.Softmax | layers.Sigmoid):
        (number,) = wiring.inputs[-1]
    while number and isinstance(parts[number - 1], PASSED):  # layers that keep the proportion, such as Flatten
        (number,) = wiring.inputs[number - 1]
    expected = "expected Dense or a convolution that is used once"
    if not number:
        raise OptionError(f"the logits are computed by the input; {expected}")
    layer = parts[number - 1]
    readers = [inputs for inputs in wiring.inputs if number in inputs]
    if not isinstance(layer, COMPUTED) or len(readers) > 1 or wiring.owners.count(number - 1) != 1:
        raise OptionError(f"the logits are computed by {layer.describe()}; {expected}")
    return wiring.names[number - 1]
