"""No submission earns an undeserved mark or keeps another from its row."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from check.forgeries import FORGED, HARMFUL
from check.processes import orphaned_submissions
from check.submissions import graded, relu, written, zeros_without_reason

import chainrule
from chainrule.check import homework

SOURCE = Path(chainrule.__file__).parent
SHAPE = (2, 3, 2)  # small: what is tried here does not depend on it
LATE = {name for name, (_, remark) in HARMFUL.items() if remark == "stopped after"}
GROUPS = {
    "forged": FORGED,
    "late": {name: HARMFUL[name][0] for name in HARMFUL if name in LATE},
    "other": {name: text for name, (text, _) in HARMFUL.items() if name not in LATE},
}
Grades = Callable[[str], dict[str, homework.Grade]]

pytestmark = [pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")]


@pytest.fixture(scope="module")
def grades(tmp_path_factory: pytest.TempPathFactory) -> Grades:
    """Return a function that grades a group once."""

    @cache
    def grade(group: str) -> dict[str, homework.Grade]:
        texts = GROUPS[group]
        if group == "late":
            folder = tmp_path_factory.mktemp("late")
            # enough time to load it on a busy machine
            return {name: graded(folder, text, shape=SHAPE, seconds=3) for name, text in texts.items()}
        return class_grades(tmp_path_factory.mktemp("class"), texts, seconds=120)

    return grade


def submissions(*groups: str) -> pytest.MarkDecorator:
    """Return the parameters of a test for each submission of some groups: the group, and the name."""
    cases = [(group, name) for group in groups for name in GROUPS[group]]
    return pytest.mark.parametrize(("group", "name"), cases)


def class_grades(folder: Path, texts: dict[str, str], seconds: int) -> dict[str, homework.Grade]:
    """Return the rows of a class by the names of the submissions; the first and the last submission are right."""
    for name, text in {"0 right": relu(), **texts, "~ right": relu()}.items():
        written(folder, text.replace("{source}", str(SOURCE)).replace("{class}", str(folder)), f"{name}.py")
    before = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    grades = homework.grade(folder, "ReLU()", shape=SHAPE, seconds=seconds)
    rows = {row.submission.removesuffix(".py"): row for row in grades}
    assert {path.name: path.read_bytes() for path in sorted(folder.iterdir())} == before
    assert [*rows] == [name.removesuffix(".py") for name in before]
    assert rows["0 right"].ok
    assert rows["~ right"].ok, rows["~ right"]
    return rows


@submissions("forged")
def test_no_mark_is_forged(grades: Grades, group: str, name: str) -> None:
    row = grades(group)[name]
    assert not row.ok
    assert row.graded
    assert 0 <= row.passed < row.parts == 2
    assert zeros_without_reason(row) == []


def test_a_wrong_forward_earns_nothing_with_the_gradients_of_itself(grades: Grades) -> None:
    for name in ("a constant with its gradient", "half of everything", "a constant that overwrites its input"):
        assert grades("forged")[name].passed == 0


@submissions("late", "other")
def test_harm_is_a_row(grades: Grades, group: str, name: str) -> None:
    row, remark = grades(group)[name], HARMFUL[name][1]
    assert not row.ok
    assert row.graded
    assert remark in row.remark
    assert row.remark.isprintable()
    assert len(row.remark) < 1000
    assert len(row.submission) < 100
    assert zeros_without_reason(row) == []


def test_nothing_was_left_behind(grades: Grades) -> None:
    for group in GROUPS:
        grades(group)
    assert not Path("/tmp/chainrule-was-here").exists()
    assert orphaned_submissions() == []


def test_the_numbers_are_not_known_before(tmp_path: Path) -> None:
    assert len({graded(tmp_path, relu(), shape=SHAPE).seed for _ in range(3)}) == 3
    assert graded(tmp_path, relu(), shape=SHAPE, seed=5).seed == 5
