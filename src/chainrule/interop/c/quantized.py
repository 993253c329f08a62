"""Quantized networks: int8 weights and activations, int32 sums.

Every step is implemented twice (`Int8Steps`): as a call of a C function, and with the same arithmetic in NumPy. The
accuracy of the C program can therefore be measured before the program is compiled.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation, Tensor
from chainrule.data.sources import finite_extremes
from chainrule.errors import DataError, OptionError, unknown_name
from chainrule.interop.c import calls, channels_last, fusing, source
from chainrule.interop.c.calibration import BATCH, METHODS, Calibration, activations, relative_error
from chainrule.interop.c.calls import Activations, Int8Step
from chainrule.interop.c.int8_steps import INT8_VALUES, Int8Steps
from chainrule.interop.c.own_scales import absorb, float_tail, move_roundings
from chainrule.interop.c.program import IMAGE, INPUT, OUTPUTS, CProgram, int8_program
from chainrule.interop.c.scales import (
    INT8_MIN,
    Int8Scale,
    Scales,
    integer_input,
)
from chainrule.models import prediction
from chainrule.training.metrics import Evaluation
from chainrule.training.target_fitting import folded

if TYPE_CHECKING:
    from chainrule.models.model import Model

FAKE_QUANTIZE = "fake_quantize"
BEST = "best"  # method for scales
COMPARED = 128  # images for errors
MARGIN = 0.9  # of the error with the whole range; another method must be below it, since the images are few
NUMBERS = {"float": "float", "int8": "int8_t", "uint8": "uint8_t"}  # type of the input and outputs → C type


class Quantized:
    """A quantized model.

    model  the model
    x      images for measuring the ranges of the activations, in a form that `predict` reads; None: all scales are
           those of the FakeQuantize layers of a quantized network
    io     type of the C program's input and outputs: "float", "int8" or "uint8". `predict` always uses floats
    scales method for the scales of activations: "range", from the smallest to the largest value; "percentile", which
           clips a few values at each end; "error", the part of the range with the smallest squared error; "best", the
           one of these with the smallest error of the outputs for some of the images

    The attribute `input_scale` contains step and zero of an integer input: q represents step · (q − zero), in the units
    of the training data. `calibrations` contains the relative error of the outputs by method, for the methods that were
    tried; `chosen`, the method in use, or None without images; and `layer_errors`, the relative error of the result of
    each layer, and of the normalized input.

    Errors   ShapeError for images of another shape; DataError for none, or for NaN or infinity; OptionError for a layer
             without C functions for int8, without a scale if x is None, or for a model with several inputs or outputs
    """

    def __init__(self, model: Model, x: Any = None, *, io: str = "float", scales: str = BEST) -> None:
        if io not in NUMBERS:
            raise unknown_name("io", io, (*NUMBERS,))
        if scales not in (BEST, *METHODS):
            raise unknown_name("scales", scales, (BEST, *METHODS))
        if model.has_ports:
            raise OptionError("int8 arithmetic requires one input and one output; export the model in floats")
        self.model = model
        self._model = folded(model)
        self.io = io
        self.input_scale = (1.0, 0.0)
        self._plan = self._model.plan()
        self.chosen: str | None = None
        self.calibrations = dict[str, float]()
        self.layer_errors = dict[str, float]()
        if x is not None:
            self._calibrate(self._read(x), METHODS if scales == BEST else (scales,))
        elif any(operation.name == FAKE_QUANTIZE for operation in self._plan.forward):
            self._build(Scales())
        else:
            raise OptionError("the network computes with floats; pass images to measure its scales (--calibrate DATA)")

    def _read(self, x: Any) -> Array:
        """Return images as an array."""
        _, samples = prediction.read_samples(self._model, x)
        images = self._model.check_input(samples[:])
        if not len(images):
            raise DataError("the scales cannot be measured: there are no images")
        finite_extremes(images, "images")
        return images

    def _calibrate(self, x: Array, methods: tuple[str, ...]) -> None:
        """Build the steps with the scales, by one of the methods, that have the smallest error of the outputs.

        The first method is preferred: another one must be better by a `MARGIN`.
        """
        calibration = Calibration.of(self._model, self._prepared(x))
        compared = x[:: math.ceil(len(x) / COMPARED)]
        expected = self._model.predict(compared)
        steps = dict[str, Int8Steps]()
        for method in methods:
            self._build(calibration.scales(method))
            steps[method] = self._steps
            self.calibrations[method] = relative_error(self.predict(compared), expected)
        chosen = min(methods, key=self.calibrations.__getitem__)
        if self.calibrations[chosen] > MARGIN * self.calibrations[methods[0]]:
            chosen = methods[0]
        self.chosen = chosen
        self._steps = steps[chosen]
        self._measure_layers(compared[:BATCH])
        self.layer_errors[self._plan.output.name.partition(".")[0]] = self.calibrations[chosen]

    def _prepared(self, x: Array) -> Array:
        return self._model.normalization.prepare(x, self._model.dtype)

    def _measure_layers(self, x: Array) -> None:
        """Measure the error of each layer, for one batch of images."""
        floats = next(activations(self._model, self._prepared(x)))
        scales = self._steps.scales
        for storage, numbers in self._activations(x).items():
            if storage in floats and storage in scales:
                layer, _, _ = storage.partition(".")
                if storage == self._plan.input.storage:
                    layer = INPUT
                self.layer_errors[layer] = relative_error(scales[storage].values(numbers), floats[storage])

    def _build(self, scales: Scales) -> None:
        """Build the steps with scales; those of FakeQuantize layers take precedence."""
        # Copies, since the engine packs weights again in each step while there are views of them.
        copies = {name: np.array(values) for name, values in self._model.weights.items()}
        fused, weights = fusing.fuse(move_roundings(self._plan), copies, int8=True)
        operations, own_scales = absorb(fused, self._plan)
        self._steps = Int8Steps(weights, Scales(scales | own_scales), own_scales)
        in_floats = float_tail(operations, self._plan, own_scales)
        if self.io != "float":  # element-wise functions are looked up in tables
            in_floats = _final_softmax(in_floats)
        self._add_operations(operations[: len(operations) - len(in_floats)], in_floats)

    def _add_operations(self, body: list[Operation], in_floats: list[Operation]) -> None:
        """Add the steps of operations in int8, and of those after them that compute in floats."""
        ends_in_floats = self.io == "float" or bool(in_floats)
        computing = [operation for operation in (*body, *in_floats) if operation.name != FAKE_QUANTIZE]
        if not body or any(map(self._reads_input, computing)):
            self._add_input(self._plan.input)
        for operation in body:
            if operation.name == FAKE_QUANTIZE and self._reads_input(operation):
                self._add_input(operation.result)
            else:
                self._steps.add_operation(operation, in_floats=operation is body[-1] and ends_in_floats)
        if self.steps[-1].result.name != OUTPUTS and ends_in_floats:
            self._add_to_floats(in_floats[0].operand() if in_floats else self._plan.output)
        for operation in in_floats:
            self._add_float_operation(operation)
        if self.io != "float":
            self._add_integer_outputs()

    def _reads_input(self, operation: Operation) -> bool:
        return any(tensor is not None and tensor.storage == self._plan.input.storage for tensor in operation.reads)

    @property
    def steps(self) -> list[Int8Step]:
        """The steps, in order."""
        return self._steps.steps

    def program(self) -> CProgram:
        """Return the C program that runs the model."""
        program_calls = [step.call for step in self.steps if step.call]
        external = source.unique_identifiers(self._steps.values) | {IMAGE: IMAGE}
        outputs = OUTPUTS
        if self.io != "float":
            outputs = self.steps[-1].result.storage
        if not self.steps[0].call:
            external[self.steps[0].result.storage] = IMAGE
        is_uint8 = self.io == "uint8"
        external[outputs] = f"(int8_t *){OUTPUTS}" if is_uint8 else OUTPUTS
        external |= {IMAGE: f"(const int8_t *){IMAGE}"} if is_uint8 else {}
        return int8_program(program_calls, external, self._steps.values)

    @property
    def output_scale(self) -> tuple[float, int]:
        """Step and zero of integer outputs: q represents step · (q − zero)."""
        scale = self._steps.scales[self.steps[-1].result.storage]
        return scale.step, scale.zero + 128 * (self.io == "uint8")

    def evaluate(self, floats: Evaluation, x: Array) -> Evaluation:
        """Return the float model's evaluation with the outputs of the quantized model. The loss is not recomputed."""
        return replace(floats, outputs=self.predict(x))

    def predict(self, x: Array) -> Array:
        """Return the outputs for images, with the same arithmetic as the C program."""
        self._model.normalization.check_unit(x)
        outputs = list[Array]()
        for start in range(0, len(x), 256):
            result = self.steps[-1].result.storage
            last = self._activations(x[start : start + 256])[result].reshape(-1, *self._model.output_shape)
            outputs.append(last if self.io == "float" else self._steps.scales[result].values(last).astype(np.float32))
        return np.concatenate(outputs)

    def _activations(self, x: Array) -> Activations:
        """Return the results of all steps for images, by storage."""
        results: Activations = {IMAGE: x.astype(np.float32)}
        for step in self.steps:
            results[step.result.storage] = step.compute(results)
        return results

    def _add_input(self, x: Tensor) -> None:
        """Add the step that normalizes the image and quantizes it to int8, on the scale of x."""
        scale = self._steps.scales[x.storage]
        image = Tensor(IMAGE, x.shape, "input")
        origin, rest, gain = self._model.normalization.rounded(len(x.shape) + 1, np.float32)
        gain = (gain / scale.step).astype(np.float32)

        def compute(activations: Activations) -> Array:
            shifted = (activations[IMAGE] - origin - rest) * gain + np.float32(scale.zero)
            levels = np.floor(shifted + np.float32(0.5))
            return np.clip(levels, -128, 127).astype(np.int8)

        if self.io != "float":
            self.input_scale = integer_input(scale, self._model.normalization, io=self.io)
        if self.io == "float":
            self.steps.append(Int8Step(channels_last.quantize(image, x, (origin, rest, gain), scale.zero), x, compute))
        elif self.io == "int8" and gain.size == 1:
            self.steps.append(Int8Step(None, x, compute))  # the integers of the image are those of x
        else:
            step, zero = self.input_scale  # a table for each channel contains x for all values of a byte
            values = step * ((INT8_VALUES if self.io == "int8" else INT8_VALUES % 256) - zero)
            table = compute({IMAGE: values.astype(np.float32).reshape(-1, *(1,) * len(x.shape))})
            tables = self._steps.parameter(x, "table", np.moveaxis(table.reshape(256, -1), 0, -1))
            self._steps.add("look_up", (image, tables, x, gain.size, x.size), compute)

    def _add_to_floats(self, x: Tensor) -> None:
        scale = self._steps.scales[x.storage]
        result = Tensor(OUTPUTS, x.shape)
        arguments = (x, result, *channels_last.planes(self._steps.stored_shape(x)), scale.step, scale.zero)
        self._steps.add("dequantize", arguments, lambda done: scale.values(done[x.storage]).astype(np.float32))

    def _add_float_operation(self, operation: Operation) -> None:
        """Add an operation that updates the outputs in place, in floats."""
        outputs = Tensor(OUTPUTS, operation.result.shape)
        (call,) = calls.of_operation(replace(operation, reads=(outputs,), writes=(outputs,)))
        shape = (-1, *outputs.shape)

        def compute(activations: Activations) -> Array:
            return self._steps.run(operation, activations[OUTPUTS].reshape(shape))

        self._steps.add(call.function, call.arguments, compute)

    def _add_integer_outputs(self) -> None:
        """Add the steps that write the outputs as int8 or uint8; probabilities become multiples of 1/256."""
        y = self.steps[-1].result
        if y.name == OUTPUTS:
            result = Tensor("result", y.shape)
            scale = Int8Scale(1 / 256, INT8_MIN)
            self._steps.scales[result.storage] = scale
            factors = [np.full(1, value, np.float32) for value in (0, 0, 256)]
            call = channels_last.quantize(y, result, factors, INT8_MIN)
            self.steps.append(Int8Step(call, result, lambda done: scale.numbers(done[OUTPUTS])))
            y = result
        if self.io == "uint8":
            result = Tensor("bytes", y.shape)
            name = y.storage
            table = self._steps.parameter(result, "table", (INT8_VALUES + 128).astype(np.uint8).view(np.int8))
            self._steps.scales[result.storage] = self._steps.scales[name]
            self._steps.add("look_up", (y, table, result, 1, y.size), lambda done: done[name])


def _final_softmax(tail: list[Operation]) -> list[Operation]:
    """Return the softmax that computes the outputs, and a rounding after it; nothing if other operations do."""
    match [operation.name for operation in tail]:
        case [*_, "softmax", "fake_quantize"]:
            return tail[-2:]
        case [*_, "softmax"]:
            return tail[-1:]
        case _:
            return []
