"""Rewriting of a plan before it becomes a program: the same sums in fewer passes, or shared otherwise."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.compiled.kernels.choice import PRECISE, WINOGRAD
from chainrule.engines.compiled.kernels.registry import SHARED_FROM
from chainrule.engines.compiled.kernels.selection import BY_CHANNELS, KERNELS, select_kernel, sharing
from chainrule.engines.compiled.passes.batch_norm import join_norm_gradients, keep_signs, scale_convolutions
from chainrule.engines.compiled.passes.branches import follow_branches
from chainrule.engines.compiled.passes.segments import (
    BESIDE,
    BY_FILTERS,
    BY_OUTPUTS,
    PARTS,
    is_by_channel,
    part_by_outputs,
    shared_runs,
)

MEETING = 6  # work of all large layers from which on it is worth to wake the threads; the smallest large layer has 1
MEETING_IN_TRAINING = 14
TRAINED = 16  # a dense layer's weights in training, of which each is read again for a gradient, and updated by Adam
READ = 4  # multiplications that take as long as reading such a weight in inference, where each is multiplied once
LARGE_GRADIENT = 1 << 16  # weights of a dense layer from which on a gradient for each share costs more than a meeting
MOVED = 8  # multiplications that take as long as reading or writing an entry of an image


def rewrite(plan: Plan, itemsize: int, *, intra_sample: bool = False) -> Plan:
    """Return the plan of the same results by the kernels that fit its shapes, steps joined where a kernel takes them.

    itemsize      bytes of an element
    intra_sample  whether threads share the large layers of one sample
    """
    plan = pool_first(select_kernels(_prepared(plan), itemsize, single=intra_sample))
    plan = keep_signs(share_large_layers(plan, itemsize) if intra_sample else share_large_gradients(plan))
    plan = scale_convolutions(plan, _readers(plan))
    return fuse(join_norm_gradients(plan, _readers(plan)))


def _prepared(plan: Plan) -> Plan:
    """Return the plan without operations that only branch or join; those of a precise plan are marked as such."""
    plan = follow_branches(plan)
    if not plan.precise:
        return plan

    def marked(operations: Sequence[Operation]) -> tuple[Operation, ...]:
        return tuple(replace(each, attributes={**each.attributes, PRECISE: True}) for each in operations)

    return replace(plan, forward=marked(plan.forward), backward=marked(plan.backward))


def pool_first(plan: Plan) -> Plan:
    """Return the plan in which the largest cells are found before an activation that grows with its argument: it is
    then taken of a quarter of them, as is its slope in training; in inference the kernel before may pool.

    Only where nothing else reads the activation. Where it is flat, cells tie that did not before, but its slope is 0
    there. In inference an activation stays that other kernels can take as they write.
    """
    readers, forward, backward = _readers(plan), list(plan.forward), list(plan.backward)
    for number, (activation, pooling) in enumerate(itertools.pairwise(plan.forward)):
        facts, x, cells, y = KERNELS[activation.name], activation.reads[0], activation.writes[0], pooling.writes[0]
        if x is None or pooling.reads != (cells,) or not facts.increasing or not KERNELS[pooling.name].picks:
            continue
        largest = cells.viewed(y.shape)
        at = _scattering(backward, pooling)
        slope = backward[at + 1].reads[1:] if at is not None else ()
        picked = {cells.storage: y, x.storage: largest}
        alone = readers[cells.storage] == 1 + sum(each is not None and each.storage == cells.storage for each in slope)
        unread = not facts.epilogue and not any(readers[each.storage] for each in pooling.writes[1:])
        if alone and (unread if at is None else all(each and each.storage in picked for each in slope)):
            forward[number] = replace(pooling, reads=(x,), writes=(largest, *pooling.writes[1:]))
            forward[number + 1] = replace(activation, reads=(largest,), writes=(y,))
            if at is not None:
                backward[at : at + 2] = _slope_first(backward[at], backward[at + 1], picked)
    return replace(plan, forward=tuple(forward), backward=tuple(backward))


def _scattering(backward: Sequence[Operation], pooling: Operation) -> int | None:
    """Return where the gradient of a pooling stands that alone reads its winners, if what it writes goes on to one
    operation, the next; None where there is none.
    """
    winners = {each.storage for each in pooling.writes[1:]}
    reading = [n for n, each in enumerate(backward) if any(one and one.storage in winners for one in each.reads)]
    if len(reading) != 1 or reading[0] + 1 == len(backward):
        return None
    written = backward[reading[0]].writes[0].storage
    following = [n for n, each in enumerate(backward) if any(one and one.storage == written for one in each.reads)]
    dy = backward[reading[0] + 1].reads[0]
    return reading[0] if following == [reading[0] + 1] and dy is not None and dy.storage == written else None


def _slope_first(scattered: Operation, slope: Operation, picked: Mapping[str, Tensor]) -> tuple[Operation, Operation]:
    """Return the gradients of a pooling and of the activation before it in the other order.

    picked  what the slope is computed from in the largest cells, by the storage of what it was computed from
    """
    dy, *winners = scattered.reads
    values = [each and picked[each.storage] for each in slope.reads[1:]]
    upstream = scattered.writes[0].viewed(next(iter(picked.values())).shape)
    first = replace(slope, reads=(dy, *values), writes=(upstream,))
    return first, replace(scattered, reads=(upstream, *winners), writes=slope.writes)


def is_worth_sharing(plan: Plan, itemsize: int) -> bool:
    """Return whether threads should meet to share the large layers of one sample.

    In training each thread fetches what the other wrote, so that it takes more.
    """
    selected, training = select_kernels(_prepared(plan), itemsize, single=True), plan.loss is not None
    works = [_work(each, itemsize, training=training) for each in selected.forward]
    return sum(work for work in works if work >= 1) >= (MEETING_IN_TRAINING if training else MEETING)


def share_large_layers(plan: Plan, itemsize: int) -> Plan:
    """Return the plan with its large layers as operations of the whole batch, which threads share.

    So are the layers after one of them that a thread can go on to with its channels or rows, and in training their
    gradients.
    """

    def is_shared(operation: Operation) -> bool:
        return _work(operation, itemsize, training=plan.loss is not None) >= 1

    runs = shared_runs(list(_by_channels(plan.forward)), itemsize, is_shared)
    forward = [replace(each, scope="batch") if on or is_shared(each) else each for each, on in runs]
    return replace(plan, forward=tuple(forward), backward=tuple(_shared_gradients(plan.backward, itemsize)))


def _by_channels(forward: Sequence[Operation]) -> Iterator[Operation]:
    """Yield operations, marked where a thread can go on with its channels to a depthwise convolution or their means.

    With rows, every thread would then fetch half of all channels from the cache of another, which takes longer than a
    meeting.
    """
    for number, each in enumerate(forward):
        alike = _leads_to_channels(forward[number:])
        yield replace(each, attributes={**each.attributes, BY_CHANNELS: True}) if alike else each


def _leads_to_channels(operations: Sequence[Operation]) -> bool:
    """Return whether all operations after the first treat channels alone, as far as one that is worth it.

    That is a depthwise convolution, or one that leaves a number of each channel.
    """
    for before, operation in itertools.pairwise(operations):
        by_channel = is_by_channel(operation)
        if operation.reads[:1] != before.writes[:1] or not (by_channel or KERNELS[operation.name].piece is not None):
            return False
        if math.prod(operation.writes[0].shape[1:]) == 1 or (by_channel and _name(operation) == "cross_correlate"):
            return True
    return False


def _shared_gradients(backward: Sequence[Operation], itemsize: int) -> list[Operation]:
    """Return the operations of a backward pass, large ones as operations of the whole batch.

    A thread has the same filters, or rows of a dense layer's weights, in both gradients as in the forward pass and in
    the update, so that no other thread fetches these weights from its cache. Only the gradients of two large
    convolutions with few weights, which stand one after the other and do not need each other, have one thread each.
    """
    found = [replace(each, scope="batch") if _work(each, itemsize, training=True) >= 1 else each for each in backward]
    for number, each in enumerate(backward):
        if each.name == "dense_dx" and found[number].scope == "batch":
            found[number] = _by_outputs(each, itemsize)
        if _name(each) != "cross_correlate_dw" or _work_of_gradient(each) < 1:
            continue
        dx = backward[number + 1] if number + 1 < len(backward) else each
        paired = _name(dx) == "cross_correlate_dx" and dx.reads[0] == each.reads[1]
        if paired and not _has_many_weights(dx):
            found[number] = replace(each, scope="batch")
            found[number + 1] = replace(dx, scope="batch", attributes={**dx.attributes, BESIDE: True})
        elif each.attributes.get("groups", 1) == 1:
            found[number] = replace(each, scope="batch", attributes={**each.attributes, BY_FILTERS: True})
            if paired:
                found[number + 1] = _by_outputs(dx, itemsize)
    return found


def _name(operation: Operation) -> str:
    """Return the name of the operation that a kernel computes."""
    return KERNELS[operation.name].replaces or operation.name


def _has_many_weights(dx: Operation) -> bool:
    """Return whether the weights of a convolution are more than its input: threads had better exchange that."""
    w = dx.reads[1]
    if w is None or dx.attributes.get("groups", 1) != 1 or w.shape[0] % PARTS:
        return False
    return math.prod(w.shape) >= dx.writes[0].size


def _by_outputs(dx: Operation, itemsize: int) -> Operation:
    """Return the gradient of an input as a sum that threads share, by the kernel that fits a part of it."""
    part = part_by_outputs(replace(dx, name=_name(dx)))
    kernel = _with_kernel(part, itemsize, single=True).name
    return replace(dx, name=kernel, scope="batch", attributes={**dx.attributes, BY_OUTPUTS: True})


def _work_of_gradient(dw: Operation) -> float:
    """Return the work of the gradient of a convolution by its weights, as `_work`."""
    dy = dw.reads[1]
    return math.prod(dw.writes[0].shape) * math.prod(dy.shape[1:]) / SHARED_FROM if dy else 0


def _work(operation: Operation, itemsize: int, *, training: bool) -> float:
    """Return the work of a layer for one sample, with respect to that from which on threads should share it.

    That is the number of entries read where no weights are; otherwise the multiplications by the weights, the second
    array read, with `MOVED` for every entry read or written, of which groups of few filters have many. Work that cannot
    be shared evenly counts less, a dense layer's more: `TRAINED`, `READ`.
    """
    least = KERNELS[operation.name].shared_from
    x, w, *_ = (*operation.reads, None)
    if least is None or x is None:
        return 0
    if w is None or w.per_sample or len(w.shape) == 1:
        return x.size / least
    result = operation.writes[0]
    dense = len(w.shape) == 2
    multiplied = math.prod(w.shape) * (READ if dense and not training else math.prod(result.shape[1:]))
    multiplied += MOVED * (x.size + result.size)
    times = TRAINED if dense and training else 1
    return times * 2 * (1 - sharing(operation, itemsize).half) * multiplied / least


def share_large_gradients(plan: Plan) -> Plan:
    """Return the plan with the gradients of large dense layers at the end, each made once for the whole batch.

    Threads share their rows. So they are neither cleared nor made for each share and then added up, of which all would
    pass through memory: one row of millions takes longer than its sums.
    """
    large = [each for each in plan.backward if is_shared_gradient(each) and is_only_writer(each, plan)]
    others = [each for each in plan.backward if each not in large]
    last = [replace(each, scope="batch", attributes={**each.attributes, "fresh": True}) for each in large]
    return replace(plan, backward=(*others, *last))


def is_shared_gradient(operation: Operation) -> bool:
    """Return whether an operation makes a gradient that threads should share."""
    return KERNELS[operation.name].outer_product and math.prod(operation.writes[0].shape) >= LARGE_GRADIENT


def is_only_writer(operation: Operation, plan: Plan) -> bool:
    """Return whether no other operation adds to the first result of one, as where layers share parameters."""
    storage = operation.writes[0].storage
    return sum(tensor.storage == storage for each in plan.backward for tensor in each.writes) == 1


def select_kernels(plan: Plan, itemsize: int, *, single: bool = False) -> Plan:
    """Return the plan with every operation under the name of the kernel that fits its shapes; `single`: one sample."""
    readers = _readers(plan)
    unread = [not any(readers[tensor.storage] for tensor in each.writes[1:]) for each in plan.forward]
    forward = [
        _with_kernel(each, itemsize, single=single, unread=alone)
        for each, alone in zip(plan.forward, unread, strict=True)
    ]
    backward = tuple(_with_kernel(each, itemsize, single=single) for each in plan.backward)
    return replace(plan, forward=tuple(forward), backward=backward)


def _with_kernel(operation: Operation, itemsize: int, **facts: bool) -> Operation:
    """Return an operation under the name of its kernel, given facts of the plan beside its attributes.

    single  it is for one sample
    unread  nothing reads its results but the first
    """
    known = {**operation.attributes, **facts}
    return replace(operation, name=select_kernel(operation.name, operation.reads, known, itemsize))


def fuse(plan: Plan) -> Plan:
    """Return the plan with forward operations done by the kernels before them that can.

    An operation may be joined with the one just before it if it reads nothing but the first result of that, in the same
    shape, and that memory is read by nothing else: no operation forward, backward or after the step, and it is no end
    of the plan. Nor may more than the first result of the second be read: the winners of a pooling are needed in
    training. Further results of the first, such as the statistics of a batch, stay.
    """
    readers = _readers(plan)
    forward: list[Operation] = []
    for operation in plan.forward:
        before = forward[-1] if forward else None
        alone = before and before.writes[:1] == operation.reads and readers[before.writes[0].storage] == 1
        unread = not any(readers[tensor.storage] for tensor in operation.writes[1:])
        both = _fused(before, operation) if before and alone and unread else None
        if both:
            forward[-1] = both
        else:
            forward.append(operation)
    return replace(plan, forward=tuple(forward))


def _fused(before: Operation, operation: Operation) -> Operation | None:
    """Return one operation for both, or None where the kernel of the first cannot do the second."""
    facts = KERNELS[operation.name]
    value = facts.epilogue_value(operation.attributes)
    if not facts.epilogue or not value or not _is_open(before, facts.epilogue):
        return None
    writes = (operation.writes[0], *before.writes[1:])
    return replace(before, writes=writes, attributes={**before.attributes, facts.epilogue: value})


def _is_open(operation: Operation, step: str) -> bool:
    """Return whether a kernel can take a step with its results: each once, in the order of its facts."""
    steps = KERNELS[operation.name].epilogues
    if step not in steps or not steps[step](operation.reads):
        return False
    order = list(steps)
    return not any(operation.attributes.get(later) for later in order[order.index(step) :])


def _readers(plan: Plan) -> Counter[str]:
    """Return how often each storage is read, by operations and as an end of the plan."""
    ends = [plan.output, *(tensor for tensor in (plan.target, plan.loss, plan.correct) if tensor is not None)]
    return Counter(tensor.storage for tensor in (*ends, *_reads(plan.operations + plan.deferred)))


def _reads(operations: Iterable[Operation]) -> list[Tensor]:
    return [tensor for operation in operations for tensor in operation.reads if tensor is not None]


def uses_winograd(plan: Plan, itemsize: int) -> bool:
    """Return whether Winograd's algorithm computes an operation of a plan, for one sample or for several."""
    known = [each for each in _prepared(plan).operations if not each.call]
    names = {_with_kernel(each, itemsize, single=single).name for each in known for single in (False, True)}
    return any(KERNELS[name].family in WINOGRAD.values() for name in names)


def flatten(plan: Plan) -> Plan:
    """Return the plan with the arrays that kernels take flat as vectors: biases, tied or not."""
    return replace(
        plan,
        forward=tuple(_with_flat_arrays(each) for each in plan.forward),
        backward=tuple(_with_flat_arrays(each) for each in plan.backward),
    )


def _with_flat_arrays(operation: Operation) -> Operation:
    facts = KERNELS[operation.name]
    seen = [
        tensor.viewed((tensor.size,)) if tensor is not None and name in facts.flat else tensor
        for name, tensor in zip(facts.arrays, (*operation.reads, *operation.writes), strict=True)
    ]
    written = tuple(tensor for tensor in seen[len(operation.reads) :] if tensor is not None)
    return replace(operation, reads=tuple(seen[: len(operation.reads)]), writes=written)


def kernels_of(plan: Plan, itemsize: int) -> dict[str, tuple[str, str]]:
    """Return file and function of the kernel that computes each tensor, by its storage.

    A tensor that a joined operation does not write any more is computed in registers: by the same kernel in forward, by
    the one that needs it in backward. An opaque plan is not compiled: its operations run one by one, those that are
    known by the kernels that fit.
    """
    known = [each for each in _prepared(plan).operations if not each.call]
    names = {tensor.storage: _with_kernel(each, itemsize).name for each in known for tensor in each.writes}
    if not plan.opaque:
        joint = rewrite(plan, itemsize).operations
        names |= (written := {tensor.storage: each.name for each in joint for tensor in each.writes})
        for each in plan.backward:
            first = each.reads[0]
            storage = None if first is None or first.kind != "activation" else first.storage
            if storage in names and storage not in written:  # a gradient that is another array unchanged is in neither
                names[storage] = written.get(each.writes[0].storage, names[storage])
    return {storage: (KERNELS[name].family, name) for storage, name in names.items()}
