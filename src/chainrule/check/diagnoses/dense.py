"""Classic mistakes in the backward (and forward) pass of a dense layer."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue

CATALOGUE = MistakeCatalogue("dense")


@CATALOGUE.add("y", "bias-not-added", "equals W x: add b")
def without_bias(t: GroundTruth) -> Candidates:
    yield t.x @ t.values["w"].T


@CATALOGUE.add("w", "axes-transposed", "is the transpose of the right answer: dW = dy xᵀ has the shape (F_out, F_in)")
def transposed(t: GroundTruth) -> Candidates:
    dw = t.gradients["w"]
    yield dw.T
    yield dw.T.reshape(dw.shape)


@CATALOGUE.add("x", "axes-transposed", "uses W with the wrong axes: dx = Wᵀ dy, with a transpose and not a reshape")
def reshaped(t: GroundTruth) -> Candidates:
    w = t.values["w"]
    yield t.dy @ w.T.reshape(w.shape)
    if w.shape[0] == w.shape[1]:
        yield t.dy @ w.T


@CATALOGUE.add("x", "feature-sum-missing", "includes one output feature only: sum over all outputs, dx = Wᵀ dy")
def one_feature(t: GroundTruth) -> Candidates:
    for place in (-1, 0):
        yield t.dy[:, [place]] * t.values["w"][place]


@CATALOGUE.add("w", "input-forgotten", "has dy in every column: multiply by the input, dW = dy xᵀ")
def without_input(t: GroundTruth) -> Candidates:
    yield t.dy.sum(axis=0)[:, None].repeat(t.x.shape[1], axis=1)
