"""Homework in the forms of tutorials: correct files are right, and each mistake is caught in its own result."""

import random
from pathlib import Path

import pytest
from check.form_mutants import USES
from check.homework_files import FORMS, Mistake, file_report, mistakes_in, module, sampled
from check.mutants import is_wrong, mutant
from check.planted_activations import ReLU
from check.planted_layers import Dense
from check.planting import changed
from click.testing import CliRunner

import chainrule as cr
from chainrule.check import report
from chainrule.check.report import Report
from chainrule.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning")]

TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FORMS.glob("*.py")}
OTHERS = {"updates": ("Reshape",), "single": ("Conv3x3",)}  # a class without arguments is not checked alone
NOT_COMPARED = {"Conv3x3", "Reshape", "Softmax"}  # no dx of a first layer, and outputs of no layer of this library


def checked(form: str, text: str | None = None, names: tuple[str, ...] = ()) -> Report:
    """Return the report of a form's file, or of another text."""
    return file_report(module(TEXTS[form] if text is None else text, form), *names)


@pytest.mark.parametrize("form", TEXTS)
def test_correct_files_are_right(form: str) -> None:
    rows = checked(form).rows
    assert not [(row.subject, row.title, row.diagnoses, row.notes) for row in rows if row.is_wrong]
    assert {row.subject for row in rows if not row.ok} <= NOT_COMPARED


@pytest.mark.parametrize(
    "mistake", sampled(mistakes_in(FORMS), 7), ids=lambda mistake: f"{mistake.subject}-{mistake.title}"
)
def test_mistakes_are_caught(mistake: Mistake) -> None:
    form, name, title, [(old, new)], _ = mistake
    text = TEXTS[form].replace(old, new)
    assert text != TEXTS[form]
    rows = checked(form, text, (name, *OTHERS.get(form, ()))).rows
    assert title in {row.title for row in rows if row.is_wrong and row.subject.startswith(name)}


OVERWRITES_DY = changed(ReLU, ("return np.where(self.x > 0, dy, 0)", "dy[self.x <= 0] = 0; return dy"))
ROW_OF_BIAS_GRADIENTS = changed(Dense, ("dy.sum(axis=0)", "dy.sum(axis=0, keepdims=True)"))


@pytest.mark.parametrize(
    ("source", "against", "diagnosis"),
    [(OVERWRITES_DY, "ReLU()", report.DY_OVERWRITTEN), (ROW_OF_BIAS_GRADIENTS, "Dense(4)", report.RESHAPED)],
)
def test_violated_contracts_are_not_wrong(source: type, against: str, diagnosis: str) -> None:
    result = cr.check_gradients(source, against=against)
    assert result.exit_code == 0
    assert {row.diagnoses[0].name for row in result.rows if not row.ok} == {diagnosis}
    assert "right, but" in str(result)


class FlattensOneShape:
    def __init__(self):
        self.input_shape = (3, 7, 5)

    def forward(self, x):
        return x.reshape(len(x), 105)

    def backward(self, dy):
        return dy.reshape(-1, *self.input_shape)


def test_the_shape_that_a_layer_stores_is_tried() -> None:
    report = cr.check_gradients(FlattensOneShape)
    assert [row.title for row in report.rows if row.ok] == ["dx"], str(report)


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
    assert result.exit_code == 3, result.output  # no layer of this library
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


def test_a_mask_that_keeps_all_is_not_a_mask_of_samples() -> None:
    idle = "class Dropout:\n    def __init__(self, p=0.5):\n        self.p = p\n\n"
    methods = "    def forward(self, x):\n        return x\n\n    def backward(self, dy):\n        return dy"
    text = str(file_report(module(idle + methods)))
    assert "keeps 100% of the values" in text
    assert "whole samples" not in text


def test_an_optimizer_that_reads_other_attributes_is_not_judged() -> None:
    code = "class SGD:\n    def __init__(self, lr):\n        self.lr = lr\n\n    def update(self, layer, grads):\n"
    result = file_report(module(code + "        layer.table['w'] -= self.lr * grads['w']"))
    assert result.exit_code == 3, str(result)
