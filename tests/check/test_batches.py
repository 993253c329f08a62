"""Code that is right for one sample or for square images only is not right where batches or other images reveal it."""

import pytest
from check.homework_files import file_report

COLUMNS = """
import numpy as np

class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros((n_out, 1))

    def forward(self, A):
        self.A = A
        return self.W @ A + self.b

    def backward(self, dZ):
        self.dW, self.db = dZ @ self.A.T, {}
        return self.W.T @ dZ
"""
SOFTMAX = """
import numpy as np

class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max({0}))
        self.out = e / e.sum({0})
        return self.out

    def backward(self, dy):
        return self.out * (dy - (dy * self.out).sum({0}))
"""
NORMALIZATION = """
import numpy as np

class BatchNormalization:
    def __init__(self, epsilon=1e-5):
        self.epsilon, self.params, self.grads = epsilon, {{"gamma": None, "beta": None}}, {{}}

    def forward(self, x):
        if self.params["gamma"] is None:
            self.params = {{"gamma": np.ones(x.shape[-1]), "beta": np.zeros(x.shape[-1])}}
        self.std = np.sqrt(x.var(axis=0) + self.epsilon)
        self.norm = (x - x.mean(axis=0)) / self.std
        return self.params["gamma"] * self.norm + self.params["beta"]

    def backward(self, dy):
        self.grads["gamma"], self.grads["beta"] = (self.norm * dy).sum(axis=0), dy.sum(axis=0)
        g = dy * self.params["gamma"]
        return {} * (g - g.mean(axis=0) - self.norm * (g * self.norm).mean(axis=0)) / self.std
"""
POOL = """
import numpy as np

class MaxPool:
    def __init__(self, pool_size=(2, 2), stride=(2, 2)):
        (self.k, _), (self.s, _) = pool_size, stride

    def forward(self, x):
        n, h, w, c = x.shape
        self.x, rows, columns = x, (h - self.k) // self.s + 1, (w - self.k) // self.s + 1
        {}
        y = np.zeros((n, rows, columns, c))
        for i, j in np.ndindex(rows, columns):
            y[:, i, j] = self.window(x, i, j).max(axis=(1, 2))
        return y

    def window(self, x, i, j):
        return x[:, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for n, i, j, c in np.ndindex(*dy.shape):
            values = self.window(self.x, i, j)[n, :, :, c]
            self.window(dx, i, j)[n, :, :, c] += dy[n, i, j, c] * (values == values.max())
        return dx
"""
PAIR = """
import numpy as np

def pool_forward(A_prev, hparameters, mode="max"):
    m, h, w, c = A_prev.shape
    f, s = hparameters["f"], hparameters["stride"]
    rows, columns = (h - f) // s + 1, ({} - f) // s + 1
    A = np.zeros((m, rows, columns, c))
    for i, j in np.ndindex(rows, columns):
        A[:, i, j] = A_prev[:, i * s : i * s + f, j * s : j * s + f].max(axis=(1, 2))
    return A, (A_prev, hparameters)

def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, s = hparameters["f"], hparameters["stride"]
    dx = np.zeros_like(A_prev)
    for n, i, j, c in np.ndindex(*dA.shape):
        window = np.s_[n, i * s : i * s + f, j * s : j * s + f, c]
        dx[window] += dA[n, i, j, c] * (A_prev[window] == A_prev[window].max())
    return dx
"""
LINEAR = SOFTMAX.format("axis=-1, keepdims=True") + (
    "class Linear:\n    def forward(self, x):\n        return 1 * x\n\n"
    "    def backward(self, dy):\n        return {} * dy\n"
)


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (COLUMNS, "dZ.sum(axis=1, keepdims=True)", ["dZ.mean(axis=1, keepdims=True)", "dZ"]),
        (SOFTMAX, "axis=-1, keepdims=True", [""]),
        (NORMALIZATION, "1", ["0", "2"]),
        (POOL, "", ["rows, columns = columns, rows", "columns = rows"]),
        (PAIR, "w", ["h"]),
        (LINEAR, "1", ["2"]),
    ],
    ids=["columns", "softmax", "normalization", "channels last", "a pair", "the identity"],
)
def test_batches_and_oblong_images_decide(text: str, right: str, wrong: list[str]) -> None:
    report = file_report(text.format(right))
    assert report.exit_code == 0, str(report)
    for part in wrong:
        report = file_report(text.format(part))
        assert report.exit_code == 1, f"{part}\n{report}"
