"""Operations on several tensors against NumPy's, and updates of parameters against loops over single numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.oracle import Number
from training.test_updates import drawn

from chainrule.errors import ShapeError
from chainrule.operations import definitions, reference
from chainrule.training import optimizers

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
PAIRS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@pytest.mark.parametrize("name", PAIRS)
@given(seed=SEEDS, shape=SHAPES)
def test_pairs_of_tensors_are_combined_as_numpy_does(name: str, seed: int, shape: tuple[int, ...]) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 2, *shape)).round(1)
    b.flat[0] = np.nan
    assert_array_equal(getattr(reference, name)(a, b), PAIRS[name](a, b))
    for other in (b[:1], np.concatenate([b, b], 1)):
        with pytest.raises(ShapeError, match=name):
            getattr(reference, name)(a, other)


@given(seed=SEEDS, shape=SHAPES, data=st.data())
def test_repetition_and_its_gradient_are_adjoint(seed: int, shape: tuple[int, ...], data: st.DataObject) -> None:
    draw = np.random.default_rng(seed)
    whole = tuple(size if size > 1 else data.draw(st.integers(1, 4)) for size in shape)
    x, dy = draw.normal(size=(2, *shape)), draw.normal(size=(2, *whole))
    y = reference.broadcast(x, shape=whole)
    assert_array_equal(y, np.broadcast_to(x, (2, *whole)))
    dx = reference.broadcast_dx(dy, shape=shape)
    assert dx.shape == x.shape
    assert_close(np.vdot(y, dy), np.vdot(x, dx), magnitude=9)
    with pytest.raises(ShapeError):
        reference.broadcast(x, shape=(*whole, 2))


@given(seed=SEEDS, shape=SHAPES, sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3), data=st.data())
def test_parts_are_joined_along_an_axis(
    seed: int, shape: tuple[int, ...], sizes: list[int], data: st.DataObject
) -> None:
    draw, axis = np.random.default_rng(seed), data.draw(st.integers(0, len(shape) - 1))
    parts = [draw.normal(size=(2, *shape[:axis], size, *shape[axis + 1 :])) for size in sizes]
    assert_array_equal(reference.concatenate(*parts, axis=axis), np.concatenate(parts, axis + 1))
    with pytest.raises(ShapeError):
        reference.concatenate(parts[0], np.concatenate([parts[0], parts[0]]), axis=axis)


@pytest.mark.parametrize("name", optimizers.NAMED)
@given(seed=SEEDS)
def test_updates_are_those_of_single_numbers(name: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    optimizer, p = drawn(name, draw), draw.normal(size=(2, 3))
    numbers = [Number(value) for value in p.ravel()]
    moments = [np.zeros_like(p) for _ in optimizer.moments]
    for step in range(1, 4):
        g, rate = draw.normal(size=p.shape), float(draw.uniform(0.001, 0.1))
        for number, gradient in zip(numbers, g.ravel().tolist(), strict=True):
            number.update(optimizer, gradient, rate, step)
        attributes = {"rate": rate, **optimizer.step_attributes(step)}
        result = getattr(reference, optimizer.operation)(p, g, *moments, **attributes)
        p, *moments = result if isinstance(result, tuple) else (result,)
        assert_close(p.ravel(), [number.p for number in numbers], roundings=1e4)


@pytest.mark.parametrize("name", definitions.losses())
def test_losses_have_the_dtype_of_the_predictions(name: str) -> None:
    p, t = np.full((3, 4), 0.25), np.eye(4)[:3]
    for dtype in (np.float32, np.float64):
        assert getattr(reference, name)(p.astype(dtype), t.astype(dtype)).dtype == dtype
