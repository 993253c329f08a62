"""Twenty steps of a small network against PyTorch, in float64: loss, gradients, weights and statistics."""

import numpy as np
import pytest
from numerical import assert_close
from training.recorded import RECORDED, unpack

from chainrule import layers
from chainrule.network.network import Network
from chainrule.training.optimizers import AdamW
from chainrule.training.steps.stepper import make_stepper

THEIRS = RECORDED["network"]


def network(engine: str) -> Network:
    parts = [
        layers.Conv2D(4, (3, 2), stride=(2, 1), padding=1, groups=2),
        layers.Tanh(),
        layers.MaxPool2D(2),
        layers.BatchNorm2D(),
        layers.Flatten(),
        layers.Dense(3),
        layers.Softmax(),
    ]
    made = Network(parts, (2, 7, 6), dtype="float64", engine=engine, threads=2)
    made.set_weights({name: unpack(value) for name, value in THEIRS["start"].items()})
    return made


@pytest.mark.parametrize("engine", ["reference", "numpy", "compiled", "jax"])
def test_twenty_steps_follow_pytorch(engine: str) -> None:
    net = network(engine)
    stepper = make_stepper(
        net, AdamW(THEIRS["learning_rate"], weight_decay=THEIRS["weight_decay"]), "categorical_cross_entropy"
    )
    probe = net.compile(net.plan("categorical_cross_entropy"))
    x, t = unpack(THEIRS["x"]), np.eye(3)[THEIRS["y"]]
    assert len(THEIRS["steps"]) == 20
    for number, theirs in enumerate(THEIRS["steps"]):
        chosen = THEIRS["batches"][number % 2]
        gradient = probe.gradients(x[chosen], t[chosen], seed=0, step=number + 1)[2].copy()
        outcome = stepper.step(x[chosen], t[chosen], step=number + 1, rate=THEIRS["learning_rate"])
        assert_close(outcome.loss, theirs["loss"], dtype=float)
        assert_close(outcome.norm, np.linalg.norm(gradient))
        for name, expected in theirs["gradients"].items():
            first, last = net.layout[name]
            assert_close(gradient[first:last], unpack(expected).ravel(), name=name, roundings=1000)
        assert net.weights.keys() == theirs["weights"].keys()
        for name, value in net.weights.items():
            assert_close(value, unpack(theirs["weights"][name]), name=name, roundings=1000)
    assert_close(net.apply(x), unpack(THEIRS["output"]))
