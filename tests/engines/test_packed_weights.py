"""Weights that stay packed between calls of `predict`: after every change, results equal those of a new network."""

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import interpreted

import chainrule as cr

SHAPE = (3, 12, 12)
LAYERS = (
    *(cr.Conv2D(24, 3, padding="same"), cr.ReLU(), cr.Conv2D(48, 3), cr.Conv2D(48, 3, groups=48, stride=2)),
    *(cr.Conv2D(40, 1), cr.ReLU(), cr.Conv2D(9, 3, padding="same"), cr.Flatten(), cr.Dense(3), cr.Softmax()),
)
DRAW = np.random.default_rng(5)
X, T = DRAW.standard_normal((6, *SHAPE)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])


class Subject:
    """A network, and views of its weights that a user keeps."""

    def __init__(self) -> None:
        self.model = cr.Sequential(LAYERS, SHAPE, engine="compiled", threads=2)
        self.views: list[Any] = []

    def write(self) -> None:
        self.model.weights["conv1.w"][...] *= 1.5

    def keep(self) -> None:
        self.views.append(self.model.weights["conv2.w"][1:, ::2])

    def keep_flat(self) -> None:
        self.views.append(self.model.parameters.data[5:900])

    def write_views(self) -> None:
        for number, view in enumerate(self.views):
            np.asarray(view)[...] -= 0.01 * (number + 1)

    def drop(self) -> None:
        self.views.clear()

    def write_flat(self) -> None:
        self.model.parameters[:] += 0.01

    def set(self) -> None:
        self.model.set_weights({name: 0.9 * values for name, values in self.model.get_weights().items()})

    def reset(self) -> None:
        self.model.reset(len(self.views))

    def fit(self) -> None:
        self.model.fit(X, T, epochs=1, batch_size=2, progress=False)

    def fit_averaged(self) -> None:
        self.model.fit(X, T, epochs=1, batch_size=3, progress=False, ema_decay=0.9)

    def copied(self) -> None:
        self.model, self.views = copy.deepcopy(self.model), []

    def shallow(self) -> None:
        other = copy.copy(self.model)
        other.predict(X)
        other.weights["conv3.w"][...] += 0.1

    def pickled(self) -> None:
        self.model, self.views = pickle.loads(pickle.dumps(self.model)), []

    def thread(self) -> None:
        thread = threading.Thread(target=self.write)
        thread.start()
        thread.join()


CHANGES = [name for name in vars(Subject) if not name.startswith("_")]


def check(model: Any, count: int) -> None:
    """Compare the outputs for `count` images with those of a new network, which packs its weights.

    Reading the weights counts as a change. They are therefore read after the outputs are computed, and packed again.
    """
    outputs = [model.predict(X[:count]) for _ in range(2)]  # the second call uses what the first one packed
    fresh = cr.Sequential(LAYERS, SHAPE, engine="compiled", threads=2, weights=model.get_weights())
    np.testing.assert_array_equal(outputs, [fresh.predict(X[:count])] * 2)
    for images in (X[:1], X):
        model.predict(images)


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from([1, 2, 6])), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_every_change_of_the_weights_shows_in_the_next_prediction(steps: list[tuple[str, int]]) -> None:
    with interpreted.running(small=True):
        subject = Subject()
        check(subject.model, 1)
        for change, count in steps:
            getattr(subject, change)()
            check(subject.model, count)


@pytest.mark.parametrize("count", [1, 6])
def test_a_view_that_is_written_after_predictions_shows(count: int) -> None:
    subject = Subject()
    view = subject.model.weights["conv1.w"][2]
    for _ in range(3):
        view[...] += 1
        check(subject.model, count)
