"""Explainers of the operations by name."""

from collections.abc import Callable

from chainrule import operations
from chainrule.explain import (
    activations,
    dropout,
    elementwise,
    equations,
    geometry,
    group_normalization,
    losses,
    merging,
    normalization,
    pooling,
    prelu,
)
from chainrule.explain.cell_context import CellContext
from chainrule.explain.record import Derivation

Explainer = Callable[[CellContext], Derivation]

EXPLAINERS: dict[str, Explainer] = {
    **dict.fromkeys((name for name, entry in operations.entries().items() if "equation" in entry), equations.explain),
    "max_pool": pooling.max_pool,
    "max_pool_dx": pooling.max_pool_dx,
    "average_pool": pooling.average_pool,
    "average_pool_dx": pooling.average_pool_dx,
    **dict.fromkeys(operations.element_wise(), elementwise.value),
    **{f"{name}_dx": elementwise.gradient for name in operations.element_wise()},
    "softmax": activations.softmax,
    "softmax_dx": activations.softmax_dx,
    "dropout": dropout.dropout,
    "add": merging.add,
    "concatenate": merging.concatenate,
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
    "prelu": prelu.prelu,
    "prelu_dx": prelu.prelu_dx,
    "prelu_dw": prelu.prelu_dw,
    **losses.EXPLAINERS,
}
