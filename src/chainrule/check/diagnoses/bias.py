"""Classic mistakes in the gradient of a bias."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue


def _positions(t: GroundTruth) -> tuple[int, ...]:
    return tuple(range(2, t.dy.ndim))


def _tied(t: GroundTruth) -> bool:
    return t.dy.ndim > 2 and t.gradients["b"].ndim == 1


def _each_position(t: GroundTruth) -> Candidates:
    if _tied(t):
        yield t.dy.sum(axis=0)
        yield t.dy
        for place in (0, -1):
            at = (..., *(place for _ in _positions(t)))
            yield t.dy[at].sum(axis=0)
            yield t.dy[-1][at]
        for axis in _positions(t):
            yield t.dy.sum(axis=(0, axis))


def _each_sample(t: GroundTruth) -> Candidates:
    kept = t.dy.sum(axis=_positions(t)) if _tied(t) else t.dy
    return [kept, kept[0], kept[-1]]


def _over_positions(t: GroundTruth) -> Candidates:
    if t.dy.ndim > 2 and t.gradients["b"].ndim > 1:
        summed = t.dy.sum(axis=(0, *_positions(t)))
        yield summed
        yield t.gradients["b"] * 0 + summed.reshape(-1, *(1 for _ in _positions(t)))


CATALOGUE = catalogue(
    "bias",
    ("b", "bias-not-summed-over-positions",
     "is not summed over the positions: the bias is added at every (i, j), so sum dy over all of them",
     _each_position),
    ("b", "bias-averaged-over-positions", "is the mean over the positions: take the sum",
     lambda t: [t.dy.mean(axis=_positions(t)).sum(axis=0), t.dy.mean(axis=(0, *_positions(t)))] if _tied(t) else []),
    ("b", "bias-not-summed-over-batch", "is not summed over the batch: every sample uses the same bias, so sum over n",
     _each_sample),
    ("b", "bias-summed-over-positions", "is summed over the positions: an untied bias has one entry for each of them",
     _over_positions),
)  # fmt: skip
