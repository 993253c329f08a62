"""Weights that stay packed between calls of `predict`: after every change, results equal those of a new network."""

import copy
import pickle
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from networks.sizes import treated_as_large
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.interop.c import Quantized, write_c

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

    def saved(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(Path(folder) / "model.safetensors")
            self.views = []
            self.model = cr.load(Path(folder) / "model.safetensors", engine="compiled", threads=2)

    def loaded(self) -> None:
        other = cr.Sequential(LAYERS, SHAPE, engine="numpy", seed=len(self.views) + 3)
        with tempfile.TemporaryDirectory() as folder:
            other.save(Path(folder) / "other.safetensors")
            self.model.load_weights(Path(folder) / "other.safetensors")

    def assigned(self) -> None:
        self.model.parameters = self.model.parameters * np.float32(0.9)

    def validated(self) -> None:
        options: Any = {"epochs": 2, "batch_size": 3, "progress": False, "validation_data": (X, T)}
        self.model.fit(X, T, **options)

    def evaluated(self) -> None:
        self.model.evaluate(X, T)
        self.fit()
        self.model.evaluate(X, T)

    def sharded(self) -> None:
        self.model.fit(X, T, epochs=1, batch_size=4, shards=2, progress=False)

    def exported(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_c(self.model, folder)
            write_c(self.model, folder, name="integers", int8=Quantized(self.model, X))

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
@settings(max_examples=draws(10), deadline=None)
def test_every_change_of_the_weights_shows_in_the_next_prediction(steps: list[tuple[str, int]]) -> None:
    with treated_as_large():
        subject = Subject()
        check(subject.model, 1)
        for change, count in steps:
            getattr(subject, change)()
            check(subject.model, count)


def test_packed_weights_of_several_outputs() -> None:
    x = cr.Input(SHAPE)
    y = cr.Conv2D(24, 3)(x)
    ends = {"sizes": cr.Dense(2)(cr.Flatten()(y)), "image": cr.Conv2D(5, 1)(y)}
    model = cr.Graph(x, ends, engine="compiled", threads=2)
    before = model.predict(X)
    model.weights["conv1.w"][...] *= 2
    model.weights["conv1.b"][...] *= 2
    after, kept = model.predict(X), model.predict(X)
    expected = cr.Graph(x, ends, engine="numpy", weights=model.get_weights()).predict(X)
    for name in ends:
        assert not np.allclose(after[name], before[name])
        np.testing.assert_array_equal(after[name], kept[name])
        assert_close(after[name], expected[name])
