"""Explainers of the operations by name."""

from collections.abc import Callable

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
    resampling,
    response_normalization,
)
from chainrule.explain.cell_context import CellContext
from chainrule.explain.record import Derivation
from chainrule.operations import definitions

Explainer = Callable[[CellContext], Derivation]

EXPLAINERS: dict[str, Explainer] = {
    **dict.fromkeys((name for name, entry in definitions.entries().items() if "equation" in entry), equations.explain),
    "max_pool": pooling.max_pool,
    "max_pool_dx": pooling.max_pool_dx,
    "average_pool": pooling.average_pool,
    "average_pool_dx": pooling.average_pool_dx,
    **dict.fromkeys(definitions.element_wise(), elementwise.value),
    **{f"{name}_dx": elementwise.gradient for name in definitions.element_wise()},
    "softmax": activations.softmax,
    "softmax_dx": activations.softmax_dx,
    "dropout": dropout.dropout,
    "add": merging.add,
    "concatenate": merging.concatenate,
    "resample": resampling.resample,
    "resample_dx": resampling.resample_dx,
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
    "local_response_norm": response_normalization.local_response_norm,
    "local_response_norm_dx": response_normalization.local_response_norm_dx,
    **losses.EXPLAINERS,
}
