"""A network's memory needs are computed and bounded before anything is allocated."""

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import layers
from chainrule.errors import FormatError, ShapeError
from chainrule.network.flat_buffers import AssignableWeights

ROW = [cr.Conv2D(2, 3), cr.BatchNorm2D(), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()]


def network(**options: Any) -> cr.Sequential:
    return cr.Sequential(ROW, (1, 8, 8), engine="numpy", **options)


def test_weights_take_the_place_of_first_values() -> None:
    first = network(seed=1)
    first.weights["norm1.running_mean"][...] = 7
    again = network(seed=2, weights=first.weights)
    for name, value in first.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
        assert again.weights[name] is not value
    assert not np.shares_memory(again.parameters, first.parameters)


@pytest.mark.parametrize(
    "assign", [AssignableWeights.__setitem__, lambda weights, name, values: weights.update({name: values})]
)
def test_assigned_weights_are_those_of_the_network(assign: Any) -> None:
    subject, other = network(seed=1), network(seed=2)
    for name, value in other.weights.items():
        assign(subject.weights, name, value.tolist())
    np.testing.assert_array_equal(subject.parameters, other.parameters)
    np.testing.assert_array_equal(subject.statistics, other.statistics)
    before = subject.get_weights()
    subject.state_dict()["dense1.w"][:] = 0  # a copy
    for name, values in (("dense1.w", before["dense1.w"].T), ("dense1.w", 0.0), ("dense9.w", np.ones(2))):
        for use in (lambda **weights: subject.set_weights(weights), lambda **weights: network(weights=weights)):
            with pytest.raises(FormatError, match=name):
                use(**{**before, name: values})
        with pytest.raises(FormatError, match=name):
            assign(subject.weights, name, values)
    with pytest.raises(FormatError, match=r"norm1\.gamma"):
        subject.set_weights({name: values for name, values in before.items() if name != "norm1.gamma"})
    kept = pickle.loads(pickle.dumps(subject.weights))
    assert all((kept[name] == value).all() and (subject.weights[name] == value).all() for name, value in before.items())


HUGE = {
    "parameters": [layers.Flatten(), layers.Dense(10**8)],
    "parameters of many layers": [layers.Flatten(), *[layers.Dense(2**14)] * 3],
    "a result": [layers.Conv2D(1, 1, padding=10**8)],
    "filters": [layers.Conv2D(2**31 - 1, 3)],
    "a transposed result": [layers.ConvTranspose2D(1, 2, stride=2**20)],
}


@pytest.mark.parametrize("what", HUGE)
def test_networks_that_are_too_large_allocate_nothing(what: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ShapeError, match="expected at most 268,435,456"):
            cr.Sequential(HUGE[what], (1, 8, 8), engine="numpy")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_weights_that_do_not_fit_a_description_get_no_memory() -> None:
    """Use a file of a kilobyte that describes a network of 240 MB."""
    about = network().about()
    about["layers"] = [{"layer": "Flatten"}, {"layer": "Dense", "features": 10**6}]
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"weights do not belong to this model|expected shape"):
            cr.Sequential.from_about({**about, "classes": ["x"]}, engine="numpy", weights=network().weights)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
