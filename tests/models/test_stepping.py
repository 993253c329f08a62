"""Custom training loops: `train_step` takes the steps of `gradients` and an optimizer, whatever is called between."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.network.sizes import MAX_SIZES

Data = list[tuple[Any, Any]]

OPTIMIZERS = (cr.SGD(), cr.Momentum(), cr.Nesterov(), cr.Adam(), cr.AdamW(), cr.RMSProp())
RATE = 0.01
STEPS = 5


def network(rng: np.random.Generator, engine: str) -> cr.Sequential:
    """Return an untrained network for series of any length, with noise that depends on the step."""
    layers = [cr.Conv1D(3, 2), cr.Tanh(), cr.Dropout(0.4), cr.GlobalAveragePool1D(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, (2, 7), seed=int(rng.integers(99)), dtype="float64", engine=engine)


def batches(rng: np.random.Generator) -> Data:
    """Return batches of different numbers of samples."""
    sizes = rng.integers(1, 9, STEPS)
    return [(rng.normal(size=(size, 2, 7)), rng.integers(0, 3, size)) for size in sizes]


def nothing(model: cr.Sequential, rng: np.random.Generator) -> None:
    """Call nothing."""


def other_gradients(model: cr.Sequential, rng: np.random.Generator) -> None:
    """Call `gradients` for more sizes than a model caches."""
    for length in range(8, 10 + MAX_SIZES):
        model.gradients(rng.normal(size=(2, 2, length)), [0, 1])


def other_predictions(model: cr.Sequential, rng: np.random.Generator) -> None:
    """Predict for more sizes than a model caches."""
    for length in range(8, 10 + MAX_SIZES):
        model.predict(rng.normal(size=(1, 2, length)))


CALLS: tuple[Callable[[cr.Sequential, np.random.Generator], None], ...] = (nothing, other_gradients, other_predictions)


def by_steps(model: cr.Sequential, optimizer: Any, data: Data) -> Iterator[None]:
    for number, (x, y) in enumerate(data):
        weights = np.ones(len(x)) if number % 2 else None  # batches with and without weights share the moments
        model.train_step(x, y, optimizer=optimizer, learning_rate=RATE, sample_weight=weights)
        yield


def by_gradients(model: cr.Sequential, optimizer: Any, data: Data, *, numbered: bool) -> Iterator[None]:
    moments = optimizer.init(model.parameters)
    for step, (x, y) in enumerate(data, 1):
        gradients = model.gradients(x, y, step=step) if numbered else model.gradients(x, y)
        moments = optimizer.step(model, gradients, moments, step=step, learning_rate=RATE)
        yield


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("between", CALLS)
def test_steps_are_those_of_gradients_and_an_optimizer(between: Any, engine: str) -> None:
    @settings(max_examples=draws(2 if engine == "compiled" else 4), deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(OPTIMIZERS))
    def check(seed: int, optimizer: Any) -> None:
        rng = np.random.default_rng(seed)
        data, noise = batches(rng), int(rng.integers(99))
        stepped, looped, numbered = (network(np.random.default_rng(seed), engine) for _ in range(3))
        steps = by_steps(stepped, optimizer, data), by_gradients(numbered, optimizer, data, numbered=True)
        for number, _ in enumerate(zip(*steps, strict=True)):
            if number == STEPS // 2:
                for model in (stepped, numbered):
                    between(model, np.random.default_rng(noise))
        for _ in by_gradients(looped, optimizer, data, numbered=False):
            pass
        for model in (stepped, looped):
            assert_close(model.parameters, numbered.parameters)

    check()


def test_calls_of_gradients_drop_other_values() -> None:
    rng = np.random.default_rng(0)
    model = network(rng, "numpy")
    x, y = batches(rng)[0]
    losses = [model.gradients(x, y).loss for _ in range(4)]
    repeated = [model.gradients(x, y, step=step).loss for step in (1, 2, 3, 4)]
    assert losses == repeated
    assert len({*losses}) == 4
