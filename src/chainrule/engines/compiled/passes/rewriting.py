"""The order of the passes, from a plan to the steps of a program, and what they say about a plan's kernels."""

from chainrule.core.plan import Plan
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes.batch_norm import (
    join_norm_gradients,
    scale_convolutions,
    take_signs_from_results,
)
from chainrule.engines.compiled.passes.branches import follow_branches
from chainrule.engines.compiled.passes.fusing import fuse, move_pooling
from chainrule.engines.compiled.passes.sharing import share_large_gradients, share_large_layers
from chainrule.engines.compiled.passes.steps import StepPlan, select_kernels, with_kernel


def rewrite(plan: Plan, itemsize: int, *, intra_sample: bool = False) -> StepPlan:
    """Return the steps that compute a plan: the same results, in fewer passes over memory.

    itemsize      bytes of an element
    intra_sample  whether threads share the large layers of one sample
    """
    steps = select_kernels(follow_branches(plan), itemsize, single=intra_sample)
    steps = move_pooling(steps)
    steps = share_large_layers(steps, itemsize) if intra_sample else share_large_gradients(steps)
    steps = take_signs_from_results(steps)
    steps = scale_convolutions(steps)
    steps = join_norm_gradients(steps)
    return fuse(steps)


def uses_winograd(plan: Plan, itemsize: int) -> bool:
    """Return whether Winograd's algorithm computes an operation of a plan, for one sample or for several."""
    known = [each for each in follow_branches(plan).operations if not each.call]
    both = [Conditions(single, precise=plan.precise) for single in (False, True)]
    steps = [with_kernel(each, itemsize, conditions) for each in known for conditions in both]
    return any(step.entry.family == "winograd" for step in steps)


def kernels_of(plan: Plan, itemsize: int) -> dict[str, tuple[str, str]]:
    """Return file and function of the kernel that computes each tensor, by its storage.

    A tensor that a fused operation no longer writes is computed in registers: in forward by the same kernel, in
    backward by the one that needs it. An opaque plan is not compiled: its operations run one by one, those that are
    known by the kernels that fit.
    """
    known = [each for each in follow_branches(plan).operations if not each.call]
    steps = [with_kernel(each, itemsize, Conditions(precise=plan.precise)) for each in known]
    names = {tensor.storage: step.kernel for step in steps for tensor in step.writes}
    if not plan.opaque:
        written = {tensor.storage: step.kernel for step in rewrite(plan, itemsize).operations for tensor in step.writes}
        names |= written
        for each in plan.backward:
            first = each.reads[0]
            storage = None if first is None or first.kind != "activation" else first.storage
            if storage in names and storage not in written:  # a gradient that is another array unchanged is in neither
                names[storage] = written.get(each.writes[0].storage, names[storage])
    return {storage: (KERNELS[name].family, name) for storage, name in names.items()}
