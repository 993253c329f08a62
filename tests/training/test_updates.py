"""Updates, averages and factors of parameters against loops over single numbers, as their sources write them."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.oracle import Number

from chainrule.errors import ChainruleError, OptionError
from chainrule.network.labels import Labels
from chainrule.training import optimizers
from chainrule.training.class_weights import ClassWeights
from chainrule.training.freezing import frozen_names, ranges

SEEDS = st.integers(0, 2**32 - 1)


def drawn(name: str, draw: np.random.Generator) -> optimizers.Optimizer:
    """Return an optimizer with drawn options."""
    kind = optimizers.NAMED[name]
    options = {option: float(draw.uniform(0.01, 0.9)) for option in kind().to_config().keys() - {"name"}}
    return kind(**options)


class Wrapped:
    """A custom optimizer with the methods of a built-in one."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.learning_rate = optimizer, optimizer.learning_rate

    def init(self, parameters: Any) -> Any:
        return list(self.optimizer.init(parameters))

    def update(self, parameters: Any, gradients: Any, moments: Any, *, step: int, learning_rate: float) -> Any:
        new, moments = self.optimizer.update(parameters, gradients, moments, step=step, learning_rate=learning_rate)
        parameters[:], gradients[:] = 0, 0  # a copy: the caller's arrays stay
        return new, list(moments)


@pytest.mark.parametrize("name", optimizers.NAMED)
@given(seed=SEEDS)
def test_every_parameter_is_updated_as_if_it_were_alone(name: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    optimizer, parameters = drawn(name, draw), draw.normal(size=4)
    own: Any = optimizers.find(Wrapped(optimizer))
    alone, both = [Number(value) for value in parameters], (parameters, parameters)
    moments = [each.init(parameters) for each in (optimizer, own)]
    assert all(not moment.any() for moment in (*moments[0], *moments[1]))
    for step in range(1, 6):
        gradient, rate = draw.normal(size=4) * 10.0 ** draw.integers(-3, 3), float(draw.uniform(0.001, 0.1))
        chosen: Any = rate
        if step == 2:  # the optimizer's own
            chosen, rate = None, optimizer.learning_rate
        for number, g in zip(alone, gradient.tolist(), strict=True):
            number.update(optimizer, g, rate, step)
        results = list[Any]()
        for each, values, kept in zip((optimizer, own), both, moments, strict=True):
            before = [array.copy() for array in (values, gradient, *kept)]
            results.append(each.update(values, gradient, kept, step=step, learning_rate=chosen))
            for array, copied in zip((values, gradient, *kept), before, strict=True):
                assert_array_equal(array, copied)
        both, moments = tuple(result[0] for result in results), [result[1] for result in results]
        assert_close(both[0], [number.p for number in alone], roundings=1e4)
        assert_array_equal(both[0], both[1])


@pytest.mark.parametrize("name", optimizers.NAMED)
def test_optimizers_are_found_by_name_and_by_their_options(name: str) -> None:
    optimizer = drawn(name, np.random.default_rng(len(name)))
    assert optimizers.find(optimizer.to_config()) == optimizers.find(optimizer) == optimizer
    assert optimizers.find(name) == optimizers.NAMED[name]()
    assert optimizers.choose(name, None) == optimizers.NAMED[name]()
    slower = optimizers.choose(optimizer, 0.125)
    assert slower.learning_rate == 0.125
    assert slower.to_config() == {**optimizer.to_config(), "learning_rate": 0.125}
    custom = optimizers.find(Wrapped(optimizer))
    assert custom.learning_rate == optimizer.learning_rate
    assert "Wrapped" in custom.name
    assert custom.to_config() == {"name": custom.name, "learning_rate": optimizer.learning_rate}
    with pytest.raises(OptionError, match="Wrapped"):
        optimizers.find(custom.to_config()).init(np.zeros(3))
    for other in ("adams", {"name": name, "speed": 1}, Wrapped, object(), 3):
        with pytest.raises(OptionError):
            optimizers.find(other)


@given(seed=SEEDS, classes=st.integers(2, 6))
def test_weights_of_classes_are_read_as_they_are_written(seed: int, classes: int) -> None:
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 5, classes)
    labels = Labels(tuple(f"class{k}" for k in range(classes)))
    named = {f"class{k}": float(draw.integers(0, 9)) / 4 for k in draw.permutation(classes)[:2].tolist()}
    for option in (named, ",".join(f"{name}={value:g}" for name, value in named.items())):
        chosen = ClassWeights.choose(option)
        assert chosen is not None
        found = chosen.of_classes(counts, labels)
        assert found.tolist() == [named.get(f"class{k}", 1.0) for k in range(classes)]
        assert ClassWeights.parse(str(chosen)) == ClassWeights.choose(chosen.to_config()) == chosen
    assert ClassWeights.choose("balanced") == ClassWeights()
    assert (str(ClassWeights()), ClassWeights().to_config()) == ("balanced", "balanced")
    for wrong in ({"class0": -1}, {"class0": math.inf}, {"class0": "many"}, "class0", "class0=x"):
        with pytest.raises(OptionError):
            ClassWeights.choose(wrong)
    with pytest.raises(ChainruleError, match="nobody"):
        ClassWeights((("nobody", 2.0),)).of_classes(counts, labels)


LAYOUT = {"conv1.w": (0, 6), "conv1.b": (6, 8), "norm1.beta": (8, 10), "dense1.w": (10, 20), "dense1.b": (20, 21)}
PATTERNS = ["conv1", "conv*", "b", "w", "beta", "dense1.w", "norm1", "*"]


@given(names=st.lists(st.sampled_from(PATTERNS), max_size=3))
def test_frozen_parameters_are_those_that_a_name_matches(names: list[str]) -> None:
    expected = set[str]()
    for pattern, name in itertools.product(names, LAYOUT):
        layer, own = name.split(".")
        if pattern in (name, layer, own) or (pattern.endswith("*") and name.startswith(pattern.rstrip("*"))):
            expected.add(name)
    frozen = frozen_names(names, LAYOUT)
    assert frozen == expected
    flags, found = np.zeros(21), np.full(21, np.nan)
    for name in expected:
        flags[slice(*LAYOUT[name])] = 1
    for value, parts in enumerate(ranges(LAYOUT, frozen)):
        assert all(one.stop < other.start for one, other in itertools.pairwise(parts))
        for rows in parts:
            found[rows] = value
    assert_array_equal(found, flags)
    with pytest.raises(OptionError, match="'conv2'"):
        frozen_names(["conv1", "conv2"], LAYOUT)
