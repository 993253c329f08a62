"""Classic mistakes in the backward (and forward) pass of a dense layer."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue

CATALOGUE = MistakeCatalogue("dense")


@CATALOGUE.add("y", "bias-not-added")
def without_bias(t: GroundTruth) -> Candidates:
    """Equals W x: add b."""
    yield t.x @ t.values["w"].T


@CATALOGUE.add("w", "axes-transposed")
def transposed(t: GroundTruth) -> Candidates:
    """Is the transpose of the right answer: dW = dy xᵀ has the shape (F_out, F_in)."""
    dw = t.gradients["w"]
    yield dw.T
    yield dw.T.reshape(dw.shape)


@CATALOGUE.add("x", "axes-transposed")
def reshaped(t: GroundTruth) -> Candidates:
    """Uses W with the wrong axes: dx = Wᵀ dy, with a transpose and not a reshape."""
    w = t.values["w"]
    yield t.dy @ w.T.reshape(w.shape)
    if w.shape[0] == w.shape[1]:
        yield t.dy @ w.T


@CATALOGUE.add("x", "feature-sum-missing")
def one_feature(t: GroundTruth) -> Candidates:
    """Includes one output feature only: sum over all outputs, dx = Wᵀ dy."""
    for place in (-1, 0):
        yield t.dy[:, [place]] * t.values["w"][place]


@CATALOGUE.add("w", "input-forgotten")
def without_input(t: GroundTruth) -> Candidates:
    """Has dy in every column: multiply by the input, dW = dy xᵀ."""
    yield t.dy.sum(axis=0)[:, None].repeat(t.x.shape[1], axis=1)
