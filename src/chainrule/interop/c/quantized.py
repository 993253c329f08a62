"""Quantized networks: int8 weights and activations, int32 sums.

Every operation is implemented twice: as a call of a C function, and with the same arithmetic in NumPy. The accuracy of
the C program can therefore be measured before the program is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Tensor
from chainrule.engines import loader
from chainrule.errors import OptionError, unknown_name
from chainrule.interop.c import calls, channels_last, fusing, source, transposed
from chainrule.interop.c.calls import Activations, CCall, Int8Step
from chainrule.interop.c.own_scales import SELECTING, absorb, float_tail, move_roundings
from chainrule.interop.c.program import IMAGE, OUTPUTS, CProgram, int8_program
from chainrule.interop.c.scales import (
    INT8_MIN,
    MAX_MEAN_SHIFT,
    MULTIPLIER_BITS,
    SUM_BITS,
    Int8Scale,
    QuantizedFilters,
    Scales,
    activation_scales,
    fixed_point,
    quantize_filters,
    rescale,
)
from chainrule.layers.activations import ELEMENTWISE
from chainrule.training.metrics import Evaluation
from chainrule.training.target_fitting import folded

if TYPE_CHECKING:
    from chainrule.models.model import Model

INT8_VALUES = np.arange(-128, 128)
FAKE_QUANTIZE = "fake_quantize"
NUMBERS = {"float": "float", "int8": "int8_t", "uint8": "uint8_t"}  # type of the input and outputs → C type
ONE_PIXEL = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}  # of dense layers


class Quantized:
    """A quantized model.

    model  the model
    x      images for measuring the ranges of the activations, an array in the same format as for `predict`; None: all
           scales are those of the FakeQuantize layers of a quantized network
    io     type of the C program's input and outputs: "float", "int8" or "uint8". `predict` always uses floats

    Errors   ShapeError for images of another shape; OptionError for a layer without C functions for int8, without a
             scale if x is None, or for a model with several inputs or outputs
    """

    def __init__(self, model: Model, x: NDArray[Any] | None = None, *, io: str = "float") -> None:
        if io not in NUMBERS:
            raise unknown_name("io", io, (*NUMBERS,))
        if model.has_ports:
            raise OptionError("int8 arithmetic requires one input and one output; export the model in floats")
        model = folded(model)
        self._engine, self._model = loader.find("numpy"), model
        self._plan, self.values = model.plan(), dict[str, NDArray[Any]]()
        self._scales, self.io = Scales(), io
        if x is not None:
            x = model.normalization.apply(model.check_input(np.asarray(x)), model.dtype)
            self._scales.update(activation_scales(model, x))
        elif not any(operation.name == FAKE_QUANTIZE for operation in self._plan.forward):
            raise OptionError("the network computes with floats; pass images to measure its scales (--calibrate DATA)")
        operations, self._weights = fusing.fuse(move_roundings(self._plan), model.weights, int8=True)
        operations, self._own_scales = absorb(operations, self._plan)
        self._scales |= self._own_scales
        tail = float_tail(operations, self._plan, self._own_scales)
        if io != "float":  # element-wise functions are looked up in tables
            tail = tail[-1:] if tail and tail[-1].name == "softmax" else []
        body = operations[: len(operations) - len(tail)]
        self.steps = list[Int8Step]()
        if not body or any(self._reads_input(operation) for operation in operations if operation.name != FAKE_QUANTIZE):
            self.steps.append(self._input(self._plan.input))
        for operation in body:
            self._add_steps(operation, in_floats=operation is body[-1] and (io == "float" or bool(tail)))
        if self.steps[-1].result.name != OUTPUTS and (io == "float" or tail):
            self.steps.append(self._to_floats(tail[0].operand() if tail else self._plan.output))
        self.steps += [self._float_operation(operation) for operation in tail]
        if io != "float":
            self._add_integer_outputs()

    def _reads_input(self, operation: Operation) -> bool:
        return any(tensor is not None and tensor.storage == self._plan.input.storage for tensor in operation.reads)

    def program(self) -> CProgram:
        """Return the C program that runs the model."""
        program_calls = [step.call for step in self.steps if step.call]
        external = source.unique_identifiers(self.values) | {IMAGE: IMAGE}
        external |= {OUTPUTS: OUTPUTS} if self.io == "float" else {}
        if self.io != "float":
            program_calls = [call.in_bytes(OUTPUTS) for call in program_calls]
            results = [self.steps[position].result.storage for position in (0, -1)]
            if self.io == "int8":
                external |= {results[0]: IMAGE, results[1]: OUTPUTS}
            else:
                external |= {IMAGE: f"(const int8_t *){IMAGE}", results[1]: f"(int8_t *){OUTPUTS}"}
        return int8_program(program_calls, external, self.values)

    @property
    def input_scale(self) -> tuple[float, float]:
        """Step and zero of an integer input: q represents step · (q − zero), in the units of the training data."""
        normalization = self._model.normalization
        if self.io == "uint8":
            return (1 / 255 if normalization.pixels == "shares" else 1.0), 0.0
        scale = self._scales[self.steps[0].result.storage]
        gain, offset = (float(values.item()) for values in normalization.arrays(2, np.float64))
        return scale.step / gain, scale.zero + offset / scale.step

    @property
    def output_scale(self) -> tuple[float, int]:
        """Step and zero of integer outputs: q represents step · (q − zero)."""
        scale = self._scales[self.steps[-1].result.storage]
        return scale.step, scale.zero + 128 * (self.io == "uint8")

    def evaluate(self, floats: Evaluation, x: NDArray[Any]) -> Evaluation:
        """Return the float model's evaluation with the outputs of the quantized model. The loss is not recomputed."""
        return replace(floats, outputs=self.predict(x))

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for images, with the same arithmetic as the C program."""
        outputs = list[NDArray[Any]]()
        for start in range(0, len(x), 256):
            activations: Activations = {IMAGE: x[start : start + 256].astype(np.float32)}
            for step in self.steps:
                activations[step.result.storage] = step.compute(activations)
            result = self.steps[-1].result.storage
            last = activations[result].reshape(-1, self._plan.output.size)
            outputs.append(last if self.io == "float" else self._scales[result].values(last).astype(np.float32))
        return np.concatenate(outputs)

    # ------------------------------------------------------------------ operations

    def _input(self, x: Tensor) -> Int8Step:
        """Return the step that normalizes the image and quantizes it to int8, on the scale of x."""
        normalization, scale = self._model.normalization, self._scales[x.storage]
        gain, offset = normalization.arrays(len(x.shape) + 1, np.float64)
        gain, offset = (gain / scale.step).astype("f4"), (offset / scale.step + scale.zero).astype("f4")
        image = Tensor(IMAGE, x.shape, "input")

        def compute(activations: Activations) -> NDArray[Any]:
            return np.clip(np.floor(activations[IMAGE] * gain + offset + np.float32(0.5)), -128, 127).astype(np.int8)

        if self.io != "float" and gain.size > 1:
            raise OptionError(f"io {self.io!r} requires the same normalization for all channels; use 'float'")
        call = channels_last.quantize(image, x, gain, offset)
        if self.io == "uint8":
            values = (np.arange(-128, 128) % 256).astype(np.float32) * np.float32(self.input_scale[0])
            call = CCall("look_up", (image, self._parameter(f"{x.name}.table", compute({IMAGE: values})), x, x.size))
        return Int8Step(call if self.io != "int8" else None, x, compute)

    def _add_steps(self, operation: Operation, *, in_floats: bool) -> None:
        """Add the steps of an operation; `in_floats`: the last one before outputs or operations in floats."""
        name, y = operation.name, operation.writes[0]
        if name == FAKE_QUANTIZE and self._reads_input(operation):
            self.steps.append(self._input(y))
            return
        if name == "dense":
            is_rounded = y.storage in self._own_scales or operation.attributes.get("relu")
            self.steps += self._filtered(operation, in_floats=in_floats and not is_rounded)
            return
        operation = replace(operation, reads=tuple(x and self._reordered(x) for x in operation.reads))
        steps: dict[str, Callable[[Operation], list[Int8Step]]] = {
            "cross_correlate": self._filtered,
            fusing.TRANSPOSED: self._transposed,
            "average_pool": self._average_pool,
            **dict.fromkeys(("add", "multiply"), self._combine),
            "concatenate": self._concatenate,
            **dict.fromkeys(SELECTING, self._copy),
            **dict.fromkeys(ELEMENTWISE, self._elementwise),
        }
        if name not in steps or operation.attributes.get("divisor", "cells") != "cells":
            raise calls.unsupported(operation, "C with --int8")
        self.steps += steps[name](operation)

    def _stored_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of an activation when it was computed, which determines its order in memory."""
        shapes = (step.result.shape for step in reversed(self.steps) if step.result.storage == x.storage)
        return next(shapes, x.shape)

    def _reordered(self, x: Tensor) -> Tensor:
        """Return x with the channels of its shape last; add steps that copy it if it was stored in another shape."""
        stored = self._stored_shape(x)
        if np.array_equal(channels_last.order(stored), channels_last.order(x.shape)):
            return x
        original, scale = x, self._scales[x.storage]
        for operation in channels_last.permutations(x, stored):
            (call,) = calls.of_operation(operation)
            x = Tensor(operation.writes[0].name, original.shape)
            self._scales[x.storage] = scale
            call = call._replace(function="permute_int8")
            self.steps.append(Int8Step(call, x, lambda activations: activations[original.storage]))
        return x

    def _multiples(self, activations: Activations, x: Tensor) -> NDArray[np.float64]:
        """Return the values (N, …) of an activation as multiples of its step size."""
        return activations[x.storage].reshape(-1, *x.shape).astype(np.float64) - self._scales[x.storage].zero

    def _parameter(self, name: str, values: NDArray[Any]) -> Tensor:
        self.values[name] = values
        return Tensor(name, values.shape, "parameter")

    def _filtered(self, operation: Operation, *, in_floats: bool = False) -> list[Int8Step]:
        """Return the step of a convolution or dense layer, which is a convolution of one pixel.

        in_floats   whether the result is the network's output, in floats
        """
        x, w, b = operation.operand(), operation.operand(1), operation.reads[2]
        y, attributes = operation.writes[0], dict[str, Any](ONE_PIXEL)
        attributes |= {name: value for name, value in operation.attributes.items() if name in ONE_PIXEL}
        weights = self._weights[w.storage].reshape(w.shape)
        if operation.name == "dense":
            weights = weights[..., None, None]
        elif operation.attributes["flip"]:
            weights = weights[:, :, ::-1, ::-1]
        bias = np.zeros(len(weights)) if b is None else self._weights[b.storage].reshape(b.shape)
        x_scale = self._scales[x.storage]
        filters = quantize_filters(weights, bias, x_scale)
        image, result = (tensor.viewed((*tensor.shape, 1, 1)[:3]) for tensor in (x, y))
        window = calls.sliding(image, weights.shape[2:], result, {**attributes, "flip": False})
        is_depthwise = 1 < attributes["groups"] == image.shape[0] == result.shape[0]
        arrays = self._filter_parameters(x, y, filters, attributes["groups"], is_depthwise=is_depthwise)
        positions = math.prod(result.shape[1:])
        columns = Tensor(f"{y.name}.columns", (channels_last.column_bytes(weights, positions),))
        workspace = () if is_depthwise else (columns,)

        def sums(activations: Activations) -> NDArray[Any]:
            reads = (self._multiples(activations, image), filters.multiples, filters.bias.astype(np.float64))
            return self._engine.run("cross_correlate", reads, attributes)[0].reshape(-1, *y.shape)

        if in_floats:
            steps, outputs = filters.sum_steps.astype(np.float32), Tensor(OUTPUTS, y.shape)
            step = self._parameter(f"{y.name}.step", steps)
            call = CCall("dense_to_floats", (x, *arrays, step, *workspace, outputs, window, x_scale.zero))
            return [Int8Step(call, outputs, lambda activations: sums(activations).astype(np.float32) * steps)]
        y_scale = self._scales[y.storage]
        scaling = fixed_point(filters.sum_steps / y_scale.step)
        names = (f"{y.name}.multiplier", f"{y.name}.shift")
        factors = (self._parameter(name, array) for name, array in zip(names, scaling, strict=True))
        arguments = (*workspace, y, window, x_scale.zero, y_scale.zero, int(filters.bias.ndim > 1))
        function = "cross_correlate_depthwise_int8" if is_depthwise else "cross_correlate_int8"
        call = CCall(function, (x, *arrays, *factors, *arguments))
        return [Int8Step(call, y, lambda activations: rescale(sums(activations), *scaling, y_scale))]

    def _transposed(self, operation: Operation) -> list[Int8Step]:
        """Return the steps of a transposed convolution: a convolution whose results are then moved and cropped."""
        y, convolution = operation.writes[0], transposed.convolution(operation, self._weights)
        cells, stride = convolution.writes[0], operation.attributes["stride"]
        sizes = [count * step for count, step in zip(cells.shape[1:], stride, strict=True)]
        ends = (0, *(size - end for size, end in zip(sizes, y.shape[1:], strict=True)))
        whole = Tensor(f"{y.name}.whole", (y.shape[0], *sizes)) if any(ends) else y
        self._scales[cells.storage] = self._scales[whole.storage] = self._scales[y.storage]
        steps = [*self._filtered(convolution), transposed.interleave(cells, whole, stride)]
        crop = Operation("crop", (whole,), (y,), {"before": (0, 0, 0), "after": ends})
        return [*steps, *self._copy(crop)] if any(ends) else steps

    def _filter_parameters(
        self, x: Tensor, y: Tensor, filters: QuantizedFilters, groups: int, *, is_depthwise: bool
    ) -> tuple[Tensor | None, ...]:
        """Return the parameters w, w_zero and b of a C function; no w_zero if all zeros are 0."""
        weights, bias = filters.weights, np.moveaxis(filters.bias, 0, -1)
        if weights.shape[2:] == (1, 1) and weights.shape[1] == x.size:  # the inputs are in the order of memory
            weights = weights[:, channels_last.order(self._stored_shape(x))]
        packed = np.moveaxis(weights[:, 0], 0, -1) if is_depthwise else channels_last.pack_filters(weights, groups)
        w_zero = self._parameter(f"{y.name}.w_zero", filters.zeros) if filters.zeros.any() else None
        return self._parameter(f"{y.name}.w", packed), w_zero, self._parameter(f"{y.name}.b", bias)

    def _elementwise(self, operation: Operation) -> list[Int8Step]:
        x, y, scale = operation.operand(), operation.writes[0], self._scales[operation.operand().storage]
        results = self._engine.run(operation.name, (scale.values(INT8_VALUES),), dict(operation.attributes))[0]
        if y.storage not in self._scales:  # the scale of x determines the range of the result
            is_exact = np.array_equal(scale.values(scale.numbers(results)), results)  # as for a ReLU
            self._scales[y.storage] = scale if is_exact else Int8Scale.of(float(results.min()), float(results.max()))
        return self._look_up(x, y, results)

    def _look_up(self, x: Tensor, y: Tensor, results: NDArray[Any]) -> list[Int8Step]:
        """Return the step of a function with these results for all values of x."""
        numbers = self._scales[y.storage].numbers(results)
        call = CCall("look_up", (x, self._parameter(f"{y.name}.table", numbers), y, y.size), in_place=True)
        return [Int8Step(call, y, lambda activations: numbers[activations[x.storage].astype(np.int64) + 128])]

    def _average_pool(self, operation: Operation) -> list[Int8Step]:
        """Return the step of average pooling, whose result has the scale of x unless it has its own."""
        x, y, x_scale = operation.operand(), operation.writes[0], self._scales[operation.operand().storage]
        y_scale = self._scales.setdefault(y.storage, x_scale)
        attributes = {**operation.attributes, "divisor": "one"}
        are_even = attributes.pop("ties", "even") == "even"
        shift = min(MULTIPLIER_BITS - math.frexp(x_scale.step / y_scale.step)[1], MAX_MEAN_SHIFT)
        multiplier = round(x_scale.step / y_scale.step * 2**shift)

        def sums(values: NDArray[Any]) -> NDArray[np.int64]:
            return np.rint(self._engine.run("average_pool", (values,), attributes)[0]).astype(np.int64)

        def compute(activations: Activations) -> NDArray[Any]:
            inputs = self._multiples(activations, x)
            count = sums(np.ones_like(inputs[:1])) << shift
            means, remainders = np.divmod(2 * sums(inputs) * multiplier + count, 2 * count)
            excess = means % 2 if are_even else means + y_scale.zero <= 0
            return np.clip(means + y_scale.zero - excess * (remainders == 0), -128, 127).astype(np.int8)

        numbers = (multiplier, shift, x_scale.zero, y_scale.zero, int(are_even))
        return [Int8Step(CCall("average_pool_int8", (x, y, calls.pooling(x, y, attributes), *numbers)), y, compute)]

    def _combine(self, operation: Operation) -> list[Int8Step]:
        """Return the step of a sum or a product."""
        operands, y, is_sum = (operation.operand(), operation.operand(1)), operation.writes[0], operation.name == "add"
        *scales, y_scale = (self._scales[tensor.storage] for tensor in (*operands, y))
        steps, factors = [scale.step / y_scale.step for scale in scales], [1, 1]
        multiplier, shift = (int(array[0]) for array in fixed_point(np.array([scales[0].step * steps[1]])))
        if is_sum:
            multiplier, shift = 1, SUM_BITS - max(0, math.frexp(max(steps))[1])
            factors = [round(step * 2**shift) for step in steps]

        def compute(activations: Activations) -> NDArray[Any]:
            a, b = (self._multiples(activations, x) * factor for x, factor in zip(operands, factors, strict=True))
            return rescale(a + b if is_sum else a * b, np.full(1, multiplier), np.full(1, shift), y_scale)

        zeros = (scale.zero for scale in (*scales, y_scale))
        numbers = (*(factors if is_sum else [multiplier]), shift, *zeros)
        return [Int8Step(CCall(f"{operation.name}_int8", (*operands, y, y.size, *numbers)), y, compute)]

    def _copy(self, operation: Operation) -> list[Int8Step]:
        """Return the steps of an operation that only selects elements: its result has the scale of its inputs."""
        x, y, attributes = operation.operand(), operation.writes[0], operation.attributes
        scale = self._scales[y.storage] = self._scales[x.storage]

        def compute(activations: Activations) -> NDArray[Any]:
            inputs = tuple(self._multiples(activations, x) for x in operation.reads if x is not None)
            return (self._engine.run(operation.name, inputs, dict(attributes))[0] + scale.zero).astype(np.int8)

        if operation.name == "max_pool":
            copies = [CCall("max_pool", (x, y, calls.pooling(x, y, attributes)))]
        else:
            operation = replace(operation, attributes={**attributes, "zero": scale.zero})
            copies = calls.of_operation(channels_last.of_operation(operation))
        return [Int8Step(call._replace(function=f"{call.function}_int8"), y, compute) for call in copies]

    def _concatenate(self, operation: Operation) -> list[Int8Step]:
        y, reads, roundings = operation.writes[0], list[Tensor](), list[Int8Step]()
        for number in range(len(operation.reads)):
            x, scale = operation.operand(number), self._scales[operation.operand(number).storage]
            if scale != self._scales[y.storage]:
                part = Tensor(f"{y.name}.part{number}", x.shape)
                self._scales[part.storage] = self._scales[y.storage]
                roundings += self._look_up(x, part, scale.values(INT8_VALUES))
                x = part
            reads.append(x)
        return [*roundings, *self._copy(replace(operation, reads=tuple(reads)))]

    # ------------------------------------------------------------------ final operations

    def _to_floats(self, source: Tensor) -> Int8Step:
        scale, result = self._scales[source.storage], Tensor(OUTPUTS, source.shape)
        sizes = channels_last.planes(self._stored_shape(source))
        call = CCall("dequantize", (source, result, *sizes, scale.step, scale.zero))
        return Int8Step(call, result, lambda activations: scale.values(activations[source.storage]).astype(np.float32))

    def _float_operation(self, operation: Operation) -> Int8Step:
        """Return the step for an operation that updates the outputs in place, in floats."""
        outputs = Tensor(OUTPUTS, operation.writes[0].shape)
        (call,) = calls.of_operation(replace(operation, reads=(outputs,), writes=(outputs,)))

        def compute(activations: Activations) -> NDArray[Any]:
            x = activations[OUTPUTS].reshape(-1, *outputs.shape)
            return self._engine.run(operation.name, (x,), dict(operation.attributes))[0]

        return Int8Step(call, outputs, compute)

    def _add_integer_outputs(self) -> None:
        """Add the steps that write the outputs as int8 or uint8; probabilities become multiples of 1/256."""
        y = self.steps[-1].result
        if y.name == OUTPUTS:
            result, scale = Tensor("result", y.shape), Int8Scale(1 / 256, INT8_MIN)
            self._scales[result.storage] = scale
            call = channels_last.quantize(y, result, np.full(1, 256, "f4"), np.full(1, INT8_MIN, "f4"))
            self.steps.append(Int8Step(call, result, lambda activations: scale.numbers(activations[OUTPUTS])))
            y = result
        if self.io == "uint8":
            table = self._parameter("result.table", (INT8_VALUES + 128).astype(np.uint8).view(np.int8))
            result, name = Tensor("bytes", y.shape), y.storage
            self._scales[result.storage] = self._scales[name]
            call = CCall("look_up", (y, table, result, y.size))
            self.steps.append(Int8Step(call, result, lambda activations: activations[name]))
