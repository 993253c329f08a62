"""Explainers of the operations by name, and explanations of cells that no operation of the trace computes.

The latter are input, target, parameters, moments, and the results of custom operations.
"""

from collections.abc import Callable
from typing import Any

from chainrule.explain import (
    activations,
    equations,
    formulas,
    geometry,
    group_normalization,
    losses,
    normalization,
    pooling,
)
from chainrule.explain.cell_context import CellContext
from chainrule.explain.cells import TensorEntry
from chainrule.explain.record import Derivation
from chainrule.operations import definitions

KINDS = ("input", "target", "parameter", "state", "moment", "batch")
Explainer = Callable[[CellContext], Derivation]

EXPLAINERS: dict[str, Explainer] = {
    **dict.fromkeys((name for name, entry in definitions.entries().items() if "equation" in entry), equations.explain),
    "max_pool": pooling.max_pool,
    "max_pool_dx": pooling.max_pool_dx,
    "average_pool": pooling.average_pool,
    "average_pool_dx": pooling.average_pool_dx,
    **dict.fromkeys(definitions.element_wise(), formulas.elementwise_value),
    **{f"{name}_dx": formulas.elementwise_gradient for name in definitions.element_wise()},
    "softmax": activations.softmax,
    "softmax_dx": activations.softmax_dx,
    "dropout": activations.dropout,
    "add": geometry.add,
    "concatenate": geometry.concatenate,
    "resample": geometry.resample,
    "resample_dx": geometry.resample_dx,
    "pad": geometry.pad,
    "crop": geometry.crop,
    "permute": geometry.permute,
    "batch_norm": normalization.batch_norm,
    "batch_norm_dx": normalization.batch_norm_dx,
    "batch_norm_dw": normalization.batch_norm_dw,
    "group_norm": group_normalization.group_norm,
    "group_norm_dx": group_normalization.group_norm_dx,
    "group_norm_dw": group_normalization.group_norm_dw,
    "running_statistics": normalization.running_statistics,
    "prelu": activations.prelu,
    "prelu_dx": activations.prelu_dx,
    "prelu_dw": activations.prelu_dw,
    "local_response_norm": normalization.local_response_norm,
    "local_response_norm_dx": normalization.local_response_norm_dx,
    **losses.EXPLAINERS,
}


def leaf(entry: TensorEntry, step: int) -> Derivation:
    """Explain a cell that the step begins with."""
    return _said("leaf", {**{kind: kind == entry.kind for kind in KINDS}, "first": step == 1})


def custom_operation(operation: str) -> Derivation:
    """Explain a cell that a learner's own code computed."""
    return _said("own_code", {"operation": operation})


def _said(name: str, facts: dict[str, Any]) -> Derivation:
    return Derivation(definitions.fill(definitions.entries()[name]["words"], facts))
