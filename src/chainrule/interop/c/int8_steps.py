"""The steps of a quantized model: each operation as a call of a C function, and with the same arithmetic in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Floats, Ints, Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.engines import loader
from chainrule.interop.c import calls, channels_last, fusing, transposed
from chainrule.interop.c.calls import Activations, Argument, CCall, Compute, Int8Step
from chainrule.interop.c.fusing import Values
from chainrule.interop.c.own_scales import SELECTING
from chainrule.interop.c.program import IMAGE, OUTPUTS
from chainrule.interop.c.scales import (
    MAX_MEAN_SHIFT,
    MULTIPLIER_BITS,
    SUM_BITS,
    Int8Scale,
    Scales,
    fixed_point,
    quantize_filters,
    rescale,
)
from chainrule.layers.kinds import ELEMENTWISE

INT8_VALUES = np.arange(-128, 128)
HALF_BITS = 32  # of a product; a larger shift does not need the lower half


class Int8Steps:
    """The steps of a quantized model, which are added one operation at a time.

    weights  values of the parameters after fusion, by storage
    scales   scales of the activations, by storage; those of new activations are added
    own      storages with scales of FakeQuantize layers

    The attribute `steps` contains the steps, and `values` the parameters of their calls.
    """

    def __init__(self, weights: Values, scales: Scales, own: Scales) -> None:
        self.steps = list[Int8Step]()
        self.values = Values()
        self.scales = scales
        self._engine = loader.find("numpy")
        self._weights = weights
        self._own_scales = own

    def add(self, function: str, arguments: tuple[Argument, ...], compute: Compute) -> None:
        """Add the call of a function. The last tensor among its arguments is the result."""
        call = CCall(function, arguments, in_place=function == "look_up")
        self.steps.append(Int8Step(call, call.result, compute))

    def _add_copies(self, operation: Operation, y: Tensor, compute: Compute) -> None:
        """Add the calls of an operation on arrays in the order of memory that only selects elements of int8."""
        for call in calls.of_operation(operation):
            copying = call._replace(function=f"{call.function}_int8")
            self.steps.append(Int8Step(copying, y, compute))

    def run(self, operation: Operation, *inputs: Array) -> Array:
        return self._engine.run(operation.name, inputs, dict(operation.attributes))[0]

    def add_operation(self, operation: Operation, *, in_floats: bool) -> None:
        """Add the steps of an operation; `in_floats`: the last one before outputs or operations in floats."""
        name = operation.name
        y = operation.result
        if name == "dense":
            is_rounded = y.storage in self._own_scales or operation.attributes.get("relu")
            return self._add_filtered(operation, in_floats=in_floats and not is_rounded)
        reads = tuple(x and self._reordered(x) for x in operation.reads)
        steps: dict[str, Callable[[Operation], None]] = {
            "cross_correlate": self._add_filtered,
            fusing.TRANSPOSED: self._add_transposed,
            "average_pool": self._add_average_pool,
            "add": self._add_sum,
            "multiply": self._add_product,
            "concatenate": self._add_concatenation,
            "constant": self._add_constant,
            "gather": self._add_gather,
            **dict.fromkeys(SELECTING, self._add_selection),
            **dict.fromkeys(ELEMENTWISE, self._add_elementwise),
        }
        if name not in steps or operation.attributes.get("divisor", "cells") != "cells":
            raise calls.unsupported(operation, "C with --int8")
        return steps[name](replace(operation, reads=reads))

    def stored_shape(self, x: Tensor) -> Shape:
        """Return the shape of an activation when it was computed, which determines its order in memory."""
        for step in reversed(self.steps):
            if step.result.storage == x.storage:
                return step.result.shape
        return x.shape

    def _reordered(self, x: Tensor) -> Tensor:
        """Return x with the channels of its shape last; add steps that copy it if it was stored in another shape."""
        stored = self.stored_shape(x)
        if np.array_equal(channels_last.order(stored), channels_last.order(x.shape)):
            return x
        original = x
        for operation in channels_last.permutations(x, stored):
            x = Tensor(operation.result.name, original.shape)
            self.scales[x.storage] = self.scales[original.storage]
            self._add_copies(operation, x, lambda activations: activations[original.storage])
        return x

    def _multiples(self, activations: Activations, x: Tensor) -> Floats:
        """Return the values (N, …) of an activation as multiples of its step size."""
        return activations[x.storage].reshape(-1, *x.shape).astype(np.float64) - self.scales[x.storage].zero

    def parameter(self, y: Tensor, name: str, values: Array) -> Tensor:
        """Return a new parameter of the call that computes y."""
        self.values[f"{y.name}.{name}"] = values
        return Tensor(f"{y.name}.{name}", values.shape, "parameter")

    def _add_filtered(self, operation: Operation, *, in_floats: bool = False) -> None:
        """Add a convolution or dense layer, which is a convolution of one pixel.

        in_floats   whether the result is the network's output, in floats
        """
        x = operation.operand()
        y = operation.result
        options = dict[str, Any](fusing.ONE_PIXEL)
        for name in options.keys() & operation.attributes.keys():
            options[name] = operation.attributes[name]
        x_scale = self.scales[x.storage]
        weights = self._kernels(operation)
        filters = quantize_filters(weights, self._bias(operation, len(weights)), x_scale)
        image, result = (tensor.viewed((*tensor.shape, 1, 1)[:3]) for tensor in (x, y))
        window = calls.Sliding.of(image, weights.shape[2:], result, {**options, "flip": False})
        is_depthwise = 1 < window.groups == window.channels == window.filters
        packed = filters.weights
        if packed.shape[1:] == (x.size, 1, 1):  # the inputs are in the order of memory
            packed = packed[:, channels_last.order(self.stored_shape(x))]
        arrays = (
            self.parameter(y, "w", channels_last.pack_filters(packed, window.groups, is_depthwise=is_depthwise)),
            self.parameter(y, "w_zero", filters.zeros) if filters.zeros.any() else None,
            self.parameter(y, "b", np.moveaxis(filters.bias, 0, -1)),
        )
        column_bytes = channels_last.column_bytes(weights, math.prod(result.shape[1:]))
        workspace = () if is_depthwise else (Tensor(f"{y.name}.columns", (column_bytes,)),)
        convolution = Operation("cross_correlate", (), (), options)

        def sums(activations: Activations) -> Array:
            multiples = self._multiples(activations, image)
            return self.run(convolution, multiples, filters.multiples, filters.bias.astype(np.float64))

        if in_floats:
            steps = filters.sum_steps.astype(np.float32)[:, None, None]
            outputs = Tensor(OUTPUTS, y.shape)
            arguments = (x, *arrays, self.parameter(y, "step", steps), *workspace, outputs, window.struct, x_scale.zero)
            return self.add("dense_to_floats", arguments, lambda done: sums(done).astype("f4") * steps)
        y_scale = self.scales[y.storage]
        scaling = fixed_point(filters.sum_steps / y_scale.step)
        factors = map(partial(self.parameter, y), ("multiplier", "shift"), scaling)
        _, shifts = scaling
        numbers = (x_scale.zero, y_scale.zero, int(filters.bias.ndim > 1), int(shifts.min() > HALF_BITS))
        function = "cross_correlate_depthwise_int8" if is_depthwise else "cross_correlate_int8"
        arguments = (x, *arrays, *factors, *workspace, y, window.struct, *numbers)
        return self.add(function, arguments, lambda done: rescale(sums(done), *scaling, y_scale))

    def _kernels(self, operation: Operation) -> Array:
        """Return the weights of a convolution or dense layer as kernels (filters, C/groups, KH, KW), not flipped."""
        w = operation.operand(1)
        added_axes = (1,) * (4 - len(w.shape))
        kernels = self._weights[w.storage].reshape(*w.shape, *added_axes)
        if operation.attributes.get("flip"):
            return kernels[:, :, ::-1, ::-1]
        return kernels

    def _bias(self, operation: Operation, filters: int) -> Array:
        """Return the bias of a convolution or dense layer; zeros if there is none."""
        b = operation.reads[2]
        if b is None:
            return np.zeros(filters)
        return self._weights[b.storage].reshape(b.shape)

    def _add_transposed(self, operation: Operation) -> None:
        """Add a transposed convolution: a convolution of cells, whose elements are then moved and cropped."""
        y = operation.result
        convolution = transposed.convolution(operation, self._weights)
        cells = convolution.result
        stride = operation.attributes["stride"]
        height = cells.shape[1] * stride[0]
        width = cells.shape[2] * stride[1]
        surplus = (0, height - y.shape[1], width - y.shape[2])  # of the last cells
        whole = y
        if any(surplus):
            whole = Tensor(f"{y.name}.whole", (y.shape[0], height, width))
        self.scales[cells.storage] = self.scales[whole.storage] = self.scales[y.storage]
        self._add_filtered(convolution)
        interleaving = transposed.interleaving(cells, whole, stride)
        self._add_copies(interleaving, whole, lambda done: transposed.interleaved(done[cells.storage], cells, stride))
        if any(surplus):
            self._add_selection(Operation("crop", (whole,), (y,), {"before": (0, 0, 0), "after": surplus}))

    def _add_elementwise(self, operation: Operation) -> None:
        x = operation.operand()
        y = operation.result
        scale = self.scales[x.storage]
        results = self.run(operation, scale.values(INT8_VALUES))
        if y.storage not in self.scales:  # the scale of x determines the range of the result
            is_exact = np.array_equal(scale.values(scale.numbers(results)), results)  # as for a ReLU
            self.scales[y.storage] = scale if is_exact else Int8Scale.of(float(results.min()), float(results.max()))
        self._add_look_up(x, y, results)

    def _add_look_up(self, x: Tensor, y: Tensor, results: Array) -> None:
        """Add a function with these results for all values of x."""
        numbers = self.scales[y.storage].numbers(results)
        arguments = (x, self.parameter(y, "table", numbers), y, 1, y.size)
        self.add("look_up", arguments, lambda done: numbers[done[x.storage].astype(np.int64) + 128])

    def _add_average_pool(self, operation: Operation) -> None:
        """Add average pooling, whose result has the scale of x unless it has its own."""
        x = operation.operand()
        y = operation.result
        x_scale = self.scales[x.storage]
        y_scale = self.scales.setdefault(y.storage, x_scale)
        attributes = {**operation.attributes, "divisor": "one"}
        are_even = attributes.pop("ties", "even") == "even"
        pooling = replace(operation, attributes=attributes)
        shift = min(MULTIPLIER_BITS - math.frexp(x_scale.step / y_scale.step)[1], MAX_MEAN_SHIFT)
        multiplier = round(x_scale.step / y_scale.step * 2**shift)

        def sums(values: Array) -> Ints:
            return np.rint(self.run(pooling, values)).astype(np.int64)

        def compute(activations: Activations) -> Array:
            inputs = self._multiples(activations, x)
            count = sums(np.ones_like(inputs[:1])) << shift
            # ⌊mean + 1/2⌋ rounds ties, with remainder 0, up: 1 too much for an odd result, or one below 0.
            means, remainders = np.divmod(2 * sums(inputs) * multiplier + count, 2 * count)
            excess = means % 2 if are_even else means + y_scale.zero <= 0
            return np.clip(means + y_scale.zero - excess * (remainders == 0), -128, 127).astype(np.int8)

        numbers = (multiplier, shift, x_scale.zero, y_scale.zero, int(are_even))
        self.add("average_pool_int8", (x, y, calls.Sliding.of_pooling(operation).struct, *numbers), compute)

    def _zeros(self, *tensors: Tensor) -> list[int]:
        return [self.scales[tensor.storage].zero for tensor in tensors]

    def _add_sum(self, operation: Operation) -> None:
        """Add a sum: (a · a_factor + b · b_factor) / 2^shift."""
        a = operation.operand()
        b = operation.operand(1)
        y = operation.result
        y_scale = self.scales[y.storage]
        a_step = self.scales[a.storage].step / y_scale.step
        b_step = self.scales[b.storage].step / y_scale.step
        shift = SUM_BITS - max(0, math.frexp(max(a_step, b_step))[1])
        a_factor = round(a_step * 2**shift)
        b_factor = round(b_step * 2**shift)

        def compute(activations: Activations) -> Array:
            sums = self._multiples(activations, a) * a_factor + self._multiples(activations, b) * b_factor
            return rescale(sums, np.full(1, 1), np.full(1, shift), y_scale)

        self.add("add_int8", (a, b, y, y.size, a_factor, b_factor, shift, *self._zeros(a, b, y)), compute)

    def _add_product(self, operation: Operation) -> None:
        """Add a product: a · b · multiplier / 2^shift."""
        a = operation.operand()
        b = operation.operand(1)
        y = operation.result
        y_scale = self.scales[y.storage]
        step = self.scales[a.storage].step * (self.scales[b.storage].step / y_scale.step)
        multiplier, shift = fixed_point(np.array([step]))

        def compute(activations: Activations) -> Array:
            products = self._multiples(activations, a) * self._multiples(activations, b)
            return rescale(products, multiplier, shift, y_scale)

        numbers = (int(multiplier[0]), int(shift[0]), *self._zeros(a, b, y))
        self.add("multiply_int8", (a, b, y, y.size, *numbers), compute)

    def _add_selection(self, operation: Operation) -> None:
        """Add an operation that only selects elements: its result has the scale of its inputs."""
        x = operation.operand()
        y = operation.result
        scale = self.scales[y.storage] = self.scales[x.storage]

        def compute(activations: Activations) -> Array:
            inputs = (self._multiples(activations, x) for x in operation.reads if x is not None)
            return (self.run(operation, *inputs) + scale.zero).astype(np.int8)

        if operation.name == "max_pool":
            self.add("max_pool_int8", (x, y, calls.Sliding.of_pooling(operation).struct), compute)
        else:
            padding = replace(operation, attributes={**operation.attributes, "zero": scale.zero})
            self._add_copies(channels_last.of_operation(padding), y, compute)

    def _add_concatenation(self, operation: Operation) -> None:
        y = operation.result
        reads = list[Tensor]()
        for number in range(len(operation.reads)):
            reads.append(self._on_scale(operation.operand(number), y, number))
        self._add_selection(replace(operation, reads=tuple(reads)))

    def _on_scale(self, x: Tensor, y: Tensor, number: int) -> Tensor:
        """Return x on the scale of y, the result of the operation whose input with this number is x."""
        scale = self.scales[x.storage]
        y_scale = self.scales[y.storage]
        if scale == y_scale:
            return x
        part = Tensor(f"{y.name}.part{number}", x.shape)
        self.scales[part.storage] = y_scale
        self._add_look_up(x, part, scale.values(INT8_VALUES))
        return part

    def _add_constant(self, operation: Operation) -> None:
        """Add a copy of constants, on a scale of their own unless the result has one."""
        b = operation.operand(1)
        y = operation.result
        values = self._weights[b.storage].reshape(y.shape)
        scale = self.scales.setdefault(y.storage, Int8Scale.of(float(values.min()), float(values.max())))
        numbers = scale.numbers(values)
        arguments = (self.parameter(y, "b", numbers), y, y.size)
        self.add("copy_int8", arguments, lambda done: np.broadcast_to(numbers, (len(done[IMAGE]), *y.shape)))

    def _add_gather(self, operation: Operation) -> None:
        """Add the selection of elements by constant indices; the result has the scale of the input."""
        x = operation.operand()
        indices = operation.operand(1)
        y = operation.result
        self.scales[y.storage] = self.scales[x.storage]
        places = self._weights[indices.storage]
        copy = replace(operation, reads=(x, self.parameter(y, "indices", places)))
        self._add_copies(copy, y, lambda done: self.run(operation, done[x.storage].reshape(-1, x.size), places))
