"""Classic mistakes in dense layers, and in the bias of dense and convolutional layers."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue


def _wrong_axes(t: GroundTruth) -> Candidates:
    w = t.values["w"]
    yield t.dy @ w.T.reshape(w.shape)
    if w.shape[0] == w.shape[1]:
        yield t.dy @ w.T


DENSE = catalogue(
    "dense",
    ("y", "bias-not-added", "equals W x: add b", lambda t: [t.x @ t.values["w"].T]),
    ("w", "axes-transposed", "is the transpose of the right answer: dW = dy xᵀ has the shape (F_out, F_in)",
     lambda t: [t.gradients["w"].T, t.gradients["w"].T.reshape(t.gradients["w"].shape)]),
    ("x", "axes-transposed", "uses W with the wrong axes: dx = Wᵀ dy, with a transpose and not a reshape", _wrong_axes),
    ("x", "feature-sum-missing", "includes one output feature only: sum over all outputs, dx = Wᵀ dy",
     lambda t: [t.dy[:, [index]] * t.values["w"][index] for index in (-1, 0)]),
    ("w", "input-forgotten", "has dy in every column: multiply by the input, dW = dy xᵀ",
     lambda t: [t.dy.sum(axis=0)[:, None].repeat(t.x.shape[1], axis=1)]),
)  # fmt: skip


def _positions(t: GroundTruth) -> tuple[int, ...]:
    return tuple(range(2, t.dy.ndim))


def _tied(t: GroundTruth) -> bool:
    return t.dy.ndim > 2 and t.gradients["b"].ndim == 1


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


def _each_sample(t: GroundTruth) -> Candidates:
    if _tied(t):
        kept = t.dy.sum(axis=_positions(t))
    else:
        kept = t.dy
    return [kept, kept[0], kept[-1]]


def _over_positions(t: GroundTruth) -> Candidates:
    if t.dy.ndim > 2 and t.gradients["b"].ndim > 1:
        summed = t.dy.sum(axis=(0, *_positions(t)))
        yield summed
        yield t.gradients["b"] * 0 + summed.reshape(-1, *(1 for _ in _positions(t)))


BIAS = catalogue(
    "bias",
    ("b", "bias-not-summed-over-positions",
     "is not summed over the positions: the bias is added at every (i, j), so sum dy over all positions",
     _each_position),
    ("b", "bias-averaged-over-positions", "is the mean over the positions: take the sum",
     lambda t: [t.dy.mean(axis=_positions(t)).sum(axis=0), t.dy.mean(axis=(0, *_positions(t)))] if _tied(t) else []),
    ("b", "bias-not-summed-over-batch", "is not summed over the batch: every sample uses the same bias, so sum over n",
     _each_sample),
    ("b", "bias-summed-over-features", "is the sum of all elements of dy: each feature or channel has its own sum",
     lambda t: [t.gradients["b"] * 0 + t.dy.sum(), t.dy.sum().reshape(())] if t.gradients["b"].size > 1 else []),
    ("b", "bias-summed-over-positions", "is summed over the positions: an untied bias has one element per position",
     _over_positions),
)  # fmt: skip
