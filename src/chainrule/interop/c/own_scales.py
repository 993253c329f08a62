"""Quantized networks with their own scales: FakeQuantize layers determine the scales of the preceding results."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.interop.c.routines import COPIES
from chainrule.interop.c.scales import INT8_MAX, INT8_MIN, Int8Scale, Scales
from chainrule.layers.activations import ELEMENTWISE

# Operations that can write integers on the scale of a clipping that follows them.
PRODUCTS = ("cross_correlate", "dense", "batch_norm_inference", "add", "multiply")
MAX_TIE_SHARE = 1 / 256  # change of a mean by a Rescaling that only decides ties, which the int8 pooling decides itself
SELECTING = ("max_pool", *COPIES)  # operations whose results have the scale of their input
HOSTS = (*PRODUCTS, "average_pool", "concatenate", *(name for name in ELEMENTWISE if name != "fake_quantize"))


class AbsorbedNetwork(NamedTuple):
    """The operations of a network after the fake quantizations were merged with the operations before them.

    input    the quantized input
    scales   scales of the results that have one, by storage
    """

    operations: list[Operation]
    input: Tensor
    scales: Scales


def absorb(operations: list[Operation], plan: Plan) -> AbsorbedNetwork:
    """Merge each fake quantization with the operation that computes its input, which then writes integers.

    A fake quantization of a result that other operations read remains a separate operation, as does one after an
    operation without an int8 form, such as softmax.

    operations   the operations of the inference plan after fusion
    """
    readers = Counter(tensor.storage for operation in operations for tensor in operation.reads if tensor is not None)
    readers[plan.output.storage] += 1
    network = AbsorbedNetwork([], plan.input, Scales())
    for operation in operations:
        x = operation.reads[0]
        if operation.name != "fake_quantize" or x is None:
            network.operations.append(operation)
        elif x.storage == plan.input.storage and readers[x.storage] == 1:
            network.scales[operation.writes[0].storage] = Int8Scale.of_layer(operation)
            network = network._replace(input=operation.writes[0])
        else:
            _absorb(network, operation, x, readers)
    return network


def _absorb(network: AbsorbedNetwork, operation: Operation, x: Tensor, readers: Counter[str]) -> None:
    """Add a fake quantization of x to a network, merged with the operation that computes x if possible."""
    operations, scales, y = network.operations, network.scales, operation.writes[0]
    scale, producers = Int8Scale.of_layer(operation), {other.writes[0].storage: other for other in operations}
    producer = producers.get(x.storage)
    if producer is None or readers[x.storage] > 1 or producer.name == "softmax":
        operations.append(operation)
        scales |= {} if producer is not None and producer.name == "softmax" else {y.storage: scale}
        return
    if producer.name == "rescaling" and abs(producer.attributes["scale"] - 1) < MAX_TIE_SHARE:
        source = producers.get(producer.reads[0].storage if producer.reads[0] is not None else "")
        if source is not None and source.name == "average_pool" and readers[source.writes[0].storage] == 1:
            operations.remove(producer)
            producer = source
    place = operations.index(producer)
    if producer.name in SELECTING and _input_scale(producer, scales) != scale:
        operations.append(operation)
    elif producer.name in (*HOSTS, *SELECTING):
        operations[place] = replace(producer, writes=(y.viewed(producer.writes[0].shape), *producer.writes[1:]))
        if producer.attributes.get("relu") and scale.zero != INT8_MIN:
            operations[place] = producer
            scales[x.storage] = scale
            operations.append(replace(operation, name="relu", attributes={}))
        elif producer.name in ("relu", "clip"):
            _absorb_clipping(network, operations[place], scale, producers, readers)
    else:
        operations.append(operation)
    scales[y.storage] = scale


def _absorb_clipping(
    network: AbsorbedNetwork,
    clipping: Operation,
    scale: Int8Scale,
    producers: dict[str, Operation],
    readers: Counter[str],
) -> None:
    """Let the operation before a clipping write integers on the scale of the clipped result.

    The clipping itself is removed if the range of the scale implies it.
    """
    x, y = clipping.reads[0], clipping.writes[0]
    host = producers.get(x.storage) if x is not None else None
    if x is None or host is None or host.name not in PRODUCTS or readers[x.storage] > 1 or x.storage in network.scales:
        return
    bounds = scale.values(np.array([INT8_MIN, INT8_MAX]))
    lowest, highest = bounds[0] + scale.step / 2, bounds[1] - scale.step / 2
    if clipping.attributes.get("low", 0.0) <= lowest and clipping.attributes.get("high", math.inf) >= highest:
        network.operations.remove(clipping)
        network.operations[network.operations.index(host)] = replace(host, writes=(y.viewed(host.writes[0].shape),))
    else:
        network.scales[x.storage] = scale


def _input_scale(operation: Operation, scales: Scales) -> Int8Scale | None:
    """Return the scale of an operation's first input; None if it is unknown."""
    x = operation.reads[0]
    return None if x is None else scales.get(x.storage)


def float_tail(operations: list[Operation], output: str, scales: Scales) -> list[Operation]:
    """Return the final element-wise functions and softmax that have no scale, and are therefore computed in floats."""
    tail = list[Operation]()
    for operation in reversed(operations):
        y = operation.writes[0].storage
        if y != output or y in scales or operation.name not in (*ELEMENTWISE, "softmax"):
            break
        read = operation.reads[0]
        users = sum(tensor is not None and tensor == read for other in operations for tensor in other.reads)
        if read is None or users > 1:
            break
        tail.insert(0, operation)
        output = read.storage
    return tail
