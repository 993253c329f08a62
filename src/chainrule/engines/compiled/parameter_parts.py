"""Division of a plan's parameters into parts, the rows of each of which threads share.

A row is what makes one filter, or one output of a dense layer. Where threads share a layer of one sample by its
outputs, the same thread has the same rows in the forward pass, in both gradients and in the update, so that the weights
and their moments stay in its cache: fetching what another thread wrote takes longer than computing with it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chainrule.engines.compiled.segments import tensors_of
from chainrule.plan import Operation, Plan

FEW = 1 << 12  # entries of a parameter that are not worth a part to themselves


class ParameterPart(NamedTuple):
    """A part of the parameters, in their flat buffer: rows of equal width.

    outer  the operation that makes the gradient dy xᵀ of these rows, where the update does that instead
    whole  the gradient is made at once for the whole batch, and not for each share and then added up
    """

    first: int
    rows: int
    width: int = 1
    outer: Operation | None = None
    whole: bool = False

    @property
    def share(self) -> str:
        """The expressions for the first entry of thread `k`, and for the one after its last."""
        edges = [f"{k} * {self.rows} // threads * {self.width}" for k in ("k", "(k + 1)")]
        return ", ".join(f"{self.first} + {edge}" for edge in edges)


def parameter_count(plan: Plan, layout: Mapping[str, tuple[int, int]]) -> int:
    """Return the number of parameters of a plan, which reads all of them."""
    read = [each for each in tensors_of(plan.operations) if each.kind == "parameter"]
    return max((layout[each.storage][1] for each in read), default=0)


def parts_of(
    plan: Plan, layout: Mapping[str, tuple[int, int]], count: int, deferred: Iterable[Operation]
) -> list[ParameterPart]:
    """Return the parts of so many parameters, in their order; small ones that are neighbours are one.

    layout    name of a parameter → its range in the flat buffer
    deferred  operations that make gradients, which are left to the update
    """
    outer = {each.writes[0].differentiated: each for each in deferred}
    whole = {each.writes[0].differentiated for each in plan.backward if each.attributes.get("fresh")}
    written = tensors_of(plan.backward)
    rows = {each.differentiated: each.shape[0] for each in written if each.kind == "gradient" and each.shape}
    found, end = list[ParameterPart](), 0
    for first, last, name in sorted((*layout[each], each) for each in rows):
        own = ParameterPart(first, rows[name], (last - first) // rows[name], outer.get(name), name in whole)
        is_alone = own.outer or own.whole or last - first >= FEW
        found += [
            ParameterPart(end, first - end),
            own if is_alone else ParameterPart(first, last - first),
        ]  # what is before is not learnt
        end = last
    return _joined([*found, ParameterPart(end, count - end)])


def _joined(parts: Iterable[ParameterPart]) -> list[ParameterPart]:
    """Return parts without empty ones, of which neighbours that any thread may have are one."""
    found = list[ParameterPart]()
    for part in parts:
        if found and all(each.width == 1 and not (each.outer or each.whole) for each in (found[-1], part)):
            found[-1] = found[-1]._replace(rows=found[-1].rows + part.rows)
        elif part.rows:
            found.append(part)
    return found
