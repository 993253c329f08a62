"""The conversion of what NumPy does not convert, such as PyTorch tensors that require gradients."""

import sys
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import DataError, quoted


def converted(values: object, error: Exception, differences: str | None) -> Array:
    """Return PyTorch tensors, or lists of them, as an array; bfloat16 becomes float32, without rounding.

    error        the error of NumPy's conversion
    differences  how the shapes of the values differ; None if they do not
    Errors   DataError for other values, such as rows of different lengths and tensors on the device "meta"
    """
    if not isinstance(error, ValueError):  # raised by PyTorch, also for a tensor in a list
        try:
            return np.asarray(_without_tensors(values))
        except (TypeError, RuntimeError):
            pass
    raise DataError(f"{quoted(values)}: expected an array: {differences or error}") from None


def _without_tensors(values: object) -> object:
    """Return values with PyTorch tensors, also those in lists, replaced by arrays."""
    if isinstance(values, list | tuple):
        return [_without_tensors(value) for value in cast("list[object]", values)]
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    tensor: Any = values
    detached = tensor.detach().cpu()
    if detached.dtype is torch.bfloat16:  # NumPy has no such dtype
        detached = detached.float()
    return detached.numpy()
