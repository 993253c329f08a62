"""Zayan's errata: what is printed fails, what docs/derivations/errata.md puts in its place holds."""

import numpy as np
from numerical import assert_close, central_difference, normals
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import other, plane, same

from chainrule.operations import reference


def test_what_is_called_convolution_is_cross_correlation():
    """The expansion of "2D convolution" does not turn X as ∫ f(τ) g(t − τ) dτ turns g."""
    W, X = normals(1, (3, 3), (2, 2))
    y11 = W[0, 0] * X[0, 0] + W[0, 1] * X[0, 1] + W[1, 0] * X[1, 0] + W[1, 1] * X[1, 1]
    other(convolve2d(W, X, "valid")[0, 0], y11)
    same(correlate2d(W, X, "valid")[0, 0], y11)


def test_two_derivatives_by_x12():
    """∂y/∂x12 is printed twice with two values, w22 w23 w32 w33 among them; those are ∂y/∂x22."""
    W, X = normals(2, (3, 3), (2, 2))
    printed = W[1:, 1:]
    slopes = np.array(
        [[central_difference(lambda X, at=(a, b): correlate2d(W, X, "valid")[at], X) for b in (0, 1)] for a in (0, 1)]
    )
    other(slopes[:, :, 0, 1], printed)
    assert_close(slopes[:, :, 1, 1], printed, error=1e-9)


def test_every_filter_reads_the_input():
    """∂c/∂I_i = pad(∂c/∂O_j) * flip(K_ij), as "extra terms … will become 0": every O_j has a term of I_i."""
    K, dO = normals(3, (2, 3, 3, 2), (3, 3, 3))
    w = K.transpose(1, 0, 2, 3)
    dI = reference.cross_correlate_dx(dO[None], w, size=(5, 4))[0]
    padded = np.pad(dO, ((0, 0), (2, 2), (1, 1)))
    terms = [correlate2d(padded[j], K[0, j, ::-1, ::-1], "valid") for j in range(3)]
    for term in terms:
        other(term, dI[0])
    same(sum(terms), dI[0])
    one = reference.cross_correlate_dx(plane(dO[0]), plane(K[0, 0]), size=(5, 4))[0, 0]
    same(terms[0], one)  # right where there is one filter
