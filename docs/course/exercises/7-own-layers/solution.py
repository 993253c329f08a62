"""Exercise 7, solved: a network of own layers."""

import numpy as np


class Dense:
    """Weighted sums of all inputs: y = x W^T + b."""

    def __init__(self, inputs, outputs):
        generator = np.random.default_rng(0)
        self.W = generator.normal(0, np.sqrt(2 / inputs), (outputs, inputs))
        self.b = np.zeros(outputs)

    def forward(self, x):
        """Return y (N, outputs) for x (N, inputs)."""
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        """Return dx (N, inputs), and store the gradients of W and b in self.dW and self.db."""
        self.dW = dy.T @ self.x
        self.db = dy.sum(axis=0)
        return dy @ self.W


class ReLU:
    """The larger one of x and 0."""

    def forward(self, x):
        """Return y for x of any shape."""
        self.positive = x > 0
        return x * self.positive

    def backward(self, dy):
        """Return dx for the x of the last forward."""
        return dy * self.positive


def train():
    """Train a network of these layers on 1,000 handwritten digits, and return the loss of each step."""
    from sklearn.datasets import load_digits

    import chainrule as cr

    images, labels = load_digits(return_X_y=True)
    model = cr.Sequential([Dense(64, 32), ReLU(), Dense(32, 10), cr.Softmax()], input_shape=(64,))
    return model.fit(images[:1000] / 16, labels[:1000], epochs=5, learning_rate=0.003, progress=False).loss


if __name__ == "__main__":
    losses = train()
    print(f"loss: {losses[0]:.2f} at the start, {losses[-10:].mean():.2f} at the end")
