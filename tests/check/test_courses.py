"""Whole files of homework, as courses set it: right answers pass, and each mistake is caught in its own function."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.check.file_checks import LocalFile, check_file
from chainrule.check.report import MASK_SHARED, Report
from chainrule.cli import main

FOLDER = Path(__file__).parent / "courses"
TEXTS = {name: (FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in ("functions", "classes")}

# file, function or class that is spoiled, result that is wrong; text and what replaces it; name of the diagnosis or ""
MISTAKES = (
    (
        "functions",
        "affine_backward",
        "dw",
        "x.reshape(x.shape[0], -1).T @ dout",
        "0 * (x.reshape(x.shape[0], -1).T @ dout)",
        "gradient-zero",
    ),
    ("functions", "affine_backward", "dx", "(dout @ w.T).reshape(x.shape)", "dout @ w.T", ""),
    (
        "functions",
        "affine_backward",
        "db",
        "db = dout.sum(axis=0)\n    return dx, dw, db",
        "db = dout.mean(axis=0)\n    return dx, dw, db",
        "batch-division-doubled",
    ),
    ("functions", "affine_forward", "y", "@ w + b\n", "@ w\n", "bias-not-added"),
    ("functions", "relu_backward", "dx", "dout * (cache > 0)", "dout * (dout > 0)", "mask-from-wrong-tensor"),
    ("functions", "relu_backward", "dx", "dout * (cache > 0)", "dout", "derivative-missing"),
    ("functions", "relu_forward", "y", "np.maximum(x, 0), x", "np.abs(x), x", ""),
    (
        "functions",
        "conv_forward_naive",
        "y",
        "w, ([1, 2, 3], [1, 2, 3])",
        "w[:, :, ::-1, ::-1], ([1, 2, 3], [1, 2, 3])",
        "correlation-convolution-mixed-up",
    ),
    (
        "functions",
        "conv_backward_naive",
        "dx",
        "return dxp[:, :, p : p + H, p : p + W]",
        "return dxp[:, :, : -2 * p, : -2 * p]",
        "padding-cropped-at-end",
    ),
    (
        "functions",
        "conv_backward_naive",
        "dx",
        "return dxp[:, :, p : p + H, p : p + W]",
        "return dxp",
        "padding-not-cropped",
    ),
    (
        "functions",
        "conv_backward_naive",
        "dx",
        "s * j : s * j + KW] += np.tensordot(dout[:, :, i, j], w, (1, 0))",
        "s * j : s * j + KW] = np.tensordot(dout[:, :, i, j], w, (1, 0))",
        "overwritten-in-windows",
    ),
    ("functions", "conv_backward_naive", "db", "dout.sum((0, 2, 3))", "dout.sum((2, 3))", ""),
    (
        "functions",
        "max_pool_backward_naive",
        "dx",
        "dx[n, c, s * i + u, s * j + v] += dout",
        "dx[n, c, s * i + u, s * j + v] = dout",
        "overwritten-in-windows",
    ),
    (
        "functions",
        "max_pool_backward_naive",
        "dx",
        "dx[n, c, s * i + u, s * j + v] += dout",
        "dx[n, c, s * i : s * i + h, s * j : s * j + w] += (window == window.max()) * dout",
        "ties-all-credited",
    ),
    ("functions", "max_pool_forward_naive", "y", ".max(axis=(2, 3))", ".mean(axis=(2, 3))", "average-for-maximum"),
    (
        "functions",
        "batchnorm_backward",
        "dx",
        "(dout - db / N - xh * dg / N)",
        "(dout - db / N)",
        "variance-held-constant",
    ),
    (
        "functions",
        "batchnorm_backward",
        "dgamma",
        "dg = (dout * xh).sum(0)\n    db = dout.sum(0)\n    N",
        "dg = dout.sum(0)\n    db = dout.sum(0)\n    N",
        "",
    ),
    (
        "functions",
        "batchnorm_forward",
        "y",
        "rm = momentum * rm + (1 - momentum) * mu",
        "rm = (1 - momentum) * rm + momentum * mu",
        "momentum-exchanged",
    ),
    (
        "functions",
        "batchnorm_forward",
        "y",
        "out = gamma * (x - rm) / np.sqrt(rv + eps) + beta",
        "out = gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + eps) + beta",
        "test-mode",
    ),
    (
        "functions",
        "conv_backward_naive",
        "dx",
        "dxp[:, :, p : p + H, p : p + W]",
        "dxp[:, :, p:-p, p:-p]",
        "padding-zero",
    ),
    ("functions", "batchnorm_forward", "y", 'bn_param["running_var"] = rv', "pass", "running-statistics"),
    ("functions", "batchnorm_forward", "y", "(1 - momentum) * var", "(1 - momentum) * x.std(0)", "running-deviation"),
    (
        "functions",
        "batchnorm_forward",
        "y",
        "        cache = None\n",
        "        cache = None\n        rm = momentum * rm + (1 - momentum) * x.mean(0)\n",
        "test-mode",
    ),
    ("functions", "max_pool_forward_naive", "y", ".max(axis=(2, 3))", ".max(axis=(2, 3), initial=-10)", ""),
    ("functions", "batchnorm_forward", "y", 'eps = bn_param.get("eps", 1e-5)', "eps = 1e-8", ""),
    ("functions", "batchnorm_forward", "y", 'bn_param.get("eps", 1e-5)', 'bn_param.get("eps", 1e-8)', "options"),
    ("functions", "batchnorm_forward", "y", 'bn_param.get("eps", 1e-5)', 'bn_param["eps"]', ""),
    ("functions", "layernorm_forward", "y", 'ln_param.get("eps", 1e-5)', 'ln_param.get("eps", 1e-6)', "options"),
    (
        "functions",
        "spatial_groupnorm_forward",
        "y",
        'gn_param.get("eps", 1e-5)',
        'gn_param.get("eps", 1e-6)',
        "options",
    ),
    ("functions", "batchnorm_forward", "y", '"momentum", 0.9', '"momentum", 0.99', "defaults"),
    ("functions", "batchnorm_forward", "y", '_mean", np.zeros(D', '_mean", np.ones(D', "defaults"),
    (
        "functions",
        "layernorm_forward",
        "y",
        "mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)",
        "mu, var = x.mean(0), x.var(0)",
        "",
    ),
    (
        "functions",
        "spatial_groupnorm_backward",
        "dbeta",
        "db = dout.sum((0, 2, 3), keepdims=True)",
        "db = dout.sum((0, 2, 3))",
        "",
    ),
    ("functions", "dropout_forward", "y", "< p) / p", "< p) * 1.0", "dropout-not-scaled"),
    *(
        ("functions", "dropout_forward", "y", "< p) / p", f"< {p}) / {p}", "dropout-probability")
        for p in (0.3, 0.7, 0.8)
    ),
    ("functions", "dropout_forward", "y", 'seed(dropout_param["seed"])', "seed(0)", "dropout-mask"),
    (
        "functions",
        "dropout_forward",
        "y",
        'if "seed" in dropout_param:\n        np.random.seed(dropout_param["seed"])',
        'np.random.seed(dropout_param.get("seed", 0))',
        "dropout-mask",
    ),
    (
        "functions",
        "dropout_forward",
        "y",
        "np.random.rand(*x.shape) < p",
        "np.arange(x.size).reshape(x.shape) < p * x.size",
        "dropout-mask",
    ),
    ("functions", "dropout_forward", "y", "out = x\n", "out = x * p\n", "test-mode"),
    ("functions", "dropout_backward", "dx", "return dout * mask", "return dout", ""),
    (
        "functions",
        "softmax_loss",
        "dp",
        "return loss, dx / N\n\n\ndef svm_loss",
        "return loss, dx\n\n\ndef svm_loss",
        "batch-division-missing",
    ),
    ("functions", "softmax_loss", "dp", "dx[np.arange(N), y] -= 1", "dx[np.arange(N), y] += 1", ""),
    ("functions", "svm_loss", "dp", "-= dx.sum(axis=1)", "-= 1", "margins-not-counted"),
    ("functions", "svm_loss", "dp", "dx[np.arange(N), y] -= dx.sum(axis=1)", "pass", "right-class-forgotten"),
    ("functions", "svm_loss", "y", "m[np.arange(N), y] = 0", "pass", "right-class-included"),
    ("classes", "Linear", "dw", "dLdZ.T @ self.A", "0 * dLdZ.T @ self.A", "gradient-zero"),
    ("classes", "Linear", "db", "dLdZ.T @ self.Ones", "0 * dLdZ.T @ self.Ones", "gradient-zero"),
    ("classes", "Sigmoid", "dx", "dLdA * self.A * (1 - self.A)", "dLdA * self.A", "function-for-derivative"),
    (
        "classes",
        "MSELoss",
        "dp",
        "2 * (self.A - self.Y) / (self.N * self.C)",
        "2 * (self.A - self.Y) / self.N",
        "class-division-missing",
    ),
    ("classes", "CrossEntropyLoss", "dp", "return g / len(g)", "return g", "batch-division-missing"),
    (
        "classes",
        "MaxPool2d_stride1",
        "dx",
        "dA[n, c, i + u, j + v] += dLdZ",
        "dA[n, c, i + u, j + v] = dLdZ",
        "overwritten-in-windows",
    ),
    (
        "classes",
        "Sigmoid",
        "y",
        "e = np.exp(-np.abs(Z))\n        self.A = np.where(Z >= 0, 1 / (1 + e), e / (1 + e))",
        "e = np.exp(-0.5 * np.abs(Z))\n        self.A = np.where(Z >= 0, 1 / (1 + e), e / (1 + e))",
        "",
    ),
    (
        "classes",
        "BatchNorm1d",
        "dx",
        "(dLdBZ - self.dLdBb / self.N - self.NZ",
        "(dLdBZ - self.NZ",
        "mean-held-constant",
    ),
    ("classes", "BatchNorm1d", "y", "if eval:", "if False:", "test-mode"),
    (
        "classes",
        "BatchNorm1d",
        "y",
        "self.alpha * self.running_M + (1 - self.alpha) * self.M",
        "(1 - self.alpha) * self.running_M + self.alpha * self.M",
        "momentum-exchanged",
    ),
    ("classes", "BatchNorm1d", "y", "* (Z - self.running_M) / ", "* (Z - self.running_M) * ", "test-mode"),
    (
        "classes",
        "Conv2d",
        "dx",
        "d[:, :, p:-p, p:-p] if p else d",
        "d[:, :, : -2 * p, : -2 * p] if p else d",
        "padding-cropped-at-end",
    ),
    ("classes", "TorchLikeLinear", "dw", "grad_output.T @ self.input", "-grad_output.T @ self.input", "sign"),
    ("classes", "LinearRegressionScratch", "dw", "self.X.T @ dY", "2 * self.X.T @ dY", ""),
)


def module(name: str, text: str) -> ModuleType:
    found = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), vars(found))
    return found


def checked(name: str, text: str, only: str = "", seed: int = 0) -> Report:
    found = module(name, text)
    report = check_file(LocalFile(found), name, seed, names=[only] * bool(only))
    return cr.check_gradients(getattr(found, only), seed=seed) if report is None else report


def changed(name: str, changes: Iterable[tuple[str, str]]) -> str:
    """Return the text of a file in which other texts have taken the place of some."""
    text = TEXTS[name]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def spoiled(mistake: tuple[str, ...]) -> str:
    name, _, _, old, new, _ = mistake
    return changed(name, [(old, new)])


def require_caught(file: str, subject: str, title: str, diagnosis: str, changes: Iterable[tuple[str, str]]) -> None:
    """Fail unless a function or class is wrong in this result, with this diagnosis if one is given, after changes."""
    report = checked(file, changed(file, changes), subject)
    found = [row for row in report.rows if row.is_wrong and row.title == title]
    assert found, str(report)
    assert diagnosis in ("", *(one.name for row in found for one in row.diagnoses)), str(report)


@pytest.mark.parametrize("name", TEXTS)
def test_right_answers_pass(name: str) -> None:
    report = cr.check_gradients(module(name, TEXTS[name]))
    assert report.ok, str(report)
    assert report.exit_code == 0
    assert len({row.subject for row in report.rows}) >= 7


@settings(max_examples=2)
@given(name=st.sampled_from([*TEXTS]), seed=st.integers(1, 10_000))
def test_right_answers_pass_on_every_probe(name: str, seed: int) -> None:
    assert check_file(LocalFile(module(name, TEXTS[name])), name, seed)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[1]}-{mistake[2]}-{mistake[5]}")
def test_a_mistake_is_caught_where_it_is(mistake: tuple[str, ...]) -> None:
    name, subject, title, *_, diagnosis = mistake
    report = checked(name, spoiled(mistake), subject)
    wrong = [row for row in report.rows if row.is_wrong and row.subject == subject and row.title == title]
    assert wrong, str(report)
    assert report.exit_code == 1
    if diagnosis:
        assert diagnosis in {one.name for row in wrong for one in row.diagnoses}, str(report)


def test_a_mask_shared_by_all_samples_is_right_but_named() -> None:
    text = changed("functions", [("np.random.rand(*x.shape) < p", "np.random.rand(1, *x.shape[1:]) < p")])
    report = checked("functions", text, "dropout_forward")
    assert report.exit_code == 0, str(report)
    assert MASK_SHARED in {one.name for row in report.rows for one in row.diagnoses}


@settings(max_examples=5)
@given(mistake=st.sampled_from(MISTAKES), seed=st.integers(1, 10_000))
def test_a_mistake_is_caught_on_every_probe(mistake: tuple[str, ...], seed: int) -> None:
    name, subject, title, *_ = mistake
    report = checked(name, spoiled(mistake), subject, seed)
    assert any(row.is_wrong and row.title == title for row in report.rows), str(report)


def unwritten() -> Iterator[tuple[str, str, str]]:
    """Yield bodies that are not written yet: the function, its own text, the text instead."""
    yield (
        "conv_forward_naive",
        "def conv_forward_naive(x, w, b, conv_param):\n",
        "    return None, (x, w, b, conv_param)\n",
    )
    yield (
        "conv_backward_naive",
        "def conv_backward_naive(dout, cache):\n",
        "    dx, dw, db = None, None, None\n    return dx, dw, db\n",
    )
    yield "relu_forward", "def relu_forward(x):\n", "    pass\n    return\n"
    yield "relu_backward", "def relu_backward(dout, cache):\n", "    raise NotImplementedError\n"
    yield "svm_loss", "def svm_loss(x, y):\n", "    loss, dx = None, None\n    return loss, dx\n"


@pytest.mark.parametrize("body", [*unwritten()], ids=lambda body: body[0])
def test_a_body_that_is_not_written_yet_is_told(body: tuple[str, str, str]) -> None:
    name, line, instead = body
    assert line in TEXTS["functions"]
    report = checked("functions", TEXTS["functions"].replace(line, line + instead), name)
    (row,) = [row for row in report.rows if row.subject == name]
    assert (row.verdict, row.ok, row.checked, report.exit_code) == ("not written", False, False, 3)
    assert all(other.ok for other in report.rows if other is not row), str(report)
    assert "is not written yet" in str(report)
    assert report.to_json()["rows"][report.rows.index(row)]["verdict"] == "not written"


@pytest.mark.parametrize("name", ["conv", "batchnorm", "dropout"])
def test_a_forward_alone_is_judged_and_its_backward_is_missing(name: str) -> None:
    text = re.sub(rf"\ndef {name}_backward", f"\ndef _{name}_backward", TEXTS["functions"])
    text = text.replace(f"{name}_backward_alt = {name}_backward", "").replace(
        f" {name}_backward(", f" _{name}_backward("
    )
    forward, backward = (f"{name}_{way}{'_naive' if name == 'conv' else ''}" for way in ("forward", "backward"))
    report = checked("functions", text, forward)
    assert {(row.subject, row.verdict) for row in report.rows} == {(forward, "right"), (backward, "not written")}
    assert report.exit_code == 3
    wrong = text.replace("out = np.zeros((N, F, Ho, Wo), x.dtype)", "out = np.ones((N, F, Ho, Wo), x.dtype)")
    assert "is not in the file" in str(checked("functions", wrong, forward))


def invoked(folder: Path, text: str, *arguments: str) -> Result:
    (folder / "layers.py").write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["check", str(folder / "layers.py"), *arguments])


def test_the_command_tells_what_is_there_right_wrong_and_missing(tmp_path: Path) -> None:
    text = spoiled(MISTAKES[0]).replace("def spatial_groupnorm", "def _spatial_groupnorm")
    result = invoked(tmp_path, text)
    assert result.exit_code == 1, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert lines["affine_backward"].split()[1:] == ["WRONG", "dx,", "dw", "WRONG,", "db"]
    assert lines["conv_backward_naive"].split()[1:] == ["right", "dx,", "dw,", "db"]
    assert "affine_backward: dw is zero everywhere." in result.stdout
    assert "not in the file: spatial_groupnorm_forward" in result.stdout


def test_a_process_that_ends_leaves_the_verdicts_before_it(tmp_path: Path) -> None:
    line = "def conv_backward_naive(dout, cache):\n"
    result = invoked(tmp_path, TEXTS["functions"].replace(line, f"{line}    import os\n\n    os._exit(3)\n"))
    said = " ".join(result.stdout.split())
    assert "affine_backward" in said
    assert "conv_forward_naive / conv_backward_naive: y cannot be computed: " in said
    assert "svm_loss: y cannot be computed: not reached: conv_forward_naive" in said
    assert result.exit_code == 1


def test_a_column_bias_is_judged_against_a_layer(tmp_path: Path) -> None:
    for factor, code in (("", 0), ("0 * ", 1)):
        text = TEXTS["classes"].replace("dLdZ.T @ self.Ones", f"{factor}dLdZ.T @ self.Ones")
        (tmp_path / "one.py").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["check", f"{tmp_path / 'one.py'}:Linear", "--against", "Dense(4)"])
        assert result.exit_code == code, result.output
