"""Classic mistakes in the backward (and forward) pass of a dense layer."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue


def _wrong_axes(t: GroundTruth) -> Candidates:
    w = t.values["w"]
    yield t.dy @ w.T.reshape(w.shape)
    if w.shape[0] == w.shape[1]:
        yield t.dy @ w.T


CATALOGUE = catalogue(
    "dense",
    ("y", "bias-not-added", "equals W x: add b", lambda t: [t.x @ t.values["w"].T]),
    ("w", "axes-transposed", "is the transpose of the right answer: dW = dy xᵀ has the shape (F_out, F_in)",
     lambda t: [t.gradients["w"].T, t.gradients["w"].T.reshape(t.gradients["w"].shape)]),
    ("x", "axes-transposed", "uses W with the wrong axes: dx = Wᵀ dy, with a transpose and not a reshape", _wrong_axes),
    ("x", "feature-sum-missing", "includes one output feature only: sum over all outputs, dx = Wᵀ dy",
     lambda t: [t.dy[:, [place]] * t.values["w"][place] for place in (-1, 0)]),
    ("w", "input-forgotten", "has dy in every column: multiply by the input, dW = dy xᵀ",
     lambda t: [t.dy.sum(axis=0)[:, None].repeat(t.x.shape[1], axis=1)]),
)  # fmt: skip
