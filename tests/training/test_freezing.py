"""Frozen parameters: no gradient is computed for them, none is propagated past them, and they stay as they are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws
from training.test_gradients import check

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.training.freezing import frozen_names

LAYERS = [
    cr.Conv2D(3, 3, bias=False), cr.BatchNorm2D(), cr.ReLU(), cr.Conv2D(4, 3), cr.BatchNorm2D(), cr.Tanh(),
    cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax(),
]  # fmt: skip


def model(**options):
    actual = cr.Sequential(LAYERS, (2, 8, 7), **{"engine": "numpy", "dtype": "float64", "seed": 2, **options})
    generator = np.random.default_rng(0)
    actual.statistics += generator.uniform(0.1, 0.5, actual.statistics.shape).astype(actual.dtype)
    return actual


def data(count=12):
    generator = np.random.default_rng(1)
    return generator.normal(size=(count, 2, 8, 7)), generator.integers(0, 3, count)


@settings(max_examples=draws(10))
@given(st.sets(st.sampled_from(("conv1", "norm1", "conv2", "norm2", "dense1", "conv2.b", "gamma"))))
def test_the_gradients_of_the_others_are_right(names):
    """By differences of the loss of the very plan that is trained."""
    network = model()
    frozen = frozen_names(sorted(names), network.trainable_layout)
    assume(frozen != network.trainable_layout.keys())
    x, y = data(5)
    gradient = check(network, "categorical_cross_entropy", x, np.eye(3)[y], frozen=frozen)
    for name in frozen:  # gamma alone is made together with beta, and the training step leaves it out
        assert not gradient[slice(*network.trainable_layout[name])].any() or name.endswith("gamma")


def test_nothing_is_propagated_to_where_everything_is_frozen():
    network = model()
    frozen = frozen_names(("conv*", "norm1"), network.trainable_layout)
    plan = network.plan("categorical_cross_entropy", frozen=frozen)
    names = [operation.name for operation in plan.backward]
    assert {"cross_correlate_dx", "cross_correlate_dw"}.isdisjoint(names)
    assert [each.writes[0].name for each in plan.deferred] == ["norm2.running_mean"]


def test_unknown_and_all_parameters_cannot_be_frozen():
    with pytest.raises(OptionError, match="no parameter is named 'cnov"):
        model().freeze("cnov*")
    network = model()
    network.freeze("*")
    with pytest.raises(OptionError, match="all parameters are frozen"):
        network.fit(*data(), progress=False)
    network.freeze()
    network.fit(*data(), progress=False)


def test_other_classes_take_a_new_last_layer():
    old = model(dtype="float32", classes=["a", "b", "c"])
    old.fit(*data(), progress=False)
    new = old.with_classes(["yes", "no"], seed=5)
    assert (new.classes, new.normalization, new.output_shape) == (("yes", "no"), old.normalization, (2,))
    for name in old.weights.keys() - {"dense1.w", "dense1.b"}:
        np.testing.assert_array_equal(new.weights[name], old.weights[name])
    heads = [new, *(old.with_classes(["yes", "no"], seed=seed) for seed in (5, 5, 6))]
    assert len({head.weights["dense1.w"].tobytes() for head in heads}) == 2
    masks = cr.Sequential([cr.Conv2D(4, 3), cr.ReLU(), cr.Conv2D(2, 1), cr.Softmax()], (1, 6, 7), engine="numpy")
    assert masks.with_classes("abc").output_shape == (3, 4, 5)
    embedding = cr.Sequential([cr.Flatten(), cr.Dense(5)], (1, 6, 7), engine="numpy")
    assert [len(embedding.with_classes("abc", append=append).layers) for append in (False, True)] == [2, 4]
    with pytest.raises(OptionError, match="backbone"):
        embedding.freeze("backbone")
    with pytest.raises(OptionError, match="expected Dense"):
        cr.Sequential([cr.Dense(3), cr.Tanh(), cr.Softmax()], (4,), engine="numpy").with_classes(["a", "b"])


FEATURES: list[Any] = [
    ((2, 6, 7), cr.Conv2D(5, 3), cr.BatchNorm2D(), cr.ReLU()),
    ((2, 9), cr.Conv1D(5, 3)),
    ((6,), cr.Dense(5), cr.Tanh()),
]


@pytest.mark.parametrize(("shape", "layers"), [(shape, layers) for shape, *layers in FEATURES])
def test_features_get_a_head_that_alone_is_trained(shape: Any, layers: Any) -> None:
    """The outputs are those of a dense layer on the mean features, and `backbone` freezes these."""
    source = node = cr.Input(shape)
    for number, layer in enumerate(layers):
        node = layer(node, name=f"part{number}")
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype("f4")
    for old in (cr.Sequential(layers, shape, engine="numpy"), cr.Graph(source, node, engine="numpy")):
        new = old.with_classes(["a", "b", "c"])
        w, b = (new.weights[name] for name in new.weights if name not in old.weights)
        z = np.exp(old.predict(x).reshape(8, 5, -1).mean(2) @ w.T + b)
        assert_close(new.predict(x), z / z.sum(1, keepdims=True))
        new.freeze("backbone")
        new.fit(x, ["a", "b", "c", "a"] * 2, progress=False)
        assert all(np.array_equal(values, new.weights[name]) for name, values in old.weights.items())
