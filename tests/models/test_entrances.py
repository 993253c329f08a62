"""The methods of a trained model agree with each other for every kind of network, in any order and form of the data."""

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from training.drawn_fits import DEFAULTS, KINDS, N, each, outputs, rows, state

RANDOM = ("classes", "logits")  # a step's loss is not that of an evaluation: dropout, or statistics of the batch
near = partial(assert_close, roundings=1000, dtype=np.float32)


def fitted(kind: str) -> tuple[Any, Any, Any, Any]:
    """Return a trained network, its inputs and targets, and the history."""
    create, x, y = KINDS[kind]
    model = create(engine="numpy")
    return model, x, y, model.fit(x, y, progress=False, **DEFAULTS)


def draw(kind: str) -> np.random.Generator:
    return np.random.default_rng([*kind.encode()])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RANDOM])
def test_a_step_on_all_samples_has_the_loss_of_their_evaluation(kind: str) -> None:
    """So have its gradients, a step with weights, and all with another loss."""
    model, x, y, _ = fitted(kind)
    before, weights = state(model), draw(kind).exponential(size=N)
    losses: list[Any] = [None, "huber"] if kind in ("regression", "images") else [None]
    for loss in losses:
        expected = model.evaluate(x, y, loss=loss).loss
        near(copy.deepcopy(model).gradients(x, y, loss=loss).loss, expected)
        near(copy.deepcopy(model).train_step(x, y, loss=loss).loss, expected)
        assert state(model) == before
    if len(outputs(model, x)) > 1:  # an evaluation has no weights
        return
    near(model.gradients(x, y, sample_weight=weights).loss, (model.evaluate(x, y).losses * weights).mean())


@pytest.mark.parametrize("kind", ["names", "regression", "map", "outputs"])
@pytest.mark.parametrize("normalization", ["standardize", "scale", "none"])
def test_a_second_training_has_the_normalization_of_the_first(kind: str, normalization: str) -> None:
    create, x, y = KINDS[kind]
    model, half = create(engine="numpy"), slice(None, None, 2)
    model.fit(x, y, progress=False, normalization=normalization, **DEFAULTS)
    first = model.normalization
    assert first.kind == normalization
    model.fit(each(lambda values: values[half], x), rows(y, half), progress=False, **DEFAULTS)
    assert model.normalization == first
