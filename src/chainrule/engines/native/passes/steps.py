"""Steps of a compiled program: operations, the kernels that compute them, and their division among threads.

`select_kernels` turns the operations of a plan into steps. Later passes join, move and divide steps, and
`program_tables` writes each step as a call of its kernel. An operation keeps its name and attributes; the other fields
of a step store what the passes decide.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.native.kernels.registry import Conditions, KernelEntry, Share
from chainrule.engines.native.kernels.selection import KERNELS, select_kernel


class Sharing(Enum):
    """How a step of scope "batch" is divided among threads."""

    BY_KERNEL = auto()  # by rows or filters, according to `KernelEntry.share`
    BY_FILTERS = auto()  # weight gradient of a convolution, one sample: each thread computes some of the filters
    BY_OUTPUTS = auto()  # input gradient, one sample: each thread sums over some outputs; the sums are added
    CONCURRENT = auto()  # one thread computes the step while another computes the previous step
    ONCE_PER_BATCH = auto()  # gradient of the whole batch, by rows; other gradients are summed over threads


@dataclass(frozen=True)
class PlanStep(Operation):
    """An operation and the decisions of the passes about it.

    kernel    name of the kernel that computes the operation, a key of `KERNELS`
    sharing   how the step is divided among threads if its scope is "batch"
    epilogue  fused operations that the kernel applies to its results before it writes them: kernel argument → value;
              {"rectify": True} if a ReLU was fused into a convolution
    """

    kernel: str = ""
    sharing: Sharing = Sharing.BY_KERNEL
    epilogue: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def entry(self) -> KernelEntry:
        """Return the registry entry of the kernel."""
        return KERNELS[self.kernel]

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the kernel: the attributes of the operation, and what the passes decided.

        With `fresh`, the kernel overwrites the gradient instead of adding to it, because it is computed once per batch.
        """
        fresh = {}
        if self.sharing is Sharing.ONCE_PER_BATCH:
            fresh = {"fresh": True}
        return {**self.attributes, **self.epilogue, **fresh}

    def share(self, itemsize: int) -> Share:
        """Return the division of the step among threads in a program for one sample.

        itemsize  bytes of an element
        """
        return self.entry.share(self.writes[0].shape, itemsize, self.options)


def step_of(operation: Operation, kernel: str) -> PlanStep:
    """Return the step that computes an operation with a kernel."""
    fields = operation.name, operation.reads, operation.writes, operation.attributes, operation.runtime, operation.scope
    return PlanStep(*fields, layer=operation.layer, kernel=kernel)


@dataclass(frozen=True)
class StepPlan(Plan):
    """A plan whose operations are steps."""

    forward: tuple[PlanStep, ...]
    backward: tuple[PlanStep, ...] = ()
    deferred: tuple[PlanStep, ...] = ()

    @property
    def operations(self) -> tuple[PlanStep, ...]:
        """All steps except the deferred ones, which update running statistics."""
        return self.forward + self.backward


def select_kernels(plan: Plan, itemsize: int, *, single: bool = False) -> StepPlan:
    """Return the plan with operations as steps, each with the kernel that best fits its shapes.

        conv1.y = cross_correlate(x, conv1.w, conv1.b)    →    computed by correlate_filters
        pool1.y, pool1.winner = max_pool(conv1.y)         →    computed by largest_cells, if no winner is read

    itemsize  bytes of an element
    single    whether the plan is for one sample
    """
    readers = reader_counts(plan)
    backwards = list[PlanStep]()
    for operation in reversed(plan.forward):
        unread = not any(readers[tensor.storage] for tensor in operation.writes[1:])
        pooled = _is_pooled(operation, backwards[-1:-3:-1], readers)
        backwards.append(with_kernel(operation, itemsize, Conditions(single, unread, plan.precise, pooled)))
    forward = backwards[::-1]
    conditions = Conditions(single, precise=plan.precise)
    backward = [with_kernel(gradient, itemsize, conditions) for gradient in plan.backward]
    deferred = [step_of(gradient, gradient.name) for gradient in plan.deferred]
    ends = plan.target, plan.loss, plan.correct, plan.weights, plan.sharded, plan.precise
    return StepPlan(plan.input, plan.output, tuple(forward), tuple(backward), tuple(deferred), *ends)


def _is_pooled(operation: Operation, following: list[PlanStep], readers: Counter[str]) -> bool:
    """Return whether a max pooling that can be fused with an operation follows, directly or after an activation.

    following  the next two steps
    """
    result = operation.writes[0]
    for step in following:
        if step.reads[:1] != (result,) or readers[result.storage] != 1:
            return False
        if step.entry.epilogue == "pooled" and step.entry.epilogue_value(step.attributes):
            return not any(readers[tensor.storage] for tensor in step.writes[1:])
        if not step.entry.increasing:
            return False
        result = step.writes[0]
    return False


def with_kernel(operation: Operation, itemsize: int, conditions: Conditions) -> PlanStep:
    """Return the step that computes an operation with the kernel that fits it best."""
    return step_of(
        operation, select_kernel(operation.name, operation.reads, operation.attributes, itemsize, conditions)
    )


def flatten(plan: StepPlan) -> StepPlan:
    """Return the plan with biases (and other arrays in `KernelEntry.flat`) reshaped to vectors.

    conv1.y = cross_correlate(x, conv1.w, conv1.b of shape (8, 26, 26))    →    … conv1.b of shape (5408,)
    """
    forward, backward = (tuple(map(_with_flat_arrays, steps)) for steps in (plan.forward, plan.backward))
    return replace(plan, forward=forward, backward=backward)


def _with_flat_arrays(step: PlanStep) -> PlanStep:
    entry = step.entry
    arrays = list[Tensor | None]()
    for name, tensor in zip(entry.arrays, (*step.reads, *step.writes), strict=True):
        if tensor is not None and name in entry.flat:
            tensor = tensor.viewed((tensor.size,))
        arrays.append(tensor)
    count = len(step.reads)
    return replace(
        step, reads=tuple(arrays[:count]), writes=tuple(array for array in arrays[count:] if array is not None)
    )


def reader_counts(plan: Plan) -> Counter[str]:
    """Return how many times each storage is read, counting operations and the ends of the plan."""
    ends = [plan.output, *(tensor for tensor in (plan.target, plan.loss, plan.correct) if tensor is not None)]
    return Counter(tensor.storage for tensor in (*ends, *tensors_read(plan.operations + plan.deferred)))


def tensors_read(operations: Iterable[Operation]) -> list[Tensor]:
    """Return every tensor that operations read, in order, with repeats."""
    tensors = list[Tensor]()
    for operation in operations:
        tensors += filter(None, operation.reads)
    return tensors


def tensors_of(operations: Iterable[Operation]) -> list[Tensor]:
    """Return every tensor that operations read or write, in order, with repeats."""
    tensors = list[Tensor]()
    for operation in operations:
        tensors += filter(None, operation.reads)
        tensors += operation.writes
    return tensors
