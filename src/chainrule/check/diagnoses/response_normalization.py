"""Classic mistakes in the backward pass of local response normalisation."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("response_normalization")
add = CATALOGUE.add


def _scales(t: GroundTruth) -> Array:
    """Return s."""
    half, channels = t.attributes["size"] // 2, t.x.shape[1]
    squares = [(t.x[:, max(0, c - half) : c + half + 1] ** 2).sum(axis=1) for c in range(channels)]
    return t.attributes["k"] + t.attributes["alpha"] / t.attributes["size"] * np.stack(squares, axis=1)


@add("x", "scale-held-constant")
def constant(t: GroundTruth) -> Candidates:
    """Treats s as a constant: it depends on x, in this channel and in its neighbours."""
    yield t.dy * _scales(t) ** -t.attributes["beta"]


@add("x", "neighbours-forgotten")
def own_channel(t: GroundTruth) -> Candidates:
    """Lacks what x changes in neighbouring channels: the sum runs over the whole window."""
    s, beta = _scales(t), t.attributes["beta"]
    share = 2 * t.attributes["alpha"] * beta / t.attributes["size"]
    yield t.dy * s**-beta - share * t.x * t.dy * t.x * s ** (-beta - 1)
