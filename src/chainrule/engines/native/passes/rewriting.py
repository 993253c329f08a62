"""Rewriting of a plan into the steps of a program.

This module contains the order of the passes up to fusion, the passes that move pooling and fuse activations, and
functions that report the kernels of a plan. `program_tables` applies the later passes: `divide_norms`, `flatten` and
`pack_weights`.
"""

import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.native.kernels.registry import Conditions
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.engines.native.passes.batch_norm import (
    join_norm_gradients,
    scale_convolutions,
)
from chainrule.engines.native.passes.sharing import share_large_gradients, share_large_layers
from chainrule.engines.native.passes.simplifying import simplify
from chainrule.engines.native.passes.steps import (
    PlanStep,
    StepPlan,
    reader_counts,
    select_kernels,
    tensors_read,
    with_kernel,
)


def rewrite(plan: Plan, itemsize: int, *, intra_sample: bool = False) -> StepPlan:
    """Return steps that compute the results of a plan with fewer memory accesses.

    itemsize      bytes of an element
    intra_sample  whether the plan is for one sample, with its large layers split across threads
    """
    repacks = intra_sample and plan.loss is not None  # in inference, packed weights are kept
    steps = select_kernels(simplify(plan), itemsize, single=repacks)
    steps = move_pooling(steps)
    if intra_sample:
        steps = share_large_layers(steps, itemsize)
    else:
        steps = share_large_gradients(steps)
    steps = scale_convolutions(steps)
    steps = join_norm_gradients(steps)
    return fuse(steps)


def uses_winograd(plan: Plan, itemsize: int) -> bool:
    """Return whether Winograd's algorithm computes an operation of a plan, for one sample or for several."""
    steps = [*_unfused(plan, itemsize), *_unfused(plan, itemsize, single=True)]
    return any(step.entry.family == "winograd" for step in steps)


def kernels_of(plan: Plan, itemsize: int) -> dict[str, tuple[str, str]]:
    """Return the file and the name of the kernel that computes each tensor, by storage.

    Tensors between fused operations remain in registers. They are attributed to the kernels of their own operations. A
    plan with custom operations is not compiled: every operation runs separately, and custom ones are omitted here.
    """
    steps = [*_unfused(plan, itemsize)]
    if not plan.is_interpreted:
        steps += rewrite(plan, itemsize).operations
    kernels = dict[str, tuple[str, str]]()
    for step in steps:
        for tensor in step.writes:
            kernels[tensor.storage] = KERNELS[step.kernel].family, step.kernel
    return kernels


def _unfused(plan: Plan, itemsize: int, *, single: bool = False) -> list[PlanStep]:
    """Return the steps of a plan, without custom operations, if each of them ran separately."""
    conditions = Conditions(single, precise=plan.precise)
    operations = [operation for operation in simplify(plan).operations if not operation.call]
    return [with_kernel(operation, itemsize, conditions) for operation in operations]


def move_pooling(plan: StepPlan) -> StepPlan:
    """Return the plan with each max pooling moved before the increasing activation that precedes it.

    The activation is then computed for fewer elements.

        tanh1.y = tanh(conv1.y)                           →    tanh1.y, pool1.winner = max_pool(conv1.y)
        pool1.y, pool1.winner = max_pool(tanh1.y)         →    pool1.y = tanh(tanh1.y)

        tanh1.dy = max_pool_dx(pool1.dy, pool1.winner)    →    tanh1.dy = tanh_dx(pool1.dy, pool1.y)
        conv1.dy = tanh_dx(tanh1.dy, tanh1.y)             →    conv1.dy = max_pool_dx(tanh1.dy, pool1.winner)

    Nothing else may read the results that change. Where the activation is constant, several elements of a window have
    the same result. Moving the pooling may then change the winner, but the gradient is 0 in any case. In inference, an
    activation that can be fused with a preceding kernel is not moved.
    """
    readers = reader_counts(plan)
    forward = list(plan.forward)
    backward = list(plan.backward)
    for number, (activation, pooling) in enumerate(itertools.pairwise(plan.forward)):
        x = activation.reads[0]
        cells = activation.writes[0]
        y = pooling.writes[0]
        if x is None or pooling.reads != (cells,) or not activation.entry.increasing or not pooling.entry.picks:
            continue
        largest = cells.viewed(y.shape)
        at = _scattering(backward, pooling)
        slope = ()
        if at is not None:
            slope = backward[at + 1].reads[1:]
        picked = {cells.storage: y, x.storage: largest}
        slope_reads = sum(tensor is not None and tensor.storage == cells.storage for tensor in slope)
        alone = readers[cells.storage] == 1 + slope_reads
        unread = not activation.entry.epilogue and not any(readers[tensor.storage] for tensor in pooling.writes[1:])
        if at is None:
            is_movable = unread
        else:
            is_movable = all(tensor and tensor.storage in picked for tensor in slope)
        if alone and is_movable:
            forward[number] = replace(pooling, reads=(x,), writes=(largest, *pooling.writes[1:]))
            forward[number + 1] = replace(activation, reads=(largest,), writes=(y,))
            if at is not None:
                backward[at : at + 2] = _slope_first(backward[at], backward[at + 1], picked)
    return replace(plan, forward=tuple(forward), backward=tuple(backward))


def _scattering(backward: Sequence[PlanStep], pooling: PlanStep) -> int | None:
    """Return the index of a pooling's gradient in the backward pass, or None if the next step cannot precede it.

    The gradient must be the only reader of the winners, and only the next step may read its result.
    """
    winners = {tensor.storage for tensor in pooling.writes[1:]}
    reading = _readers_of(winners, backward)
    if len(reading) != 1 or reading[0] + 1 == len(backward):
        return None
    written = backward[reading[0]].writes[0].storage
    following = _readers_of({written}, backward)
    dy = backward[reading[0] + 1].reads[0]
    if following == [reading[0] + 1] and dy is not None and dy.storage == written:
        return reading[0]
    return None


def _readers_of(storages: Set[str], steps: Sequence[PlanStep]) -> list[int]:
    """Return the indices of the steps that read any of these storages."""
    readers = list[int]()
    for number, step in enumerate(steps):
        if any(tensor.storage in storages for tensor in tensors_read([step])):
            readers.append(number)
    return readers


def _slope_first(scattered: PlanStep, slope: PlanStep, picked: Mapping[str, Tensor]) -> tuple[PlanStep, PlanStep]:
    """Return the gradients of a pooling and of an activation in exchanged order: that of the activation first.

    picked  storage of each array that the activation's gradient reads → the pooled array that replaces it
    """
    dy, *winners = scattered.reads
    values = [tensor and picked[tensor.storage] for tensor in slope.reads[1:]]
    upstream = scattered.writes[0].viewed(next(iter(picked.values())).shape)
    first = replace(slope, reads=(dy, *values), writes=(upstream,))
    return first, replace(scattered, reads=(upstream, *winners), writes=slope.writes)


def fuse(plan: StepPlan) -> StepPlan:
    """Return the plan with forward operations fused into the preceding step, where the kernel of that step allows it.

        conv1.y = cross_correlate(x, conv1.w, conv1.b)    →    relu1.y = cross_correlate(…) with {"rectify": True}
        relu1.y = relu(conv1.y)

    The kernel applies the operation to its result before writing it to memory (`PlanStep.epilogue`). The operation may
    read only the first result of the preceding step, in the same shape. This result must not be an end of the plan, and
    no other forward, backward or deferred operation may read it. Of the operation's own results, only the first may be
    read. Max pooling is therefore not fused in training, which needs its winners. The other results of the preceding
    step, such as batch statistics, are not changed.
    """
    readers = reader_counts(plan)
    forward = list[PlanStep]()
    for operation in plan.forward:
        before = None
        if forward:
            before = forward[-1]
        alone = before and before.writes[:1] == operation.reads and readers[before.writes[0].storage] == 1
        unread = not any(readers[tensor.storage] for tensor in operation.writes[1:])
        both = None
        if before and alone and unread:
            both = _fused(before, operation)
        if both:
            forward[-1] = both
        else:
            forward.append(operation)
    return replace(plan, forward=tuple(forward))


def _fused(before: PlanStep, operation: PlanStep) -> PlanStep | None:
    """Return a step fused with the operation after it, or None if the step's kernel cannot apply the operation."""
    name = operation.entry.epilogue
    value = operation.entry.epilogue_value(operation.attributes)
    if not name or not value or not _is_open(before, name):
        return None
    writes = (operation.writes[0], *before.writes[1:])
    return replace(before, writes=writes, epilogue={**before.epilogue, name: value})


def _is_open(step: PlanStep, name: str) -> bool:
    """Return whether the kernel of a step can apply the epilogue `name` in addition to those that it already applies.

    It applies each epilogue at most once, in the order of `KernelEntry.epilogues`.
    """
    possible = step.entry.epilogues
    if name not in possible or not possible[name](step.reads):
        return False
    order = list(possible)
    return not any(step.epilogue.get(later) for later in order[order.index(name) :])
