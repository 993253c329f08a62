"""Packing of the weights of an inference plan before it runs, instead of within each convolution."""

from dataclasses import replace
from typing import Any, NamedTuple

from chainrule.core.plan import Tensor
from chainrule.engines.native.kernels.registry import Share
from chainrule.engines.native.passes.steps import PlanStep, StepPlan, step_of

MAX_PACKED_BYTES = 1 << 26  # of a program; the weights of further layers are packed in every call


class Packing(NamedTuple):
    """A step that packs the weights of a convolution.

    share  division of the filters among threads, which are packed separately; None: all filters are packed together
    first  index of the first element in the buffer of packed weights
    """

    step: PlanStep
    share: Share | None
    first: int

    @property
    def end(self) -> int:
        """The index after the last element."""
        return self.first + self.step.writes[0].size


def pack_weights(plan: StepPlan, itemsize: int) -> tuple[StepPlan, list[Packing]]:
    """Return the plan with packed weights where kernels read them in another order, and the steps that pack them.

        conv1.y = cross_correlate(x, conv1.w, …)    →    conv1.y = cross_correlate(x, conv1.w.packed_0, …)

    itemsize  bytes of an element
    """
    packings: dict[Any, Packing] = {}
    forward = list(plan.forward)
    end = 0
    for number, step in enumerate(forward):
        if not step.entry.packing or step.operand(1).kind != "parameter":
            continue
        share = None
        if step.scope == "batch":
            share = step.share(itemsize)
        if not (share and share.axis == 0):
            share = None
        w = step.operand(1)
        packing = replace(step_of(step, step.entry.packing), reads=(w,), runtime={})
        key = w.storage, packing.kernel, str(packing.entry.plain_arguments(2, step.attributes)), share
        packed = Tensor(f"{w.storage}.packed_{len(packings)}", packing.entry.shapes([w], {})[0], "parameter")
        item = packings.get(key, Packing(replace(packing, writes=(packed,)), share, end))
        if item.end * itemsize <= MAX_PACKED_BYTES:
            packings[key], end = item, max(end, item.end)
            reads = step.reads[0], item.step.writes[0].viewed(w.shape), *step.reads[2:]
            forward[number] = replace(step, reads=reads, epilogue={**step.epilogue, "packed": True})
    return replace(plan, forward=tuple(forward)), list(packings.values())
