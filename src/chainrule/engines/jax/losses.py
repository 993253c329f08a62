"""Losses in JAX. Element-wise gradients are derived in `formulas`. Equations: `reference.losses`."""

from chainrule.engines.jax.activations import log_softmax, softmax
from chainrule.engines.jax.arrays import Array, jax, jnp


def half_squared_error(p: Array, t: Array) -> Array:
    """Compute `reference.half_squared_error` for all rows at once."""
    return 0.5 * jnp.square(p - t).sum(axis=1)


def mean_squared_error(p: Array, t: Array) -> Array:
    """Compute `reference.mean_squared_error` for all rows at once."""
    return jnp.square(p - t).mean(axis=1)


def mean_absolute_error(p: Array, t: Array) -> Array:
    """Compute `reference.mean_absolute_error` for all rows at once."""
    return jnp.abs(p - t).mean(axis=1)


def huber(p: Array, t: Array) -> Array:
    """Compute `reference.huber` as s (e − s/2), with the slope s. This is ½ e² for s = e, and |e| − ½ for s = ±1."""
    e = p - t
    s = jnp.clip(e, -1, 1)
    return (s * (e - 0.5 * s)).mean(axis=1)


def binary_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.binary_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 1)
    return -(t * jnp.log(p) + (1 - t) * jnp.log(1 - p)).mean(axis=1)


def categorical_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.categorical_cross_entropy` for all rows and classes at once."""
    return -(t * jnp.log(_clipped(p, 0))).sum(axis=1)


def softmax_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.softmax_cross_entropy` from the log-softmax, which is finite even if a probability is 0."""
    return -(t * log_softmax(p)).sum(axis=1)


def softmax_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.softmax_cross_entropy_dp` for all rows at once, without forming a Jacobian."""
    return (softmax(p) * t.sum(axis=1, keepdims=True) - t) / (p.size // p.shape[1] if batch is None else batch)


def binary_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.binary_focal_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 1)
    return -(t * jnp.square(1 - p) * jnp.log(p) + (1 - t) * jnp.square(p) * jnp.log(1 - p)).mean(axis=1)


def categorical_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.categorical_focal_cross_entropy` for all rows and classes at once."""
    p = _clipped(p, 0)
    return -(t * jnp.square(1 - p) * jnp.log(p)).sum(axis=1)


def sigmoid_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.sigmoid_cross_entropy` for all rows and classes at once."""
    return (t * jax.nn.softplus(-p) + (1 - t) * jax.nn.softplus(p)).mean(axis=1)


def sigmoid_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.sigmoid_focal_cross_entropy` for all rows and classes at once."""
    yes, no = (jnp.square(jax.nn.sigmoid(x)) * jax.nn.softplus(x) for x in (-p, p))
    return (t * yes + (1 - t) * no).mean(axis=1)


def softmax_focal_cross_entropy(p: Array, t: Array) -> Array:
    """Compute `reference.softmax_focal_cross_entropy` for all rows and classes at once."""
    return -(t * jnp.square(1 - softmax(p)) * log_softmax(p)).sum(axis=1)


def softmax_focal_cross_entropy_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.softmax_focal_cross_entropy_dp` for all rows at once, without forming a Jacobian."""
    y = softmax(p)
    a = t * (1 - y) * (1 - y - 2 * y * log_softmax(p))
    return (y * a.sum(axis=1, keepdims=True) - a) / (p.size // p.shape[1] if batch is None else batch)


def dice(p: Array, t: Array) -> Array:
    """Compute `reference.dice` for all samples and classes at once."""
    overlap, areas = _areas(p, t)
    return 1 - ((2 * overlap + 1) / (areas + 1)).reshape(*p.shape[:2]).mean(axis=1)


def dice_dp(p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute `reference.dice_dp` for all samples and classes at once."""
    overlap, areas = _areas(p, t)
    slope = (2 * overlap + 1) / jnp.square(areas + 1) - 2 * t / (areas + 1)
    return slope / (p.shape[1] * (len(p) if batch is None else batch))


def correct_labels(p: Array, t: Array) -> Array:
    """Compute `reference.correct_labels` for all rows at once."""
    same = ((p >= 0.5) & (t >= 0.5)) | ((p < 0.5) & (t < 0.5))
    return same.mean(axis=1, dtype=p.dtype)


def _areas(p: Array, t: Array) -> tuple[Array, Array]:
    """Return the overlap Σ p t and the sum of the areas Σ p + t over the positions, (N, K, 1, …) each."""
    positions = tuple(range(2, p.ndim))
    return (p * t).sum(axis=positions, keepdims=True), (p + t).sum(axis=positions, keepdims=True)


def _clipped(p: Array, upper: int) -> Array:
    epsilon = float(jnp.finfo(p.dtype).eps)
    return jnp.clip(p, epsilon, 1 - upper * epsilon)
