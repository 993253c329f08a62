"""Adapter for code that takes one sample at a time, or a batch whose last axis counts the samples."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.custom.calls import EARLIER, Array, same
from chainrule.custom.interface import CallResult, Code, LossCode, arrays_of
from chainrule.errors import StudentError

ONE, LAST, OUTPUT = "one", "last", "output"


class SampleAxis:
    """A learner's code with the interface `Code` for batches along the first axis.

    code   the learner's code
    axis   `ONE`: the code takes single samples; the gradients of a batch are sums over its samples.
           `LAST`: the code takes batches whose last axis counts the samples
           `OUTPUT`: the last axis of y counts the samples, and the first axis of x
    """

    def __init__(self, code: Code, axis: str) -> None:
        self._code = code
        self._axis = axis
        self.kind = code.kind
        self.arguments = code.arguments
        self.independent = code.independent
        self.rate = code.rate
        self._x: Array | None = None
        self._sums = dict[str, Array]()  # arrays that backward stores, summed over the samples

    def forward(self, x: Array, *, strided: bool = False) -> CallResult:
        """Call forward for each sample, or for the transposed batch."""
        self._x = np.array(x)
        self._sums = {}
        if self._axis != ONE:
            if self._axis == OUTPUT:
                batch = x
            else:
                batch = np.moveaxis(x, 0, -1)
            return _moved(self._code.forward(batch, strided=strided), "y")
        results = list[CallResult]()
        for sample in x:
            results.append(self._code.forward(sample, strided=strided))
        outputs = list[Array]()
        for result in results:
            outputs.append(result.arrays["y"])
        if len({output.shape for output in outputs}) > 1:
            raise StudentError(f"{self.kind}: forward returned different shapes for samples of the same shape")
        return CallResult({"y": np.stack(outputs)}, _changed(results))

    def backward(self, dy: Array, *, strided: bool = False) -> CallResult:
        """Call backward for each sample after its own forward, or for the transposed batch."""
        if self._x is None:
            raise StudentError(f"{self.kind}: backward before forward")
        if self._axis != ONE:
            of_batch = self._code.backward(np.moveaxis(dy, 0, -1), strided=strided)
            if self._axis == OUTPUT:
                return of_batch
            return _moved(of_batch, "dx")
        results = list[CallResult]()
        stored = list[dict[str, Array]]()
        changed_names = dict[str, None]()
        for sample, gradient in zip(self._x, dy, strict=True):
            self._code.forward(sample)
            before = arrays_of(self._code)
            results.append(self._code.backward(gradient, strided=strided))
            stored.append(arrays_of(self._code))
            for name, array in stored[-1].items():
                if not same(array, before.get(name)):
                    changed_names[name] = None
        self._sums = _sums(stored, changed_names)
        gradients = _sums([result.arrays for result in results], results[0].arrays)
        if "dx" in gradients:
            gradients["dx"] = np.stack([result.arrays["dx"] for result in results])
        return CallResult(gradients, _changed(results), results[0].needed)

    def names(self) -> tuple[str, ...]:
        """Return the names of the code's arrays and numbers."""
        return self._code.names()

    def has(self, name: str) -> bool:
        """Return whether the code has a value with the given name."""
        return self._code.has(name)

    def get(self, name: str) -> Array | None:
        """Return a copy of an array; if backward has stored it, its sum over the samples."""
        if name in self._sums:
            return self._sums[name].copy()
        return self._code.get(name)

    def set(self, name: str, value: Array) -> None:
        """Replace the value with the given name."""
        self._sums.pop(name, None)
        self._code.set(name, value)

    def another(self) -> "SampleAxis":
        """Return an adapter for another instance of the code."""
        return SampleAxis(self._code.another(), self._axis)

    def adapted(self, axis: str) -> "SampleAxis":
        """Return an adapter with another sample axis for a copy of the code."""
        return SampleAxis(copy.deepcopy(self._code), axis)

    def __deepcopy__(self, memo: dict[int, object]) -> "SampleAxis":
        """Return an independent copy."""
        duplicate = copy.copy(self)
        duplicate._code = copy.deepcopy(self._code, memo)
        duplicate._sums = dict(self._sums)
        return duplicate


class AdaptedLoss:
    """A learner's loss of labels or of one sample, with the interface `LossCode` for batches of targets (N, K).

    labels   whether the code takes the index of the largest target of each sample
    single   whether the code takes one sample at a time; the loss is then the mean over the samples
    """

    def __init__(self, code: LossCode, *, labels: bool = False, single: bool = False) -> None:
        self._code = code
        self._labels = labels
        self._single = single
        self.name = code.name
        self.independent = code.independent

    def another(self) -> "AdaptedLoss":
        """Return another loss that runs the same code."""
        return AdaptedLoss(self._code.another(), labels=self._labels, single=self._single)

    def forward(self, p: Array, t: Array) -> CallResult:
        """Return the loss of the code, or the loss of each sample."""
        targets = self._targets(t)
        if not self._single:
            return self._code.forward(p, targets)
        results = list[CallResult]()
        for pair in zip(p, targets, strict=True):
            results.append(self._code.forward(*pair))
        return CallResult({"y": np.array([result.arrays["y"].sum() for result in results])}, _changed(results))

    def backward(self, p: Array, t: Array) -> CallResult:
        """Return the gradient of the mean. For single samples, forward is called before each backward."""
        targets = self._targets(t)
        if not self._single:
            return self._code.backward(p, targets)
        results = list[CallResult]()
        for pair in zip(p, targets, strict=True):
            self._code.forward(*pair)
            results.append(self._code.backward(*pair))
        return CallResult({"dp": np.stack([part.arrays["dp"] for part in results]) / len(p)}, _changed(results))

    def _targets(self, t: Array) -> Array:
        if self._labels:
            return t.argmax(axis=1)
        return t


def _moved(result: CallResult, name: str) -> CallResult:
    """Return a result whose array with this name, if there is one, has its last axis moved to the front."""
    array = result.arrays.get(name)
    if array is None:
        return result
    if array.ndim:
        moved = np.moveaxis(array, -1, 0)
    else:
        moved = array
    return replace(result, arrays={**result.arrays, name: np.ascontiguousarray(moved)})


def _changed(results: Iterable[CallResult]) -> tuple[str, ...]:
    """Return the names of the arrays that any of the calls has overwritten. Arrays of earlier calls are ignored."""
    names = dict[str, None]()
    for result in results:
        names |= dict.fromkeys(result.changed)
    return tuple(name for name in names if not name.startswith(EARLIER))


def _sums(samples: Sequence[Mapping[str, Array]], names: Iterable[str]) -> dict[str, Array]:
    """Return the sum over the samples of each of these arrays that all samples have, in the same shape."""
    sums = dict[str, Array]()
    for name in names:
        arrays = list[Array]()
        for stored in samples:
            if name in stored:
                arrays.append(stored[name])
        if len(arrays) == len(samples) and len({array.shape for array in arrays}) == 1:
            sums[name] = np.array(np.sum(arrays, axis=0))
    return sums
