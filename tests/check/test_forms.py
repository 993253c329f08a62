"""Homework in the forms of tutorials: correct files are right, and each mistake is caught in its own result."""

from pathlib import Path
from types import ModuleType

import pytest

from chainrule.check.file_checks import LocalFile, check_file
from chainrule.check.report import Report

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
    module = ModuleType(form)
    exec(compile(TEXTS[form] if text is None else text, f"{form}.py", "exec"), vars(module))
    report = check_file(LocalFile(module), form, 0, names=names)
    assert report is not None
    return report


@pytest.mark.parametrize("form", TEXTS)
def test_correct_files_are_right(form: str) -> None:
    rows = checked(form).rows
    assert not [(row.subject, row.title, row.diagnoses, row.notes) for row in rows if row.is_wrong]
    assert {row.subject for row in rows if not row.ok} <= NO_DX


@pytest.mark.parametrize(("form", "name", "title", "old", "new"), MISTAKES)
def test_mistakes_are_caught(form: str, name: str, title: str, old: str, new: str) -> None:
    text = TEXTS[form].replace(old, new)
    assert text != TEXTS[form]
    rows = checked(form, text, (name, *OTHERS.get(form, ()))).rows
    assert title in {row.title for row in rows if row.is_wrong and row.subject.startswith(name)}
