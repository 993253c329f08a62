"""Unusual contents of files, and expectations from the names of classes."""

import pytest
from check.homework_files import changed, checked, file_report, module, sampled

import chainrule as cr

EVALUATIONS = (
    (("Z, eval=False", "Z, training=True"), ("if eval:", "if not training:")),
    (("alpha=0.9", "mom=0.9"), ("self.alpha", "self.mom"), ("= alpha", "= mom")),
    (
        ("Z, eval=False", "Z"),
        ("if eval:", "if not self.training:"),
        (
            "class BatchNorm1d:\n",
            "class BatchNorm1d:\n    training = True\n    def eval(self):\n        self.training = False\n\n",
        ),
    ),
)


@pytest.mark.parametrize("changes", EVALUATIONS)
def test_ways_to_evaluate(changes: tuple[tuple[str, str], ...]) -> None:
    report = checked("classes", changed("classes", changes), "BatchNorm1d")
    assert report.ok
    assert any("eval" in row.method for row in report.rows)  # the test mode has a row of its own


PAIR = """
import numpy as np

def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def {0}_forward({1}):
    return np.tanh(x), np.tanh(x)

def {0}_backward(dout, cache):
    return {2}
"""


@pytest.mark.parametrize(
    ("name", "arguments", "gradient", "code"),
    [
        ("tanh", "x", "dout * (1 - cache**2)", 0),
        ("tanh", "x", "dout * cache", 1),
        ("rnn_step", "x, h, Wx, Wh, b", "dout * (1 - cache**2)", 3),
    ],
)
def test_a_pair_of_no_known_form_is_checked_or_said_not_to_be(
    name: str, arguments: str, gradient: str, code: int
) -> None:
    report = file_report(PAIR.format(name, arguments, gradient))
    assert report.exit_code == code, str(report)
    assert any(row.subject.startswith(name) for row in report.rows)


def test_a_class_without_backward_is_not_checked() -> None:
    text = "class Half:\n    def forward(self, x):\n        return x\n"
    report = file_report(f"{PAIR.format('tanh', 'x', 'dout * (1 - cache**2)')}\n{text}\n{WHOLE}")
    assert {row.subject for row in report.rows if not row.ok} == {"Half", "Identity"}  # no layer is the identity
    assert report.exit_code == 3


WHOLE = """
class Identity:
    def forward(self, x):
        return 1 * x

    def backward(self, dy):
        return 1 * dy
"""
DENSE = """
import numpy as np

class Linear:
    def __init__(self):
        self.W, self.b = np.ones({shape}), np.zeros(4)

    def forward(self, x):
        self.x = x
        return {factor} * x @ self.{W} + self.b

    def backward(self, dy):
        dW = {factor} * dy.T @ self.x
        self.dW, self.db = dW if "{W}" == "W.T" else dW.T, dy.sum(axis=0)
        return {factor} * dy @ (self.W if "{W}" == "W.T" else self.W.T)
"""
CONVOLUTION = """
import numpy as np

class Conv2d:
    def __init__(self):
        self.W = np.ones({shape})

    def windows(self, x):
        return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))

    def forward(self, x):
        self.x, W = x, self.W.transpose({order})
        return {factor} * np.einsum("ncijuv,fcuv->nfij", self.windows(x), W)

    def backward(self, dy):
        dx, W = np.zeros(self.x.shape), self.W.transpose({order})
        for i, j in np.ndindex(*dy.shape[2:]):
            dx[:, :, i : i + 3, j : j + 3] += {factor} * np.einsum("fcuv,nf->ncuv", W, dy[:, :, i, j])
        dW = {factor} * np.einsum("ncijuv,nfij->fcuv", self.windows(self.x), dy)
        self.dW = dW.transpose(np.argsort({order}))
        return dx
"""
BORDERS = """
import numpy as np

class Conv2d:
    def __init__(self):
        self.W = np.ones((5, 2, 3, 3))

    def padded(self, x):
        return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="{mode}")

    def forward(self, x):
        self.x = x
        windows = np.lib.stride_tricks.sliding_window_view(self.padded(x), (3, 3), axis=(2, 3))
        self.windows = windows[:, {channels}]
        return np.einsum("ncijuv,fcuv->nfij", self.windows, {weights})

    def backward(self, dy):
        sources = self.padded(np.arange(self.x[0].size).reshape(1, *self.x.shape[1:]))[0]
        dx, W = np.zeros((len(dy), self.x[0].size)), {weights}
        for i, j in np.ndindex(*dy.shape[2:]):
            read = sources[{channels}, i : i + 3, j : j + 3].reshape(-1)
            for n in range(len(dy)):
                np.add.at(dx[n], read, np.tensordot(dy[n, :, i, j], W, 1).reshape(-1))
        self.dW = np.einsum("ncijuv,nfij->fcuv", self.windows, dy) * {slope}
        return dx.reshape(self.x.shape)
"""
FUNCTION = """
import numpy as np

class {name}:
    def forward(self, x):
        self.x = x
        return {y}

    def backward(self, dy):
        x = self.x
        return dy * ({slope})
"""
POOL = """
import numpy as np

class {name}:
    def forward(self, x):
        self.shape = N, C, H, W = x.shape
        return {factor} * x[:, :, : H // 2 * 2, : W // 2 * 2].reshape(N, C, H // 2, 2, W // 2, 2).mean(axis=(3, 5))

    def backward(self, dy):
        dx = np.zeros(self.shape)
        wide = np.repeat(np.repeat(dy, 2, axis=2), 2, axis=3)
        dx[:, :, : wide.shape[2], : wide.shape[3]] = {factor} / 4 * wide
        return dx
"""
PLAIN = {"channels": "[0, 1]", "weights": "self.W", "slope": "1"}
SQUARED = PLAIN | {"weights": "self.W**2", "slope": "2 * self.W"}
NAMED = {
    "a dense layer": ("Linear", DENSE.format(shape=(4, 7), W="W.T", factor=1), 0),
    "a dense layer, transposed": ("Linear", DENSE.format(shape=(7, 4), W="W", factor=1), 0),
    "a dense layer of another width": ("Linear", DENSE.format(shape=(6, 4), W="W", factor=1), 0),
    "a square dense layer, transposed": ("Linear", DENSE.format(shape=(4, 4), W="W", factor=1), 0),
    "twice a dense layer": ("Linear", DENSE.format(shape=(4, 7), W="W.T", factor=2), 1),
    "a convolution": ("Conv2d", CONVOLUTION.format(shape=(5, 2, 3, 3), order=(0, 1, 2, 3), factor=1), 0),
    "a convolution, turned": ("Conv2d", CONVOLUTION.format(shape=(5, 2, 3, 3), order=(0, 1, 3, 2), factor=1), 3),
    "a convolution, filters last": ("Conv2d", CONVOLUTION.format(shape=(2, 3, 3, 5), order=(3, 0, 1, 2), factor=1), 0),
    "a convolution, channels between": (
        "Conv2d",
        CONVOLUTION.format(shape=(3, 3, 2, 5), order=(3, 2, 0, 1), factor=1),
        0,
    ),
    "twice a convolution": ("Conv2d", CONVOLUTION.format(shape=(5, 2, 3, 3), order=(0, 1, 2, 3), factor=2), 1),
    **{
        f"a convolution with borders, {mode}": ("Conv2d", BORDERS.format(mode=mode, **PLAIN), 3)
        for mode in ("reflect", "edge", "wrap")
    },
    "a convolution of one channel twice": ("Conv2d", BORDERS.format(mode="edge", **PLAIN | {"channels": "[0, 0]"}), 1),
    "squared weights": ("Conv2d", BORDERS.format(mode="edge", **SQUARED), 1),
    "a slope of its own": (
        "LeakyReLU",
        FUNCTION.format(name="LeakyReLU", y="np.where(x > 0, x, 0.2 * x)", slope="np.where(x > 0, 1, 0.2)"),
        0,
    ),
    **{
        f"a cubed {name}": (name, FUNCTION.format(name=name, y="x**3", slope="3 * x**2"), 1)
        for name in ("LeakyReLU", "GELU", "ELU", "Swish")
    },
    "a Swish of another β": (
        "Swish",
        FUNCTION.format(
            name="Swish",
            y="x / (1 + np.exp(-1.5 * x))",
            slope="(1 + 1.5 * x * (1 - 1 / (1 + np.exp(-1.5 * x)))) / (1 + np.exp(-1.5 * x))",
        ),
        3,
    ),
    "a ReLU6 without its 6": ("ReLU6", FUNCTION.format(name="ReLU6", y="np.maximum(x, 0)", slope="(x > 0)"), 1),
    **{
        f"{factor} · a mean as {name}": (
            name,
            POOL.format(name=name, factor=factor),
            int((factor, name) != (1, "MeanPool2d")),
        )
        for factor in (1, 2)
        for name in ("MeanPool2d", "MaxPool2d")
    },
}


def test_a_gradient_that_is_wrong_for_large_batches_only_is_found() -> None:
    text = DENSE.format(shape=(6, 4), W="W", factor=1).replace("dW = 1 * dy.T @ self.x", "dW = dy[:32].T @ self.x[:32]")
    report = cr.check_gradients(module(text, "large").Linear)
    assert [(row.title, row.diagnoses[0].name) for row in report.rows if row.is_wrong] == [("dw", "batch-size")]


@pytest.mark.parametrize("name", sampled(NAMED, 3))
def test_a_class_computes_what_its_name_says(name: str) -> None:
    kind, text, code = NAMED[name]
    report = cr.check_gradients(getattr(module(text, "named"), kind))
    assert report.exit_code == code, str(report)
    assert [row.title for row in report.rows if not row.ok][:1] == ["y"] * bool(code)


SLOPED = """
import numpy as np

class Rounded:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def backward(self, dy):
        return dy * np.where(self.x > 0, 1, {})

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y**2)
"""


@pytest.mark.parametrize(("slope", "code"), [("self.alpha * np.exp(self.x)", 0), ("np.exp(self.alpha * self.x)", 1)])
def test_a_slope_of_any_class_is_not_left_at_its_default(slope: str, code: int) -> None:
    text = SLOPED.format(slope.replace("self.x", "np.minimum(self.x, 0)"))
    report = file_report(text)
    assert report.exit_code == code, str(report)
