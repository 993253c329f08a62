"""Classic mistakes in the backward pass of local response normalization."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.protocol import Array


def _scales(t: GroundTruth) -> Array:
    """Return s."""
    half, channels = t.attributes["size"] // 2, t.x.shape[1]
    squares = [(t.x[:, max(0, c - half) : c + half + 1] ** 2).sum(axis=1) for c in range(channels)]
    return t.attributes["k"] + t.attributes["alpha"] / t.attributes["size"] * np.stack(squares, axis=1)


def _own_channel(t: GroundTruth) -> Candidates:
    s, beta = _scales(t), t.attributes["beta"]
    share = 2 * t.attributes["alpha"] * beta / t.attributes["size"]
    yield t.dy * s**-beta - share * t.x * t.dy * t.x * s ** (-beta - 1)


CATALOGUE = catalogue(
    "response_normalization",
    ("x", "scale-held-constant", "treats s as a constant: it depends on x, in this channel and in its neighbours",
     lambda t: [t.dy * _scales(t) ** -t.attributes["beta"]]),
    ("x", "neighbours-forgotten", "lacks what x changes in neighbouring channels: the sum runs over the whole window",
     _own_channel),
)  # fmt: skip
