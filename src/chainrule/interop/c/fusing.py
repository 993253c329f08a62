"""Inference plans with fewer operations: convolutions take in what follows them.

A batch normalization by running statistics is folded into the kernels and the bias before it; a sum with a branch that
is known before and a ReLU are computed as the convolution writes its result.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation, Plan, Tensor

Values = dict[str, NDArray[Any]]
CONVOLUTION = "cross_correlate"


def fused(
    plan: Plan, weights: Mapping[str, NDArray[Any]], *, sums: bool = True, rectified: tuple[str, ...] = (CONVOLUTION,)
) -> tuple[list[Operation], Values]:
    """Return the operations of an inference plan after fusion, and the values of the parameters that they read.

    A fused convolution reads (x, w, b, plus), where plus is added to its result, and has the attribute ``relu``.

    sums       whether convolutions take in sums
    rectified  the operations that take in a ReLU
    """
    fusion = _Fusion(plan, dict(weights), sums, rectified)
    for operation in plan.forward:
        fusion.take(operation)
    return fusion.operations, fusion.values


class _Fusion:
    def __init__(self, plan: Plan, values: Values, sums: bool, rectified: tuple[str, ...]) -> None:
        self.operations: list[Operation] = []
        self.values = values
        self._sums, self._rectifying = sums, rectified
        self._readers = Counter(tensor.storage for each in plan.forward for tensor in each.reads if tensor is not None)
        self._readers[plan.output.storage] += 1

    def take(self, operation: Operation) -> None:
        """Fuse an operation with a convolution before it, or append it."""
        merged = {"batch_norm_inference": self._normalized, "add": self._added, "relu": self._rectified}
        if operation.name not in merged or not merged[operation.name](operation):
            self.operations.append(_with_places(operation))

    def _before(self, tensor: Tensor | None, names: tuple[str, ...] = (CONVOLUTION,)) -> int | None:
        """Return the number of the operation whose result only one operation reads, if it may still take one in."""
        for number, operation in enumerate(self.operations):
            if tensor is not None and operation.name in names and operation.writes[0].storage == tensor.storage:
                alone = self._readers[tensor.storage] == 1 and not operation.attributes.get("relu")
                return number if alone else None
        return None

    def _normalized(self, operation: Operation) -> bool:
        x, gamma, beta, mean, variance = operation.reads
        number = self._before(x)
        if number is None or x is None or not (gamma and beta and mean and variance):
            return False
        before = self.operations[number]
        y = operation.writes[0]
        if before.reads[3] is not None or before.writes[0].shape != x.shape:
            return False
        w, b = self._folded(before, [self.values[each.storage] for each in (gamma, beta, mean, variance)], operation)
        kernel = self._made(before.reads[1], f"{y.storage}.w", w)
        bias = self._made(None, f"{y.storage}.b", b)
        self.operations[number] = replace(before, reads=(before.reads[0], kernel, bias, None), writes=operation.writes)
        return True

    def _folded(
        self, before: Operation, given: list[NDArray[Any]], operation: Operation
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the kernels w · s and the bias (b − mean) · s + beta, where s = gamma/√(variance + ε)."""
        gamma, beta, mean, variance = (values.astype(np.float64) for values in given)
        w, b = (each and self.values[each.storage].astype(np.float64).reshape(each.shape) for each in before.reads[1:3])
        if w is None:
            raise AssertionError
        scale = gamma / np.sqrt(variance + operation.attributes["epsilon"])
        b = np.zeros(len(scale)) if b is None else b
        axes = (slice(None), *(None,) * (b.ndim - 1))
        return w * scale[:, None, None, None], (b - mean[axes]) * scale[axes] + beta[axes]

    def _made(self, like: Tensor | None, name: str, values: NDArray[Any]) -> Tensor:
        """Return a new parameter with those values."""
        self.values[name] = values
        return Tensor(name, like.shape if like else values.shape, "parameter")

    def _added(self, operation: Operation) -> bool:
        for own, other in (operation.reads, operation.reads[::-1]) if self._sums else ():
            number = self._before(own)
            if number is None or other is None or self.operations[number].reads[3] is not None:
                continue
            if any(other.storage == each.writes[0].storage for each in self.operations[number:]):
                continue
            before = self.operations[number]
            self._replace(number, replace(before, reads=(*before.reads[:3], other)), operation)
            return True
        return False

    def _rectified(self, operation: Operation) -> bool:
        number = self._before(operation.reads[0], self._rectifying)
        if number is None:
            return False
        before = self.operations[number]
        self._replace(number, replace(before, attributes={**before.attributes, "relu": True}), operation)
        return True

    def _replace(self, number: int, fused_one: Operation, operation: Operation) -> None:
        """Have a convolution write the result of an operation that it took in, in its own shape."""
        shape = fused_one.writes[0].shape
        self.operations[number] = replace(fused_one, writes=(operation.writes[0].viewed(shape),))


def _with_places(operation: Operation) -> Operation:
    """Return a convolution with the places that fusion fills; any other operation unchanged."""
    if operation.name != CONVOLUTION:
        return operation
    return replace(operation, reads=(*operation.reads, None), attributes={**operation.attributes, "relu": False})
