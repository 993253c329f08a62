"""Classic mistakes in dense layers, and in the bias of dense and convolutional layers."""

from chainrule.check.diagnoses.truth import Candidates, Catalogue, GroundTruth

DENSE = Catalogue("dense")


@DENSE.mistake("bias-not-added", "equals W x: add b", "y")
def _bias_not_added(t: GroundTruth) -> Candidates:
    yield t.x @ t.values["w"].T


@DENSE.mistake("axes-transposed", "is the transpose of the right answer: dW = dy xᵀ has the shape (F_out, F_in)", "w")
def _axes_transposed(t: GroundTruth) -> Candidates:
    yield t.gradients["w"].T
    yield t.gradients["w"].T.reshape(t.gradients["w"].shape)


@DENSE.mistake("axes-transposed", "uses W with the wrong axes: dx = Wᵀ dy, with a transpose and not a reshape", "x")
def _wrong_axes(t: GroundTruth) -> Candidates:
    w = t.values["w"]
    yield t.dy @ w.T.reshape(w.shape)
    if w.shape[0] == w.shape[1]:
        yield t.dy @ w.T


@DENSE.mistake("feature-sum-missing", "includes one output feature only: sum over all outputs, dx = Wᵀ dy", "x")
def _feature_sum_missing(t: GroundTruth) -> Candidates:
    for index in (-1, 0):
        yield t.dy[:, [index]] * t.values["w"][index]


@DENSE.mistake("input-forgotten", "has dy in every column: multiply by the input, dW = dy xᵀ", "w")
def _input_forgotten(t: GroundTruth) -> Candidates:
    yield t.dy.sum(axis=0)[:, None].repeat(t.x.shape[1], axis=1)


def _positions(t: GroundTruth) -> tuple[int, ...]:
    return tuple(range(2, t.dy.ndim))


def _tied(t: GroundTruth) -> bool:
    return t.dy.ndim > 2 and t.gradients["b"].ndim == 1


BIAS = Catalogue("bias")


@BIAS.mistake(
    "bias-not-summed-over-positions",
    "is not summed over the positions: the bias is added at every (i, j), so sum dy over all positions",
    "b",
)
def _each_position(t: GroundTruth) -> Candidates:
    if _tied(t):
        yield t.dy.sum(axis=0)
        yield t.dy
        for index in (0, -1):
            position = (..., *(index for _ in _positions(t)))
            yield t.dy[position].sum(axis=0)
            yield t.dy[-1][position]
        for axis in _positions(t):
            yield t.dy.sum(axis=(0, axis))


@BIAS.mistake("bias-averaged-over-positions", "is the mean over the positions: take the sum", "b")
def _bias_averaged_over_positions(t: GroundTruth) -> Candidates:
    if _tied(t):
        yield t.dy.mean(axis=_positions(t)).sum(axis=0)
        yield t.dy.mean(axis=(0, *_positions(t)))


@BIAS.mistake(
    "bias-not-summed-over-batch", "is not summed over the batch: every sample uses the same bias, so sum over n", "b"
)
def _each_sample(t: GroundTruth) -> Candidates:
    if _tied(t):
        kept = t.dy.sum(axis=_positions(t))
    else:
        kept = t.dy
    return [kept, kept[0], kept[-1]]


@BIAS.mistake(
    "bias-summed-over-features", "is the sum of all elements of dy: each feature or channel has its own sum", "b"
)
def _bias_summed_over_features(t: GroundTruth) -> Candidates:
    if t.gradients["b"].size > 1:
        yield t.gradients["b"] * 0 + t.dy.sum()
        yield t.dy.sum().reshape(())


@BIAS.mistake(
    "bias-summed-over-positions", "is summed over the positions: an untied bias has one element per position", "b"
)
def _over_positions(t: GroundTruth) -> Candidates:
    if t.dy.ndim > 2 and t.gradients["b"].ndim > 1:
        summed = t.dy.sum(axis=(0, *_positions(t)))
        yield summed
        yield t.gradients["b"] * 0 + summed.reshape(-1, *(1 for _ in _positions(t)))
