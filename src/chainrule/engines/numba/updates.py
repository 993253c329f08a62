"""The updates, compiled: one pass over parameters, gradients and moments. The equations are in reference/updates.py."""

import numpy as np

from chainrule.engines.numba.compiling import kernel


@kernel
def sgd_update(p, g, new_p, rate=0.01):
    """p − rate·g."""
    r = p.dtype.type(rate)
    for k in range(p.size):
        new_p[k] = p[k] - r * g[k]


@kernel
def momentum_update(p, g, v, new_p, new_v, rate=0.01, momentum=0.9, nesterov=False):
    """v ← μ v + g;  p − rate·v, or with Nesterov p − rate·(g + μ v)."""
    r, mu = p.dtype.type(rate), p.dtype.type(momentum)
    for k in range(p.size):
        speed = mu * v[k] + g[k]
        new_p[k] = p[k] - r * (g[k] + mu * speed if nesterov else speed)
        new_v[k] = speed


@kernel
def adam_update(p, g, m, v, new_p, new_m, new_v, rate=0.001, step=1, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
    """The moments, their correction and the step; `decay` shrinks p first (AdamW)."""
    b1, b2, eps = p.dtype.type(beta1), p.dtype.type(beta2), p.dtype.type(epsilon)
    c1, c2 = p.dtype.type(1 - beta1), p.dtype.type(1 - beta2)
    pace = p.dtype.type(rate / (1 - beta1**step))
    root = p.dtype.type(1 / np.sqrt(1 - beta2**step))
    keep = p.dtype.type(1 - rate * decay)
    for k in range(p.size):
        first = b1 * m[k] + c1 * g[k]
        second = b2 * v[k] + c2 * g[k] * g[k]
        new_p[k] = keep * p[k] - pace * first / (np.sqrt(second) * root + eps)
        new_m[k], new_v[k] = first, second


@kernel
def add_up(parts, first, last):
    """Add a share of the gradients that the threads found (threads, parameters) into the first, in their order."""
    total = parts[0, first:last]
    for k in range(1, parts.shape[0]):
        part = parts[k, first:last]
        for p in range(total.size):
            total[p] += part[p]
