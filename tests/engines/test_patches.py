"""Products with patches, compared with the reference for drawn windows, biases and chunks of threads."""

import itertools
import math

import numpy as np
import pytest
from engines.kernel_calls import run
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.choice import PATCH_TILE
from chainrule.engines.compiled.kernels.patches import BLOCK_FILTERS, STRIP_TAPS, correlate_patches
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.kernels.tiles import lanes
from chainrule.operations import reference

axis = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    axes=st.tuples(axis, axis),
    padding=st.tuples(pads, pads),
    filters=st.integers(PATCH_TILE[0], 2 * BLOCK_FILTERS + PATCH_TILE[0]),
    flip=st.booleans(),
    bias=st.sampled_from(["none", "tied", "untied", "scaled"]),
    step=st.sampled_from([{}, {"rectify": True}, {"capped": 0.75}, {"leak": 0.3}]),
    threads=st.integers(1, 4),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_shares_of_threads_make_the_result_of_the_reference(
    seed, axes, padding, filters, flip, bias, step, threads, dtype
):
    size, window, stride, dilation = zip(*axes, strict=True)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    assume(all(n + sum(p) >= r for n, p, r in zip(size, padding, reach, strict=True)))
    draw = np.random.default_rng(seed)
    vector = lanes(np.dtype(dtype).itemsize)
    ins = vector // math.gcd(vector, math.prod(window)) * int(draw.integers(1, 4))
    x, w = draw.standard_normal((2, ins, *size)), draw.standard_normal((filters, ins, *window))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "flip": flip}
    y = reference.cross_correlate(x, w, **options)
    shape = {"none": None, "tied": filters, "untied": y.shape[1:], "scaled": (2, filters)}[bias]
    b = None if shape is None else draw.standard_normal(shape)
    if bias == "scaled":
        expected = y * b[1][:, None, None] + b[0][:, None, None]
    else:
        expected = y if b is None else y + (b[:, None, None] if bias == "tied" else b)
    if "leak" in step:
        expected = np.where(expected > 0, expected, 0.3 * expected)
    elif step:
        expected = np.clip(expected, 0, step.get("capped", np.inf))
    x, w, flat = x.astype(dtype), w.astype(dtype), None if b is None else b.reshape(-1).astype(dtype)
    found = np.full_like(expected, np.nan, dtype)
    parts = -(-filters // PATCH_TILE[0])
    edges = [min(k * parts // threads * PATCH_TILE[0], filters) for k in range(threads + 1)]
    for lowest, highest in itertools.pairwise(edges):
        if lowest < highest:
            more = {**options, **step, "scaled": bias == "scaled", "lowest": lowest, "highest": highest}
            run(correlate_patches, x, w, flat, found, **more)
            assert np.isnan(found[:, highest:]).all()
    most = 4 * x[0].size * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=0, atol=most * max(1, np.abs(expected).max()))
    whole = np.full_like(found, np.nan)
    run(correlate_patches, x, w, flat, whole, **options, **step, scaled=bias == "scaled")
    np.testing.assert_array_equal(found, whole)


def test_more_taps_than_stay_in_the_fastest_cache():
    draw = np.random.default_rng(0)
    x, w = (
        draw.standard_normal((1, STRIP_TAPS // 4, 3, 5)),
        draw.standard_normal((BLOCK_FILTERS + PATCH_TILE[0], STRIP_TAPS // 4, 3, 3)),
    )
    options = {"padding": ((1, 1), (1, 0))}
    found = selection.call("correlate_patches", (x, w, None), options)[0]
    expected = reference.cross_correlate(x, w, stride=(1, 1), dilation=(1, 1), flip=False, **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("single", [True, False])
def test_it_is_chosen_for_one_image_of_few_outputs_and_many_weights(single):
    plain = {"stride": (1, 1), "padding": ((0, 0), (0, 0))}

    def chosen(ins, outs, size, window=3, **more):
        x, w = np.zeros((1, ins, size, size), "float32"), np.zeros((outs, ins, window, window), "float32")
        kernel = selection.select_kernel("cross_correlate", (x, w, None), {**plain, **more}, 4, Conditions(single))
        return kernel == "correlate_patches"

    assert chosen(256, 256, 5) == single
    assert not chosen(256, 256, 40)
    assert not chosen(256, 256, 5, groups=2)
    assert not chosen(257, 256, 5)
    assert not chosen(16, 16, 5)


def test_it_is_not_chosen_where_cutting_takes_longer_than_the_products():
    x, w = np.zeros((1, 1, 60, 256), "float32"), np.zeros((256, 1, 5, 256), "float32")  # a convolution over text
    one = Conditions(single=True)
    assert selection.select_kernel("cross_correlate", (x, w, None), {}, 4, one) != "correlate_patches"
