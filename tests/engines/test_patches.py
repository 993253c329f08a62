"""Products with patches, compared with the reference for drawn windows, biases and chunks of threads."""

import numpy as np
import pytest

from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.choice import PATCH_TILE
from chainrule.engines.compiled.kernels.patches import BLOCK_FILTERS, STRIP_TAPS
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.operations import reference


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
