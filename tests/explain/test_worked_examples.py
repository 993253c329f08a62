"""The tutorials' own worked examples, term by term."""

import numpy as np

from chainrule import layers as cr
from chainrule.explain import Trace
from chainrule.network.network import Network

IMAGE = np.array([[1.0, 6, 2], [5, 3, 1], [7, 0, 4]])
KERNEL = np.array([[1.0, 2], [-1, 0]])


def of(layer, image, kernel=None, t=None):
    """Trace one layer on one image; the loss is half the squared distance to t, so that dy is y − t."""
    network = Network([layer, cr.Flatten()], (1, *image.shape), engine="numpy")
    if kernel is not None:
        network.weights["conv1.w"][0, 0] = kernel
    target = np.zeros((1, network.output_shape[0])) if t is None else np.asarray(t, float).reshape(1, -1)
    return Trace(network, image[None, None], target, "half_squared_error")


def products(explanation):
    return [tuple(factor.value for factor in term.factors) for term in explanation.derived.terms]


def check(trace, cells):
    """Compare the products of cells, whose sum is the value, and the equations with their indices."""
    for cell, (expected, here) in cells.items():
        explanation = trace.explain(cell)
        assert products(explanation) == expected
        assert explanation.value == sum(one * other for one, other in expected)
        assert here in ("", explanation.derived.instantiated)


def test_the_walk_through_of_independent_code():
    """Step 1: 1·1 + 2·6 + −1·5 + 0·3 = 8; the output is 8 7, 4 5."""
    trace = of(cr.Conv2D(1, 2, bias=False), IMAGE, KERNEL)
    assert trace["conv1.y"][0].tolist() == [[8, 7], [4, 5]]
    cells = {
        "conv1.y[0,0,0]": ([(1, 1), (6, 2), (5, -1), (3, 0)], "y[0,0,0] = Σ_{c,u,v} x[c,u,v] · w[0,c,u,v]"),
        "conv1.y[0,1,1]": ([(3, 1), (1, 2), (0, -1), (4, 0)], "y[0,1,1] = Σ_{c,u,v} x[c, 1+u, 1+v] · w[0,c,u,v]"),
    }
    check(trace, cells)
    last = trace.explain("conv1.y[0,1,1]").derived.terms[2]
    assert [factor.cell for factor in last.factors] == ["x[0,2,1]", "conv1.w[0,0,1,0]"]


def test_gradients_of_the_walk_through():
    """dK = X ⋆ dY, and dX the full convolution: rotated kernel on the padded gradient."""
    trace = of(cr.Conv2D(1, 2, bias=False), IMAGE, KERNEL, [[7, 5], [1, 1]])  # dY = 1 2, 3 4
    cells = {
        "conv1.dw[0,0,0,1]": ([(1, 6), (2, 2), (3, 3), (4, 1)], ""),
        "conv1.dx[0,0,0]": ([(1, 1), (0, 2), (0, -1), (0, 0)], ""),
        "conv1.dx[0,1,1]": ([(4, 1), (3, 2), (2, -1), (1, 0)], ""),
    }
    check(trace, cells)
    terms = trace.explain("conv1.dx[0,0,0]").derived.terms
    assert [term.factors[0].why for term in terms] == ["", "padding", "padding", "padding"]
    assert trace.explain("conv1.update[0,0,0,1]").derived.steps[0].value == 6 + 4 + 9 + 4


def test_the_true_convolution():
    """Rotate the kernel to 0 −1, 2 1; 1·0 + 6·−1 + 5·2 + 3·1 = 7."""
    trace = of(cr.Conv2D(1, 2, bias=False, convolution=True), IMAGE, KERNEL)
    here = "y[0,0,0] = Σ_{c,u,v} x[c,u,v] · w[0, c, 1−u, 1−v]"
    check(trace, {"conv1.y[0,0,0]": ([(1, 0), (6, -1), (5, 2), (3, 1)], here)})
    assert trace.explain("conv1.y[0,0,0]").derived.terms[0].factors[1].cell == "conv1.w[0,0,1,1]"


def test_max_pooling_of_zayan():
    A = np.array([[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]])
    trace = of(cr.MaxPool2D(2), A)
    assert trace["pool1.y"][0].tolist() == [[6, 7], [8, 9]]
    pick = trace.explain("pool1.y[0,1,1]").derived.pick
    assert [candidate.value for candidate in pick.candidates] == [5, 9, 6, 1]
    assert pick.candidates[pick.winner].cell == "x[0,2,3]"
    assert trace.explain("pool1.winner[0,1,1]").value == 2 * 4 + 3
    assert products(trace.explain("dx[0,2,3]")) == [(9,)]
    assert products(trace.explain("dx[0,2,2]")) == []
    assert "not the largest" in trace.explain("dx[0,2,2]").derived.words
