"""VanillaCNN, sections 4.4 and 4.5: back propagation, equation by equation, against central differences of the loss.

The paper's sums are written out with the ranges that docs/derivations/errata.md gives; what is printed fails there.
"""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from scipy.signal import convolve2d, correlate2d
from tutorials.comparing import same
from tutorials.paper import Paper

from chainrule import zoo
from chainrule.operations import reference

Deltas = dict[str, Any]


@pytest.fixture(scope="module")
def deltas(paper: Paper) -> Deltas:
    """Compute every Δ from the one before it by the equations (in SciPy where they use ⋆ and *)."""
    d: Deltas = {"a": paper.a - paper.y}
    d["z"] = d["a"] * paper.a * (1 - paper.a)
    d["v"] = paper.W.T @ d["z"]
    d["S2"] = d["v"].reshape(12, 4, 4)
    d["C2s"] = np.kron(d["S2"], np.full((2, 2), 0.25))
    d["C2"] = d["C2s"] * paper.C2s * (1 - paper.C2s)
    pairs = [[convolve2d(d["C2"][q], paper.K2[p, q], "full") for q in range(12)] for p in range(6)]
    d["S1"] = np.sum(pairs, axis=1)
    d["C1s"] = np.kron(d["S1"], np.full((2, 2), 0.25))
    d["C1"] = d["C1s"] * paper.C1s * (1 - paper.C1s)
    return d


def test_eq_27_predicted_labels(paper, deltas):
    """∂/∂ŷσ(i) (ŷσ(ĩ) − y(ĩ))² = 2(ŷσ(i) − y(i)) where ĩ = i, else 0; half their sum is ŷσ(i) − y(i)."""
    squares = np.diag(2 * (paper.a - paper.y))
    same(squares.sum(0) / 2, deltas["a"])
    paper.check("a", deltas["a"], 10)
    same(reference.half_squared_error_dp(paper.a[None], paper.y[None])[0], deltas["a"])


def test_eq_28_before_the_sigmoid(paper, deltas):
    paper.check("z", deltas["z"], 10)
    same(reference.sigmoid_dx(deltas["a"], paper.a), deltas["z"])


def test_eq_29_weights(paper, deltas):
    """∂ŷ(i)/∂W(i,j) = Σ v(j̃) where j̃ = j, so ΔW(i, j) = Δŷ(i)·v(j), and ΔW = Δŷ vᵀ."""
    dW = np.array([[deltas["z"][i] * paper.v[j] for j in range(192)] for i in range(10)])
    same(dW, np.outer(deltas["z"], paper.v))
    paper.check("W", dW, 15)
    same(reference.dense_dw(paper.v[None], deltas["z"][None]), dW)


def test_eq_30_bias(paper, deltas):
    paper.check("b", deltas["z"], 10)
    same(reference.bias_gradient(deltas["z"][None]), deltas["z"])


def test_eq_31_input_of_the_fully_connected_layer(paper, deltas):
    literal = np.array([sum(deltas["z"][i] * paper.W[i, j] for i in range(10)) for j in range(192)])
    same(deltas["v"], literal)
    paper.check("v", literal, 15)
    same(reference.dense_dx(deltas["z"][None], paper.W)[0], literal)


def test_eq_32_and_33_back_to_maps(paper, deltas):
    """ΔS2_q(i, j) = Δv_q(4i + j) = Δv(16q + 4i + j)."""
    for q, i, j in np.ndindex(12, 4, 4):
        dv_q = deltas["v"][16 * q : 16 * (q + 1)]
        assert deltas["S2"][q, i, j] == dv_q[4 * i + j] == deltas["v"][16 * q + 4 * i + j]
    paper.check("S2", deltas["S2"])


@pytest.mark.parametrize(("maps", "pool"), [("C2s", "S2"), ("C1s", "S1")])
def test_eq_34_and_39_average_pooling(paper, deltas, maps, pool):
    literal = np.zeros_like(getattr(paper, maps))
    for q, i, j in np.ndindex(literal.shape):
        literal[q, i, j] = deltas[pool][q, i // 2, j // 2] / 4
    same(deltas[maps], literal)
    paper.check(maps, literal)
    same(reference.average_pool_dx(deltas[pool][None], size=literal.shape[1:], window=(2, 2))[0], literal)


@pytest.mark.parametrize("maps", ["C2", "C1"])
def test_eq_35_and_40_sigmoids(paper, deltas, maps):
    paper.check(maps, deltas[maps])
    same(reference.sigmoid_dx(deltas[maps + "s"], getattr(paper, maps + "s")), deltas[maps])


def test_eq_36_second_kernels(paper, deltas):
    """∂C2_q(i,j)/∂K2_pq(u,v) = S1_p(i+u, j+v), so ΔK2_pq = S1_p ⋆ ΔC2_q."""
    dK = np.zeros_like(paper.K2)
    for p, q, u, v in np.ndindex(dK.shape):
        dK[p, q, u, v] = np.sum(paper.S1[p, u : u + 8, v : v + 8] * deltas["C2"][q])
    same(dK[2, 5], correlate2d(paper.S1[2], deltas["C2"][5], "valid"))
    paper.check("K2", dK, 12)
    found = reference.cross_correlate_dw(paper.S1[None], deltas["C2"][None], kernel=(5, 5))
    same(found, dK.transpose(1, 0, 2, 3))


@pytest.mark.parametrize(("bias", "maps"), [("b2", "C2"), ("b1", "C1")])
def test_eq_37_and_42_biases(paper, deltas, bias, maps):
    db = deltas[maps].sum((1, 2))
    paper.check(bias, db)
    same(reference.bias_gradient(deltas[maps][None]), db)


def test_eq_38_input_of_the_second_convolution(paper, deltas):
    """ΔS1_p(i, j) = Σ_q Σ_{u,v = 0…4} ΔC2_q(i−u, j−v) K2_pq(u, v), ΔC2 zero outside: the full convolution."""
    literal = np.zeros((6, 12, 12))
    for p, q, u, v in np.ndindex(paper.K2.shape):
        literal[p, u : u + 8, v : v + 8] += deltas["C2"][q] * paper.K2[p, q, u, v]
    same(deltas["S1"], literal)
    paper.check("S1", literal, 12)
    found = reference.cross_correlate_dx(deltas["C2"][None], paper.K2.transpose(1, 0, 2, 3), size=(12, 12))
    same(found[0], literal)


def test_the_updates_of_section_4_5(paper, deltas):
    """Each of the six, K¹, b¹, K², b², W and b, is p ← p − α Δp, and is so after a step of our network.

    Each alone lowers the loss by α‖Δ‖² for a small α, and all together by the sum of these.
    """
    alpha = 1e-5
    d = {
        "K1": np.stack([correlate2d(paper.image, deltas["C1"][p], "valid") for p in range(6)]),
        "b1": deltas["C1"].sum((1, 2)),
        "K2": np.stack([[correlate2d(paper.S1[p], C, "valid") for C in deltas["C2"]] for p in range(6)]),
        "b2": deltas["C2"].sum((1, 2)),
        "W": np.outer(deltas["z"], paper.v),
        "b": deltas["z"],
    }
    before = paper.loss(a=paper.a)
    moved = {name: getattr(paper, name) - alpha * delta for name, delta in d.items()}
    squares = {name: np.sum(delta**2) for name, delta in d.items()}
    for name, p in moved.items():
        same(reference.sgd_update(getattr(paper, name), d[name], rate=alpha), p)
        assert_close(before - paper.loss(**{name: p}), alpha * squares[name], error=1e-3)
    assert_close(before - paper.loss(**moved), alpha * sum(squares.values()), error=1e-3)
    for name, p in stepped(paper, alpha).items():
        same(p, moved[name])


def stepped(paper: Paper, alpha: float) -> Deltas:
    """Return the six parameters of our vanilla-cnn after one step of gradient descent on the paper's image."""
    model = zoo.find("vanilla-cnn").build(dtype="float64", engine="numpy", loss="half_squared_error")
    names = {"K1": "conv1.w", "b1": "conv1.b", "K2": "conv2.w", "b2": "conv2.b", "W": "dense1.w", "b": "dense1.b"}
    ours = {"K1": paper.K1[:, None], "K2": paper.K2.transpose(1, 0, 2, 3)}
    model.set_weights({names[name]: ours.get(name, getattr(paper, name)) for name in names})
    how = {
        "optimizer": "sgd",
        "learning_rate": alpha,
        "loss": "half_squared_error",
        "normalization": "none",
        "progress": False,
    }
    model.fit(paper.image[None, None], paper.y[None], batch_size=1, **how)
    found = {name: model.weights[place] for name, place in names.items()}
    return {**found, "K1": found["K1"][:, 0], "K2": found["K2"].transpose(1, 0, 2, 3)}
