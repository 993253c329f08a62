"""Every submission becomes a row, whatever it does."""

import csv
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from chainrule.check import homework
from chainrule.errors import DataError

EXAMPLES = Path(__file__).parents[2] / "examples" / "homework"
LAYER = "Conv2D(4, (3, 2))"
RELU = """
    import numpy as np

    class Layer:
        def forward(self, x):
            {forward}
            self.x = x
            return x * (x > 0)

        def backward(self, dy):
            return dy * (self.x > 0)
"""

EXPECTED = {  # of examples/homework/submissions
    "ada.py": (4, ""),
    "bela.py": (4, ""),
    "carl.py": (3, "dx: kernel-not-rotated"),
    "dana.py": (3, "dx: overwritten-in-windows"),
    "emil.py": (2, "dw: batch-division-doubled; db: batch-division-doubled"),
    "fay.py": (3, "db: bias-not-summed-over-positions"),
    "hana.py": (3, "dw: batch-not-summed+sign"),
    "ida.py": (3, "y: correlation-convolution-mixed-up"),
}


def graded(folder: Path, text: str, **options: object) -> homework.Grade:
    """The row of one submission with this text, as a ReLU."""
    (folder / "one.py").write_text(textwrap.dedent(text), encoding="utf-8")
    (row,) = homework.grade(folder, "ReLU()", **{"seconds": 30, **options})  # pyright: ignore
    return row


def test_the_examples(tmp_path: Path) -> None:
    """All but the one that never ends, which needs its own limit."""
    for name in EXPECTED:
        shutil.copy(EXAMPLES / "submissions" / name, tmp_path)
    rows = list(homework.grade(tmp_path, LAYER))
    assert {row.submission: (row.passed, row.diagnosis) for row in rows} == EXPECTED
    assert all(row.parts == 4 and row.ok == (row.passed == 4) for row in rows)
    assert "rotate K by 180° before the full correlation (docs/derivations/convolution.md)" in rows[2].remark


def test_the_example_that_never_ends(tmp_path: Path) -> None:
    assert {file.name for file in homework.submissions(EXAMPLES / "submissions")} == {*EXPECTED, "gus.py"}
    shutil.copy(EXAMPLES / "submissions" / "gus.py", tmp_path)
    (row,) = homework.grade(tmp_path, LAYER, seconds=1)
    assert (row.passed, row.parts, row.remark) == (0, 4, "stopped after 1 s: does it ever end?")


def test_the_skeleton_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "skeleton.py").write_text((EXAMPLES / "skeleton.py").read_text(encoding="utf-8"), encoding="utf-8")
    (row,) = homework.grade(tmp_path, LAYER)
    assert (row.passed, row.parts, row.ok) == (0, 4, False)
    assert "forward is yours to write" in row.remark


@pytest.mark.parametrize(
    ("line", "remark"),
    [
        ("while True: pass", "stopped after 1 s"),
        ("import time; time.sleep(99)", "stopped after 1 s"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import os; os._exit(0)", "ended by itself with exit code 0"),
        ("import os; os.abort()", "crashed: SIGABRT"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("np.ones(2**40)", "Unable to allocate"),
        ("[0] * 2**40", "MemoryError"),
        ("input()", "EOFError"),
        ("return None", "returned None"),
        ("return self.forward(x)", "RecursionError"),
        ("import threading as t, time; t.Thread(target=time.sleep, args=(99,)).start(); self.forward(x)", "thread"),
        ("open('/proc/self/nothing/there')", "No such file"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_what_goes_wrong_inside_is_a_row(tmp_path: Path, line: str, remark: str) -> None:
    row = graded(tmp_path, RELU.format(forward=line), seconds=1 if "stopped" in remark else 30)
    assert (row.passed, row.parts, row.ok) == (0, 2, False)
    assert remark in row.remark


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("import nothing_of_that_name", "one.py cannot be imported: ModuleNotFoundError: No module named"),
        ("def forward(x:", "SyntaxError"),
        ("import sys\nsys.exit(3)", "cannot be imported: SystemExit: 3 (line 2)"),
        ("x = 1", "nothing in it has forward and backward"),
        ("raise BaseException('out')", "out"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, remark: str) -> None:
    assert remark in graded(tmp_path, text).remark


def test_harmless_oddities_are_right(tmp_path: Path) -> None:
    """Megabytes of output, threads that never end, a file in the working folder, which is a temporary one."""
    forward = """
            import sys, threading, time
            print("x" * 10**5)
            if threading.active_count() < 3:
                threading.Thread(target=time.sleep, args=(600,)).start()
            open("notes.txt", "w").write("mine")
    """.strip()
    row = graded(tmp_path, RELU.format(forward=forward))
    assert row.ok, row
    assert len(row.output) <= homework.OUTPUT
    assert [place.name for place in tmp_path.iterdir()] == ["one.py"]


def test_a_forged_result_that_is_none(tmp_path: Path) -> None:
    forward = "import json, os, sys; open(json.loads(sys.argv[1])['result'], 'w').write('[1]'); os._exit(0)"
    assert "ended by itself" in graded(tmp_path, RELU.format(forward=forward)).remark


def test_folders_with_one_file_each(tmp_path: Path) -> None:
    for name, files in {"a": ["x.py"], "b": ["x.py", "y.py"], "_c": ["x.py"]}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("", encoding="utf-8")
    (tmp_path / "z.py").write_text("", encoding="utf-8")
    (tmp_path / "_helper.py").write_text("", encoding="utf-8")
    found = [str(file.relative_to(tmp_path)) for file in homework.submissions(tmp_path)]
    assert found == ["z.py", str(Path("a", "x.py"))]


def test_no_submissions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no submissions"):
        homework.submissions(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        homework.submissions(tmp_path / "none")


def test_the_table_holds_no_formulas(tmp_path: Path) -> None:
    row = homework.Grade("=1+1.py", 1, 2, "dx: sign", "@remark", 0.5)
    homework.write_csv([row], tmp_path / "grades.csv")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        (cells,) = csv.DictReader(stream)
    assert cells == {
        "submission": "'=1+1.py", "passed": "1", "parts": "2", "diagnosis": "dx: sign", "remark": "'@remark",
        "seconds": "0.5",
    }  # fmt: skip
