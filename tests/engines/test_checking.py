"""A plan that would read unwritten data, or write other shapes, is never compiled; pooling precedes what only grows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule import layers
from chainrule.engines.native.passes.rewriting import rewrite
from chainrule.engines.native.passes.steps import StepPlan, step_of
from chainrule.engines.native.passes.verification import check_plan
from chainrule.errors import ChainruleError, EngineError
from chainrule.layers.kinds import EXAMPLES
from chainrule.network.network import Network
from chainrule.operations import reference

LOSS = "softmax_cross_entropy"


def steps_of(network: Network, loss: str | None = None) -> StepPlan:
    """Return the plan of a network, each operation by the kernel of its own name."""
    result = network.plan(loss)
    forward, backward = (tuple(step_of(each, each.name) for each in own) for own in (result.forward, result.backward))
    return StepPlan(result.input, result.output, forward, backward, (), result.target, result.loss, result.correct)


def plan(*, without: str = "", **first: tuple[int, ...]) -> StepPlan:
    """Return a plan without the operations of a name, and with another shape of the first result."""
    made = [layers.Conv2D(3, 3), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
    result = steps_of(Network(made, (2, 8, 7), engine="numpy"), None if without in ("", "dense") else LOSS)
    conv, *others = (step for step in result.forward if step.name != without)
    return replace(result, forward=(replace(conv, writes=(replace(conv.writes[0], **first),)), *others))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"without": name}, "is read before it is written") for name in ("cross_correlate", "relu", "max_pool")),
        ({"without": "dense"}, r"no operation writes dense1\.y, the end of the plan"),
        ({"shape": (3, 6, 6)}, r"cross_correlate of conv1\.y: the plan has 1×3×6×6, the kernel writes 1×3×6×5"),
    ],
)
def test_plans_that_read_or_write_what_is_not_there_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        check_plan(plan(**changes))
    assert issubclass(EngineError, ChainruleError)


X = np.linspace(-9, 9, 3001)[None]


def test_only_what_grows_is_taken_after_pooling() -> None:
    moved: list[str] = []
    for name, (activation, *_) in EXAMPLES.items():
        row = [layers.Conv2D(4, 3), activation, layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
        plan = Network(row, (2, 9, 11), engine="numpy").plan("softmax_cross_entropy")
        names = [step.name for step in rewrite(plan, 8).forward]
        pooling = next(number for number, name in enumerate(names) if name.startswith("max_pool"))
        if names[pooling - 1].startswith(("cross_correlate", "correlate")):
            moved.append(name)
            assert (np.diff(getattr(reference, name)(X, **activation.attributes())) >= -1e-15).all(), name
    assert {"relu", "leaky_relu", "sigmoid", "tanh", "arctan", "elu", "softplus", "clip", "hard_sigmoid"} <= {*moved}
