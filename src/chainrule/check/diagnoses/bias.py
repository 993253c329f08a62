"""Classic mistakes in the gradient of a bias."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue

CATALOGUE = MistakeCatalogue("bias")
add = CATALOGUE.add


def _positions(t: GroundTruth) -> tuple[int, ...]:
    return tuple(range(2, t.dy.ndim))


def _tied(t: GroundTruth) -> bool:
    return t.dy.ndim > 2 and t.gradients["b"].ndim == 1


@add("b", "bias-not-summed-over-positions")
def each_position(t: GroundTruth) -> Candidates:
    """Is not summed over the positions: the bias is added at every (i, j), so sum dy over all of them."""
    if _tied(t):
        yield t.dy.sum(axis=0)
        yield t.dy
        for place in (0, -1):
            at = (..., *(place for _ in _positions(t)))
            yield t.dy[at].sum(axis=0)
            yield t.dy[-1][at]
        for axis in _positions(t):
            yield t.dy.sum(axis=(0, axis))


@add("b", "bias-averaged-over-positions")
def mean_position(t: GroundTruth) -> Candidates:
    """Is the mean over the positions: take the sum."""
    if _tied(t):
        yield t.dy.mean(axis=_positions(t)).sum(axis=0)
        yield t.dy.mean(axis=(0, *_positions(t)))


@add("b", "bias-not-summed-over-batch")
def each_sample(t: GroundTruth) -> Candidates:
    """Is not summed over the batch: every sample uses the same bias, so sum over n."""
    kept = t.dy.sum(axis=_positions(t)) if _tied(t) else t.dy
    yield kept
    yield kept[0]
    yield kept[-1]


@add("b", "bias-summed-over-positions")
def over_positions(t: GroundTruth) -> Candidates:
    """Is summed over the positions: an untied bias has one entry for each of them."""
    if t.dy.ndim > 2 and t.gradients["b"].ndim > 1:
        summed = t.dy.sum(axis=(0, *_positions(t)))
        yield summed
        yield t.gradients["b"] * 0 + summed.reshape(-1, *(1 for _ in _positions(t)))
