"""Stages of a sharded plan: a program for each, between which the shards of a batch meet (`batch_norm_sync`).

A stage ends where a batch normalization has summed what its own samples contribute, in the form in which it is met.
"""

import itertools
from collections.abc import Sequence

from chainrule.core.plan import Plan, Tensor
from chainrule.engines.compiled.passes.segments import Segment
from chainrule.errors import EngineError

ENDS = {"batch_norm_statistics": 0, "batch_norm_coefficients": 2}  # what ends a stage, and its first result to meet
WHOLE = ("batch_norm", "batch_norm_dx", "batch_norm_backward")  # what would take some samples for the whole batch


def stages_of(plan: Plan, segments: Sequence[Segment]) -> list[range]:
    """Return the numbers of the segments of each stage; a plan that is not sharded has one.

    Errors   EngineError where a batch normalization was not divided, so that its sums cannot be met
    """
    if plan.sharded and (wrong := [each.name for each in plan.operations if each.name in WHOLE]):
        raise EngineError(f"{wrong[0]} of a shard has no sums of its own")
    ends = [number + 1 for number, each in enumerate(segments) if plan.sharded and each.operations[0].name in ENDS]
    return [range(*edges) for edges in itertools.pairwise([0, *ends, len(segments)])]


def met_at(segment: Segment) -> tuple[Tensor, ...]:
    """Return what is met after the last segment of a stage: tensors (C,) and (C,), or the first two rows of one."""
    operation = segment.operations[0]
    return operation.writes[ENDS[operation.name] :]
