"""Losses and the logarithm of softmax keep their digits: for scores with a large common part, and for sure answers."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from selection import draws

from chainrule.engines import loader
from chainrule.engines.loader import NAMES
from chainrule.operations import reference

OFFSETS = (1.0, 1e3, 1e6)
STEP = 1 / 8  # scores are multiples, so that the sum with an offset is exact
DTYPES = ("float32", "float64")
OF_SCORES = [f"softmax{kind}_cross_entropy{end}" for kind in ("", "_focal") for end in ("", "_dp")]


def computed(engine: str, name: str, *arrays: Any) -> Any:
    return np.asarray(loader.find(engine).run(name, arrays, {})[0])


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*OF_SCORES, "softmax", "log_softmax"])
def test_a_number_added_to_all_scores_changes_nothing(engine: str, dtype: str, name: str) -> None:
    generator = np.random.default_rng(len(name))
    for _ in range(draws(4)):
        shape = (3, int(generator.integers(2, 40)), *[(), (5,), (2, 3)][generator.integers(3)])
        z = (STEP * generator.integers(-80, 80, shape)).astype(dtype)
        t = generator.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:])).astype(dtype)
        targets = [np.ascontiguousarray(np.moveaxis(t, -1, 1))] if name in OF_SCORES else []
        offset = np.dtype(dtype).type(generator.choice(OFFSETS) * generator.choice((-1, 1)))
        found = computed(engine, name, z + offset, *targets)
        assert_close(found, computed(engine, name, z, *targets), 8)
        assert_close(found, getattr(reference, name)(z.astype(float), *targets), dtype=dtype)


@pytest.mark.parametrize("engine", NAMES)
def test_a_number_added_to_all_scores_leaves_the_gradient_of_log_softmax(engine: str) -> None:
    z = STEP * np.random.default_rng(1).integers(-40, 40, (4, 6)).astype("float32")
    dy = np.random.default_rng(2).normal(size=z.shape).astype("float32")
    expected = computed(engine, "log_softmax_dx", dy, computed(engine, "log_softmax", z))
    found = computed(engine, "log_softmax_dx", dy, computed(engine, "log_softmax", z + np.float32(1e6)))
    assert_close(found, expected, 8)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("kind", ["binary", "sigmoid", "binary_focal", "sigmoid_focal"])
def test_losses_of_sure_answers_are_relatively_exact(engine: str, kind: str) -> None:
    """A sum t·a + (1 − t)·b must not become b + t·(a − b), which loses a beside b."""
    t = np.random.default_rng(3).integers(0, 2, (200, 1)).astype("float32")
    margin = np.float32(2) ** -np.random.default_rng(4).integers(1, 12, t.shape)
    p = np.where(t == 1, 1 - margin, margin) if "binary" in kind else np.where(t == 1, 1, -1) / margin.clip(2**-4)
    p = p.astype("float32")
    name = f"{kind}_cross_entropy"
    found = computed(engine, name, p, t)
    np.testing.assert_allclose(found, getattr(reference, name)(p.astype(float), t.astype(float)), rtol=2e-5)
