"""The operators of ONNX that layers express, one family per file: each a function of a node (`onnx_call.Call`)."""

from collections.abc import Callable
from typing import Any

from chainrule.formats.onnx_call import Call
from chainrule.formats.onnx_operators import (
    activations,
    arithmetic,
    convolution,
    moving,
    normalization,
    pooling,
    resizing,
)

OPERATORS: dict[str, Callable[[Call], Any]] = {
    name: translate
    for family in (convolution, activations, pooling, normalization, arithmetic, moving, resizing)
    for name, translate in family.OPERATORS.items()
}
