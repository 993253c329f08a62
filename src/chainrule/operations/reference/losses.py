"""The losses, and the gradients of their mean, for predictions p and targets t. Derivation: docs/derivations/losses.md.

A row is one prediction: p[n] for a vector, and p[n,:,i,j] at a position of a dense prediction (N, K, H, W). Each row
has its own loss. Equations show vectors. Every gradient is that of the *mean* over ``batch`` rows (None: all), so
that the gradients of the parts of a batch add up to that of the whole batch. ε is the machine epsilon of the dtype.
"""

from typing import Any

import numpy as np

from chainrule.operations.reference.rows import check_prediction, elements, empty_gradient, one_per_row
from chainrule.operations.reference.windows import Array


def half_squared_error(p: Array, t: Array) -> Array:
    """Compute half the squared distance between prediction and target.

    loss[n] = ½ Σ_k (p[n,k] − t[n,k])²

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   VanillaCNN eq. 26
    """
    loss = one_per_row("half_squared_error", p, t)
    for row, e in elements(p):
        loss[row] += 0.5 * (p[e] - t[e]) * (p[e] - t[e])
    return loss


def half_squared_error_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = (p[n,k] − t[n,k]) / batch

    Source   VanillaCNN eq. 27
    """
    dp, batch = empty_gradient("half_squared_error_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = (p[e] - t[e]) / batch
    return dp


def mean_squared_error(p: Array, t: Array) -> Array:
    """Compute the mean squared difference between prediction and target.

    loss[n] = 1/K Σ_k (p[n,k] − t[n,k])²

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Zayan, "Recap"
    """
    loss = one_per_row("mean_squared_error", p, t)
    for row, e in elements(p):
        loss[row] += (p[e] - t[e]) * (p[e] - t[e]) / p.shape[1]
    return loss


def mean_squared_error_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 2/K (p[n,k] − t[n,k]) / batch

    Source   Zayan, "Recap"
    """
    dp, batch = empty_gradient("mean_squared_error_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = 2 * (p[e] - t[e]) / p.shape[1] / batch
    return dp


def mean_absolute_error(p: Array, t: Array) -> Array:
    """Compute the mean absolute difference between prediction and target.

    loss[n] = 1/K Σ_k abs(p[n,k] − t[n,k])

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Gauss (1809), "Theoria motus", art. 186, on Laplace's principle
    """
    loss = one_per_row("mean_absolute_error", p, t)
    for row, e in elements(p):
        loss[row] += _magnitude(p[e] - t[e]) / p.shape[1]
    return loss


def mean_absolute_error_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = sgn(p[n,k] − t[n,k]) / K / batch        sgn(0) = 0

    Source   PyTorch's L1Loss
    """
    dp, batch = empty_gradient("mean_absolute_error_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = np.sign(p[e] - t[e]) / p.shape[1] / batch
    return dp


def huber(p: Array, t: Array) -> Array:
    """Compute the mean Huber loss: a function of the difference, quadratic up to 1 and linear beyond.

    loss[n] = 1/K Σ_k ½ e[n,k]² where e[n,k] ≤ 1, else e[n,k] − ½        e = abs(p − t)

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Huber (1964), "Robust estimation of a location parameter", with k = 1
    """
    loss = one_per_row("huber", p, t)
    for row, e in elements(p):
        size = _magnitude(p[e] - t[e])
        loss[row] += (0.5 * size * size if size.real <= 1 else size - 0.5) / p.shape[1]
    return loss


def huber_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = max(−1, e[n,k]) / K / batch        e = min(p − t, 1)

    Source   Huber (1964): the function ψ of his estimator
    """
    dp, batch = empty_gradient("huber_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = _clipped(p[e] - t[e], -1, 1) / p.shape[1] / batch
    return dp


def quantile(p: Array, t: Array, *, level: float = 0.5) -> Array:
    """Compute the mean quantile loss, also called pinball loss, which the quantile of a level minimizes.

    loss[n] = 1/K Σ_k τ d[n,k] where d[n,k] > 0, else (τ − 1) d[n,k]        d = t − p,  τ: the level

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Koenker and Bassett (1978), "Regression quantiles", eq. 3.1
    """
    loss = one_per_row("quantile", p, t)
    for row, e in elements(p):
        d = t[e] - p[e]
        loss[row] += (level * d if d.real > 0 else (level - 1) * d) / p.shape[1]
    return loss


def quantile_dp(p: Array, t: Array, *, level: float = 0.5, batch: int | None = None) -> Array:
    """dp[n,k] = (1 − τ) / K / batch where p[n,k] > t[n,k], else −τ / K / batch where p[n,k] < t[n,k], else 0

    Source   Koenker and Bassett (1978), the derivative of eq. 3.1
    """
    dp, batch = empty_gradient("quantile_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        d = p[e] - t[e]
        slope = 1 - level if d > 0 else -level if d < 0 else d
        dp[e] = slope / p.shape[1] / batch
    return dp


def poisson(p: Array, t: Array) -> Array:
    """Compute the mean negative log-likelihood of counts with the rates p, without its constant log t!.

    loss[n] = 1/K Σ_k p[n,k] − t[n,k] log p̂[n,k]        p̂: p, at least ε

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   PyTorch's PoissonNLLLoss with log_input=False
    """
    loss = one_per_row("poisson", p, t)
    for row, e in elements(p):
        loss[row] += (p[e] - t[e] * np.log(_rate(p[e]))) / p.shape[1]
    return loss


def poisson_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K (1 − t[n,k]/p̂[n,k]) / batch

    Source   PyTorch's PoissonNLLLoss with log_input=False
    """
    dp, batch = empty_gradient("poisson_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = (1 - t[e] / _rate(p[e])) / p.shape[1] / batch
    return dp


def binary_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the mean binary cross-entropy of independent probabilities p.

    loss[n] = −1/K Σ_k t[n,k] log p̂[n,k] + (1 − t[n,k]) log(1 − p̂[n,k])        p̂: p clipped to [ε, 1 − ε]

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Independent Code, "Cross Entropy Loss"
    """
    loss = one_per_row("binary_cross_entropy", p, t)
    for row, e in elements(p):
        q = _probability(p[e], ends=1)
        loss[row] -= (t[e] * np.log(q) + (1 - t[e]) * np.log(1 - q)) / p.shape[1]
    return loss


def binary_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K ((1 − t[n,k])/(1 − p̂[n,k]) − t[n,k]/p̂[n,k]) / batch

    Source   Independent Code, "Cross Entropy Loss"
    """
    dp, batch = empty_gradient("binary_cross_entropy_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        q = _probability(p[e], ends=1)
        dp[e] = ((1 - t[e]) / (1 - q) - t[e] / q) / p.shape[1] / batch
    return dp


def categorical_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the cross-entropy of each row of p, a distribution over the classes.

    loss[n] = −Σ_k t[n,k] log p̂[n,k]        p̂: p clipped to [ε, 1]

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   numpy-cnn eq. 35
    """
    loss = one_per_row("categorical_cross_entropy", p, t)
    for row, e in elements(p):
        loss[row] -= t[e] * np.log(_probability(p[e]))
    return loss


def categorical_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = −t[n,k] / p̂[n,k] / batch

    Source   numpy-cnn eq. 36
    """
    dp, batch = empty_gradient("categorical_cross_entropy_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        dp[e] = -t[e] / _probability(p[e]) / batch
    return dp


def binary_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the binary cross-entropy of each output, multiplied by the squared probability of the wrong answer.

    loss[n] = −1/K Σ_k t[n,k] r[n,k]² log p̂[n,k] + (1 − t[n,k]) p̂[n,k]² log r[n,k]        r = 1 − p̂; both ≥ ε

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Lin et al. (2017), "Focal loss for dense object detection", eq. 4, with γ = 2
    """
    loss = one_per_row("binary_focal_cross_entropy", p, t)
    for row, e in elements(p):
        q = _probability(p[e], ends=1)
        loss[row] -= (t[e] * (1 - q) ** 2 * np.log(q) + (1 - t[e]) * q**2 * np.log(1 - q)) / p.shape[1]
    return loss


def binary_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K (t[n,k] · a + (1 − t[n,k]) · b) / batch

    a = 2 (1 − p̂) · log(p̂) − (1 − p̂)²/p̂        b = p̂²/(1 − p̂) − 2 p̂ · log(1 − p̂)

    Source   Lin et al. (2017), appendix B
    """
    dp, batch = empty_gradient("binary_focal_cross_entropy_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        q = _probability(p[e], ends=1)
        a = 2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q
        b = q**2 / (1 - q) - 2 * q * np.log(1 - q)
        dp[e] = (t[e] * a + (1 - t[e]) * b) / p.shape[1] / batch
    return dp


def categorical_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the cross-entropy of each row of p, multiplied by the squared probability of all other classes.

    loss[n] = −Σ_k t[n,k] (1 − p̂[n,k])² log p̂[n,k]        p̂: p clipped to [ε, 1]

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Lin et al. (2017), "Focal loss for dense object detection", eq. 4, with γ = 2
    """
    loss = one_per_row("categorical_focal_cross_entropy", p, t)
    for row, e in elements(p):
        q = _probability(p[e])
        loss[row] -= t[e] * (1 - q) ** 2 * np.log(q)
    return loss


def categorical_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = t[n,k] (2 (1 − p̂[n,k]) · log(p̂[n,k]) − (1 − p̂[n,k])²/p̂[n,k]) / batch

    Source   Lin et al. (2017), appendix B
    """
    dp, batch = empty_gradient("categorical_focal_cross_entropy_dp", p, t, batch)
    for e in np.ndindex(p.shape):
        q = _probability(p[e])
        dp[e] = t[e] * (2 * (1 - q) * np.log(q) - (1 - q) ** 2 / q) / batch
    return dp


def dice(p: Array, t: Array) -> Array:
    """Compute 1 minus the mean Dice coefficient of the classes: the overlap of predicted and true areas.

    loss[n] = 1 − 1/K Σ_k (2 I[n,k] + 1)/(A[n,k] + 1)

    I is the overlap, the sum of p t over the positions of the sample, and A is the sum of p + t.

    Shapes   p and t (N, K) or (N, K, …)  →  loss (N,)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Sudre et al. (2017), "Generalised Dice overlap", eq. 1 and 2, smoothed by 1
    """
    overlap, areas = _areas("dice", p, t)
    loss = np.ones(p.shape[:1], p.dtype)
    for n, k in np.ndindex(overlap.shape):
        loss[n] -= (2 * overlap[n, k] + 1) / (areas[n, k] + 1) / p.shape[1]
    return loss


def dice_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K ((2 I[n,k] + 1)/(A[n,k] + 1)² − 2 t[n,k]/(A[n,k] + 1)) / batch        batch: number of samples

    Source   Sudre et al. (2017), eq. 2, by the quotient rule
    """
    overlap, areas = _areas("dice_dp", p, t)
    dp = np.empty_like(p)
    count = p.shape[0] if batch is None else batch
    for n, k, *ij in np.ndindex(p.shape):
        ratio = (2 * overlap[n, k] + 1) / (areas[n, k] + 1) ** 2
        dp[n, k, *ij] = (ratio - 2 * t[n, k, *ij] / (areas[n, k] + 1)) / p.shape[1] / count
    return dp


def _areas(operation: str, p: Array, t: Array) -> tuple[Array, Array]:
    """Return the overlap Σ p t and the sum of the areas Σ p + t over all positions, for each sample and class."""
    check_prediction(operation, p, t)
    overlap = np.zeros(p.shape[:2], p.dtype)
    areas = np.zeros(p.shape[:2], p.dtype)
    for n, k, *ij in np.ndindex(p.shape):
        overlap[n, k] += p[n, k, *ij] * t[n, k, *ij]
        areas[n, k] += p[n, k, *ij] + t[n, k, *ij]
    return overlap, areas


def _magnitude(e: Any) -> Any:
    """Return e, or −e if the real part of e is negative; NaN propagates."""
    return -e if e.real < 0 else e


def _clipped(p: Any, low: Any, high: Any) -> Any:
    """Clip p to [low, high]; NaN propagates."""
    if p.real < low:
        return low
    return high if p.real > high else p


def _rate(p: Any) -> Any:
    """Return p, at least ε, so that log p is finite."""
    epsilon = np.finfo(p.dtype).eps
    return epsilon if p.real < epsilon else p


def _probability(p: Any, ends: int = 0) -> Any:
    """Clip p to [ε, 1 − ends · ε], so that log p or, with ends = 1, log p and log(1 − p) are finite."""
    epsilon = np.finfo(p.dtype).eps
    return _clipped(p, epsilon, 1 - ends * epsilon)
