"""Losses that include the activation before them, and the gradients of their mean, for scores p and targets t.

A probability that is rounded to 0 or 1 does not show how wrong its score is. These losses are computed from the score,
and their gradients contain no quotients. The other conventions are those of `losses`. Derivation:
docs/derivations/losses.md.
"""

import numpy as np

from chainrule.operations.reference.activations import sigmoid, softplus
from chainrule.operations.reference.elementary import exp
from chainrule.operations.reference.rows import elements, empty_gradient, one_per_row, row_sums
from chainrule.operations.reference.softmax import log_softmax, softmax
from chainrule.operations.reference.windows import Array


def softmax_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the categorical cross-entropy of softmax(p) in log space.

    loss[n] = Σ_k t[n,k] (lse[n] − p[n,k])        lse[n] = m + log Σ_k e^(p[n,k] − m),  m = max_k p[n,k]

    Shapes   p (logits) and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   numpy-cnn eq. 33 in eq. 35
    """
    loss = one_per_row("softmax_cross_entropy", p, t)
    log_y = log_softmax(p)
    for row, e in elements(p):
        loss[row] -= t[e] * log_y[e]
    return loss


def softmax_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = (softmax(p)[n,k] · Σ_l t[n,l] − t[n,k]) / batch        where Σ_l t[n,l] is 1 for a one-hot row

    Source   numpy-cnn eq. 34 with eq. 36, and its code: probs − label
    """
    dp, batch = empty_gradient("softmax_cross_entropy_dp", p, t, batch)
    y = softmax(p)
    total = row_sums(t)
    for row, e in elements(p):
        dp[e] = (y[e] * total[row] - t[e]) / batch
    return dp


def sigmoid_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the binary cross-entropy of σ(p) in log space.

    loss[n] = 1/K Σ_k t[n,k] log(1 + e^(−p[n,k])) + (1 − t[n,k]) log(1 + e^(p[n,k]))

    Shapes   p (logits) and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Independent Code, "Cross Entropy Loss", with "Sigmoid Activation": −log σ(x) = softplus(−x)
    """
    loss = one_per_row("sigmoid_cross_entropy", p, t)
    yes = softplus(-p)
    no = softplus(p)
    for row, e in elements(p):
        loss[row] += (t[e] * yes[e] + (1 - t[e]) * no[e]) / p.shape[1]
    return loss


def sigmoid_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K (y[n,k] − t[n,k]) / batch        y[n,k] = 1/(1 + e^(−p[n,k]))

    Source   Independent Code, "Cross Entropy Loss" with "Sigmoid Derivative"
    """
    dp, batch = empty_gradient("sigmoid_cross_entropy_dp", p, t, batch)
    y = sigmoid(p)
    for e in np.ndindex(p.shape):
        dp[e] = (y[e] - t[e]) / p.shape[1] / batch
    return dp


def sigmoid_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the binary focal cross-entropy of σ(p) in log space.

    loss[n] = 1/K Σ_k t[n,k] r[n,k]² log(1 + e^(−p[n,k])) + (1 − t[n,k]) y[n,k]² log(1 + e^(p[n,k]))

    y is the sigmoid of p, the probability of yes, and r that of −p.

    Shapes   p (logits) and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Lin et al. (2017), "Focal loss for dense object detection", eq. 4, with γ = 2
    """
    loss = one_per_row("sigmoid_focal_cross_entropy", p, t)
    y = sigmoid(p)
    r = sigmoid(-p)
    yes = softplus(-p)
    no = softplus(p)
    for row, e in elements(p):
        loss[row] += (t[e] * r[e] ** 2 * yes[e] + (1 - t[e]) * y[e] ** 2 * no[e]) / p.shape[1]
    return loss


def sigmoid_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K ((1 − t[n,k]) · b − t[n,k] · a) / batch

    a = r² (r + 2 y · log(1 + e^(−p)))        b = y² (y + 2 r · log(1 + e^(p)))
    y = 1/(1 + e^(−p))        r = 1/(1 + e^(p))

    Source   Lin et al. (2017), appendix B
    """
    dp, batch = empty_gradient("sigmoid_focal_cross_entropy_dp", p, t, batch)
    y = sigmoid(p)
    r = sigmoid(-p)
    yes = softplus(-p)
    no = softplus(p)
    for e in np.ndindex(p.shape):
        a = r[e] ** 2 * (r[e] + 2 * y[e] * yes[e])
        b = y[e] ** 2 * (y[e] + 2 * r[e] * no[e])
        dp[e] = ((1 - t[e]) * b - t[e] * a) / p.shape[1] / batch
    return dp


def softmax_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute the categorical focal cross-entropy of y = softmax(p) in log space.

    loss[n] = −Σ_k t[n,k] (1 − y[n,k])² log y[n,k]        y: softmax(p)

    Shapes   p (logits) and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   Lin et al. (2017), "Focal loss for dense object detection", eq. 4, with γ = 2
    """
    loss = one_per_row("softmax_focal_cross_entropy", p, t)
    y = softmax(p)
    log_y = log_softmax(p)
    for row, e in elements(p):
        loss[row] -= t[e] * (1 - y[e]) ** 2 * log_y[e]
    return loss


def softmax_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = (y[n,k] · Σ_l a[n,l] − a[n,k]) / batch

    a = t (1 − y) (1 − y − 2 y log(y))        y: softmax(p)

    Source   Lin et al. (2017), appendix B
    """
    dp, batch = empty_gradient("softmax_focal_cross_entropy_dp", p, t, batch)
    y = softmax(p)
    log_y = log_softmax(p)
    a = np.empty_like(p)
    for e in np.ndindex(p.shape):
        a[e] = t[e] * (1 - y[e]) * (1 - y[e] - 2 * y[e] * log_y[e])
    total = row_sums(a)
    for row, e in elements(p):
        dp[e] = (y[e] * total[row] - a[e]) / batch
    return dp


def exp_poisson(p: Array, t: Array) -> Array:
    """Compute the Poisson loss of the rates e^p.

    loss[n] = 1/K Σ_k e^(p[n,k]) − t[n,k] p[n,k]

    Shapes   p (logarithms of rates) and t (N, K) or (N, K, …)  →  loss (N,) or (N, …)
    Kept     p and t
    Errors   ShapeError when p and t differ
    Source   PyTorch's PoissonNLLLoss
    """
    loss = one_per_row("exp_poisson", p, t)
    y = exp(p)
    for row, e in elements(p):
        loss[row] += (y[e] - t[e] * p[e]) / p.shape[1]
    return loss


def exp_poisson_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """dp[n,k] = 1/K (e^(p[n,k]) − t[n,k]) / batch

    Source   PyTorch's PoissonNLLLoss
    """
    dp, batch = empty_gradient("exp_poisson_dp", p, t, batch)
    y = exp(p)
    for e in np.ndindex(p.shape):
        dp[e] = (y[e] - t[e]) / p.shape[1] / batch
    return dp
