"""Networks in integer arithmetic: weights of each filter and activations as int8, sums as int32.

Every operation is written twice, as a call of a C function and as the same arithmetic in NumPy, by which the accuracy
of the C program is known before it is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Tensor
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter
from chainrule.interop.c import calls, fusing, source
from chainrule.interop.c.calls import CCall
from chainrule.interop.c.program import IMAGE, OUTPUTS, CProgram, arrange
from chainrule.layers.activations import ELEMENTWISE
from chainrule.training.evaluation import Evaluation

if TYPE_CHECKING:
    from chainrule.models.model import Model

Known = dict[str, NDArray[Any]]
Compute = Callable[[Known], NDArray[Any]]
ALL = np.arange(-128, 128)


@dataclass(frozen=True)
class IntegerStep:
    """A call of a C function, and the same result in NumPy from results by storage, each (N, …)."""

    call: CCall
    result: Tensor
    compute: Compute


class Quantized:
    """A model in integers.

    model  the model
    x      images, as `predict` takes them, by which activations are measured
    """

    def __init__(self, model: Model, x: NDArray[Any]) -> None:
        self._engine, self._model = loader.find("numpy"), model
        self._plan, self.values = model.plan(), dict[str, NDArray[Any]]()
        self._scales = measured(model, model.normalization.apply(x, model.dtype))
        operations, self._weights = fusing.fused(
            self._plan, model.weights, sums=False, rectified=("cross_correlate", "dense", "add")
        )
        tail = _tail(operations, self._plan.output.storage)
        self.steps = [self._image()]
        for operation in operations[: len(operations) - len(tail)]:
            self.steps += self._step(operation, last=operation is operations[len(operations) - len(tail) - 1])
        if self.steps[-1].result.name != OUTPUTS:
            self.steps.append(self._to_floats(operations[-len(tail)].reads[0] if tail else self._plan.output))
        self.steps += [self._in_floats(operation) for operation in tail]

    def program(self) -> CProgram:
        """Return the program that runs it."""
        found = [step.call for step in self.steps]
        outside = source.unique(self.values) | {IMAGE: IMAGE, OUTPUTS: OUTPUTS}
        return CProgram(found, arrange(found, set(outside)), outside, self.values)

    def evaluate(self, floats: Evaluation, x: NDArray[Any]) -> Evaluation:
        """Return the measures in integers for the images of an evaluation in floats, whose loss is kept."""
        return replace(floats, outputs=self.predict(x))

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for images, as the C program computes them."""
        found = list[NDArray[Any]]()
        for start in range(0, len(x), 256):
            known: Known = {IMAGE: x[start : start + 256].astype(np.float32)}
            for step in self.steps:
                known[step.result.storage] = step.compute(known)
            found.append(known[OUTPUTS].reshape(-1, self._plan.output.size))
        return np.concatenate(found)

    # ------------------------------------------------------------------ operations

    def _image(self) -> IntegerStep:
        """Return the step from the image to int8: normalization and scale in one."""
        known, x = self._model.normalization, self._plan.input
        scale = self._scales[x.storage]
        gain, offset = np.float32(known.gain / scale.step), np.float32(known.offset / scale.step + scale.zero)
        image = Tensor(IMAGE, x.shape, "input")

        def compute(found: Known) -> NDArray[Any]:
            return np.clip(np.floor(found[IMAGE] * gain + offset + np.float32(0.5)), -128, 127).astype(np.int8)

        return IntegerStep(CCall("quantize", (image, x, x.size, float(gain), float(offset))), x, compute)

    def _step(self, operation: Operation, *, last: bool) -> list[IntegerStep]:
        name = operation.name
        if name == "cross_correlate":
            return [self._convolution(operation)]
        if name == "batch_norm_inference":
            return [self._convolution(self._as_convolution(operation))]
        if name == "dense":
            return [self._dense(operation, last and not operation.attributes.get("relu"))]
        if name in ELEMENTWISE:
            return [self._looked_up(operation)]
        if name == "max_pool" or (name == "average_pool" and operation.attributes["divisor"] == "cells"):
            return [self._pooled(operation)]
        if name == "add":
            return [self._sum(operation)]
        if name == "concatenate":
            return self._concatenated(operation)
        raise calls.refused(operation, "C with --int8")

    def _array(self, name: str, values: NDArray[Any]) -> Tensor:
        self.values[name] = values
        return Tensor(name, values.shape, "parameter")

    def _operands(self, operation: Operation) -> tuple[Tensor, NDArray[Any], NDArray[Any]]:
        """Return what a convolution or dense layer reads: x, the weights w in the shape of the tensor, and b."""
        x, w, b = operation.reads[:3]
        if x is None or w is None:
            raise calls.refused(operation)
        weights = self._weights[w.storage].reshape(w.shape)
        bias = np.zeros(len(weights)) if b is None else self._weights[b.storage].reshape(b.shape)
        return x, weights, bias

    def _integers(
        self, operation: Operation
    ) -> tuple[Tensor, IntegerScale, NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
        """Return x and its scale, weights and bias as integers, and the step of the sums of each filter."""
        x, w, b = self._operands(operation)
        scale = self._scales[x.storage]
        numbers, steps = per_filter(w, scale.farthest)
        steps = steps * scale.step
        whole = np.rint(b / steps.reshape(-1, *(1,) * (b.ndim - 1))).clip(-LARGEST_SUM, LARGEST_SUM)
        return x, scale, numbers, whole.astype(np.int32), steps

    def _convolution(self, operation: Operation) -> IntegerStep:
        x, scale, w, b, steps = self._integers(operation)
        y, known = operation.writes[0], operation.attributes
        own = self._scales[y.storage]
        multipliers, shifts = factors(steps / own.step)
        w = w[:, :, ::-1, ::-1] if known["flip"] else w
        attributes = {name: known[name] for name in ("stride", "padding", "dilation", "groups")}
        window = calls.sliding(x, w.shape[2:], y, {**attributes, "flip": False})
        arrays = [self._array(f"{y.name}.{name}", each) for name, each in _named(w, b, multipliers, shifts)]
        call = CCall("cross_correlate_int8", (x, *arrays, y, window, scale.zero, own.zero, int(b.ndim > 1)))

        def compute(found: Known) -> NDArray[Any]:
            cells = found[x.storage].reshape(-1, *x.shape).astype(np.float64) - scale.zero
            reads = (cells, w.astype(np.float64), b.astype(np.float64))
            return _rescaled(self._engine.run("cross_correlate", reads, attributes)[0], multipliers, shifts, own)

        return IntegerStep(call, y, compute)

    def _as_convolution(self, operation: Operation) -> Operation:
        """Return a batch normalization by running statistics as a convolution of 1×1 for each channel."""
        x, *others = operation.reads
        y = operation.writes[0]
        if x is None:
            raise calls.refused(operation)
        gamma, beta, mean, variance = (self._weights[each.storage].astype(np.float64) for each in others if each)
        gain = gamma / np.sqrt(variance + operation.attributes["epsilon"])
        self._weights |= {f"{y.storage}.w": gain.reshape(-1, 1, 1, 1), f"{y.storage}.b": beta - mean * gain}
        image = (x.shape[0], *(1,) * (3 - len(x.shape)), *x.shape[1:])
        w, b = Tensor(f"{y.storage}.w", (len(gain), 1, 1, 1), "parameter"), Tensor(f"{y.storage}.b", gain.shape)
        attributes = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": len(gain)}
        reads, writes = (x.viewed(image), w, b), (y.viewed(image),)
        return replace(operation, reads=reads, writes=writes, attributes={**attributes, "flip": False})

    def _dense(self, operation: Operation, last: bool) -> IntegerStep:
        x, scale, w, b, steps = self._integers(operation)
        y = operation.writes[0]
        first = [self._array(f"{y.name}.w", w), self._array(f"{y.name}.b", b)]

        def sums(found: Known) -> NDArray[Any]:
            return (found[x.storage].reshape(-1, x.size).astype(np.float64) - scale.zero) @ w.T.astype(np.float64) + b

        if last:
            floats = steps.astype(np.float32)
            result, step = Tensor(OUTPUTS, y.shape), self._array(f"{y.name}.step", floats)
            call = CCall("dense_to_floats", (x, *first, step, result, x.size, y.size, scale.zero))
            return IntegerStep(call, result, lambda found: sums(found).astype(np.float32) * floats)
        own = self._scales[y.storage]
        multipliers, shifts = factors(steps / own.step)
        others = [self._array(f"{y.name}.multiplier", multipliers), self._array(f"{y.name}.shift", shifts)]
        call = CCall("dense_int8", (x, *first, *others, y, x.size, y.size, scale.zero, own.zero))
        return IntegerStep(call, y, lambda found: _rescaled(sums(found), multipliers, shifts, own))

    def _table(self, name: str, read: Tensor, written: IntegerScale, operation: Operation | None = None) -> Tensor:
        """Return the 256 results of a function of one number, or of a change of scale."""
        values = self._scales[read.storage].values(ALL)
        if operation is not None:
            values = self._engine.run(operation.name, (values,), dict(operation.attributes))[0]
        return self._array(name, written.numbers(values))

    def _looked_up(self, operation: Operation) -> IntegerStep:
        x, y = operation.reads[0], operation.writes[0]
        if x is None:
            raise calls.refused(operation)
        table = self._table(f"{y.name}.table", x, self._scales[y.storage], operation)
        call = CCall("look_up", (x, table, y, y.size), in_place=True)
        return IntegerStep(call, y, lambda found: self.values[table.storage][found[x.storage].astype(np.int64) + 128])

    def _pooled(self, operation: Operation) -> IntegerStep:
        x, y, name = operation.reads[0], operation.writes[0], operation.name
        if x is None:
            raise calls.refused(operation)
        scale = self._scales[y.storage] = self._scales[x.storage]
        known = {key: value for key, value in operation.attributes.items() if key != "divisor"}

        def compute(found: Known) -> NDArray[Any]:
            cells = found[x.storage].reshape(-1, *x.shape).astype(np.float64)
            result = self._engine.run(name, (cells + 128,), known)[0]
            return (np.floor(result + 0.5 + 1e-9) - 128).astype(np.int8)

        self._scales[y.storage] = scale
        return IntegerStep(CCall(f"{name}_int8", (x, y, calls.pooling(x, y, operation.attributes))), y, compute)

    def _sum(self, operation: Operation) -> IntegerStep:
        a, b = operation.reads
        y = operation.writes[0]
        if a is None or b is None:
            raise calls.refused(operation)
        scales, own = [self._scales[each.storage] for each in (a, b)], self._scales[y.storage]
        ratios = [each.step / own.step for each in scales]
        shift = SUM_BITS - max(0, math.frexp(max(ratios))[1])
        one, two = (round(ratio * 2**shift) for ratio in ratios)
        zeros = (scales[0].zero, scales[1].zero, own.zero)

        def compute(found: Known) -> NDArray[Any]:
            parts = [found[each.storage].reshape(-1, y.size).astype(np.int64) for each in (a, b)]
            total = (parts[0] - zeros[0]) * one + (parts[1] - zeros[1]) * two
            return np.clip(((total + (1 << (shift - 1))) >> shift) + own.zero, -128, 127).astype(np.int8)

        return IntegerStep(CCall("add_int8", (a, b, y, y.size, one, two, shift, *zeros)), y, compute)

    def _concatenated(self, operation: Operation) -> list[IntegerStep]:
        y, steps, own = operation.writes[0], list[IntegerStep](), self._scales[operation.writes[0].storage]
        axis, parts = operation.attributes.get("axis", 0), [part for part in operation.reads if part is not None]
        tables = [self._table(f"{y.name}.table{number}", part, own) for number, part in enumerate(parts)]

        def compute(found: Known) -> NDArray[Any]:
            moved = [
                self.values[table.storage][found[part.storage].reshape(-1, *part.shape).astype(np.int64) + 128]
                for table, part in zip(tables, parts, strict=True)
            ]
            return np.concatenate(moved, axis + 1)

        for call, table in zip(calls.of_operation(operation), tables, strict=True):
            x, _, *sizes = call.arguments
            steps.append(IntegerStep(CCall("concatenate_int8", (x, table, y, *sizes)), y, compute))
        return steps

    # ------------------------------------------------------------------ the end, in floats

    def _to_floats(self, read: Tensor | None) -> IntegerStep:
        if read is None:
            raise AssertionError
        scale, result = self._scales[read.storage], Tensor(OUTPUTS, read.shape)
        call = CCall("dequantize", (read, result, read.size, scale.step, scale.zero))
        return IntegerStep(call, result, lambda found: scale.values(found[read.storage]).astype(np.float32))

    def _in_floats(self, operation: Operation) -> IntegerStep:
        """Return an operation that reads and writes the outputs."""
        shape = operation.writes[0].shape
        both = Tensor(OUTPUTS, shape)
        (call,) = calls.of_operation(replace(operation, reads=(both,), writes=(both,)))

        def compute(found: Known) -> NDArray[Any]:
            x = found[OUTPUTS].reshape(-1, *shape)
            return self._engine.run(operation.name, (x,), dict(operation.attributes))[0]

        return IntegerStep(call, both, compute)


def _named(*arrays: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    return list(zip(("w", "b", "multiplier", "shift"), arrays, strict=True))


def _rescaled(
    sums: NDArray[np.float64], multipliers: NDArray[np.int32], shifts: NDArray[np.int8], own: IntegerScale
) -> NDArray[np.int8]:
    """Return sums (N, filters, …) on the scale of the result, in the arithmetic of the C function `rescaled`."""
    axes = (-1, *(1,) * (sums.ndim - 2))
    whole, shift = multipliers.astype(np.int64).reshape(axes), shifts.astype(np.int64).reshape(axes)
    found = ((np.rint(sums).astype(np.int64) * whole + (np.int64(1) << (shift - 1))) >> shift) + own.zero
    return np.clip(found, -128, 127).astype(np.int8)


def _tail(operations: list[Operation], output: str) -> list[Operation]:
    """Return the operations at the end that are computed in floats: functions of each number, and softmax."""
    found = list[Operation]()
    for operation in reversed(operations):
        if operation.writes[0].storage != output or operation.name not in (*ELEMENTWISE, "softmax"):
            break
        read = operation.reads[0]
        users = sum(tensor is not None and tensor == read for each in operations for tensor in each.reads)
        if read is None or users > 1:
            break
        found.insert(0, operation)
        output = read.storage
    return found


LOWEST, HIGHEST = -128, 127
BATCH = 64
MULTIPLIER_BITS, SUM_BITS = 30, 20
LARGEST_SUM = 2**30  # of products, and of a bias: int32 holds both together


@dataclass(frozen=True)
class IntegerScale:
    """Real numbers that stand for int8: step · (q − zero); 0 is one of them."""

    step: float
    zero: int

    @staticmethod
    def of(low: float, high: float) -> IntegerScale:
        """Return the scale of numbers from low to high."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / (HIGHEST - LOWEST) or 1.0
        return IntegerScale(step, LOWEST - round(low / step))

    @property
    def farthest(self) -> int:
        """The largest distance of an int8 from zero's."""
        return max(HIGHEST - self.zero, self.zero - LOWEST)

    def numbers(self, values: NDArray[Any]) -> NDArray[np.int8]:
        """Return the nearest int8 of real values."""
        found = np.floor(values / self.step + self.zero + 0.5)
        return np.clip(found, LOWEST, HIGHEST).astype(np.int8)

    def values(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Return the real values of int8 numbers."""
        return self.step * (numbers.astype(np.float64) - self.zero)


def measured(model: Model, x: NDArray[Any]) -> dict[str, IntegerScale]:
    """Return the scale of each activation of an inference plan, by storage, for normalized images x."""
    plan, ranges = model.plan(), dict[str, tuple[float, float]]()
    interpreter = Interpreter(loader.find("numpy"), plan, model.layout, model)
    for start in range(0, len(x), BATCH):
        interpreter.forward(x[start : start + BATCH])
        for storage, values in interpreter.values.items():
            low, high = ranges.get(storage, (math.inf, -math.inf))
            ranges[storage] = min(low, float(values.min())), max(high, float(values.max()))
    return {storage: IntegerScale.of(*ends) for storage, ends in ranges.items()}


def per_filter(weights: NDArray[Any], farthest: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return the weights of each filter as int8 from −127 to 127, and its step.

    The step is so large that no sum over the inputs leaves LARGEST_SUM, whatever they are.

    farthest  the largest distance of an input from its zero
    """
    flat = np.abs(weights.reshape(len(weights), -1).astype(np.float64))
    rounded = flat.shape[1] * farthest / 2
    steps = np.maximum(flat.max(1) / HIGHEST, flat.sum(1) * farthest / (LARGEST_SUM - rounded))
    steps[steps == 0] = 1.0
    axes = (-1, *(1,) * (weights.ndim - 1))
    return np.rint(weights / steps.reshape(axes)).astype(np.int8), steps


def factors(ratios: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return multipliers of 30 bits and shifts with multiplier / 2^shift ≈ ratio."""
    exponents = np.frexp(ratios)[1]
    shifts = np.clip(MULTIPLIER_BITS - exponents, 1, 62)
    return np.rint(ratios * 2.0**shifts).clip(0, 2**31 - 1).astype(np.int32), shifts.astype(np.int8)
