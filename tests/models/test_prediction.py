"""Predictions of the same samples, alone and in batches of every size."""

from typing import Any

import numpy as np
import pytest
from drawn_networks import fitting, inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from proving.configurations import DRAWERS
from selection import draws

import chainrule as cr


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_batches_of_other_sizes_change_outputs_by_rounding_only(engine: str) -> None:
    @settings(max_examples=draws(3 if engine == "compiled" else 20), deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(DRAWERS)), st.sampled_from(["float32", "float64"]))
    def check(seed: int, name: str, dtype: str) -> None:
        draw = np.random.default_rng(seed)
        layer, shape = fitting(draw, name)
        options: Any = {"engine": engine, "threads": int(draw.integers(1, 4)), "dtype": dtype}
        model = cr.Sequential([layer, cr.Flatten(), cr.Dense(3)], shape, seed=seed % 99, **options)
        x = inputs(draw, int(draw.integers(2, 30)), shape)
        whole = model.predict(x)
        first, last = np.sort(draw.integers(0, len(x) + 1, 2))
        sizes = [slice(first, last)] if first < last else []
        for rows in (slice(0, 1), slice(len(x) - 1, len(x)), *sizes):
            assert_close(model.predict(x[rows]), whole[rows])
        assert_close(model.predict(x[first % len(x)])[0], whole[first % len(x)])

    check()
