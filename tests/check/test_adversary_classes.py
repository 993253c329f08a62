"""Regression tests: mistakes of classes that the check once missed, and correct classes that it once rejected."""

import pytest
from check.homework_files import file_report
from check.test_adversary import LINES

RUNNING = """
import numpy as np

class BatchNorm2d:
    def __init__(self, num_features, momentum=0.1):
        self.momentum, self.training = momentum, True
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            n, mean, var = x.size / x.shape[1], x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)
        self.s = np.sqrt(var + 1e-5)[:, None, None]
        self.n = (x - mean[:, None, None]) / self.s
        return self.gamma[:, None, None] * self.n + self.beta[:, None, None]

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.n).sum((0, 2, 3)), dy.sum((0, 2, 3))
        d = dy * self.gamma[:, None, None]
        means = (each.mean((0, 2, 3))[:, None, None] for each in (d, d * self.n))
        return (d - next(means) - self.n * next(means)) / self.s
"""


@pytest.mark.parametrize("epsilon", ["1e-3", "1e-5", "10e-7", "1e-8", "1e-12"])
def test_a_batch_normalization_may_fix_any_usual_epsilon(epsilon: str) -> None:
    report = file_report(RUNNING.replace("1e-5", epsilon))
    assert report.exit_code == 0, str(report)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("n, mean, var = x.size / x.shape[1]", "n, mean, var = len(x)", "running-statistics"),
        ("self.momentum * var * n / (n - 1)", "self.momentum * np.sqrt(var)", "running-deviation"),
        ("if self.training:", "if True:", "test-mode"),
        ("mean, var = self.running_mean, self.running_var", "mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))",
         "test-mode"),
    ],
)  # fmt: skip
def test_an_attribute_chooses_the_mode_of_evaluation(old: str, new: str, name: str) -> None:
    assert old in RUNNING
    assert {row.diagnoses[0].name for row in file_report(RUNNING.replace(old, new)).rows if row.is_wrong} == {name}


def test_running_statistics_that_nothing_reads_are_not_checked() -> None:
    report = file_report(RUNNING.replace("self.training", "self.learns"))
    assert (report.exit_code, [row.method for row in report.rows if not row.ok]) == (3, ["eval=True"])


SLIDING = """
import numpy as np

class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1):
        self.s, self.p, self.d, self.g = stride, padding, dilation, groups
        self.W = np.ones((out_channels, in_channels // groups, kernel_size, kernel_size))
        self.b = np.zeros(out_channels)

    def taps(self, H, W):
        for i, j in np.ndindex(self.W.shape[2:]):
            u, v = self.d * i, self.d * j
            yield i, j, np.s_[:, :, :, u : u + self.s * (H - 1) + 1 : self.s, v : v + self.s * (W - 1) + 1 : self.s]

    def forward(self, x):
        self.shape, p, e = x.shape, self.p, self.d * (self.W.shape[2] - 1) + 1
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        self.x = self.x.reshape(len(x), self.g, -1, *self.x.shape[2:])
        H, W = ((n - e) // self.s + 1 for n in self.x.shape[3:])
        w = self.W.reshape(self.g, -1, *self.W.shape[1:])
        y = sum(np.einsum("ngchw,goc->ngohw", self.x[at], w[..., i, j]) for i, j, at in self.taps(H, W))
        return y.reshape(len(x), -1, H, W) + self.b[:, None, None]

    def backward(self, dy):
        self.db, self.dW, dx = dy.sum((0, 2, 3)), np.zeros(self.W.shape), np.zeros(self.x.shape)
        dW, w = (each.reshape(self.g, -1, *self.W.shape[1:]) for each in (self.dW, self.W))
        dy = dy.reshape(len(dy), self.g, -1, *dy.shape[2:])
        for i, j, at in self.taps(*dy.shape[3:]):
            dW[..., i, j] += np.einsum("ngchw,ngohw->goc", self.x[at], dy)
            dx[at] += np.einsum("ngohw,goc->ngchw", dy, w[..., i, j])
        N, C, H, W = self.shape
        return dx.reshape(N, C, *dx.shape[3:])[:, :, self.p : self.p + H, self.p : self.p + W]
"""
POOLING = """
import numpy as np

class MaxPool2d:
    def __init__(self, kernel_size, stride=1, padding=0):
        self.k, self.s, self.p = kernel_size, stride, padding

    def forward(self, x):
        p, self.shape = self.p, x.shape
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        seen = np.lib.stride_tricks.sliding_window_view(self.x, (self.k, self.k), axis=(2, 3))
        seen = seen[:, :, :: self.s, :: self.s]
        self.at = seen.reshape(*seen.shape[:4], -1).argmax(-1)
        return seen.max(axis=(4, 5))

    def backward(self, dy):
        dx, (H, W) = np.zeros(self.x.shape), self.shape[2:]
        for n, c, i, j in np.ndindex(dy.shape):
            u, v = divmod(self.at[n, c, i, j], self.k)
            dx[n, c, i * self.s + u, j * self.s + v] += dy[n, c, i, j]
        return dx[:, :, self.p : self.p + H, self.p : self.p + W]
"""
SLOPED = """
import numpy as np

class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x, self.y = x, np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))
        return self.y

    def backward(self, dy):
        return dy * np.where(self.x > 0, 1, self.y + self.alpha)
"""


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (SLIDING, "u, v = self.d * i, self.d * j", "u, v = i, j"),
        (SLIDING, "self.x[at], dy)", "self.x[at][:, :1], dy)"),
        (SLIDING, "y.reshape(len(x), -1, H, W)", "y.swapaxes(1, 2).reshape(len(x), -1, H, W)"),
        (POOLING, ", constant_values=-np.inf", ""),
        (POOLING, "dx[:, :, self.p : self.p + H, self.p : self.p + W]", "dx[:, :, :H, :W]"),
        (SLOPED, "self.y + self.alpha", "self.y + 1"),
    ],
)
def test_options_are_not_left_at_their_defaults(text: str, old: str, new: str) -> None:
    report = file_report(text)
    assert report.exit_code == 0, str(report)
    assert old in text
    wrong = file_report(text.replace(old, new))
    assert wrong.exit_code == 1, str(wrong)


def test_weights_of_one_size_are_not_tried_in_others() -> None:
    text = SLIDING.replace("in_channels, out_channels, kernel_size, stride", "W=np.ones((4, 3, 3, 3)), stride")
    text = text.replace(", dilation=1, groups=1", "").replace(
        "= stride, padding, dilation, groups", "= stride, padding, 1, 1"
    )
    text = text.replace("np.ones((out_channels, in_channels // groups, kernel_size, kernel_size))", "W")
    report = file_report(text.replace("np.zeros(out_channels)", "np.zeros(4)"))
    assert report.exit_code == 0, str(report)


LARGEST = """
import numpy as np

class SoftmaxWithLoss:
    def forward(self, x, t):
        below = x - x.max(axis=1, keepdims=True)
        logs = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
        self.y, self.t = np.exp(logs), t.argmax(axis=1) if t.size == x.size else t
        return -logs[np.arange(len(x)), self.t].mean()

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dout * dx / len(dx)
"""


def test_a_loss_may_read_the_class_from_targets() -> None:
    report = file_report(LARGEST)
    assert report.exit_code == 0, str(report)
    assert file_report(LARGEST.replace(" / len(dx)", "")).exit_code == 1


@pytest.mark.parametrize(
    "changes",
    [
        [
            ("x.var(axis=-1, keepdims=True)", "x.var(axis=-1, ddof=1, keepdims=True)"),
            (
                "(d * self.n).mean(axis=-1, keepdims=True)",
                "(d * self.n).sum(axis=-1, keepdims=True) / (d.shape[1] - 1)",
            ),
        ],
        [("axis=-1", "axis=0")],
        [("return self.gamma * self.n +", "return 2 * self.gamma * self.n +"), ("dy * self.", "2 * dy * self.")],
    ],
)
def test_a_layer_normalization_is_what_its_name_says(changes: list[tuple[str, str]]) -> None:
    before, _, text = LINES.partition("class LayerNorm")
    text, *rest = text.partition("class Parameter")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    report = file_report("".join((before, "class LayerNorm", text, *rest)), "LayerNorm")
    assert [row.tensor for row in report.rows if row.is_wrong] == ["y"], str(report)
