"""`check` and `grade` judge the same file in the same way, ties as the assignment asks."""

import random
from pathlib import Path

import pytest
from check.corpus import cases, source, wrong_mutant
from check.programs import module
from check.submissions import written

import chainrule as cr
from chainrule.check import homework
from chainrule.check.assignments import Assignment
from chainrule.check.checked_file import LocalFile
from chainrule.check.file_checks import check_file
from chainrule.check.learner_task import LearnerTask
from chainrule.check.sources import load
from chainrule.errors import StudentError

pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning")]
AGAINST = {"Linear": ("Dense(4)", "Linear"), "ReLU": ("ReLU()", "ReLU"), "Softmax": ("Softmax()", "Softmax")}
DRAWN = [
    case
    for case in cases()
    if case[1] in AGAINST and case[0] not in ("a cache", "ctx", "autograd.Function", "nn.Module")
]
POOL = """
import numpy as np

class MaxPool2d:
    def __init__(self, kernel_size, stride):
        self.k, self.s = kernel_size, stride

    def windows(self, x):
        for i in range((x.shape[2] - self.k) // self.s + 1):
            for j in range((x.shape[3] - self.k) // self.s + 1):
                yield i, j, np.s_[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]

    def forward(self, x):
        self.x = x
        y = np.zeros((*x.shape[:2], *((size - self.k) // self.s + 1 for size in x.shape[2:])), x.dtype)
        for i, j, place in self.windows(x):
            y[:, :, i, j] = x[place].max((2, 3))
        return y

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, place in self.windows(self.x):
            largest = self.x[place] == self.x[place].max((2, 3), keepdims=True)
            flat = largest.reshape(*largest.shape[:2], -1)
            first = (flat & (flat.cumsum(2) == 1)).reshape(largest.shape)
            dx[place] += (largest if self.s == 1 else first) * dy[:, :, i : i + 1, j : j + 1]
        return dx
"""  # all elements that tie get dy only if the stride is 1, which is not an option of the first check


def verdicts(path: Path, against: str, **options: str) -> tuple[dict[str, bool], dict[str, bool]]:
    """Return whether each part is right according to `check` and to `grade`."""
    task = Assignment.of(against, None)
    (grade,) = homework.grade(path, against, single=True, seed=1, seconds=300, **options)  # pyright: ignore
    graded = {part.part: part.ok for part in grade.results}
    try:
        report, _ = task.report(LocalFile(load(path)), 1, base=LearnerTask(**options))  # pyright: ignore
    except StudentError:  # the command exits with 2
        return dict.fromkeys(graded, False), graded
    checked = dict.fromkeys(graded, False)
    for part in grade.results:
        rows = [result for result in report.results if task.part(result) == part.part]
        assert part.verdict is None or part.verdict in {row.verdict for row in rows}, str(report)
        checked[part.part] = bool(rows) and all(row.is_earned for row in rows) and (part.ok or bool(part.verdict))
    return checked, graded


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.thorough) for n in range(4, 60))])
def test_check_and_grade_agree(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    form, name, layout = draw.choice(DRAWN)
    text = source(form, name, layout)
    path = written(tmp_path, wrong_mutant(text, form, name, seed) if draw.random() < 0.5 else text)
    checked, graded = verdicts(path, draw.choice(AGAINST[name]))
    assert checked == graded, path.read_text(encoding="utf-8")


def test_single_samples_earn_points_only_if_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, source("attributes", "Linear", "one"))
    for against in AGAINST["Linear"]:
        for options, right in (({}, False), ({"samples": "one"}, True)):
            checked, graded = verdicts(path, against, **options)
            assert checked == graded
            assert all(graded.values()) == right


def test_ties_are_those_of_the_assignment_with_other_options_too() -> None:
    for ties, code in ((None, 0), ("first", 1)):
        report = check_file(LocalFile(module(POOL)), "pool", 1, LearnerTask(ties=ties))
        assert report.exit_code == code, str(report)


def test_all_ties_are_wrong_only_if_the_first_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, source("attributes", "MaxPool2d", "batch"))
    for options, right in (({}, True), ({"ties": "first"}, False)):
        checked, graded = verdicts(path, "MaxPool2D(2)", **options)
        assert checked == graded == {"y": True, "dx": right}
        code = load(path)
        assert bool(cr.check_gradients(code.MaxPool2d, against="MaxPool2D(2)", **options)) == right  # pyright: ignore
