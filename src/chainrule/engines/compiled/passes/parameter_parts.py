"""Division of a plan's parameters into parts, the rows of each of which threads share.

A row is what makes one filter, or one output of a dense layer. Where threads share a layer of one sample by its
outputs, the same thread has the same rows in the forward pass, in both gradients and in the update, so that the weights
and their moments stay in its cache: fetching what another thread wrote takes longer than computing with it. Where they
share a batch, each reads all parameters, and a row is as long as a line of the cache; only a gradient that is made for
the whole batch keeps its rows.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chainrule.engines.compiled.passes.steps import Sharing, Step, StepPlan, tensors_of

FEW = 1 << 12  # entries of a parameter that are not worth a part to themselves
LINE = 16  # entries that fill a line of the cache, in float32


class ParameterPart(NamedTuple):
    """A part of the parameters, in their flat buffer: rows of equal width, the last of which may be shorter.

    outer  the operation that makes the gradient dy xᵀ of these rows, where the update does that instead
    whole  the operation that makes their gradient for the whole batch, where it is not made for each share and added up
    """

    first: int
    size: int
    width: int = LINE
    outer: Step | None = None
    whole: Step | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return -(-self.size // self.width)

    @property
    def share(self) -> str:
        """The expressions for the first entry of turn `k` of so many `parts`, and for the one after its last."""
        edges = [f"{k} * {self.rows} // parts * {self.width}" for k in ("k", "(k + 1)")]
        if self.size % self.width:
            edges = [f"min({self.size}, {edge})" for edge in edges]
        return ", ".join(f"{self.first} + {edge}" for edge in edges)


def parameter_count(plan: StepPlan, layout: Mapping[str, tuple[int, int]]) -> int:
    """Return the number of parameters of a plan, which reads all of them."""
    read = [each for each in tensors_of(plan.operations) if each.kind == "parameter"]
    return max((layout[each.storage][1] for each in read), default=0)


def parts_of(
    plan: StepPlan, layout: Mapping[str, tuple[int, int]], count: int, deferred: Iterable[Step], *, by_rows: bool
) -> list[ParameterPart]:
    """Return the parts of so many parameters, in their order; those between which there is no difference are one.

    layout    name of a parameter → its range in the flat buffer
    deferred  operations that make gradients, which are left to the update
    by_rows   whether threads share layers, so that each should have the rows of its outputs
    """
    outer = {each.writes[0].differentiated: each for each in deferred}
    whole = {each.writes[0].differentiated: each for each in plan.backward if each.sharing is Sharing.ADDED_UP}
    written = tensors_of(plan.backward)
    rows = {each.differentiated: each.shape[0] for each in written if each.kind == "gradient" and each.shape}
    found, end = list[ParameterPart](), 0
    for first, last, name in sorted((*layout[each], each) for each in rows):
        size = last - first
        if name in outer or name in whole or (by_rows and size >= FEW):
            own = ParameterPart(first, size, size // rows[name], outer.get(name), whole.get(name))
            found += [ParameterPart(end, first - end), own]
            end = last
    return [part for part in (*found, ParameterPart(end, count - end)) if part.size]
