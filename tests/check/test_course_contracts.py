"""Contracts of a course in a teacher's file: they act like those of this library, and autograders contain them."""

import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule.check.assignments import Assignment
from chainrule.check.autograder import GradedAssignment, autograder
from chainrule.check.course_contracts import course
from chainrule.check.points import one_point_each
from chainrule.cli import main
from chainrule.errors import FormatError

ENTRY = """[[code]]
names = ["Affine"]
against = "Dense(4)"
shape = [7]
contract = "self = {C}(); self.w = w; self.b = b; y = self.forward(x); dx, dw, db = self.backward(dy)"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[code]]", "[[parts]]"),
        ("[[code]]", "[code]"),
        ('names = ["Affine"]', "names = []"),
        ('names = ["Affine"]', 'names = ["Affine", 2]'),
        ('names = ["Affine"]', 'name = ["Affine"]'),
        ('names = ["Affine"]\n', ""),
        ('against = "Dense(4)"', "against = 4"),
        ("shape = [7]", 'shape = ["7"]'),
        ("shape = [7]", "shape = [true]"),
        ("y = self.forward(x)", "self.forward(x)"),
        ("self = {C}()", "import os"),
        ("self = {C}()", "self = {C}("),
    ],
)
def test_other_files_are_refused_in_one_line(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ENTRY, encoding="utf-8")
    assert course(str(path))[0].names == ("Affine",)
    path.write_text(ENTRY.replace(old, new), encoding="utf-8")
    with pytest.raises(FormatError, match=r"mine\.toml"):
        course(str(path))
    homework = tmp_path / "homework.py"
    homework.write_text("class Affine:\n    pass\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(homework), "--course", str(path)])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)


def test_autograders_contain_the_contracts(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ENTRY, encoding="utf-8")
    points = one_point_each(Assignment.of(None, None, str(path)).parts)
    task = GradedAssignment(None, points, seed=1, course=str(path))
    archive = tmp_path / "grader.zip"
    archive.write_bytes(autograder(task))
    with zipfile.ZipFile(archive) as opened:
        assert opened.read("course.toml").decode() == ENTRY
        assert "--course source/course.toml" in opened.read("run_autograder").decode()
