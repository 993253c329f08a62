"""Fusion of convolutions with the operations that follow them, for inference.

Batch normalization with running statistics is folded into the kernels and bias of the preceding convolution. The
addition of an earlier branch and a ReLU are applied when the convolution stores its result. Zeros that the preceding
operation adds around the image become the padding of the convolution.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.plan import Operation, Plan, Tensor

Values = dict[str, Array]
CONVOLUTION, TRANSPOSED = "cross_correlate", "cross_correlate_dx"
ONE_PIXEL = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}  # of dense layers


def fuse(plan: Plan, weights: Mapping[str, Array], *, int8: bool = False) -> tuple[list[Operation], Values]:
    """Return the operations of an inference plan after fusion, and the values of their parameters.

    A fused convolution has the inputs (x, w, b, plus), where plus is added to its result, and the attribute ``relu``.

    int8   whether the operations are for int8 arithmetic: sums remain separate, dense layers and sums also include the
           ReLU that follows, and a batch normalization without a preceding convolution becomes a convolution.
           Transposed convolutions are fused like convolutions; their kernels become (filters, C_in/groups, KH, KW)
    """
    fusion = _Fusion(plan, dict(weights), int8)
    for operation in plan.forward:
        fusion.add(operation)
    return fusion.operations, fusion.values


def count_readers(operations: Iterable[Operation], plan: Plan) -> Counter[str]:
    """Return the number of operations that read each storage; the network's output has one more."""
    readers = Counter([plan.output.storage])
    for operation in operations:
        readers.update(tensor.storage for tensor in operation.reads if tensor is not None)
    return readers


class _Fusion:
    """The fused operations of a plan and the values of their parameters. Operations are fused as they are added."""

    def __init__(self, plan: Plan, values: Values, int8: bool) -> None:
        self.operations: list[Operation] = []
        self.values = values
        self._int8 = int8
        self._convolutions = (CONVOLUTION,)
        self._rectified = self._convolutions  # operations that can include a ReLU
        if int8:
            self._convolutions = (CONVOLUTION, TRANSPOSED)
            self._rectified = (*self._convolutions, "dense", "add")
        self._readers = count_readers(plan.forward, plan)

    def add(self, operation: Operation) -> None:
        """Fuse an operation with the one that computes its input, if possible; otherwise append it."""
        if operation.name == CONVOLUTION:
            operation = self._with_padding(operation)
        elif operation.name in self._convolutions:
            operation = self._with_filters_first(operation)
        merged = {
            "batch_norm_inference": self._fuse_batch_norm,
            "add": self._fuse_add,
            "add_bias": self._fuse_bias,
            "relu": self._fuse_relu,
        }
        if operation.name not in merged or not merged[operation.name](operation):
            self.operations.append(self._with_fusion_slots(operation))

    def _producer(self, tensor: Tensor | None, names: tuple[str, ...]) -> Operation | None:
        """Return the operation that computes a tensor; None if no further operation can be fused with it.

        An operation can be fused if its result is read only once and it does not include a ReLU yet.

        names   names of operations that can be returned
        """
        if tensor is None or self._readers[tensor.storage] > 1:
            return None
        for operation in self.operations:
            if operation.result.storage == tensor.storage and operation.name in names:
                return None if operation.attributes.get("relu") else operation
        return None

    def _with_padding(self, operation: Operation) -> Operation:
        """Return a convolution with the zeros that the preceding operation adds around the image, if it does."""
        x = operation.operand()
        kernel = operation.operand(1)
        pad = self._producer(x, ("pad",))
        if pad is None or not _pads_image(pad, x):
            return operation
        _, above, before = pad.attributes["before"]
        _, below, after = pad.attributes["after"]
        (top, bottom), (left, right) = operation.attributes["padding"]
        vertical = (top + above, bottom + below)
        horizontal = (left + before, right + after)
        if max(vertical) >= kernel.shape[2] or max(horizontal) >= kernel.shape[3]:
            return operation
        self.operations.remove(pad)
        attributes = {**operation.attributes, "padding": (vertical, horizontal)}
        return replace(operation, reads=(pad.operand(), *operation.reads[1:]), attributes=attributes)

    def _with_filters_first(self, operation: Operation) -> Operation:
        """Return a transposed convolution whose kernels have the axes of a convolution's, and which has no bias yet."""
        x = operation.operand()
        w = operation.operand(1)
        groups = operation.attributes["groups"]
        kernels = self.values[w.storage].reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
        kernel = self._new_parameter(f"{w.storage}.filters", kernels.reshape(-1, *kernels.shape[2:]))
        return replace(operation, reads=(x, kernel, None))

    def _fuse_bias(self, operation: Operation) -> bool:
        """Fuse the addition of a bias per channel with a transposed convolution. Return False if this is impossible."""
        x, b = operation.reads
        host = self._producer(x, (TRANSPOSED,)) if self._int8 else None
        if host is None or b is None or len(b.shape) > 1:
            return False
        self._replace(host, operation, reads=(*host.reads[:2], b, None))
        return True

    def _fuse_batch_norm(self, operation: Operation) -> bool:
        """Fold a batch normalization into the preceding convolution. Return False if this is impossible."""
        x = operation.operand()
        y = operation.result
        convolution = self._producer(x, self._convolutions)
        if convolution is not None and (convolution.reads[3] or convolution.result.shape != x.shape):
            convolution = None
        if convolution is None and not self._int8:
            return False
        if convolution is None:
            convolution = self._identity(x, y)
            self.operations.append(convolution)
        w, b = self._fold_batch_norm(convolution, operation)
        kernel = self._new_parameter(f"{y.storage}.w", w)
        bias = self._new_parameter(f"{y.storage}.b", b)
        self._replace(convolution, operation, reads=(convolution.reads[0], kernel, bias, None))
        return True

    def _identity(self, x: Tensor, y: Tensor) -> Operation:
        """Return the 1×1 depthwise convolution that copies x to y."""
        image = (x.shape[0], *(1,) * (3 - len(x.shape)), *x.shape[1:])
        w = self._new_parameter(f"{y.storage}.identity", np.ones((x.shape[0], 1, 1, 1), np.float32))
        attributes = {**ONE_PIXEL, "groups": x.shape[0], "flip": False, "relu": False}
        return Operation(CONVOLUTION, (x.viewed(image), w, None, None), (y.viewed(image),), attributes)

    def _fold_batch_norm(self, convolution: Operation, operation: Operation) -> tuple[Array, Array]:
        """Return the folded kernels w · s and bias (b − mean) · s + beta, where s = gamma/√(variance + ε)."""
        gamma, beta, mean, variance = (self._parameter(operation.operand(number)) for number in range(1, 5))
        scale = gamma / np.sqrt(variance + operation.attributes["epsilon"])
        bias = convolution.reads[2]
        b = self._parameter(bias) if bias else np.zeros(len(scale))
        axes = (slice(None), *(None,) * (b.ndim - 1))
        w = self._parameter(convolution.operand(1)) * scale[:, None, None, None]
        return w, (b - mean[axes]) * scale[axes] + beta[axes]

    def _parameter(self, tensor: Tensor) -> Floats:
        return self.values[tensor.storage].astype(np.float64).reshape(tensor.shape)

    def _new_parameter(self, name: str, values: Array) -> Tensor:
        """Return a new parameter with these values."""
        self.values[name] = values
        return Tensor(name, values.shape, "parameter")

    def _fuse_add(self, operation: Operation) -> bool:
        """Fuse a sum with the convolution that computes one of its operands. Return False if this is impossible.

        The other operand must be computed before the convolution.
        """
        if self._int8:
            return False
        for producer_result, addend in (operation.reads, operation.reads[::-1]):
            host = self._producer(producer_result, self._convolutions)
            if host is None or addend is None or host.reads[3] is not None:
                continue
            later_operations = self.operations[self.operations.index(host) :]
            if any(addend.storage == later.result.storage for later in later_operations):
                continue
            self._replace(host, operation, reads=(*host.reads[:3], addend))
            return True
        return False

    def _fuse_relu(self, operation: Operation) -> bool:
        """Fuse a ReLU with the preceding operation. Return False if this is impossible."""
        host = self._producer(operation.reads[0], self._rectified)
        if host is None:
            return False
        self._replace(host, operation, attributes={**host.attributes, "relu": True})
        return True

    def _replace(self, host: Operation, operation: Operation, **changes: Any) -> None:
        """Replace a host by its fused form, which writes the result of ``operation`` in its own shape."""
        index = self.operations.index(host)
        self.operations[index] = replace(host, writes=(operation.result.viewed(host.result.shape),), **changes)

    def _with_fusion_slots(self, operation: Operation) -> Operation:
        """Add the input ``plus`` (None) and the attribute ``relu`` (False) to a convolution; keep other operations."""
        if operation.name not in self._convolutions:
            return operation
        return replace(operation, reads=(*operation.reads, None), attributes={**operation.attributes, "relu": False})


def _pads_image(pad: Operation, x: Tensor) -> bool:
    """Return whether a padding adds rows and columns, but no channels, to an image that a convolution reads as x."""
    before = pad.attributes["before"]
    after = pad.attributes["after"]
    return len(before) == 3 and not before[0] and not after[0] and pad.result.shape == x.shape
