"""A plan that would read unwritten data, or beyond a buffer, is never compiled."""

from dataclasses import replace

import pytest

from chainrule import layers
from chainrule.engines.compiled.passes import verification
from chainrule.engines.compiled.passes.steps import PlanStep, StepPlan, step_of
from chainrule.engines.compiled.passes.verification import check_plan
from chainrule.errors import ChainruleError, EngineError
from chainrule.network.network import Network

LOSS = "softmax_cross_entropy"


def steps_of(network: Network, loss: str | None = None) -> StepPlan:
    """Return the plan of a network, each operation by the kernel of its own name."""
    result = network.plan(loss)
    forward, backward = (tuple(step_of(each, each.name) for each in own) for own in (result.forward, result.backward))
    return StepPlan(result.input, result.output, forward, backward, (), result.target, result.loss, result.correct)


def plan(loss: str | None = None) -> StepPlan:
    made = [layers.Conv2D(3, 3), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
    return steps_of(Network(made, (2, 8, 7), engine="numpy"), loss)


def without(operations: tuple[PlanStep, ...], name: str) -> tuple[PlanStep, ...]:
    return tuple(operation for operation in operations if operation.name != name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "is read before it is written") for name in ("cross_correlate", "relu", "max_pool")),
        ("dense", r"no operation writes dense1\.y, the end of the plan"),
    ],
)
def test_what_is_read_is_written(name: str, message: str) -> None:
    whole_plan = plan(None if name == "dense" else LOSS)
    with pytest.raises(EngineError, match=message):
        check_plan(replace(whole_plan, forward=without(whole_plan.forward, name)), 4)


def test_shapes_are_those_that_kernels_write() -> None:
    actual = plan()
    conv = actual.forward[0]
    wrong = replace(conv, writes=(replace(conv.writes[0], shape=(3, 6, 6)),))
    with pytest.raises(
        EngineError, match=r"cross_correlate of conv1\.y: the plan has 1×3×6×6, the kernel writes 1×3×6×5"
    ):
        check_plan(replace(actual, forward=(wrong, *actual.forward[1:])), 4)
    assert issubclass(EngineError, ChainruleError)


def test_a_buffer_too_short_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [layers.Conv1D(3, 3, dilation=200, padding="same")]
    monkeypatch.setattr(verification, "buffer_size", lambda cells, start, taps, length: cells + 128)
    with pytest.raises(EngineError, match=r"cross_correlate of conv1.y: reads \d+ entries of a buffer of \d+"):
        check_plan(steps_of(Network(made, (1, 1000), engine="numpy")), 8)
