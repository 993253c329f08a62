"""`check` and `grade` judge the same file in the same way, ties as the assignment asks."""

import random
from pathlib import Path

import pytest
from check.corpus import cases, source, wrong_mutant
from check.submissions import written

import chainrule as cr
from chainrule.check import homework
from chainrule.check.assignments import Assignment
from chainrule.check.checked_file import LocalFile
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


def test_all_ties_are_wrong_only_if_the_first_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, source("attributes", "MaxPool2d", "batch"))
    for options, right in (({}, True), ({"ties": "first"}, False)):
        checked, graded = verdicts(path, "MaxPool2D(2)", **options)
        assert checked == graded == {"y": True, "dx": right}
        code = load(path)
        assert bool(cr.check_gradients(code.MaxPool2d, against="MaxPool2D(2)", **options)) == right  # pyright: ignore
