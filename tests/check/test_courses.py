"""Whole files of homework, as courses set it: right answers pass, and each mistake is caught in its own function."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from check.homework_files import MISTAKES, TEXTS, Mistake, changed, checked, module, require_caught, sampled
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.check.report import MASK_SHARED
from chainrule.cli import main


@pytest.mark.parametrize("name", TEXTS)
def test_right_answers_pass_on_every_probe(name: str) -> None:
    seed = random.randrange(10_000)
    report = cr.check_gradients(module(TEXTS[name], name), seed=seed)
    assert report.exit_code == 0, (seed, str(report))
    assert len({row.subject for row in report.rows}) >= 7


@pytest.mark.parametrize("mistake", sampled(MISTAKES, 5), ids=lambda mistake: f"{mistake.subject}-{mistake.title}")
def test_a_mistake_is_caught_where_it_is(mistake: Mistake) -> None:
    require_caught(mistake)


def test_a_mask_shared_by_all_samples_is_right_but_named() -> None:
    text = changed("functions", [("np.random.rand(*x.shape) < p", "np.random.rand(1, *x.shape[1:]) < p")])
    report = checked("functions", text, "dropout_forward")
    assert report.exit_code == 0, str(report)
    assert MASK_SHARED in {one.name for row in report.rows for one in row.diagnoses}


@settings(max_examples=draws(5))
@given(mistake=st.sampled_from(MISTAKES), seed=st.integers(1, 10_000))
def test_a_mistake_is_caught_on_every_probe(mistake: Mistake, seed: int) -> None:
    require_caught(mistake._replace(diagnosis=""), seed)


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
    text = changed(MISTAKES[0].file, MISTAKES[0].changes).replace("def spatial_groupnorm", "def _spatial_groupnorm")
    result = invoked(tmp_path, text)
    assert result.exit_code == 1, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert lines["affine_backward"].split()[1:] == ["WRONG", "dx,", "dw", "WRONG,", "db"]
    assert lines["conv_backward_naive"].split()[1:] == ["right", "dx,", "dw,", "db"]
    assert "affine_backward: dw is zero everywhere." in result.stdout
    assert "not in the file: spatial_groupnorm_forward" in result.stdout


def test_a_column_bias_is_judged_against_a_layer(tmp_path: Path) -> None:
    for factor, code in (("", 0), ("0 * ", 1)):
        text = TEXTS["classes"].replace("dLdZ.T @ self.Ones", f"{factor}dLdZ.T @ self.Ones")
        (tmp_path / "one.py").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["check", f"{tmp_path / 'one.py'}:Linear", "--against", "Dense(4)"])
        assert result.exit_code == code, result.output
