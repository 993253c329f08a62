"""The tutorials' own worked examples, term by term."""

import numpy as np
import pytest

from chainrule import layers as cr
from chainrule.explain import Explanation, Trace
from chainrule.network.network import Network

IMAGE = np.array([[1.0, 6, 2], [5, 3, 1], [7, 0, 4]])
KERNEL = np.array([[1.0, 2], [-1, 0]])
POOLED = np.array([[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]])
# products of the walk-through of independent code: 8 7, 4 5, with the gradient 1 2, 3 4; and of a true convolution, 7
PRODUCTS = {
    "conv1.y[0,0,0]": ([(1, 1), (6, 2), (5, -1), (3, 0)], "y[0,0,0] = Σ_{c,u,v} x[c,u,v] · w[0,c,u,v]"),
    "conv1.y[0,1,1]": ([(3, 1), (1, 2), (0, -1), (4, 0)], "y[0,1,1] = Σ_{c,u,v} x[c, 1+u, 1+v] · w[0,c,u,v]"),
    "conv1.dw[0,0,0,1]": ([(1, 6), (2, 2), (3, 3), (4, 1)], "dw[0,0,0,1] = Σ_{i,j} dy[0,i,j] · x[0, i, j+1]"),
    "conv1.dx[0,0,0]": ([(1, 1), (0, 2), (0, -1), (0, 0)], ""),
    "conv1.dx[0,1,1]": ([(4, 1), (3, 2), (2, -1), (1, 0)], ""),
}


def of(layer: cr.Layer, image: np.ndarray, t: object = 0) -> Trace:
    """Trace one layer on one image; the loss is half the squared distance to t, so that dy is y − t."""
    network = Network([layer, cr.Flatten()], (1, *image.shape), engine="numpy")
    if network.parameters.size:
        network.weights["conv1.w"][0, 0] = KERNEL
    target = np.broadcast_to(np.ravel(t), (1, *network.output_shape)).astype(float)
    return Trace(network, image[None, None], target, "half_squared_error")


def products(explanation: Explanation) -> list[tuple[float, ...]]:
    return [tuple(factor.value for factor in term.factors) for term in explanation.details.terms]


@pytest.mark.parametrize("cell", PRODUCTS)
def test_products_are_those_of_the_walk_through(cell: str) -> None:
    explanation = of(cr.Conv2D(1, 2, bias=False), IMAGE, [[7, 5], [1, 1]]).explain(cell)
    expected, equation = PRODUCTS[cell]
    assert products(explanation) == expected
    assert explanation.value == sum(first * second for first, second in expected)
    assert equation in explanation.details.instantiated


def test_a_true_convolution_rotates_the_kernel() -> None:
    explanation = of(cr.Conv2D(1, 2, bias=False, convolution=True), IMAGE).explain("conv1.y[0,0,0]")
    assert products(explanation) == [(1, 0), (6, -1), (5, 2), (3, 1)]
    assert explanation.details.instantiated == "y[0,0,0] = Σ_{c,u,v} x[c,u,v] · w[0, c, 1−u, 1−v]"
    assert explanation.details.terms[0].factors[1].cell == "conv1.w[0,0,1,1]"


def test_max_pooling_of_zayan() -> None:
    trace = of(cr.MaxPool2D(2), POOLED)
    assert trace["pool1.y"][0].tolist() == [[6, 7], [8, 9]]
    pick = trace.explain("pool1.y[0,1,1]").details.pick
    assert [candidate.value for candidate in pick.candidates] == [5, 9, 6, 1]
    assert pick.candidates[pick.winner].cell == "x[0,2,3]"
    assert trace.explain("pool1.winner[0,1,1]").value == 2 * 4 + 3
    assert products(trace.explain("dx[0,2,3]")) == [(9,)]
    assert products(trace.explain("dx[0,2,2]")) == []
    assert "not the largest" in trace.explain("dx[0,2,2]").details.words
