"""Sharing of large operations: which of them all threads compute together, on the whole batch or on one sample."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.compiled.kernels.registry import SHARED_FROM, Conditions
from chainrule.engines.compiled.passes.branches import follow_branches
from chainrule.engines.compiled.passes.segments import is_by_channel, shared_runs
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan, select_kernels, with_kernel

# The work of an operation is relative to the smallest work that threads share.
MIN_SHARED_WORK = 6  # work of all large layers that justifies waking the threads
MIN_SHARED_WORK_IN_TRAINING = 14
TRAINING_WEIGHT_COST = 16  # multiplications; a dense weight is read twice and updated by Adam
INFERENCE_WEIGHT_COST = 4  # multiplications; time to read a dense weight in inference
ELEMENT_COST = 8  # multiplications; time to read or write an element of an image
LARGE_GRADIENT = 1 << 16  # weights; above, a dense gradient is computed once per batch, not once per thread
OUTPUT_PARTS = 2  # parts of a sum over outputs; constant, so that results do not depend on the number of threads


def is_worth_sharing(plan: Plan, itemsize: int) -> bool:
    """Return whether threads should share the large layers of one sample.

    In training, each thread reads results of the other from its cache, so more work is needed to justify sharing.
    """
    selected, training = select_kernels(follow_branches(plan), itemsize, single=True), plan.loss is not None
    works = [_work(step, itemsize, training=training) for step in selected.forward]
    return sum(work for work in works if work >= 1) >= (MIN_SHARED_WORK_IN_TRAINING if training else MIN_SHARED_WORK)


def share_large_layers(plan: StepPlan, itemsize: int) -> StepPlan:
    """Return the plan for one sample with its large layers as steps of scope "batch", which threads share.

        conv1.y = cross_correlate(…)                   →    scope "batch", threads share rows
        relu1.y = relu(conv1.y)                        →    scope "batch": a thread continues with its rows
        fc1.y = dense(…)  of few weights               →    unchanged
        fc2.dx = dense_dx(…)  of many weights          →    scope "batch", BY_OUTPUTS

    The layers after a large one are shared as well if a thread can continue with its channels or rows, and in
    training so are the gradients of large layers.
    """

    def is_shared(operation: PlanStep) -> bool:
        return _work(operation, itemsize, training=plan.loss is not None) >= 1

    runs = shared_runs(_by_channels(plan.forward), itemsize, is_shared)
    forward = [replace(step, scope="batch") if on or is_shared(step) else step for step, on in runs]
    return replace(plan, forward=tuple(forward), backward=tuple(_shared_gradients(plan, itemsize)))


def _by_channels(forward: Sequence[PlanStep]) -> Iterator[PlanStep]:
    """Yield steps, with BY_CHANNELS if a thread can continue with its channels up to a depthwise convolution or a mean.

    Divided by rows, every thread would fetch half of all channels from another thread's cache, which takes longer than
    a barrier.
    """
    for number, step in enumerate(forward):
        leads_to_channels = _leads_to_channels(forward[number:])
        yield replace(step, sharing=Sharing.BY_CHANNELS) if leads_to_channels else step


def _leads_to_channels(steps: Sequence[PlanStep]) -> bool:
    """Return whether the steps after the first treat channels separately, up to a step that makes this division pay.

    Such a step is a depthwise convolution, or reduces each channel to one number.
    """
    for before, operation in itertools.pairwise(steps):
        by_channel = is_by_channel(operation)
        if operation.reads[:1] != before.writes[:1] or not (by_channel or operation.entry.piece is not None):
            return False
        if math.prod(operation.writes[0].shape[1:]) == 1 or (by_channel and operation.name == "cross_correlate"):
            return True
    return False


def _shared_gradients(plan: StepPlan, itemsize: int) -> list[PlanStep]:
    """Return the steps of a backward pass, large ones as steps of the whole batch.

    A thread has the same filters, or rows of a dense layer's weights, in the forward pass, in both gradients and in the
    update, so that these weights stay in its cache. The exception are consecutive independent gradients of two large
    convolutions with few weights: one thread computes each.
    """
    backward = plan.backward
    shared = [replace(step, scope="batch") if _work(step, itemsize, training=True) >= 1 else step for step in backward]
    for number, step in enumerate(backward):
        if step.name == "dense_dx" and shared[number].scope == "batch":
            shared[number] = _by_outputs(step, itemsize, precise=plan.precise)
        if step.name != "cross_correlate_dw" or _work_of_gradient(step) < 1:
            continue
        dx = backward[number + 1] if number + 1 < len(backward) else step
        paired = dx.name == "cross_correlate_dx" and dx.reads[0] == step.reads[1]
        if paired and not _has_many_weights(dx):
            shared[number] = replace(step, scope="batch")
            shared[number + 1] = replace(dx, scope="batch", sharing=Sharing.CONCURRENT)
        elif step.attributes.get("groups", 1) == 1:
            shared[number] = replace(step, scope="batch", sharing=Sharing.BY_FILTERS)
            if paired:
                shared[number + 1] = _by_outputs(dx, itemsize, precise=plan.precise)
    return shared


def _has_many_weights(dx: PlanStep) -> bool:
    """Return whether a convolution has more weights than inputs, so that threads should exchange inputs."""
    w = dx.reads[1]
    if w is None or dx.attributes.get("groups", 1) != 1 or w.shape[0] % OUTPUT_PARTS:
        return False
    return math.prod(w.shape) >= dx.writes[0].size


def _by_outputs(dx: PlanStep, itemsize: int, *, precise: bool) -> PlanStep:
    """Return the gradient of an input as a sum that threads share, with the kernel that suits a part of it."""
    part = with_kernel(part_by_outputs(dx), itemsize, Conditions(single=True, precise=precise))
    return replace(dx, kernel=part.kernel, scope="batch", sharing=Sharing.BY_OUTPUTS)


def part_by_outputs(step: PlanStep) -> PlanStep:
    """Return the contribution of some outputs to the gradient of an input: part of dy, and filters or rows of W."""

    def part(tensor: Tensor) -> Tensor:
        return tensor.viewed((-(-tensor.shape[0] // OUTPUT_PARTS), *tensor.shape[1:]))

    return replace(step, reads=tuple(tensor and part(tensor) for tensor in step.reads))


def _work_of_gradient(dw: PlanStep) -> float:
    """Return the work of the kernel gradient of a convolution, relative as in `_work`."""
    dy = dw.reads[1]
    return math.prod(dw.writes[0].shape) * math.prod(dy.shape[1:]) / SHARED_FROM if dy else 0


def _work(operation: PlanStep, itemsize: int, *, training: bool) -> float:
    """Return the work of a layer for one sample, relative to the smallest work that threads should share.

    Without weights, it is the number of elements read. Otherwise it is the number of multiplications by the weights
    (the second array read), plus `MOVED` for every element read or written, which matters for groups of few filters.
    Work that cannot be shared evenly counts less, dense weights count more (`TRAINED`, `READ`).
    """
    least = operation.entry.shared_from
    x, w, *_ = (*operation.reads, None)
    if least is None or x is None:
        return 0
    if w is None or w.per_sample or len(w.shape) == 1:
        return x.size / least
    result = operation.writes[0]
    dense = len(w.shape) == 2
    multiplied = math.prod(w.shape) * (INFERENCE_WEIGHT_COST if dense and not training else math.prod(result.shape[1:]))
    multiplied += ELEMENT_COST * (x.size + result.size)
    times = TRAINING_WEIGHT_COST if dense and training else 1
    return times * 2 * (1 - operation.share(itemsize).half) * multiplied / least


def share_large_gradients(plan: StepPlan) -> StepPlan:
    """Return the plan with the weight gradients of large dense layers at the end, computed once for the whole batch.

        fc1.dw = dense_dw(x, fc1.dy)      →    conv1.dw = cross_correlate_dw(…)
        conv1.dw = cross_correlate_dw(…)  →    fc1.dw = dense_dw(x, fc1.dy), scope "batch", ONCE_PER_BATCH

    Threads share their rows. Otherwise every thread would clear and write its own gradient, and these would be added:
    reading millions of elements from memory takes longer than computing them.
    """
    large = [step for step in plan.backward if is_shared_gradient(step) and is_only_writer(step, plan)]
    others = [step for step in plan.backward if step not in large]
    last = [replace(step, scope="batch", sharing=Sharing.ONCE_PER_BATCH) for step in large]
    return replace(plan, backward=(*others, *last))


def is_shared_gradient(operation: PlanStep) -> bool:
    """Return whether threads should share the computation of a gradient."""
    return operation.entry.outer_product and math.prod(operation.writes[0].shape) >= LARGE_GRADIENT


def is_only_writer(operation: Operation, plan: Plan) -> bool:
    """Return whether no other operation adds to the first result of this one, as happens with shared parameters."""
    storage = operation.writes[0].storage
    return sum(tensor.storage == storage for step in plan.backward for tensor in step.writes) == 1
