"""The explanation of each operation: by a function of its own, as an element-wise operation, or by its formulas."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from chainrule.core.shapes import text
from chainrule.explain import calculations, dropout, formulas, geometry, losses, pooling
from chainrule.explain.cells import Cell, CellContext, TensorEntry
from chainrule.explain.record import Details
from chainrule.operations import definitions

KINDS = ("input", "target", "weights", "parameter", "state", "constant", "moment", "batch", "gradient")
Explainer = Callable[[CellContext], Details]

OWN_EXPLAINERS: dict[str, Explainer] = {
    "max_pool_dx": pooling.max_pool_dx,
    "dropout": dropout.dropout,
    "add": geometry.add,
    "concatenate": geometry.concatenate,
    "resample": geometry.resample,
    "resample_dx": geometry.resample_dx,
    "pad": geometry.pad,
    "crop": geometry.crop,
    "permute": geometry.permute,
    "broadcast": geometry.broadcast,
    "broadcast_dx": geometry.broadcast_dx,
    "gather": geometry.gather,
    "gather_dx": geometry.gather_dx,
    "softmax_cross_entropy_dp": losses.softmax_cross_entropy_dp,
}


def _explainers() -> dict[str, Explainer]:
    """Return the explainer of each operation: its own, that of element-wise operations, or that of formulas."""
    explainers = dict[str, Explainer]()
    for name, entry in definitions.entries().items():
        if "writes" in entry:
            explainers[name] = calculations.explain
    for name in definitions.element_wise():
        explainers[name] = formulas.elementwise_value
        explainers[f"{name}_dx"] = formulas.elementwise_gradient
    return explainers | OWN_EXPLAINERS


EXPLAINERS = _explainers()


def explain(ctx: CellContext, cell: Cell, entry: TensorEntry) -> Details:
    """Explain a cell that an operation computed.

    entry   the cell's tensor, whose shape may differ from that of the operation's result
    """
    name = ctx.operation.name
    if ctx.operation.call:
        return _sentences("own_code", {"operation": name})
    details = EXPLAINERS[name](ctx)
    seen = ctx.shape
    if seen == entry.shape or not entry.shape:
        return details
    index = ",".join(map(str, cell.index))
    own = ",".join(map(str, ctx.index[-len(seen) :]))
    reshaped = ctx.sentences_of(
        "reshaped", layer=ctx.layer, shape=text(entry.shape), seen=text(seen), index=index, own=own
    )
    return replace(details, words=details.words + reshaped)


def explain_leaf(entry: TensorEntry, step: int) -> Details:
    """Explain a cell that is not computed by an operation, such as an input or a frozen parameter's gradient."""
    facts = {kind: kind == entry.kind for kind in KINDS}
    return _sentences("leaf", {**facts, "first": step == 1})


def _sentences(name: str, facts: Mapping[str, object]) -> Details:
    return Details(definitions.fill(definitions.entries()[name]["words"], facts))
