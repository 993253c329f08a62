"""A plan that would read unwritten data, or beyond a buffer, is never compiled."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engines.guard.cases import axes, one, whole

from chainrule import layers
from chainrule.core.plan import Operation, Tensor
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.passes import verification
from chainrule.engines.compiled.passes.steps import PlanStep, StepPlan, step_of
from chainrule.engines.compiled.passes.verification import check_plan
from chainrule.errors import ChainruleError, EngineError
from chainrule.models.network import Network

LOSS = "softmax_cross_entropy"


def steps_of(network: Network, loss: str | None = None) -> StepPlan:
    """Return the plan of a network, each operation by the kernel of its own name."""
    found = network.plan(loss)
    forward, backward = (tuple(step_of(each, each.name) for each in own) for own in (found.forward, found.backward))
    return StepPlan(found.input, found.output, forward, backward, (), found.target, found.loss, found.correct)


def plan(loss: str | None = None) -> StepPlan:
    made = [layers.Conv2D(3, 3), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
    return steps_of(Network(made, (2, 8, 7), engine="numpy"), loss)


def without(operations: tuple[PlanStep, ...], name: str) -> tuple[PlanStep, ...]:
    return tuple(operation for operation in operations if operation.name != name)


@pytest.mark.parametrize("loss", [None, LOSS])
def test_a_plan_of_a_network_passes(loss: str | None) -> None:
    check_plan(plan(loss), 4)


@pytest.mark.parametrize("name", ["cross_correlate", "relu", "max_pool"])
def test_what_is_read_was_written(name: str) -> None:
    whole_plan = plan(LOSS)
    with pytest.raises(EngineError, match="is read before it is written"):
        check_plan(replace(whole_plan, forward=without(whole_plan.forward, name)), 4)


def test_the_end_is_written() -> None:
    with pytest.raises(EngineError, match=r"no operation writes dense1\.y, the end of the plan"):
        check_plan(replace(plan(), forward=without(plan().forward, "dense")), 4)


def test_shapes_are_those_that_kernels_write() -> None:
    found = plan()
    conv = found.forward[0]
    wrong = replace(conv, writes=(replace(conv.writes[0], shape=(3, 6, 6)),))
    with pytest.raises(
        EngineError, match=r"cross_correlate of conv1\.y: the plan has 1×3×6×6, the kernel writes 1×3×6×5"
    ):
        check_plan(replace(found, forward=(wrong, *found.forward[1:])), 4)
    assert issubclass(EngineError, ChainruleError)


def convolutions(count: int) -> list[PlanStep]:
    """Draw cross-correlations and their gradients, half of them with interleaved filters."""
    draw, found = np.random.default_rng(3), list[PlanStep]()
    while len(found) < count:
        size, window, stride, padding, dilation, outputs = axes(draw)
        groups, ins, outs = one(draw, 1, 2, 3), whole(draw, 1, 5), whole(draw, 1, 9)
        given: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        x, dy = Tensor("x", (groups * ins, *size)), Tensor("dy", (groups * outs, *outputs))
        w = Tensor("w", (groups * outs, ins, *window), "parameter")
        drawn = [
            Operation("cross_correlate", (x, w, None), (dy,), given),
            Operation("cross_correlate_dx", (dy, w), (x,), {**given, "size": size}),
            Operation("cross_correlate_dw", (x, dy), (w.gradient(),), {**given, "kernel": window}),
        ]
        found += [step_of(each, each.name) for each in drawn]
        if groups == 1:
            names = {name: name.replace("cross_correlate", "correlate_filters") for name in KERNELS}
            found += [step_of(each, names[each.name]) for each in drawn if names[each.name] in KERNELS]
    return found


@pytest.mark.parametrize("itemsize", [4, 8])
def test_buffers_are_as_long_as_tiles_reach(itemsize: int, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = convolutions(150)
    pairs = [pair for operation in operations for pair in verification.buffer_reads(operation, itemsize)]
    assert len(pairs) > 100
    assert all(0 < furthest <= room for room, furthest in pairs)
    assert any(furthest == room for room, furthest in pairs)
    monkeypatch.setattr(verification, "buffer_size", lambda cells, start, taps, length: cells + 128)  # as it was
    pairs = [pair for operation in operations for pair in verification.buffer_reads(operation, itemsize)]
    assert any(furthest > room for room, furthest in pairs)


def test_a_buffer_too_short_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [layers.Conv1D(3, 3, dilation=200, padding="same")]
    monkeypatch.setattr(verification, "buffer_size", lambda cells, start, taps, length: cells + 128)
    with pytest.raises(EngineError, match=r"cross_correlate of conv1.y: reads \d+ entries of a buffer of \d+"):
        check_plan(steps_of(Network(made, (1, 1000), engine="numpy")), 8)
