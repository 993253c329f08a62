"""NaN, infinities, signed zeros, the largest and the smallest numbers give the reference's results on every engine."""

import itertools
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import LOSSES
from numpy.typing import NDArray

from chainrule import layers
from chainrule.engines import loader
from chainrule.layers import Layer
from chainrule.layers.kinds import EXAMPLES
from chainrule.network.network import Network
from chainrule.operations import reference

LENGTH = 37  # fills vectors of any width, with a remainder

each_engine = pytest.mark.parametrize("engine", ["numpy", "compiled"])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def specials(dtype: str) -> NDArray[Any]:
    largest = float(np.finfo(dtype).max)
    return np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, largest / 4, -largest / 4], dtype)


def pairs(dtype: str) -> NDArray[Any]:
    """Return all pairs of values, ordered so that each occurs in each lane of a vector."""
    result = np.array(list(itertools.product(specials(dtype), repeat=2)), dtype)
    return np.random.default_rng(0).permutation(np.concatenate([result] * 3))


@np.errstate(all="ignore")
def compare(engine: str, name: str, *arrays: NDArray[Any], **attributes: float) -> None:
    actual = loader.find(engine).run(name, arrays, attributes)[0]
    expected = getattr(reference, name)(*arrays, **attributes)
    eps = float(np.finfo(actual.dtype).eps)
    np.testing.assert_allclose(actual, expected, rtol=100 * eps, atol=2 * eps)


@each_engine
@each_dtype
@pytest.mark.parametrize("name", [f"{name}{end}" for name in EXAMPLES for end in ("", "_dx")])
def test_activations_and_their_gradients(engine: str, dtype: str, name: str) -> None:
    rows = pairs(dtype)
    columns = [np.ascontiguousarray(column[: len(rows) // LENGTH * LENGTH]).reshape(-1, LENGTH) for column in rows.T]
    attributes = EXAMPLES[name.removesuffix("_dx")][0].attributes()
    compare(engine, name, *columns[: 2 if name.endswith("_dx") else 1], **attributes)


@each_engine
@each_dtype
@pytest.mark.parametrize("name", ["softmax", "correct", *(f"{name}{end}" for name in LOSSES for end in ("", "_dp"))])
def test_softmax_and_the_losses(engine: str, dtype: str, name: str) -> None:
    rows = pairs(dtype)
    if name.startswith("softmax_"):  # where a log-sum is lost beside the largest numbers, engines differ
        rows = rows[~(np.isfinite(rows) & (np.abs(rows) > 2)).all(axis=1)]
    targets = [np.tile(np.array(target, dtype), (len(rows), 1)) for target in ((0.0, 1.0), (0.4, 0.6))]
    for arrays in [(rows,)] if name == "softmax" else [(rows, each) for each in targets]:
        compare(engine, name, *arrays)


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(3, 1, 1), (1, 1, 1), (3, 1, 16), (3, 2, 1)])
@pytest.mark.parametrize("activation", [layers.ReLU(), layers.Clip(low=0.0, high=6.0)], ids=["relu", "clip"])
@pytest.mark.parametrize("pooling", [(), (layers.MaxPool2D(2),)], ids=["", "pooled"])
def test_nan_passes_an_activation_in_the_kernel_of_a_convolution(
    pooling: tuple[Layer, ...], activation: Layer, kernel: int, stride: int, groups: int
) -> None:
    x = np.random.default_rng(0).standard_normal((2, 16, 9, 9)).astype(np.float32)
    x[0, 5, 4, 4] = np.nan
    made = [layers.Conv2D(16, kernel, stride=stride, groups=groups), activation, *pooling]
    expected, actual = (
        np.isnan(Network(made, (16, 9, 9), engine=engine, seed=0).apply(x)) for engine in ("numpy", "compiled")
    )
    assert expected.any()
    np.testing.assert_array_equal(actual & expected, expected)  # fast convolutions spread NaN to their whole tile
    assert not actual[1].any()
