"""Right code in every form and layout is right, and no change that makes it wrong passes."""

import pytest
from check.corpus import KINDS, cases, checked, exit_code, source, wrong_mutant
from check.homework_files import file_report, module, sampled

import chainrule as cr
from chainrule.check.report import SINGLE_ONLY

pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@pytest.mark.parametrize(("form", "name", "layout"), sampled(cases(), 30))
def test_right_code_is_right_and_a_mutant_is_not(form: str, name: str, layout: str) -> None:
    text = source(form, name, layout)
    if "import torch" in text:
        pytest.importorskip("torch")
    report = checked(text)
    assert report.exit_code == 0, str(report)
    changed = wrong_mutant(text, form, name, [*KINDS].index(name))
    assert exit_code(changed) != 0, changed


OPTIONAL_BIAS = """
import torch

class LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward({ctx}input, weight, bias=None):
        {saved}
        return input.mm(weight.t()) + (0 if bias is None else bias)

    @staticmethod
    def {setup}

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        db = grad_output.sum(0) if ctx.needs_input_grad[2] else None
        return grad_output.mm(weight), grad_output.t().mm(input), {db}
"""
SETUP = "setup_context(ctx, inputs, output):\n        ctx.save_for_backward(*inputs[:2])"
SAME = """
import numpy as np

class Conv2D:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding="same"):
        self.W, self.stride = np.ones((out_channels, in_channels, kernel_size, kernel_size)), stride
        self.pad = {"same": ((kernel_size - 1) // 2, kernel_size // 2), "valid": (0, 0)}[padding]

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), self.pad, self.pad))
        windows = np.lib.stride_tricks.sliding_window_view(self.x, self.W.shape[2:], axis=(2, 3))
        self.windows = windows[:, :, :: self.stride, :: self.stride]
        return np.einsum("ncijuv,fcuv->nfij", self.windows, self.W)

    def backward(self, dy):
        self.dW, dx, k = np.einsum("ncijuv,nfij->fcuv", self.windows, dy), np.zeros_like(self.x), self.W.shape[2]
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                row, column = i * self.stride, j * self.stride
                dx[:, :, row : row + k, column : column + k] += np.tensordot(dy[:, :, i, j], self.W, 1)
        start, end = self.pad
        return dx[:, :, start : dx.shape[2] - end, start : dx.shape[3] - end]
"""
NO_DX = """
import numpy as np

class FirstLinear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        dw, db = dy.T @ self.x, dy.sum(0)
        KEPT
"""
USED = OPTIONAL_BIAS.format(ctx="ctx, ", saved="ctx.save_for_backward(input, weight)", setup="f(x): pass", db="db")
SEPARATE = OPTIONAL_BIAS.format(ctx="", saved="", setup=SETUP, db="db")
OTHERS = {  # text, a part of it, and what makes it wrong
    "ctx of PyTorch": (USED, "mm(weight), grad", "mm(-weight), grad"),
    "setup_context": (SEPARATE, "grad_output.sum(0)", "weight[:, 0]"),
    "a padding in words": (SAME, "(kernel_size - 1) // 2, kernel_size // 2", "kernel_size // 2, ~-kernel_size // 2"),
    "no dx": (NO_DX.replace("KEPT", "self.dW, self.db = dw, db"), "dy.T @", "2 * dy.T @"),
    "grad_theta": (
        NO_DX.replace("W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)",
                      "theta, self.grad_theta = dict(W=np.ones((n_out, n_in)), b=np.zeros(n_out)), dict()")
        .replace("self.W.T + self.b", "self.theta['W'].T + self.theta['b']")
        .replace("KEPT", "self.grad_theta.update(W=dw, b=db)"),
        "dy.sum(0)", "dy.mean(0)",
    ),
    "no dx, returned": (NO_DX.replace("KEPT", "return dw, db"), "dy.sum(0)", "dy.mean(0)"),
    "dy last, of any name": (
        "def linear_forward(x, W, b):\n    return x @ W.T + b\n\n"
        "def linear_backward(x, W, b, g):\n    return g @ W, g.T @ x, g.sum(0)\n",
        "g.T @ x", "g.T @ x / 2",
    ),
    "parameters in a list, and a size k": (
        NO_DX.replace("self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)",
                      "self.k, self.params, self.grads = n_in, [np.ones((n_out, n_in)), np.zeros(n_out)], [0, 0]")
        .replace("self.W.T + self.b", "self.params[0].T + self.params[1]").replace("KEPT", "self.grads[:] = dw, db"),
        "dy.T @", "2 * dy.T @",
    ),
    "a bias in the weights": (
        NO_DX.replace("FirstLinear", "Linear")
        .replace("self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)", "self.W = np.ones((n_in + 1, n_out))")
        .replace("self.x = x", "self.x = np.hstack([x, np.ones((len(x), 1))])")
        .replace("x @ self.W.T + self.b", "self.x @ self.W").replace("dy.T @ self.x, dy.sum(0)", "self.x.T @ dy, 0")
        .replace("KEPT", "self.dW = dw\n        return dy @ self.W[:-1].T"),
        "self.x.T @ dy", "(self.x.T - self.x[0, -1] / 2) @ dy",
    ),
    "parameters made by build": (
        NO_DX.replace("n_in, n_out", "n_out", 1).replace("self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)",
        "self.sizes, self.W = n_out, None\n\n    def build(self, shape):\n"
        "        self.W, self.b = np.ones((shape[-1], self.sizes)), np.zeros(self.sizes)")
        .replace("self.W.T", "self.W").replace("dy.T @ self.x", "self.x.T @ dy")
        .replace("KEPT", "self.dW, self.db = dw, db\n        return dy @ self.W.T"),
        "self.x.T @ dy", "self.x.T @ dy / len(dy)",
    ),
    "images to columns": (
        "class Flatten:\n    def forward(self, x):\n        self.shape = x.shape\n"
        "        return x.reshape(len(x), -1).T\n\n    def backward(self, dy):\n"
        "        return dy.T.reshape(self.shape)\n",
        "dy.T.reshape", "-dy.T.reshape",
    ),
    "a loss of its own name and scale": (
        "class Distance:\n    def loss(self, y_true, y_pred):\n"
        "        return ((y_pred - y_true) ** 2).sum(1).mean()\n\n"
        "    def gradient(self, y_true, y_pred):\n        return 2 * (y_pred - y_true) / len(y_true)\n"
        "class Scores:\n    def forward(self, p, t):\n        self.d = p - t\n        return (self.d**2).mean()\n\n"
        "    def backward(self):\n        return 2 * self.d / self.d.size\n",
        "2 * self.d", "self.d",
    ),
    "labels, and the logarithm of a probability": (
        "import numpy as np\n\nclass Scores:\n    def forward(self, inputs, y_true):\n"
        "        e = np.exp(inputs - inputs.max(1, keepdims=True))\n"
        "        self.t, self.p = y_true, e / e.sum(1)[:, None]\n"
        "        return self.p, -np.log(self.p[np.arange(len(e)), y_true]).mean()\n\n    def backward(self):\n"
        "        return (self.p - np.eye(self.p.shape[1])[self.t]) / len(self.p)\n",
        "/ len(self.p)\n", "\n",
    ),
    "activations by name": (
        "import numpy as np\n\nclass Activation:\n    def __init__(self, activation='relu'):\n"
        "        self.kind = activation\n\n    def forward(self, x):\n        self.x = x\n"
        "        return np.maximum(x, 0) if self.kind == 'relu' else {'tanh': np.tanh}[self.kind](x)\n\n"
        "    def backward(self, dy):\n"
        "        return dy * ((self.x > 0) if self.kind == 'relu' else 1 / np.cosh(self.x) ** 2)\n",
        "np.cosh(self.x) ** 2", "np.cosh(self.x)",
    ),
    "two layers in one function": (
        "import numpy as np\n\ndef affine_relu_forward(x, w, b):\n    a = x.reshape(len(x), -1) @ w + b\n"
        "    return np.maximum(a, 0), (x, w, a)\n\ndef affine_relu_backward(dout, cache):\n"
        "    x, w, a = cache\n    da = dout * (a > 0)\n"
        "    return (da @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ da, da.sum(0)\n",
        "dout * (a > 0)", "dout",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_forms_are_read(name: str) -> None:
    text, old, new = OTHERS[name]
    if "import torch" in text:
        pytest.importorskip("torch")
    assert exit_code(text) == 0, str(checked(text))
    assert old in text
    assert exit_code(text.replace(old, new)) == 1


UNKNOWN = {  # text → values of names that the adapter mentions
    "a class": (
        "class Neurons:\n    def __init__(self, spec):\n        self.mat = np.ones(spec['sizes'])\n"
        "    def compute(self, x):\n        self.x = x\n        return x @ self.mat\n"
        "    def propagate(self, dy):\n        self.dmat = self.x.T @ dy\n        return dy @ self.mat.T\n",
        "spec = {'sizes': (7, 4)}\n",
    ),
    "two functions": (
        "def linear_forward(x, W, b, spec):\n    return x @ W * spec['gain'] + b, (x, W, spec['gain'])\n"
        "def linear_backward(dout, cache):\n    x, W, gain = cache\n"
        "    return dout @ W.T * gain, x.T @ dout * gain, dout.sum(0)\n",
        "spec, W, b = {'gain': 1}, np.ones((7, 4)), np.zeros(4)\n",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_adapter_of_an_unknown_form_works(name: str) -> None:
    text, values = UNKNOWN[name]
    text = f"import numpy as np\n{text}"
    report = checked(text)
    assert report.exit_code == 3, str(report)
    (note,) = (note for row in report.rows for note in row.notes)
    adapter = note.partition("\n")[2]
    assert adapter.count("\n") < 5
    report = cr.check_gradients(module(f"{text}{values}{adapter}").Checked)
    assert report.exit_code == 0, str(report)


DENSE = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros(n_out)

    def forward(self, x):
        self.cache = (x, {alias})
        return {y}

    def backward(self, dy{rate}):
        x, W = self.cache
        {body}
"""
RIGHT = {"alias": "self.W", "y": "x @ self.W.T + self.b", "rate": "", "body": "return dy @ W, dy.T @ x, dy.sum(0)"}
VERDICTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "returned in order": ({}, {"y": "right", "dx": "right", "dw": "right", "db": "right"}),
    "a view in the cache": ({"alias": "self.W.reshape(self.W.shape)"}, {"y": "right", "dw": "right"}),
    "in a list": ({"body": "return dy @ W, [dy.T @ x, dy.sum(0)]"}, {"dx": "right", "dw": "right", "db": "right"}),
    "of another shape": ({"body": "return dy @ W, dy.T @ x, dy.sum(0, keepdims=True)"}, {"db": "right, but"}),
    "no dx": ({"body": "self.dW, self.db = dy.T @ x, dy.sum(0)"}, {"y": "right", "dx": "not returned", "dw": "right"}),
    "an error": ({"body": "return dy @ W.T, dy.T @ x, dy.sum(0)"}, {"y": "right", "dx": "FAILS"}),
    "a number differs": ({"body": "return dy @ W, 2 * dy.T @ x, dy.sum(0)"}, {"dw": "WRONG"}),
    "exchanged": ({"body": "return dy @ W, dy.sum(0), dy.T @ x"}, {"dw": "right", "db": "right"}),
    "return in a loop": (
        {
            "y": "self.W @ x + self.b",
            "rate": ", rate",
            "body": "for i in range(len(dy)):\n            if dy[i] == 0:\n                continue\n"
            "            self.W[i] -= rate * dy[i] * x\n            self.b[i] -= rate * dy[i]\n"
            "            return dy[i] * W[i]",
        },
        {"y": SINGLE_ONLY, "dx": "WRONG"},
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_says_what_was_compared(name: str) -> None:
    changes, expected = VERDICTS[name]
    report = file_report(DENSE.format(**RIGHT | changes))
    verdicts = {row.title: row.verdict for row in report.rows}
    assert {title: verdicts.get(title) for title in expected} == expected, str(report)
    wrong = {"WRONG", "FAILS"} & {*verdicts.values()}
    assert report.exit_code == (1 if wrong else 3 * ("not checked" in verdicts.values()))
