"""Exercise 5, solved."""

import numpy as np


class SoftmaxCrossEntropy:
    """Mean over the batch of −Σ t log p, summed over the classes. p is the softmax of the scores."""

    def forward(self, z, t):
        """Return the mean loss."""
        shifted = z - z.max(axis=1, keepdims=True)  # keeps p the same; no exponent is above 0
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.p, self.t = np.exp(logs), t
        return -(t * logs).sum(axis=1).mean()

    def backward(self):
        """Return dz."""
        return (self.p - self.t) / len(self.t)
