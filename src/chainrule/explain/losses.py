"""The gradient of softmax and cross-entropy with respect to the scores, derived in a table with the chain rule."""

from dataclasses import replace

import numpy as np

from chainrule.explain import calculations
from chainrule.explain.cells import CellContext, cell_name
from chainrule.explain.record import Details, Jacobian, JacobianRow
from chainrule.operations import reference

EPSILON = float(np.finfo(np.float64).eps)


def softmax_cross_entropy_dp(ctx: CellContext) -> Details:
    """Explain dz[j] = (ŷ[j] · Σ_k t[k] − t[j]) / N, and add the table with the derivatives of all probabilities."""
    return replace(calculations.explain(ctx), jacobian=_jacobian(ctx), sources=_sources(ctx))


def _jacobian(ctx: CellContext) -> Jacobian:
    """Return dLoss/dŷ_k · dŷ_k/dz_j for every class k."""
    j, *position = ctx.own_index
    rows_of_batch = ctx.arguments["batch"]
    row = (ctx.sample, slice(None), *position)
    scores = ctx.array(0)[row]
    y = reference.softmax(scores[None])[0].tolist()
    t = ctx.array(1)[row].tolist()
    rows: list[JacobianRow] = []
    for k, (p, target) in enumerate(zip(y, t, strict=True)):
        slope = float(k == j) - y[j]
        dp = -target / max(p, EPSILON) / rows_of_batch
        rows.append(JacobianRow(k, p, target, dp, p * slope, -target * slope / rows_of_batch))
    return Jacobian(tuple(rows))


def _sources(ctx: CellContext) -> tuple[str, ...]:
    """Return the target and the probability or, without a softmax layer, the target and all scores."""
    j, *position = ctx.own_index
    target = ctx.cell(1, (ctx.sample, j, *position))
    probabilities = _softmax_of(ctx)
    if probabilities is not None:
        index = ctx.own_index if ctx.samples == 1 else (ctx.sample, *ctx.own_index)
        return cell_name(probabilities, index), target
    scores = [ctx.cell(0, (ctx.sample, k, *position)) for k in range(ctx.array(0).shape[1])]
    return (*scores, target)


def _softmax_of(ctx: CellContext) -> str | None:
    """Return the name of the probabilities that a softmax layer computes from the scores, if there is one."""
    scores = ctx.tensor(0).storage
    for name, writer in ctx.catalogue.writers.items():
        if writer.operation.name != "softmax":
            continue
        if writer.operation.operand().storage == scores:
            return name
    return None
