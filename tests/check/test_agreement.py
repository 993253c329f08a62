"""`check` and `grade` judge the same file in the same way, dropout by its mask, and ties as the assignment asks."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from check.corpus import cases, source, wrong_mutant

import chainrule as cr
from chainrule.check import homework
from chainrule.check.file_checks import LocalFile
from chainrule.check.homework import assignment
from chainrule.check.matching import ANY_LAYER
from chainrule.check.sources import load

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::RuntimeWarning")]
AGAINST = {"Linear": ("Dense(4)", "Linear"), "ReLU": ("ReLU()", "ReLU"), "Softmax": ("Softmax()", "Softmax")}
DRAWN = [case for case in cases() if case[1] in AGAINST and case[0] not in ("a cache", "ctx")]
DROPOUT = """
import numpy as np

class Dropout:
    def __init__(self, p=0.3):
        self.p = p

    def forward(self, x):
        self.mask = (np.random.rand(*x.shape) > self.p) / {scale}
        return x * self.mask

    def backward(self, dy):
        return {dx}
"""


def verdicts(path: Path, against: str, **options: str) -> tuple[dict[str, bool], dict[str, bool]]:
    """Return whether each part is right according to `check` and to `grade`."""
    task = assignment(against, None)
    report, _ = task.report(LocalFile(load(path)), 1, base=replace(ANY_LAYER, **options))
    (grade,) = homework.grade(path, against, single=True, seed=1, seconds=300, **options)  # pyright: ignore
    wrong = {task.part(row) for row in report.rows if not (row.ok or row.accepted)}
    return {part: part not in wrong for part in task.parts}, {part.part: part.ok for part in grade.results}


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.thorough) for n in range(4, 60))])
def test_check_and_grade_agree(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    form, name, layout = draw.choice(DRAWN)
    text = source(form, name, layout)
    path = tmp_path / "layers.py"
    path.write_text(wrong_mutant(text, form, name, seed) if draw.random() < 0.5 else text, encoding="utf-8")
    checked, graded = verdicts(path, draw.choice(AGAINST[name]))
    assert checked == graded, path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("scale", "dx", "right"),
    [("(1 - self.p)", "dy * self.mask", "y dx"), ("self.p", "dy * self.mask", "dx"), ("(1 - self.p)", "dy", "y")],
)
def test_dropout_is_judged_by_its_mask(scale: str, dx: str, right: str, tmp_path: Path) -> None:
    path = tmp_path / "dropout.py"
    path.write_text(DROPOUT.format(scale=scale, dx=dx), encoding="utf-8")
    checked, graded = verdicts(path, "Dropout(0.3)")
    assert checked == graded == {part: part in right.split() for part in ("y", "dx")}


def test_all_ties_are_wrong_only_if_the_first_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "pool.py"
    path.write_text(source("attributes", "MaxPool2d", "batch"), encoding="utf-8")
    for options, right in (({}, True), ({"ties": "first"}, False)):
        checked, graded = verdicts(path, "MaxPool2D(2)", **options)
        assert checked == graded == {"y": True, "dx": right}
        code = load(path)
        assert bool(cr.check_gradients(code.MaxPool2d, against="MaxPool2D(2)", **options)) == right  # pyright: ignore
