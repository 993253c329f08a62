"""Homework in the forms of tutorials: correct files are right, and each mistake is caught in its own result."""

import random
from pathlib import Path

import numpy as np
import pytest
from check.form_mutants import USES
from check.mutants import is_wrong, module, mutant
from click.testing import CliRunner

import chainrule as cr
from chainrule.check import report
from chainrule.check.file_checks import LocalFile, check_file
from chainrule.check.report import Report
from chainrule.cli import main

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

FOLDER = Path(__file__).parent / "forms"
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py")}
OTHERS = {"updates": ("Reshape",), "single": ("Conv3x3",)}  # a class without arguments is not checked alone
NO_DX = {"Conv3x3"}  # first layers of a network, which need no dx

# form, function or class with a mistake, wrong result; text and its replacement
MISTAKES = (
    ("updates", "Dense", "dw", "np.dot(output_gradient, self.input.T)", "np.dot(output_gradient, self.input.T) / 2"),
    ("updates", "Dense", "dx", "np.dot(self.weights.T, output_gradient)", "-np.dot(self.weights.T, output_gradient)"),
    ("updates", "Dense", "dw", "self.weights -= learning_rate * weights_gradient", "self.weights -= weights_gradient"),
    ("updates", "Dense", "db", "self.bias -= learning_rate", "self.bias += learning_rate"),
    (
        "updates",
        "Dense",
        "dx",
        "        input_gradient = np.dot(self.weights.T, output_gradient)\n"
        "        self.weights -= learning_rate * weights_gradient\n",
        "        self.weights -= learning_rate * weights_gradient\n"
        "        input_gradient = np.dot(self.weights.T, output_gradient)\n",
    ),
    ("updates", "Convolutional", "dx", "signal.convolve2d(", "signal.correlate2d("),
    ("updates", "Convolutional", "dx", "input_gradient[j] += signal", "input_gradient[j] = signal"),
    ("updates", "Convolutional", "dw", "self.input[j], output_gradient[i]", "self.input[0], output_gradient[i]"),
    ("updates", "Convolutional", "db", "self.biases -= learning_rate * output_gradient", "self.biases -= 0.1"),
    ("updates", "Tanh", "dx", "1 - np.tanh(x) ** 2", "1 - np.tanh(x)"),
    ("updates", "Sigmoid", "dx", "return s * (1 - s)", "return s"),
    ("updates", "Softmax", "dx", "np.identity(n) - self.output.T", "np.identity(n) + self.output.T"),
    ("updates", "mse_prime", "dp", "2 * (y_pred - y_true)", "2 * (y_true - y_pred)"),
    ("single", "Conv3x3", "dw", "d_L_d_out[i, j, f] * region", "d_L_d_out[i, j, 0] * region"),
    ("single", "MaxPool2", "dx", "== amax[f2]", "!= amax[f2]"),
    ("single", "Softmax", "dbiases", "self.biases -= learn_rate * d_L_d_t", "self.biases -= learn_rate * gradient"),
    ("single", "Softmax", "dx", "self.weights @ d_L_d_t", "self.weights @ d_out_d_t"),
    ("functions", "convolutionBackward", "dw", "dfilt[curr_f] += dconv_prev", "dfilt[curr_f] = dconv_prev"),
    ("functions", "convolutionBackward", "dx", "dconv_prev[curr_f, i, j] * filt[curr_f]", "filt[curr_f]"),
    ("functions", "convolutionBackward", "db", "np.sum(dconv_prev[curr_f])", "np.mean(dconv_prev[curr_f])"),
    ("functions", "maxpoolBackward", "dx", "+= dpool[c, u, v]", "= dpool[c, u, v]"),
    ("functions", "maxpoolBackward", "dx", "np.nanargmax(window)", "np.nanargmin(window)"),
    ("functions", "sigmoid_prime", "dx", "sigmoid(x) * (1 - sigmoid(x))", "sigmoid(x) * (1 + sigmoid(x))"),
    ("functions", "tanh_derivative", "dx", "1 - y**2", "1 - y"),
    ("functions", "relu_backward", "dx", "dZ[cache <= 0] = 0", "dZ[cache >= 0] = 0"),
    ("functions", "mse_prime", "dp", "/ np.size(y_true)", "/ len(y_true)"),
    ("functions", "binary_cross_entropy_prime", "dp", "- y_true / y_pred", "+ y_true / y_pred"),
    (
        "channels_last",
        "conv_backward",
        "dw",
        "v, z = h * stride, w * stride\n                for",
        "v, z = h, w\n                for",
    ),
    ("channels_last", "conv_backward", "db", "db[:, :, :, c] += dZ", "db[:, :, :, c] = dZ"),
    ("channels_last", "conv_forward", "y", "+ b[0, 0, 0, c]", "- b[0, 0, 0, c]"),
    ("channels_last", "pool_backward", "dx", "dA[i, h, w, c] / (f * f)", "dA[i, h, w, c] / f"),
    ("channels_last", "pool_backward", "dx", "(a == a.max()) *", "(a == a.min()) *"),
    ("engine", "Value", "da", "self.grad += other.data * out.grad", "self.grad = other.data * out.grad"),
    ("engine", "Value", "da", "self.grad += (1 - t**2) * out.grad", "self.grad += 1 - t**2"),
    ("engine", "Value", "db", "other.grad += self.data * out.grad", "other.grad += self.data"),
    ("engine", "Value", "da", "for v in reversed(topo)", "for v in topo"),
    ("engine", "Value", "da", "(other * self.data ** (other - 1))", "(other * self.data**other)"),
    ("tensors", "Tensor", "da", "lambda g: g @ other.data.T", "lambda g: other.data.T"),
    ("tensors", "Tensor", "db", "self.data.T @ g", "self.data.T @ np.abs(g)"),
    ("tensors", "Tensor", "da", "else self.grad + gradient", "else gradient"),
    ("tensors", "Tensor", "da", "lambda g: g * y", "lambda g: y"),
    ("tensors", "Tensor", "db", "reduced(g * self.data, other.data.shape)", "(g * self.data)[0]"),
)


def checked(form: str, text: str | None = None, names: tuple[str, ...] = ()) -> Report:
    """Return the report of a form's file, or of another text."""
    file = LocalFile(module(TEXTS[form] if text is None else text, form))
    result = check_file(file, form, 0, names=names)
    assert result is not None
    return result


@pytest.mark.parametrize("form", TEXTS)
def test_correct_files_are_right(form: str) -> None:
    rows = checked(form).rows
    assert not [(row.subject, row.title, row.diagnoses, row.notes) for row in rows if row.is_wrong]
    assert {row.subject for row in rows if not row.ok} <= NO_DX


@pytest.mark.parametrize(
    ("form", "name", "title", "old", "new"),
    [pytest.param(*row, marks=pytest.mark.thorough if number % 4 else ()) for number, row in enumerate(MISTAKES)],
)
def test_mistakes_are_caught(form: str, name: str, title: str, old: str, new: str) -> None:
    text = TEXTS[form].replace(old, new)
    assert text != TEXTS[form]
    rows = checked(form, text, (name, *OTHERS.get(form, ()))).rows
    assert title in {row.title for row in rows if row.is_wrong and row.subject.startswith(name)}


class OverwritesDy:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0)

    def backward(self, dy):
        dy[self.x <= 0] = 0
        return dy


class RowOfBiasGradients:
    def __init__(self):
        self.w, self.b = np.ones((4, 7)), np.zeros(4)

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        self.dw, self.db = dy.T @ self.x, dy.sum(axis=0, keepdims=True)
        return dy @ self.w


@pytest.mark.parametrize(
    ("source", "against", "diagnosis"),
    [(OverwritesDy, "ReLU()", report.DY_OVERWRITTEN), (RowOfBiasGradients, "Dense(4)", report.RESHAPED)],
)
def test_violated_contracts_are_not_wrong(source: type, against: str, diagnosis: str) -> None:
    result = cr.check_gradients(source, against=against)
    assert result.exit_code == 0
    assert {row.diagnoses[0].name for row in result.rows if not row.ok} == {diagnosis}
    assert "right, but" in str(result)


def test_packages_of_the_folders_above_are_found(tmp_path: Path) -> None:
    """Absolute and relative imports in a package, without --root."""
    for name, text in {
        "common/functions.py": "import numpy as np\n\ndef half(x):\n    return x / 2\n",
        "common/__init__.py": "",
        "common/layers.py": (
            "from common.functions import *\nfrom .functions import half as same\n\n"
            "class Halve:\n    def forward(self, x):\n        return half(x)\n\n"
            "    def backward(self, dy):\n        return same(dy)\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["check", str(tmp_path / "common" / "layers.py")])
    assert result.exit_code == 0, result.output
    assert "half" not in result.output


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of code such as None[0], which fails when it runs
@pytest.mark.parametrize("number", range(300))
def test_mutants_are_judged_by_their_results(number: int) -> None:
    """No mutant with other results passes as right, and no mutant with the same results is wrong."""
    draw = random.Random(number)
    form = draw.choice([*USES])
    name = draw.choice([*USES[form]])
    functions, run = USES[form][name]
    change, source = mutant(TEXTS[form], functions, draw)
    original, changed = module(TEXTS[form], form), module(source, form)
    rows = checked(form, source, (name, *OTHERS.get(form, ()))).rows
    rows = [row for row in rows if row.subject in (name, *functions)]
    if is_wrong(original, changed, run):
        assert not all(row.ok for row in rows), change
    else:
        assert not any(row.is_wrong for row in rows), change
