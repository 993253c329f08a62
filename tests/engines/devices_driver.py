"""Comparison of the JAX engine on several devices with NumPy; test_jax.py runs it in a process with four devices."""

import numpy as np
from numerical import assert_close

import chainrule as cr
from chainrule.engines.jax.engine import XlaProgram
from chainrule.training.optimizers import Adam
from chainrule.training.steps.stepper import Stepper

LAYERS = [
    *(cr.Conv2D(4, 3, groups=2), cr.BatchNorm2D(), cr.ReLU(), cr.MaxPool2D(2), cr.Dropout(0.3)),
    *(cr.Flatten(), cr.Dense(3), cr.Softmax()),
]
COUNTS = (8, 9, 7)


def states(engine: str) -> tuple[list[np.ndarray], list[int]]:
    """Return parameters and statistics after steps with batches of several sizes, and the devices of each batch."""
    model = cr.Sequential(LAYERS, (2, 6, 8), dtype="float64", engine=engine, threads=4)
    stepper = Stepper(model, Adam(0.01, epsilon=1e-2), "categorical_cross_entropy")
    draw, result, devices = np.random.default_rng(3), list[np.ndarray](), list[int]()
    for step, count in enumerate(COUNTS, 1):
        x, t = draw.normal(size=(count, 2, 6, 8)), np.eye(3)[draw.integers(0, 3, count)]
        outcome = stepper.step(x, t, step=step, rate=0.01)
        result += [model.parameters.copy(), model.statistics.copy(), np.array(outcome)]
        program = getattr(stepper, "_program", None)
        if isinstance(program, XlaProgram):
            (shared,) = program._distribute(x)
            devices.append(len(shared.sharding.device_set) if hasattr(shared, "sharding") else 1)
    return [*result, model.predict(np.ones((4, 2, 6, 8)))], devices


def trained(engine: str) -> np.ndarray:
    """Return the parameters after training on samples stored on the devices; the last batch of an epoch is smaller."""
    draw = np.random.default_rng(4)
    model = cr.Sequential(LAYERS, (2, 6, 8), dtype="float64", engine=engine, threads=4)
    x, y = draw.normal(size=(22, 2, 6, 8)), draw.integers(0, 3, 22)
    model.fit(x, y, epochs=3, batch_size=8, optimizer=Adam(0.01, epsilon=1e-2), progress=False)
    return model.parameters


results, shared_by = states("jax")
for ours, expected in zip(results, states("numpy")[0], strict=True):
    assert_close(ours, expected, error=1e-10)
assert_close(trained("jax"), trained("numpy"), error=1e-10)
parts = ", ".join(f"{devices} of {count}" for devices, count in zip(shared_by, COUNTS, strict=True))
print(f"{parts}: the same")
