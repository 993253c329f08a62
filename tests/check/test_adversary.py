"""Regression tests: mistakes that the check once missed, and correct homework that it once called wrong."""

import re

import pytest
from check.homework_files import TEXTS, Mistake, changed, checked, file_report, module, require_caught
from numerical import assert_close

import chainrule as cr

PAIR = """
import numpy as np

def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def {name}_forward(x):
    return {y}, x

def {name}_backward(dout, x):
    return dout * ({slope})
"""
SIGMOID = "(1 + np.tanh(({0}) / 2)) / 2"


@pytest.mark.parametrize(
    ("name", "y", "slope", "right"),
    [
        ("tanh", "np.tanh(x)", "1 - np.tanh(x) ** 2", True),
        ("tanh", "np.tanh(x / 2)", "(1 - np.tanh(x / 2) ** 2) / 2", False),
        ("sigmoid", SIGMOID.format("x"), f"{SIGMOID.format('x')} * (1 - {SIGMOID.format('x')})", True),
        ("sigmoid", SIGMOID.format("-x"), f"-{SIGMOID.format('x')} * (1 - {SIGMOID.format('x')})", False),
        ("leaky_relu", "np.where(x > 0, x, 0.2 * x)", "np.where(x > 0, 1, 0.2)", True),
        ("leaky_relu", "np.where(x > 0, x, -0.01 * x)", "np.where(x > 0, 1, -0.01)", False),
        ("hard_tanh", "np.clip(x, -1, 1)", "np.abs(x) < 1", True),
        ("hard_tanh", "np.clip(x, -2, 2)", "np.abs(x) < 2", False),
    ],
)
def test_a_pair_of_functions_computes_what_its_name_says(name: str, y: str, slope: str, right: bool) -> None:
    report = file_report(PAIR.format(name=name, y=y, slope=slope))
    assert {row.subject for row in report.rows if row.is_wrong} == (set() if right else {f"{name}_forward"})


LINES = """
import numpy as np

class Softmax:
    def forward(self, Z):
        e = np.exp(Z - Z.max(axis=-1, keepdims=True))
        self.A = e / e.sum(axis=-1, keepdims=True)
        return self.A

    def backward(self, dLdA):
        return self.A * (dLdA - (dLdA * self.A).sum(axis=-1, keepdims=True))

class LayerNorm:
    def __init__(self, width=6):
        self.gamma, self.beta = np.ones(width), np.zeros(width)

    def forward(self, x):
        self.s = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.n = (x - x.mean(axis=-1, keepdims=True)) / self.s
        return self.gamma * self.n + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.n).sum(axis=0), dy.sum(axis=0)
        d = dy * self.gamma
        means = d.mean(axis=-1, keepdims=True), (d * self.n).mean(axis=-1, keepdims=True)
        return (d - means[0] - self.n * means[1]) / self.s

class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None

class BatchNorm1d:
    training = True

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = Parameter(np.ones(num_features)), Parameter(np.zeros(num_features))
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training:
            normal = (x - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.weight.data * normal + self.bias.data
        mean, var, N = x.mean(axis=0), x.var(axis=0), len(x)
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * N / (N - 1)
        self.s = np.sqrt(var + self.eps)
        self.n = (x - mean) / self.s
        return self.weight.data * self.n + self.bias.data

    def backward(self, dy):
        self.weight.grad, self.bias.grad = (dy * self.n).sum(axis=0), dy.sum(axis=0)
        d = dy * self.weight.data
        return (d - d.mean(axis=0) - self.n * (d * self.n).mean(axis=0)) / self.s
"""


@pytest.mark.parametrize("name", ["Softmax", "LayerNorm", "BatchNorm1d"])
def test_right_classes_of_rows_pass(name: str) -> None:
    report = file_report(LINES, name)
    assert report.exit_code == 0, str(report)


@pytest.mark.parametrize("width", [3, 5, 6, 7])
def test_a_normalization_is_tried_on_inputs_of_its_width(width: int) -> None:
    assert cr.check_gradients(module(LINES, "lines").LayerNorm(width))


def test_torch_like_running_statistics_are_judged() -> None:
    wrong = LINES.replace("np.sqrt(self.running_var + self.eps)", "(self.running_var + self.eps)")
    assert [row.diagnoses[0].name for row in file_report(wrong, "BatchNorm1d").rows if row.is_wrong] == ["test-mode"]


def test_the_gradient_of_a_loss_may_be_in_float32() -> None:
    text = changed("functions", [("dx = (m > 0).astype(float)", "dx = (m > 0).astype(np.float32)")])
    assert file_report(text, "svm_loss").exit_code == 0


@pytest.mark.parametrize("name", ["max_pool_backward_naive", "batchnorm_backward"])
def test_a_backward_that_fails_leaves_a_right_forward_right(name: str) -> None:
    line = f"def {name}(dout, cache):\n"
    assert line in TEXTS["functions"]
    report = file_report(TEXTS["functions"].replace(line, f"{line}    raise IndexError(7)\n"), name)
    verdicts = {(row.subject, row.title): row.is_wrong for row in report.rows}
    assert not verdicts[name.replace("backward", "forward"), "y"]
    assert verdicts[name, "dx"]


def test_a_forward_may_refuse_a_stride_that_does_not_divide() -> None:
    line = "    Ho, Wo = 1 + (H - h) // s, 1 + (W - w) // s\n"
    text = changed("functions", [(line, f"    assert (H - h) % s == 0 == (W - w) % s\n{line}")])
    assert file_report(text, "max_pool_forward_naive").exit_code == 0


BASES = """
import abc
import numpy as np

class Module:
    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        raise NotImplementedError("write it in the class that inherits")

    def backward(self, dy):
        raise NotImplementedError

class Activation(Module, abc.ABC):
    @abc.abstractmethod
    def forward(self, x): ...

    @abc.abstractmethod
    def backward(self, dy): ...

class Tanh(Activation):
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        {body}
"""


@pytest.mark.parametrize(("body", "code"), [("return dy * (1 - self.y**2)", 0), ("raise NotImplementedError", 3)])
def test_base_classes_are_left_to_those_that_inherit(body: str, code: int) -> None:
    report = file_report(LINES + BASES.format(body=body))
    assert not {"Module", "Activation"} & {row.subject for row in report.rows}
    assert [row.verdict for row in report.rows if row.subject == "Tanh" and not row.ok] == ["not written"] * bool(code)


SCALARS = """
import numpy as np

class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None

class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.k = kernel_size
        self.weight = Parameter(np.ones((out_channels, in_channels, kernel_size, kernel_size)))
        self.bias = Parameter(np.zeros(out_channels))

    def forward(self, x):
        self.seen = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", self.seen, self.weight.data) + self.bias.data[:, None, None]

    def backward(self, dy):
        self.weight.grad, self.bias.grad = np.einsum("nchwij,nohw->ocij", self.seen, dy), dy.sum((0, 2, 3))
        dx, (H, W) = np.zeros((*self.seen.shape[:2], *[n + self.k - 1 for n in dy.shape[2:]])), dy.shape[2:]
        for i, j in np.ndindex(self.k, self.k):
            dx[:, :, i : i + H, j : j + W] += np.einsum("nohw,oc->nchw", dy, self.weight.data[:, :, i, j])
        return dx
"""


def test_the_size_of_a_kernel_is_no_weight() -> None:
    report = file_report(SCALARS, "Conv2d")
    assert report.exit_code == 0, str(report)


SCRATCH = """
import numpy as np

class LinearScratch:
    def __init__(self, num_inputs, num_outputs, sigma=0.01):
        self.w, self.b = np.random.normal(0, sigma, (num_inputs, num_outputs)), np.zeros(num_outputs)

    def forward(self, X):
        self.X = X
        return X @ self.w + self.b

    def backward(self, dY):
        self.w_grad, self.b_grad = self.X.T @ dY, dY.sum(axis=0)
        return dY @ self.w.T

class Affine:
    def __init__(self, W=np.ones((7, 4)), b=np.zeros(4)):
        self.W, self.b = W, b

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        return self.x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return (dout @ self.W.T).reshape(self.shape)

class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t, below = t, x - x.max(axis=1, keepdims=True)
        self.y = np.exp(below) / np.exp(below).sum(axis=1, keepdims=True)
        return -(t * (below - np.log(np.exp(below).sum(axis=1, keepdims=True)))).sum() / len(x)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)
"""


@pytest.mark.parametrize("name", ["LinearScratch", "Affine", "SoftmaxWithLoss"])
def test_classes_of_books_are_constructed_and_checked(name: str) -> None:
    report = file_report(SCRATCH)
    rows = [row for row in report.rows if row.subject == name]
    assert rows
    assert all(row.ok for row in rows), str(report)


def test_downsampling_is_compared_and_other_factors_are_differentiated() -> None:
    text = """
import numpy as np

class Downsample2d:
    def __init__(self, downsampling_factor):
        self.k = downsampling_factor

    def forward(self, A):
        self.s = A.shape
        return A[:, :, :: self.k, :: self.k]

    def backward(self, dLdZ):
        dLdA = np.zeros(self.s)
        dLdA[:, :, :: self.k, :: self.k] = dLdZ
        return dLdA

class Upsample1d:
    def __init__(self, upsampling_factor):
        self.k = upsampling_factor

    def forward(self, A):
        Z = np.zeros((*A.shape[:2], self.k * (A.shape[2] - 1) + 1))
        Z[:, :, :: self.k] = A
        return Z

    def backward(self, dLdZ):
        return dLdZ[:, :, :: self.k]
"""
    report = file_report(text)
    assert report.exit_code == 3, str(report)  # the output of Upsample1d identifies no layer
    assert not any(row.is_wrong for row in report.rows)
    assert ("Downsample2d", "y") in {(row.subject, row.title) for row in report.rows}
    wrong = file_report(text.replace("return dLdZ[:, :, :: self.k]", "return dLdZ[:, :, : -self.k + 1 : self.k]"))
    assert {row.subject for row in wrong.rows if row.is_wrong} == {"Upsample1d"}


def test_a_slope_outside_both_sides_at_zero_is_shown_with_its_cell() -> None:
    changes = [["dout * (cache > 0)", "dout * (np.float64(cache > 0) + 2.0 * (cache == 0))"]]
    report = require_caught(Mistake("functions", "relu_backward", "dx", changes, "wrong-at-ties"))
    said = " ".join(str(report).split())
    shown = re.search(r"\[[\d, ]+\] is (\S+), not from 0 to ([\d.]*\d)", said)
    assert shown, said
    assert_close(float(shown[1]), 2 * float(shown[2]))


def test_a_backward_that_raises_leaves_its_forward_judged() -> None:
    text = changed("functions", [("return dout * (cache > 0)", "raise ValueError(dout)")])
    report = checked("functions", text, "relu_forward")
    assert [(row.subject, row.tensor, row.ok) for row in report.rows] == [
        ("relu_forward", "y", True),
        ("relu_backward", "x", False),
    ]
