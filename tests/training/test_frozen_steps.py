"""Steps of parameters, some of them frozen, against the updates of the reference."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from training.made import network_of_vectors, vectors

import chainrule as cr
from chainrule.engines import loader
from chainrule.training import optimizers
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper

OPTIMIZERS = [
    *(optimizers.SGD(0.1, 0.03), optimizers.Nesterov(0.1, 0.8, 0.03), optimizers.RMSProp(0.01, weight_decay=0.03)),
    *(optimizers.AdamW(0.01), optimizers.Adam(), optimizers.Momentum()),
]


def stepper(
    engine: str, optimizer: optimizers.Optimizer, freeze: tuple[str, ...], clip: float | None = None
) -> Stepper:
    network = network_of_vectors(cr.BatchNorm1D(), engine=engine)
    options: dict[str, Any] = {"freeze": freeze, "components": clipping(clip)}
    return Stepper(network, optimizer, "softmax_cross_entropy", **options)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("freeze", [(), ("norm1.gamma",), ("dense2", "beta")])
@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.name)
def test_parameters_take_the_step_of_the_clipped_gradient_unless_they_are_frozen(
    engine: str, freeze: tuple[str, ...], clip: float | None, optimizer: optimizers.Optimizer
) -> None:
    """Compare steps, some of one sample, with the reference's update of each parameter.

    The norm is that of the parameters that are not frozen, before clipping.
    """
    taking = stepper(engine, optimizer, freeze, clip)
    network, reference = taking.network, loader.find("reference")
    frozen = {(): [], ("norm1.gamma",): ["norm1.gamma"]}.get(freeze, ["norm1.beta", "dense2.w", "dense2.b"])
    layout = network.trainable_layout
    moments = {name: [np.zeros(last - first) for _ in optimizer.moments] for name, (first, last) in layout.items()}
    for step, samples in enumerate((6, 1, 5), 1):
        x, t, _ = vectors(step, samples)
        gradient = network.compile(network.plan("softmax_cross_entropy")).gradients(x, t, seed=0, step=step)[2].copy()
        for name in frozen:
            gradient[slice(*layout[name])] = 0
        before, norm = network.parameters.copy(), np.linalg.norm(gradient)
        assert_close(taking.step(x, t, step=step, rate=0.02).norm, norm)
        gradient *= min(1.0, (clip or np.inf) / (norm + 1e-6))  # as PyTorch
        for name, (first, last) in layout.items():
            if name in frozen:
                assert network.parameters[first:last].tobytes() == before[first:last].tobytes()
                continue
            attributes = {"rate": 0.02, **optimizer.step_attributes(step)}
            arrays = (before[first:last], gradient[first:last], *moments[name])
            expected, *moments[name] = reference.run(optimizer.operation, arrays, attributes)
            assert_close(network.parameters[first:last], expected, magnitude=np.abs(before).max())
