"""Calls of PyTorch code with NumPy arrays: subclasses of torch.nn.Module and torch.autograd.Function.

PyTorch is not imported here. Its automatic differentiation is off, so that only gradients written by hand are compared.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of PyTorch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_arrays(value: Any) -> Any:
    """Return a value with all tensors in it, also in tuples, lists and dictionaries, converted to arrays."""
    if is_tensor(value):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: to_arrays(part) for key, part in cast("dict[Any, Any]", value).items()}
    if type(value) in (tuple, list):
        return type(value)(map(to_arrays, value))
    return value


def to_tensor(value: Any) -> Any:
    """Return an array as a tensor that shares its memory, float32 as a float64 copy, and other values unchanged."""
    if not isinstance(value, np.ndarray):
        return value
    array = cast("np.ndarray[Any, Any]", value)
    return sys.modules["torch"].from_numpy(array.astype(np.float64) if array.dtype == np.float32 else array)


def call(owner: Any, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Call a function; with tensors if its owner, a class or an object, expects them. New tensors have float64.

    Arrays in the arguments are then converted to tensors, and tensors in the result to arrays.
    """
    torch: Any = sys.modules.get("torch")
    takes_tensors = _takes_tensors(owner, getattr(function, "__globals__", {}))
    if torch is None or not (takes_tensors or isinstance(owner, type)):
        return function(*arguments, **named)
    if takes_tensors:
        arguments = tuple(map(to_tensor, arguments))
        named = {name: to_tensor(value) for name, value in named.items()}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            return to_arrays(function(*arguments, **named))
    finally:
        torch.set_default_dtype(before)


def _takes_tensors(owner: Any, variables: Mapping[str, Any]) -> bool:
    """Return whether an owner derives from a class of PyTorch or holds tensors, or its module lacks NumPy."""
    kind = cast("type[Any]", owner if isinstance(owner, type) else type(owner))
    for base in kind.__mro__:
        if base.__module__.startswith("torch."):
            return True
    if any(map(is_tensor, getattr(owner, "__dict__", {}).values())):
        return True
    return "torch" in variables and "np" not in variables and "numpy" not in variables


class SavedContext:
    """The argument ctx of functions in the style of torch.autograd.Function."""

    saved_tensors: tuple[Any, ...] = ()
    needs_input_grad = (True,) * 32  # more than functions have arguments

    def save_for_backward(self, *values: Any) -> None:
        """Save values for backward."""
        self.saved_tensors = values

    def mark_dirty(self, *values: Any) -> None:
        """Do nothing, because there is no automatic differentiation."""

    mark_non_differentiable = set_materialize_grads = mark_dirty
