"""The loss of a linear support vector machine, which some courses set besides softmax."""

import numpy as np

from chainrule.check.subjects import Subject, Values
from chainrule.engines.protocol import Array


class MulticlassHinge(Subject):
    """The mean over the batch of Σ_{j≠k} max(0, p_j − p_k + 1), where k is the sample's class.

    Its gradient for one sample is 1 at every j of a positive margin, and minus their number at k, all divided by N.
    """

    tests = ("p",)
    name = "multiclass_hinge"

    def forward(self, values: Values) -> Array:
        """Return the mean loss, a 0-dimensional array."""
        return np.asarray(self._margins(values).sum() / len(values["p"]))

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return dp times the upstream gradient."""
        positive = (self._margins(values) > 0).astype(float)
        return {"p": dy * (positive - values["t"] * positive.sum(axis=1, keepdims=True)) / len(positive)}

    def _margins(self, values: Values) -> Array:
        p, t = values["p"], values["t"]
        return np.maximum(0, p - (p * t).sum(axis=1, keepdims=True) + 1) * (1 - t)
