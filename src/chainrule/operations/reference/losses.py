"""The losses per sample, and the gradients of their mean over the batch.

p are the predictions, t the targets. Every gradient is that of the *mean* over ``batch`` samples (None: the number of
samples in p). If a batch is split, the gradients of the parts therefore add up to the gradient of the whole batch. ε is
the machine epsilon of the dtype.

Derived step by step in docs/derivations/losses.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.operations.reference.softmax import softmax
from chainrule.operations.reference.windows import check_axes, check_same


def half_squared_error(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute half the squared distance between prediction and target.

    loss[n] = ½ Σ_k (p[n,k] − t[n,k])²

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   VanillaCNN eq. 26
    """
    loss = _one_a_sample("half_squared_error", p, t)
    for n, k in np.ndindex(p.shape):
        loss[n] += 0.5 * (p[n, k] - t[n, k]) * (p[n, k] - t[n, k])
    return loss


def half_squared_error_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = (p[n,k] − t[n,k]) / batch

    Source   VanillaCNN eq. 27
    """
    dp, batch = _gradient("half_squared_error_dp", p, t, batch)
    for n, k in np.ndindex(p.shape):
        dp[n, k] = (p[n, k] - t[n, k]) / batch
    return dp


def mean_squared_error(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the mean squared difference between prediction and target.

    loss[n] = 1/K Σ_k (p[n,k] − t[n,k])²

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Zayan, "Recap"
    """
    loss = _one_a_sample("mean_squared_error", p, t)
    for n, k in np.ndindex(p.shape):
        loss[n] += (p[n, k] - t[n, k]) * (p[n, k] - t[n, k]) / p.shape[1]
    return loss


def mean_squared_error_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = 2/K (p[n,k] − t[n,k]) / batch

    Source   Zayan, "Recap"
    """
    dp, batch = _gradient("mean_squared_error_dp", p, t, batch)
    for n, k in np.ndindex(p.shape):
        dp[n, k] = 2 * (p[n, k] - t[n, k]) / p.shape[1] / batch
    return dp


def mean_absolute_error(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the mean absolute difference between prediction and target.

    loss[n] = 1/K Σ_k abs(p[n,k] − t[n,k])

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Gauss (1809), "Theoria motus", art. 186, on Laplace's principle
    """
    loss = _one_a_sample("mean_absolute_error", p, t)
    for n, k in np.ndindex(p.shape):
        loss[n] += _magnitude(p[n, k] - t[n, k]) / p.shape[1]
    return loss


def mean_absolute_error_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = sgn(p[n,k] − t[n,k]) / K / batch        sgn(0) = 0

    Source   PyTorch's L1Loss
    """
    dp, batch = _gradient("mean_absolute_error_dp", p, t, batch)
    for n, k in np.ndindex(p.shape):
        dp[n, k] = np.sign(p[n, k] - t[n, k]) / p.shape[1] / batch
    return dp


def huber(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the mean Huber loss: a function of the difference, quadratic up to 1 and linear beyond.

    loss[n] = 1/K Σ_k ½ e[n,k]² where e[n,k] ≤ 1, else e[n,k] − ½        e = abs(p − t)

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Huber (1964), "Robust estimation of a location parameter", with k = 1
    """
    loss = _one_a_sample("huber", p, t)
    for n, k in np.ndindex(p.shape):
        e = _magnitude(p[n, k] - t[n, k])
        loss[n] += (0.5 * e * e if e.real <= 1 else e - 0.5) / p.shape[1]
    return loss


def huber_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = max(−1, e[n,k]) / K / batch        e = min(p − t, 1)

    Source   Huber (1964): the function ψ of his estimator
    """
    dp, batch = _gradient("huber_dp", p, t, batch)
    for n, k in np.ndindex(p.shape):
        dp[n, k] = _clipped(p[n, k] - t[n, k], -1, 1) / p.shape[1] / batch
    return dp


def binary_cross_entropy(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the mean binary cross-entropy of independent probabilities p.

    loss[n] = −1/K Σ_k t[n,k] log p̂[n,k] + (1 − t[n,k]) log(1 − p̂[n,k])        p̂: p clipped to [ε, 1 − ε]

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Independent Code, "Cross Entropy Loss"
    """
    loss = _one_a_sample("binary_cross_entropy", p, t)
    epsilon = np.finfo(p.dtype).eps
    for n, k in np.ndindex(p.shape):
        q = _clipped(p[n, k], epsilon, 1 - epsilon)
        loss[n] -= (t[n, k] * np.log(q) + (1 - t[n, k]) * np.log(1 - q)) / p.shape[1]
    return loss


def binary_cross_entropy_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = 1/K ((1 − t[n,k])/(1 − p̂[n,k]) − t[n,k]/p̂[n,k]) / batch

    Source   Independent Code, "Cross Entropy Loss"
    """
    dp, batch = _gradient("binary_cross_entropy_dp", p, t, batch)
    epsilon = np.finfo(p.dtype).eps
    for n, k in np.ndindex(p.shape):
        q = _clipped(p[n, k], epsilon, 1 - epsilon)
        dp[n, k] = ((1 - t[n, k]) / (1 - q) - t[n, k] / q) / p.shape[1] / batch
    return dp


def categorical_cross_entropy(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the cross-entropy of each row of p, a distribution over the classes.

    loss[n] = −Σ_k t[n,k] log p̂[n,k]        p̂: p clipped to [ε, 1]

    Shapes   p (N, K), t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   numpy-cnn eq. 35
    """
    loss = _one_a_sample("categorical_cross_entropy", p, t)
    epsilon = np.finfo(p.dtype).eps
    for n, k in np.ndindex(p.shape):
        loss[n] -= t[n, k] * np.log(_clipped(p[n, k], epsilon, 1))
    return loss


def categorical_cross_entropy_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = −t[n,k] / p̂[n,k] / batch

    Source   numpy-cnn eq. 36
    """
    dp, batch = _gradient("categorical_cross_entropy_dp", p, t, batch)
    epsilon = np.finfo(p.dtype).eps
    for n, k in np.ndindex(p.shape):
        dp[n, k] = -t[n, k] / _clipped(p[n, k], epsilon, 1) / batch
    return dp


def softmax_cross_entropy(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the categorical cross-entropy of softmax(p) in log space.

    loss[n] = Σ_k t[n,k] (lse[n] − p[n,k])        lse[n] = m + log Σ_k e^(p[n,k] − m),  m = max_k p[n,k]

    Shapes   p (N, K) logits, t (N, K)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   numpy-cnn eq. 33 in eq. 35
    """
    loss = _one_a_sample("softmax_cross_entropy", p, t)
    for n in range(p.shape[0]):
        m = p[n].real.max()
        lse = m + np.log(sum(np.exp(p[n, k] - m) for k in range(p.shape[1])))
        for k in range(p.shape[1]):
            loss[n] += t[n, k] * (lse - p[n, k])
    return loss


def softmax_cross_entropy_dp(p: NDArray[Any], t: NDArray[Any], *, batch: int | None = None) -> NDArray[Any]:
    """dp[n,k] = (softmax(p)[n,k] · Σ_l t[n,l] − t[n,k]) / batch        where Σ_l t[n,l] is 1 for a one-hot row

    Source   numpy-cnn eq. 34 with eq. 36, and its code: probs − label
    """
    dp, batch = _gradient("softmax_cross_entropy_dp", p, t, batch)
    y = softmax(p)
    for n in range(p.shape[0]):
        total = sum(t[n, k] for k in range(p.shape[1]))
        for k in range(p.shape[1]):
            dp[n, k] = (y[n, k] * total - t[n, k]) / batch
    return dp


def correct(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Return whether the maxima of prediction and target are at the same index.

    hit[n] = 1 where argmax_k p[n,k] = argmax_k t[n,k], else 0        argmax: the first of equals, the first NaN

    Shapes   p (N, K), t (N, K)  →  hit (N,), in the dtype of p
    Errors   ShapeError when p and t differ
    """
    hit = _one_a_sample("correct", p, t)
    for n in range(p.shape[0]):
        hit[n] = 1 if _place_of_largest(p[n]) == _place_of_largest(t[n]) else 0
    return hit


def correct_labels(p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Compute the fraction of labels for which prediction and target are on the same side of ½.

    share[n] = 1/K Σ_k (1 where (p[n,k] ≥ ½) = (t[n,k] ≥ ½), else 0)        NaN is on neither side

    Shapes   p (N, K), t (N, K)  →  share (N,), in the dtype of p
    Errors   ShapeError when p and t differ
    """
    share = _one_a_sample("correct_labels", p, t)
    for n, k in np.ndindex(p.shape):
        yes = p[n, k] >= 0.5 and t[n, k] >= 0.5
        no = p[n, k] < 0.5 and t[n, k] < 0.5
        share[n] += (1 if yes or no else 0) / p.shape[1]
    return share


def _place_of_largest(row: NDArray[Any]) -> int:
    best = 0
    for k in range(1, row.shape[0]):
        if row[k] > row[best] or (np.isnan(row[k]) and not np.isnan(row[best])):
            best = k
    return best


def _magnitude(e: Any) -> Any:
    """Return e, or −e if the real part of e is negative; NaN propagates."""
    return -e if e.real < 0 else e


def _clipped(p: Any, low: Any, high: Any) -> Any:
    """Clip p to [low, high]; NaN propagates."""
    if p.real < low:
        return low
    return high if p.real > high else p


def _one_a_sample(operation: str, p: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """Check the shapes, and return an array (N,) of zeros for the loss of each sample."""
    check_axes(operation, "p", p, "N, K")
    check_same(operation, p=p, t=t)
    return np.zeros(p.shape[:1], p.dtype)


def _gradient(operation: str, p: NDArray[Any], t: NDArray[Any], batch: int | None) -> tuple[NDArray[Any], int]:
    """Check the shapes. Return an uninitialized array for the gradient, and the number of samples for the mean."""
    check_axes(operation, "p", p, "N, K")
    check_same(operation, p=p, t=t)
    return np.empty_like(p), p.shape[0] if batch is None else batch
