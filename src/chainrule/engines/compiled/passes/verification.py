"""Checks of a rewritten plan before it becomes a program: compiled code checks nothing.

- Every tensor that is read was given or written before, and each kernel writes arrays of the shapes in the plan.
- The buffers that hold the images of convolutions are as long as their tiles reach, whatever padding and dilation.
"""

from types import SimpleNamespace
from typing import Any

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.core.shapes import text
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes.buffer_bounds import buffer_reads
from chainrule.engines.compiled.passes.segments import BY_OUTPUTS, part_by_outputs
from chainrule.errors import EngineError

GIVEN = ("input", "target", "parameter", "state")  # kinds of tensors that no operation has to write


def check_plan(plan: Plan, itemsize: int) -> None:
    """Refuse a plan that would read a tensor before it is written, or beyond an array.

    itemsize  bytes of an element
    Errors    EngineError, which names the operation and what it was expected to write or read
    """
    written: set[str] = set()
    for operation in plan.operations:
        for tensor in operation.reads:
            if tensor is not None and tensor.kind not in GIVEN and tensor.storage not in written:
                raise EngineError(f"{operation.name}: {tensor.name} is read before it is written")
        written.update(tensor.storage for tensor in operation.writes)
        called = part_by_outputs(operation) if operation.attributes.get(BY_OUTPUTS) else operation
        _check_shapes(called)
        _check_buffer_bounds(called, itemsize)
    ends = [plan.output] if plan.loss is None else [plan.loss]
    for tensor in ends:
        if tensor.storage not in written and tensor.storage != plan.input.storage:
            raise EngineError(f"no operation writes {tensor.name}, the end of the plan")


def _check_shapes(operation: Operation) -> None:
    """Refuse tensors of other shapes than the kernel writes: they would be garbage, or memory would be overrun."""
    expected = KERNELS[operation.name].shapes([_sample(tensor) for tensor in operation.reads], operation.attributes)
    found = [_sample(tensor).shape for tensor in operation.writes]
    if found != [tuple(shape) for shape in expected]:
        names = ", ".join(tensor.name for tensor in operation.writes)
        shown = [", ".join(text(shape) for shape in shapes) for shapes in (found, expected)]
        raise EngineError(f"{operation.name} of {names}: the plan has {shown[0]}, the kernel writes {shown[1]}")


def _sample(tensor: Tensor | None) -> Any:
    """Return an object with the shape of the tensor's array for one sample."""
    if tensor is None:
        return None
    return SimpleNamespace(shape=(1, *tensor.shape) if tensor.per_sample else tensor.shape)


def _check_buffer_bounds(operation: Operation, itemsize: int) -> None:
    """Refuse a convolution whose tiles would read beyond its buffer."""
    for workspace, furthest in buffer_reads(operation, itemsize):
        if furthest > workspace:
            raise EngineError(
                f"{operation.name} of {operation.writes[0].name}: reads {furthest} entries of a buffer of {workspace}"
            )
