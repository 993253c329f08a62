"""Checks of a rewritten plan before it becomes a program, because kernels check nothing.

Every tensor is an input or written before it is read, and each kernel writes arrays of the shapes in the plan.
"""

from types import SimpleNamespace
from typing import Any

from chainrule.core.plan import Tensor
from chainrule.core.shapes import text
from chainrule.engines.native.passes.sharing import part_by_outputs
from chainrule.engines.native.passes.steps import PlanStep, Sharing, StepPlan
from chainrule.errors import EngineError

GIVEN = ("input", "target", "parameter", "state")  # kinds of tensors that exist before the first operation


def check_plan(plan: StepPlan) -> None:
    """Check that the steps of a plan read only what has been written, and write arrays of the right shapes.

    Errors    EngineError, which states the kernel and what is wrong: a tensor that is read before it is written, an end
              of the plan that no operation writes, or different shapes
    """
    written: set[str] = set()
    for operation in plan.operations:
        for tensor in operation.reads:
            if tensor is not None and tensor.kind not in GIVEN and tensor.storage not in written:
                raise EngineError(f"{operation.kernel}: {tensor.name} is read before it is written")
        written.update(tensor.storage for tensor in operation.writes)
        called = operation
        if operation.sharing is Sharing.BY_OUTPUTS:
            called = part_by_outputs(operation)
        _check_shapes(called)
    end = plan.loss or plan.output
    if end.storage not in written and end.storage != plan.input.storage:
        raise EngineError(f"no operation writes {end.name}, the end of the plan")


def _check_shapes(operation: PlanStep) -> None:
    """Raise an error if the shapes of the tensors written differ from those that the kernel writes.

    The kernel could otherwise write beyond the end of an array.
    """
    expected = operation.entry.shapes([_sample(tensor) for tensor in operation.reads], operation.options)
    planned = [_sample(tensor).shape for tensor in operation.writes]
    if planned != [tuple(shape) for shape in expected]:
        names = ", ".join(tensor.name for tensor in operation.writes)
        in_plan = ", ".join(map(text, planned))
        written = ", ".join(map(text, expected))
        raise EngineError(f"{operation.kernel} of {names}: the plan has {in_plan}, the kernel writes {written}")


def _sample(tensor: Tensor | None) -> Any:
    """Return an object whose `shape` is that of the tensor in a batch of one sample, or None for None."""
    if tensor is None:
        return None
    return SimpleNamespace(shape=(1, *tensor.shape) if tensor.per_sample else tensor.shape)
