"""Batches cut into shards: the same bits however they are shared out, and the gradient of the whole batch."""

import threading
from queue import Queue
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import network_of_vectors, vectors

import chainrule as cr
from chainrule.core.arrays import Arrays
from chainrule.errors import NotFiniteError, OptionError
from chainrule.layers import node
from chainrule.network.loss_plan import Weighting
from chainrule.network.network import Network
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper
from chainrule.training.workers import Workers

LOSS = "softmax_cross_entropy"


class Threads(Workers):
    """Workers that are threads of this process, to test without MPI."""

    def __init__(self, rank: int, size: int, mail: dict[tuple[int, int], Queue[Any]]) -> None:
        self.rank, self.size, self._mail = rank, size, mail

    def send(self, arrays: Arrays, to: int) -> None:
        self._mail[self.rank, to].put(tuple(array.copy() for array in arrays))

    def receive(self, like: Arrays, source: int) -> Arrays:
        actual = self._mail[source, self.rank].get(timeout=120)
        assert [(each.shape, each.dtype) for each in actual] == [(each.shape, each.dtype) for each in like]
        return actual

    def broadcast(self, array: np.ndarray) -> None:
        if self.rank:
            array[...] = self._mail[0, self.rank].get(timeout=120)
        for other in range(1, 0 if self.rank else self.size):
            self._mail[0, other].put(array.copy())

    def any(self, flag: bool) -> bool:
        return bool(self._all(flag).any())

    def first(self, text: str) -> str:
        return next(filter(None, self._all(text).tolist()), "")

    def _all(self, own: Any) -> np.ndarray:
        for other in range(self.size):
            self._mail[self.rank, other].put(own)
        return np.array([self._mail[other, self.rank].get(timeout=120) for other in range(self.size)])


def together(size: int, work: Any) -> list[Any]:
    """Return what `work(workers)` gives for each of so many workers; an error is returned as a value."""
    mail: dict[tuple[int, int], Queue[Any]] = {(a, b): Queue() for a in range(size) for b in range(size)}
    actual: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            actual[rank] = work(Threads(rank, size, mail))
        except Exception as error:
            actual[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return actual


def small(**options: Any) -> Network:
    layers = cr.BatchNorm1D(), cr.Dropout(0.3)
    return network_of_vectors(*layers, **{"dtype": "float32", "threads": 1} | options)


def graph(**options: Any) -> Network:
    """Return a network with every kind of batch normalization: long and short channels, joined activations, shared."""
    x = cr.Input((2, 9, 8))
    shared = cr.BatchNorm2D(momentum=0.3)
    y = cr.ReLU()(shared(cr.Conv2D(3, 3, padding="same")(x)))
    y = cr.Dropout(0.2)(cr.Add()(y, shared(cr.Conv2D(3, 3, padding="same")(y))))
    y = cr.LeakyReLU(0.1)(cr.BatchNorm2D()(cr.Conv2D(4, 3, stride=2)(y)))
    y = cr.Dense(3)(cr.BatchNorm1D(epsilon=0.1)(cr.Dense(5)(cr.Flatten()(cr.BatchNorm2D()(y)))))
    layers, wiring = node.trace(x, y)
    return Network(layers, (2, 9, 8), wiring=wiring, **{"dtype": "float64", "threads": 1, "seed": 3} | options)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_steps_have_the_same_bits_for_any_number_of_workers(engine: str, clip: float | None) -> None:
    batches = [vectors(seed, samples, "float32")[:2] for seed, samples in enumerate((23, 8, 5, 1))]

    def work(workers: Workers) -> Any:
        network = small(engine=engine)
        stepper = Stepper(network, cr.Adam(0.05), LOSS, components=clipping(clip), shards=8, workers=workers)
        outcomes = []
        for step, (x, t) in enumerate(batches, 1):
            rows = stepper.rows(len(x))
            outcomes.append(stepper.step(x[rows], t[rows], step=step, rate=0.05, seed=9, samples=len(x)))
        return network.parameters.tobytes(), outcomes

    (alone,) = together(1, work)
    for size in (2, 3, 8):
        assert together(size, work) == [alone] * size


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("freeze", [(), ("norm1.gamma",), ("conv1", "norm1")])
def test_the_step_is_that_of_the_whole_batch(engine: str, freeze: tuple[str, ...]) -> None:
    """Compare weights and running statistics after two steps, of graphs, with those of whole batches in NumPy."""
    whole, cut = graph(engine="numpy"), graph(engine=engine)
    options: dict[str, Any] = {
        "components": clipping(0.1),
        "freeze": freeze,
        "weighting": Weighting.SAMPLES,
    }
    single = Stepper(whole, cr.Nesterov(0.1, 0.9), LOSS, **options)
    sharded = Stepper(cut, cr.Nesterov(0.1, 0.9), LOSS, **options, shards=8)
    generator = np.random.default_rng(4)
    for step, samples in enumerate((21, 5), 1):
        x = generator.normal(2, 3, size=(samples, 2, 9, 8))
        batch = x, np.eye(3)[generator.integers(0, 3, samples)], generator.exponential(size=samples)
        outcomes = [stepper.step(*batch, step=step, rate=0.1, seed=2) for stepper in (single, sharded)]
        assert_close(outcomes[1], outcomes[0])
    assert_close(cut.parameters, whole.parameters)
    assert_close(cut.statistics, whole.statistics)


def test_every_worker_names_what_was_not_finite_in_the_share_of_one() -> None:
    x, t, _ = vectors(4, 16, "float32")
    x[13] = np.nan

    def work(workers: Workers) -> None:
        network = small()
        before = network.parameters.copy()
        stepper = Stepper(network, cr.Adam(), LOSS, shards=8, workers=workers)
        rows = stepper.rows(16)
        try:
            stepper.step(x[rows], t[rows], step=1, rate=0.1, samples=16)
        finally:
            assert_array_equal(network.parameters, before)

    for error in together(4, work):
        assert isinstance(error, NotFiniteError)
        assert "step 1: the input is not finite" in str(error)


def test_more_workers_than_shards_are_refused() -> None:
    errors = together(3, lambda workers: Stepper(small(), cr.Adam(), LOSS, shards=2, workers=workers))
    assert all(isinstance(error, OptionError) and "3 workers for 2 shards" in str(error) for error in errors)
