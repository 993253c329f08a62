"""Update rules: compute new parameters and moments from the old values and the gradient, element by element.

p are the parameters, g is the gradient, and the other arrays are moments, which are 0 before the first step. ``rate``
is the learning rate, and ``decay`` the weight decay.

Derived step by step in docs/derivations/updates.md.
"""

import math

import numpy as np

from chainrule.operations.reference.windows import Array, check_same


def clip_factor(norm: Array, *, limit: float) -> Array:
    """Return the factor that scales a gradient down to a maximum norm.

    κ = min(1, limit / (norm + 10⁻⁶))

    Shapes   norm any  →  κ like norm
    Source   Pascanu and others 2013, in the form of PyTorch's clip_grad_norm_
    """
    factor = np.empty_like(norm)
    for e in np.ndindex(norm.shape):
        ratio = limit / (norm[e] + 1e-6)
        factor[e] = 1 if ratio > 1 else ratio
    return factor


def sgd_update(p: Array, g: Array, *, rate: float, decay: float = 0.0) -> Array:
    """Step against the gradient; with decay, shrink the parameters too.

    p ← (1 − rate · decay) p − rate · g

    Shapes   p any, g like p  →  p
    Errors   ShapeError when the shapes differ
    Source   VanillaCNN section 4.5; the decay in the form of PyTorch's SGD, rate · (g + decay · p)
    """
    check_same("sgd_update", p=p, g=g)
    new_p = np.empty_like(p)
    for e in np.ndindex(p.shape):
        new_p[e] = (1 - rate * decay) * p[e] - rate * g[e]
    return new_p


def momentum_update(
    p: Array,
    g: Array,
    v: Array,
    *,
    rate: float,
    momentum: float,
    nesterov: bool,
    decay: float = 0.0,
) -> tuple[Array, Array]:
    """Step along a velocity that accumulates gradients; with Nesterov momentum, look one step ahead.

    h = g + decay · p,  v ← μ v + h
    p ← p − rate · v, and Nesterov p ← p − rate · (h + μ v)        μ = momentum, v the new velocity

    Shapes   p any, g and v like p  →  p, v
    Errors   ShapeError when the shapes differ
    Source   Sutskever and others 2013, in the form of PyTorch's SGD
    """
    check_same("momentum_update", p=p, g=g, v=v)
    new_p = np.empty_like(p)
    new_v = np.empty_like(v)
    for e in np.ndindex(p.shape):
        h = g[e] + decay * p[e]
        new_v[e] = momentum * v[e] + h
        direction = h + momentum * new_v[e] if nesterov else new_v[e]
        new_p[e] = p[e] - rate * direction
    return new_p, new_v


def rmsprop_update(
    p: Array,
    g: Array,
    v: Array,
    u: Array,
    *,
    rate: float,
    alpha: float,
    epsilon: float,
    momentum: float,
    decay: float = 0.0,
) -> tuple[Array, Array, Array]:
    """Step along the gradient divided by its root mean square; with momentum, accumulate these steps in a velocity.

    h = g + decay · p,  v ← α v + (1 − α) h²
    u ← μ u + h / (√v + ε),  p ← p − rate · u        α = alpha, ε = epsilon, μ = momentum

    Shapes   p any, g, v and u like p  →  p, v, u
    Errors   ShapeError when the shapes differ
    Source   Tieleman, Hinton 2012, in the form of PyTorch's RMSprop
    """
    check_same("rmsprop_update", p=p, g=g, v=v, u=u)
    new_p = np.empty_like(p)
    new_v = np.empty_like(v)
    new_u = np.empty_like(u)
    for e in np.ndindex(p.shape):
        h = g[e] + decay * p[e]
        new_v[e] = alpha * v[e] + (1 - alpha) * h * h
        new_u[e] = momentum * u[e] + h / (np.sqrt(new_v[e]) + epsilon)
        new_p[e] = p[e] - rate * new_u[e]
    return new_p, new_v, new_u


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    rate: float,
    step: int,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
) -> tuple[Array, Array, Array]:
    """Step along the mean gradient divided by its root mean square; with decay, shrink the parameters first (AdamW).

    m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
    p ← (1 − rate · decay) p − rate · m̂ / (√v̂ + ε)        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  t = step, from 1

    Shapes   p any, g, m and v like p  →  p, m, v
    Errors   ShapeError when the shapes differ
    Source   Kingma, Ba 2015, algorithm 1; Loshchilov, Hutter 2019; numpy-cnn section 4
    """
    check_same("adam_update", p=p, g=g, m=m, v=v)
    new_p = np.empty_like(p)
    new_m = np.empty_like(m)
    new_v = np.empty_like(v)
    correction1 = 1 - beta1**step
    correction2 = 1 - beta2**step
    for e in np.ndindex(p.shape):
        new_m[e] = beta1 * m[e] + (1 - beta1) * g[e]
        new_v[e] = beta2 * v[e] + (1 - beta2) * g[e] * g[e]
        root = np.sqrt(new_v[e]) / math.sqrt(correction2)
        new_p[e] = (1 - rate * decay) * p[e] - rate * (new_m[e] / correction1) / (root + epsilon)
    return new_p, new_m, new_v
