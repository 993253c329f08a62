"""Mistakes that appear only together with other layers, other callers or other sizes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from check.test_courses import TEXTS, module, require_caught

import chainrule as cr
from chainrule.check.file_checks import check_file
from chainrule.check.host import Limits, open_file, process
from chainrule.check.report import Report

# file, function or class, title and name of the diagnosis, or "", and pairs of texts and what replaces them
ALONE = {
    "values in a global variable": (
        ("functions", "affine_backward", "dw", "shared-between-layers"),
        ("    cache = (x, w, b)", "    global KEPT\n    KEPT = (x, w, b)\n    cache = ()"),
        ("dx = (dout @ w.T).reshape", "x, w, b = KEPT\n    dx = (dout @ w.T).reshape"),
        ("    x, w, b = cache\n    x, w, b = KEPT", "    x, w, b = KEPT"),
    ),
    "values in an attribute of the function": (
        ("functions", "relu_backward", "dx", "shared-between-layers"),
        ("return np.maximum(x, 0), x", "relu_forward.x = x\n    return np.maximum(x, 0), x"),
        ("dout * (cache > 0)", "dout * (relu_forward.x > 0)"),
    ),
    "values in an attribute of the class": (
        ("classes", "Linear", "dw", "shared-between-layers"),
        ("self.A = A\n        self.N", "Linear.A = A\n        self.N"),
        ("dLdZ.T @ self.A\n", "dLdZ.T @ Linear.A\n"),
    ),
    "a loss that keeps its values in the class": (
        ("classes", "MSELoss", "dp", "shared-between-layers"),
        ("self.A, self.Y = A, Y", "MSELoss.A, MSELoss.Y = A, Y"),
    ),
    "a loss that keeps its values in a global variable": (
        ("classes", "MSELoss", "dp", "shared-between-layers"),
        ("import numpy as np\n", "import numpy as np\n\nKEPT = {}\n"),
        ("self.A, self.Y = A, Y", "KEPT['A'] = self.A = A\n        self.Y = Y"),
        ("2 * (self.A - self.Y) / (", "2 * (KEPT['A'] - self.Y) / ("),
    ),
    "values in the default of an argument, which all objects share": (
        ("classes", "Linear", "dw", "shared-between-layers"),
        ("out_features, debug=False):", "out_features, debug=False, kept={}):\n        self.kept = kept"),
        ("self.A = A\n        self.N", "self.kept['A'] = A\n        self.N"),
        ("dLdZ.T @ self.A\n", "dLdZ.T @ self.kept['A']\n"),
    ),
    "backward overwrites the x in the cache": (
        ("functions", "relu_backward", "dx", "arrays-overwritten"),
        ("return dout * (cache > 0)", "cache[...] = cache > 0\n    return dout * cache"),
    ),
    "backward updates the w in the cache": (
        ("functions", "affine_backward", "dx", "arrays-overwritten"),
        ("dw = x.reshape(x.shape[0], -1).T @ dout\n", "dw = x.reshape(x.shape[0], -1).T @ dout\n    w -= 0.1 * dw\n"),
    ),
    "outputs in one array": (
        ("functions", "relu_forward", "y", "arrays-overwritten"),
        ("return np.maximum(x, 0), x", "return np.maximum(x, 0, out=BUFFERS.setdefault(x.shape, 0 * x)), x"),
        ("import numpy as np\n", "import numpy as np\n\nBUFFERS = dict()\n"),
    ),
    "gradients in one array": (
        ("classes", "Linear", "dx", "arrays-overwritten"),
        (
            "return dLdZ @ self.W\n\n\nclass Sig",
            "return np.matmul(dLdZ, self.W, out=self.__dict__.setdefault(f'dA{len(dLdZ)}', 0 * self.A))\n\n\nclass Sig",
        ),
    ),
    "a loss for five samples": (
        ("classes", "MSELoss", "dp", "batch-size"),
        ("2 * (self.A - self.Y) / (self.N * self.C)", "2 * (self.A - self.Y) / (5 * self.C)"),
    ),
    "a loss for four classes": (
        ("classes", "MSELoss", "dp", "number-of-classes"),
        ("2 * (self.A - self.Y) / (self.N * self.C)", "2 * (self.A - self.Y) / (self.N * 4)"),
    ),
    "a loss without rows of its own": (
        ("functions", "softmax_loss", "y", "number-of-classes"),
        ("s = x - x.max(axis=1", "assert x.shape[1] == 4\n    s = x - x.max(axis=1"),
    ),
    "a loss that overwrites the labels": (
        ("functions", "svm_loss", "y", "arrays-overwritten"),
        ("loss = m.sum() / N\n", "loss = m.sum() / N\n    y[0] = 1 - y[0]\n"),
    ),
    "a loss that is wrong for the first class": (
        ("functions", "softmax_loss", "dp", ""),
        ("return loss, dx / N\n\n\ndef svm", "dx[y == 0] *= 1.01\n    return loss, dx / N\n\n\ndef svm"),
    ),
    "a kernel of one weight": (
        ("functions", "conv_backward_naive", "dx", ""),
        ("return dxp[:, :, p : p + H, p : p + W]", "return (w.size > 1) * dxp[:, :, p : p + H, p : p + W]"),
    ),
    "one image in test mode": (
        ("functions", "batchnorm_forward", "y", "test-mode"),
        ("(x - rm) / np.sqrt(rv + eps) + beta", "(x - rm) / np.sqrt(rv + eps) + beta * (N > 1)"),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_code_that_is_right_only_alone_is_wrong(name: str) -> None:
    told, *changes = ALONE[name]
    require_caught(*told, changes)


ENCLOSED = """
import numpy as np
from types import SimpleNamespace

def dense():
    w, b, kept, dw, db = np.ones((4, 7)), np.zeros(4), None, None, None

    def forward(x):
        nonlocal kept
        kept = x
        return x @ w.T + b

    def backward(dy):
        nonlocal dw, db
        dw, db = dy.T @ kept, dy.sum(axis=0)
        return dy @ w

    return SimpleNamespace(forward=forward, backward=backward)
"""


@pytest.mark.parametrize(("instead", "code"), [("dy.T @ kept", 0), ("0 * w", 1), ("None", 3)])
def test_variables_of_an_enclosing_function_are_parameters(instead: str, code: int) -> None:
    layer = module("enclosed", ENCLOSED.replace("dy.T @ kept", instead)).dense()
    report = cr.check_gradients(layer, input_shape=(7,))
    assert report.exit_code == code, str(report)
    assert len(report.rows) >= 3  # w and b have rows of their own


ADDED_UP = """
    def zero_grad(self):
        self.weight.grad, self.bias.grad = 0, 0

    def backward(self, grad_output):
        self.weight.grad = self.weight.grad + grad_output.T @ self.input
        self.bias.grad = self.bias.grad + grad_output.sum(0)
        return grad_output @ self.weight.data
"""


def added_up(text: str) -> Report:
    found = module("classes", TEXTS["classes"])
    body = dict[str, object]()
    exec(text.replace("\n    ", "\n"), vars(found), body)
    return cr.check_gradients(type("Linear", (found.TorchLikeLinear,), body), against="Dense(4)")


def test_gradients_may_add_up_where_they_can_be_set_to_zero() -> None:
    report = added_up(ADDED_UP)
    assert report.ok, str(report)
    report = added_up(
        ADDED_UP.replace("self.weight.grad, self.bias.grad = 0, 0", "self.weight.grad, self.bias.grad = 1, 0")
    )
    assert not report.ok


def test_an_array_as_a_default_of_forward_is_refused() -> None:
    class Hidden:
        def forward(self, x, w=np.ones((4, 7))):  # noqa: B008
            return x @ w.T

        def backward(self, dy):
            return dy @ np.ones((4, 7))

    with pytest.raises(cr.StudentError, match="default of w"):
        cr.check_gradients(Hidden, input_shape=(7,))


RELU = """
def relu_forward{0}(x):
    return x * (x > 0), x


def relu_backward{0}(dout, cache):
    return dout * (cache > 0)
"""


def test_a_function_has_time_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]

    def clock() -> float:
        calls[0] += 1
        return float(calls[0])

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=clock))  # time is counted in looks at the clock

    def checked_with(seconds: int, *suffixes: str) -> bool:
        (tmp_path / "layers.py").write_text("".join(map(RELU.format, suffixes)), encoding="utf-8")
        with open_file(tmp_path / "layers.py", Limits(seconds)) as file:
            return bool(check_file(file, "layers", 0, names=[f"relu_forward{one}" for one in suffixes]))

    assert checked_with(100_000, "")
    assert checked_with(2 * calls[0], "", "_naive", "_fast", "_im2col")
