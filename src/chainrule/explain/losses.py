"""The gradient of softmax and cross-entropy with respect to the scores, derived in a table with the chain rule."""

from dataclasses import replace

import numpy as np

from chainrule.core.plan import Operation
from chainrule.explain import calculations
from chainrule.explain.cells import CellContext
from chainrule.explain.record import Derivation, Jacobian, JacobianRow
from chainrule.operations import reference

EPSILON = float(np.finfo(np.float64).eps)


def softmax_cross_entropy_dp(ctx: CellContext) -> Derivation:
    """Explain dz[j] = (ŷ[j] · Σ_k t[k] − t[j]) / N, and add the table with the derivatives of all probabilities."""
    return replace(calculations.explain(ctx), jacobian=_jacobian(ctx), sources=_sources(ctx))


def _jacobian(ctx: CellContext) -> Jacobian:
    """Return dLoss/dŷ_k · dŷ_k/dz_j for every class k."""
    (j, *position), rows_of_batch = ctx.own_index, ctx.arguments["batch"]
    row = (ctx.sample, slice(None), *position)
    y, t = (array.tolist() for array in (reference.softmax(ctx.array(0)[row][None])[0], ctx.array(1)[row]))
    rows: list[JacobianRow] = []
    for k, (p, target) in enumerate(zip(y, t, strict=True)):
        slope = (1.0 if k == j else 0.0) - y[j]
        dp = -target / max(p, EPSILON) / rows_of_batch
        rows.append(JacobianRow(k, p, target, dp, p * slope, -target * slope / rows_of_batch))
    return Jacobian(tuple(rows))


def _sources(ctx: CellContext) -> tuple[str, ...]:
    """Return the target and the probability or, without a softmax layer, the target and all scores."""
    n, (j, *position) = ctx.sample, ctx.own_index
    scores = ctx.tensor(0).storage
    written = ((name, operation) for name, (operation, _, _) in ctx.catalogue.writers.items())
    layers = (name for name, operation in written if operation.name == "softmax" and scores in _reads(operation))
    if softmax := next(layers, ""):
        index = ",".join(map(str, ctx.own_index if ctx.samples == 1 else (n, *ctx.own_index)))
        return f"{softmax}[{index}]", ctx.cell(1, (n, j, *position))
    cells = (ctx.cell(0, (n, k, *position)) for k in range(ctx.array(0).shape[1]))
    return (*cells, ctx.cell(1, (n, j, *position)))


def _reads(operation: Operation) -> list[str]:
    return [tensor.storage for tensor in operation.reads if tensor is not None]
