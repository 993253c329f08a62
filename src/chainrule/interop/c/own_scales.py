"""Quantized networks with their own scales: FakeQuantize layers determine the scales of the preceding results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.interop.c.fusing import count_readers
from chainrule.interop.c.scales import INT8_MAX, INT8_MIN, Int8Scale, Scales
from chainrule.layers.kinds import ELEMENTWISE

MAX_TIE_SHARE = 1 / 256  # change of a mean by a Rescaling that only decides ties, which the int8 pooling decides itself
# Operations whose results are elements of their input, or zeros.
SELECTING = ("max_pool", "pad", "crop", "permute", "broadcast")
CLIPPINGS = ("relu", "clip")
# Operations that can write integers on the scale of a fake quantization that follows them.
HOSTS = (
    *("cross_correlate", "cross_correlate_dx", "dense", "add", "multiply", "average_pool", "concatenate"),
    *(name for name in ELEMENTWISE if name != "fake_quantize"),
)


def move_roundings(plan: Plan) -> Plan:
    """Move fake quantizations before operations that commute with them, if the inputs of these are not yet rounded.

    The scale of the result is then also that of the inputs: of what a clipping, a maximum pooling, a copy or a
    concatenation reads.
    """
    operations = list(plan.forward)
    readers = count_readers(plan.forward, plan)
    index = 0
    while index < len(operations):
        rounding = operations[index]
        producers = _producers(operations[:index])
        moved = list[Operation]()
        producer = producers.get(rounding.operand().storage)
        if rounding.name == "fake_quantize" and producer and readers[producer.result.storage] == 1:
            moved = _rounded_first(producer, rounding, producers)
        if producer and moved:
            del operations[index]
            index = operations.index(producer)
            operations[index : index + 1] = moved
        else:
            index += 1
    return replace(plan, forward=tuple(operations))


def _rounded_first(producer: Operation, rounding: Operation, producers: dict[str, Operation]) -> list[Operation]:
    """Return operations that round the inputs of an operation instead of its result; empty if they would not be equal.

    Copies of rounded elements are rounded, so a copying operation needs no rounding after it. Other operations keep
    theirs, because a bound or an element of another input may not be a multiple of the step. In the order of the cases:

        max_pool(x), round(…)            →    max_pool(x), if x has been rounded in the same way
        tanh(x), round(…)                →    unchanged, as is any operation whose inputs are all rounded
        relu(x), round(…)                →    round(x), if the range of the scale clips x in the same way
        max_pool(x), round(…)            →    round(x), max_pool(…)
        concatenate(a, b), round(…)      →    round(a), round(b), concatenate(…), round(…)
    """
    y = rounding.result
    copies = producer.name in SELECTING
    copied = replace(producer, writes=(y.viewed(producer.result.shape), *producer.writes[1:]))
    grids = [_grid(x, producers) for x in producer.reads]
    if copies and grids[0] == rounding.attributes:
        return [copied]
    if None not in grids or not (copies or producer.name in (*CLIPPINGS, "concatenate")):
        return []
    if producer.name in CLIPPINGS and _is_implied(producer, Int8Scale.of_layer(rounding)):
        return [replace(rounding, reads=producer.reads)]
    reads = list[Tensor | None]()
    roundings = list[Operation]()
    for number, (x, grid) in enumerate(zip(producer.reads, grids, strict=True)):
        read = x
        if x is not None and not grid:
            read = Tensor(f"{y.storage}.operand{number}", x.shape)
            roundings.append(replace(rounding, reads=(x,), writes=(read,)))
        reads.append(read)
    if copies:
        return [*roundings, replace(copied, reads=tuple(reads))]
    return [*roundings, replace(producer, reads=tuple(reads)), rounding]


def _grid(x: Tensor | None, producers: dict[str, Operation]) -> Mapping[str, Any] | None:
    """Return the attributes of the fake quantization whose results a tensor contains; None if there is none."""
    if x is None or x.storage not in producers:
        return None
    producer = producers[x.storage]
    if producer.name in SELECTING:
        return _grid(producer.reads[0], producers)
    return producer.attributes if producer.name == "fake_quantize" else None


def _is_implied(clipping: Operation, scale: Int8Scale) -> bool:
    """Return whether the range of a scale implies a clipping."""
    bounds = scale.values(np.array([INT8_MIN, INT8_MAX]))
    lowest = bounds[0] + scale.step / 2
    highest = bounds[1] - scale.step / 2
    return clipping.attributes.get("low", 0.0) <= lowest and clipping.attributes.get("high", math.inf) >= highest


def absorb(operations: list[Operation], plan: Plan) -> tuple[list[Operation], Scales]:
    """Merge each fake quantization with the operation that computes its input, which then writes integers.

    A fake quantization of the network's input or of a result that other operations read remains a separate operation,
    as does one after an operation without an int8 form, such as softmax. Also return the scales of rounded results.
    An average pooling whose ties a Rescaling decides gets the attribute ``ties``, "away" (from 0).

    operations   the operations of the inference plan after fusion
    """
    readers = count_readers(operations, plan)
    absorbed = list[Operation]()
    scales = Scales()
    for operation in operations:
        producer = _producers(absorbed).get(operation.operand().storage)
        host = None
        if operation.name == "fake_quantize" and not (producer and producer.name == "softmax"):  # computed in floats
            scales[operation.result.storage] = Int8Scale.of_layer(operation)
            host = _host(absorbed, producer, readers)
        if host is None:
            absorbed.append(operation)
        else:
            attributes = dict(host.attributes)
            if host is not producer:
                attributes["ties"] = "away"
            writes = (operation.result.viewed(host.result.shape), *host.writes[1:])
            absorbed[absorbed.index(host)] = replace(host, writes=writes, attributes=attributes)
    return absorbed, scales


def _host(operations: list[Operation], producer: Operation | None, readers: Counter[str]) -> Operation | None:
    """Return the operation that can also round the result of ``producer``; None if there is none.

    A Rescaling after an average pooling that only decides ties is removed.
    """
    if producer is None or readers[producer.result.storage] > 1:
        return None
    if producer.name == "rescaling" and abs(producer.attributes["scale"] - 1) < MAX_TIE_SHARE:
        source = _producers(operations).get(producer.operand().storage)
        if source is not None and source.name == "average_pool" and readers[source.result.storage] == 1:
            operations.remove(producer)
            return source
    return producer if producer.name in HOSTS else None


def _producers(operations: Iterable[Operation]) -> dict[str, Operation]:
    """Return the operation that computes each storage."""
    return {operation.result.storage: operation for operation in operations}


def float_tail(operations: list[Operation], plan: Plan, scales: Scales) -> list[Operation]:
    """Return the final element-wise functions and softmax that have no scale, and are therefore computed in floats."""
    tail = list[Operation]()
    readers = count_readers(operations, plan)
    output = plan.output.storage
    for operation in reversed(operations):
        y = operation.result.storage
        read = operation.operand().storage
        is_float = y == output and y not in scales and operation.name in (*ELEMENTWISE, "softmax")
        if not is_float or readers[read] > 1:
            break
        tail.insert(0, operation)
        output = read
    return tail
