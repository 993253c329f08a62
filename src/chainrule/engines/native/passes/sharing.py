"""Division of large operations among threads: large layers of one sample, or large gradients of a batch."""

import math
from dataclasses import replace

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.native.kernels.registry import SHARED_FROM, Conditions
from chainrule.engines.native.passes.simplifying import simplify
from chainrule.engines.native.passes.steps import PlanStep, Sharing, StepPlan, select_kernels, with_kernel

# Work of an operation, relative to the smallest layer that is split across threads (1).
MIN_SHARED_WORK = 6  # minimum work of all large layers together; with less, waking the threads does not pay
MIN_SHARED_WORK_IN_TRAINING = 14
TRAINING_WEIGHT_COST = 16  # multiplications: time to read a dense weight twice and update it with Adam
INFERENCE_WEIGHT_COST = 4  # multiplications: time to read a dense weight in inference
ELEMENT_COST = 8  # multiplications: time to read or write an element of an image
LARGE_GRADIENT = 1 << 16  # weights; a dense gradient of at least this size is computed once per batch, not per thread
OUTPUT_PARTS = 2  # parts of a sum over outputs; fixed, so that results do not depend on the number of threads


def is_worth_sharing(plan: Plan, itemsize: int) -> bool:
    """Return whether splitting the large layers of one sample across threads saves time.

    In training, more work is needed for that, because threads read results from each other's caches.
    """
    selected = select_kernels(simplify(plan), itemsize, single=True)
    training = plan.loss is not None
    shared_work = 0.0
    for step in selected.forward:
        work = _work(step, itemsize, training=training)
        if work >= 1:
            shared_work += work
    if training:
        return shared_work >= MIN_SHARED_WORK_IN_TRAINING
    return shared_work >= MIN_SHARED_WORK


def share_large_layers(plan: StepPlan, itemsize: int) -> StepPlan:
    """Return the plan for one sample with scope "batch" for its large layers, which are split across threads.

        conv1.y = cross_correlate(…)                   →    scope "batch", threads share rows
        relu1.y = relu(conv1.y)                        →    scope "batch", threads share elements
        fc1.y = dense(…)  with few weights             →    unchanged
        fc2.dx = dense_dx(…)  with many weights        →    scope "batch", BY_OUTPUTS

    Threads wait for each other after each of these layers: the next one may divide its work differently. In training,
    the gradients of large layers are also split.
    """
    training = plan.loss is not None
    forward = list[PlanStep]()
    for step in plan.forward:
        if _work(step, itemsize, training=training) >= 1:
            step = replace(step, scope="batch")
        forward.append(step)
    return replace(plan, forward=tuple(forward), backward=tuple(_shared_gradients(plan, itemsize)))


def _shared_gradients(plan: StepPlan, itemsize: int) -> list[PlanStep]:
    """Return the steps of the backward pass, with the large ones divided among threads (scope "batch").

    In both gradients of a layer, each thread processes the same filters (or rows of dense weights) as in the forward
    pass and in the update, so that these weights remain in its cache. The exception is a convolution with few weights
    whose two gradients are consecutive: different threads compute the two gradients at the same time.

    A dense input gradient is handled alone. For a convolution, the loop stops at the kernel gradient, and also decides
    about the input gradient if it is the next step.
    """
    backward = plan.backward
    shared = list(backward)
    for number, step in enumerate(backward):
        if _work(step, itemsize, training=True) >= 1:
            shared[number] = replace(step, scope="batch")
    for number, step in enumerate(backward):
        if step.name == "dense_dx" and shared[number].scope == "batch":
            shared[number] = _by_outputs(step, itemsize, precise=plan.precise)
        if step.name != "cross_correlate_dw" or _work_of_gradient(step) < 1:
            continue
        dx = step
        if number + 1 < len(backward):
            dx = backward[number + 1]
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
    """Return whether a convolution has at least as many weights as inputs, and its filters can be divided evenly.

    Its input gradient is then divided by outputs: exchanging partial sums, which are as large as the input, costs less
    than exchanging weights. False for grouped convolutions.
    """
    w = dx.reads[1]
    if w is None or dx.attributes.get("groups", 1) != 1 or w.shape[0] % OUTPUT_PARTS:
        return False
    return math.prod(w.shape) >= dx.writes[0].size


def _by_outputs(dx: PlanStep, itemsize: int, *, precise: bool) -> PlanStep:
    """Return an input gradient's step, divided BY_OUTPUTS, with the kernel that best fits the part of one thread.

    precise  whether the rounding error of a value may depend only on the value's own inputs (`Plan.precise`)
    """
    part = with_kernel(part_by_outputs(dx), itemsize, Conditions(single=True, precise=precise))
    return replace(dx, kernel=part.kernel, scope="batch", sharing=Sharing.BY_OUTPUTS)


def part_by_outputs(step: PlanStep) -> PlanStep:
    """Return an input gradient's step for one part of the outputs: some channels of dy, some filters or rows of W."""

    def part(tensor: Tensor) -> Tensor:
        return tensor.viewed((-(-tensor.shape[0] // OUTPUT_PARTS), *tensor.shape[1:]))

    return replace(step, reads=tuple(tensor and part(tensor) for tensor in step.reads))


def _work_of_gradient(dw: PlanStep) -> float:
    """Return the work of a convolution's weight gradient, in the unit of `_work`."""
    dy = dw.reads[1]
    if dy:
        return math.prod(dw.writes[0].shape) * math.prod(dy.shape[1:]) / SHARED_FROM
    return 0


def _work(operation: PlanStep, itemsize: int, *, training: bool) -> float:
    """Return the work of a layer for one sample, relative to the least work that is split across threads.

    Without weights, this is the number of elements read. With weights, it is the number of multiplications, plus
    `ELEMENT_COST` for each element read or written. Work that cannot be divided evenly counts less. A dense layer
    counts more, because its weights are read from memory: the number of multiplications is multiplied by
    `INFERENCE_WEIGHT_COST` in inference, and the sum by `TRAINING_WEIGHT_COST` in training.
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
    times = 1
    if dense and training:
        times = TRAINING_WEIGHT_COST
    return times * 2 * (1 - operation.share(itemsize).half) * multiplied / least


def share_large_gradients(plan: StepPlan) -> StepPlan:
    """Return the plan with the weight gradients of large dense layers at the end, computed once for the whole batch.

        fc1.dw = dense_dw(x, fc1.dy)      →    conv1.dw = cross_correlate_dw(…)
        conv1.dw = cross_correlate_dw(…)  →    fc1.dw = dense_dw(x, fc1.dy), scope "batch", ONCE_PER_BATCH

    The rows of such a gradient are divided among the threads. Otherwise, every thread would clear and write a gradient
    of its own, and these would be added up. Reading millions of elements from memory takes longer than computing them.
    """
    large = [step for step in plan.backward if is_shared_gradient(step) and is_only_writer(step, plan)]
    others = [step for step in plan.backward if step not in large]
    last = [replace(step, scope="batch", sharing=Sharing.ONCE_PER_BATCH) for step in large]
    return replace(plan, backward=(*others, *last))


def is_shared_gradient(operation: PlanStep) -> bool:
    """Return whether an operation computes the weight gradient of a large dense layer, which threads share."""
    return operation.entry.outer_product and math.prod(operation.writes[0].shape) >= LARGE_GRADIENT


def is_only_writer(operation: Operation, plan: Plan) -> bool:
    """Return whether only this operation writes its first result. If layers share parameters, several operations do."""
    storage = operation.writes[0].storage
    writers = 0
    for step in plan.backward:
        for tensor in step.writes:
            writers += tensor.storage == storage
    return writers == 1
