"""Every submission becomes a row, whatever it does; forbidden actions are tested in test_forging.py."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from check.programs import TEXTS
from check.submissions import filled, graded, relu

from chainrule.check import assignments, homework
from chainrule.check.report import Report
from chainrule.errors import DataError, OptionError

FUNCTIONS = TEXTS["courses/functions"]
EXAMPLES = Path(__file__).parents[2] / "examples" / "homework"
LAYER = "Conv2D(4, (3, 2))"

EXPECTED = {  # of examples/homework
    "ada.py": (4, None),
    "bela.py": (4, None),
    "carl.py": (3, "dx: kernel-not-rotated"),
    "dana.py": (3, "dx: overwritten-in-windows"),
    "emil.py": (2, "dw: batch-division-doubled; db: batch-division-doubled"),
    "fay.py": (3, "db: bias-not-summed-over-positions"),
    "hana.py": (3, "dw: batch-not-summed+sign"),
    "ida.py": (3, "y: correlation-convolution-mixed-up"),
    "skeleton.py": (0, "y: not-written; dx: wrong; dw: wrong; db: wrong"),
}


def test_the_examples_earn_their_points(tmp_path: Path) -> None:
    """Grade all examples with any seed, except the one that never ends, which needs its own limit."""
    shutil.copytree(EXAMPLES / "submissions", tmp_path, ignore=lambda *_: ["gus.py"], dirs_exist_ok=True)
    shutil.copy(EXAMPLES / "skeleton.py", tmp_path)
    rows = {row.submission: row for row in homework.grade(tmp_path, LAYER, shape=(3, 5, 4), seconds=120)}
    assert {name: (row.passed, row.diagnosis) for name, row in rows.items()} == EXPECTED
    assert all(row.parts == 4 and row.ok == (row.passed == 4) and row.graded for row in rows.values())
    correction = "rotate K by 180° before the full correlation"
    assert correction in rows["carl.py"].remark
    assert "forward is yours to write (line 15 of skeleton.py)" in rows["skeleton.py"].remark


ACTIVATIONS = """
import os, signal
import numpy as np

class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask

class Sigmoid(ReLU):
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dy):
        {}
        return dy * self.y * (1 - self.y)

class Tanh(Sigmoid):
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return {} * dy * (1 - self.y**2)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGSEGV)", "while True: pass"])
def test_a_part_that_ends_leaves_the_others_as_they_are(end: str, tmp_path: Path) -> None:
    for factor, right in ((1, True), (2, False)):
        row = graded(tmp_path, ACTIVATIONS.format(end, factor), "ReLU, Sigmoid, Tanh", seconds=4)
        assert {part.part: part.ok for part in row.results} == {"ReLU": True, "Sigmoid": False, "Tanh": right}


def test_a_loop_at_import_costs_one_time_limit(tmp_path: Path) -> None:
    row = graded(tmp_path, f"while True: pass\n{ACTIVATIONS}", "ReLU, Sigmoid, Tanh", seconds=1)
    assert (row.passed, row.results) == (0, ())  # no part was tried
    assert "stopped after 1 s" in row.remark


UNKNOWN = """
class Linear:
    def __init__(self, plan):
        self.w = plan["w"]

    def forward(self, x):
        return x @ self.w

    def backward(self, dy):
        return dy @ self.w.T
"""


def test_a_layer_in_an_unknown_form_is_not_graded(tmp_path: Path) -> None:
    row = graded(tmp_path, ACTIVATIONS.format("pass", 1) + UNKNOWN, "ReLU, Sigmoid, Tanh, Linear")
    assert (row.passed, row.parts, row.ungraded, row.complete) == (3, 4, ("Linear",), False)


def test_harmless_oddities_are_right(tmp_path: Path) -> None:
    """Accept megabytes of output, threads that never end, and a file in the (temporary) working folder."""
    forward = """
        import sys, threading, time
        print("x" * 10**5)
        x = x.astype(np.float32)
        if threading.active_count() < 3:
            threading.Thread(target=time.sleep, args=(600,)).start()
        open("notes.txt", "w").write("mine")
        np.savetxt("numbers.txt", x[0, 0]), np.loadtxt("numbers.txt")
        np.random.default_rng().normal(), np.linalg.svd(x[0, 0]), np.fft.fft(x)
    """
    row = graded(tmp_path, relu(forward), shape=(2, 3, 2))
    assert row.ok, row
    assert len(row.output) <= 5000
    assert [place.name for place in tmp_path.iterdir()] == ["mine.py"]


def test_files_that_a_teacher_hands_out_can_be_imported(tmp_path: Path) -> None:
    filled(tmp_path, {"_given.py": "def positive(x): return x > 0", "other.py": relu()})
    text = relu("from _given import positive; positive(x)")
    assert graded(tmp_path, text, shared=["_given.py"]).ok
    assert not graded(tmp_path, text).ok
    remark = graded(tmp_path, relu("import other")).remark
    assert "may not read" in remark or "No module named 'other'" in remark  # where the kernel hides it


def test_packages_are_exposed_by_name(tmp_path: Path) -> None:
    text = relu("from scipy.special import expit")
    assert "No module named 'scipy'" in (remark := graded(tmp_path, text).remark)
    assert "--package NAME exposes more" in remark
    assert graded(tmp_path, text, packages=["scipy"]).ok


def test_folders_and_notebooks_are_graded(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# ReLU"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n"]},
        {"cell_type": "code", "source": relu()},
        {"cell_type": "code", "source": ["import nothing_of_that_name"]},
    ]
    folder = {"a/layer.py": "from parts import *\n" + relu(), "a/parts.py": "", "empty/": ""}
    filled(tmp_path, {**folder, "b.ipynb": json.dumps({"cells": cells, "nbformat": 4})})
    rows = [*homework.grade(tmp_path, "ReLU()")]
    assert [(row.submission, row.ok, row.graded) for row in rows] == [
        (str(Path("a", "layer.py")), True, True), ("b.ipynb", True, True), ("empty", False, False),
    ]  # fmt: skip
    assert rows[2].remark == "not graded: an empty folder"


def test_a_defect_of_the_grader_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object, **__: object) -> Report:
        raise TypeError("=cmd()\x1b[2J")

    monkeypatch.setattr(assignments, "check_file", check)
    row = graded(filled(tmp_path, {"two.py": relu()}), relu())
    assert (row.passed, row.graded) == (0, False)
    assert row.remark.endswith("TypeError: =cmd()\\x1b[2J")


@pytest.mark.parametrize(
    ("folder", "options", "error", "message"),
    [
        (".", {}, DataError, "no submissions"),
        ("none", {}, DataError, "no such folder"),
        (".", {"packages": ["chainrule"]}, OptionError, "expected the name of an installed package"),
        (".", {"packages": ["../etc"]}, OptionError, "expected the name of an installed package"),
    ],
)
def test_folders_and_options_are_refused(
    tmp_path: Path, folder: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        homework.grade(tmp_path / folder, **{"against": "ReLU()", **options})


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_the_table_holds_no_formulas(tmp_path: Path, begin: str) -> None:
    row = homework.Grade(f"{begin}1+1.py", 1, 2, f"{begin}dx", f"{begin}remark", 0.5, seed=3)
    homework.write_csv([row], tmp_path / "grades.csv")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        (cells,) = csv.DictReader(stream)
    assert cells == {
        "submission": f"'{begin}1+1.py", "passed": "1", "parts": "2", "diagnosis": f"'{begin}dx",
        "remark": f"'{begin}remark", "seconds": "0.5", "seed": "3", "draw": "",
        "protection": "not run", "ungraded": "",
    }  # fmt: skip


def test_functions_and_classes_of_one_file_are_parts(tmp_path: Path) -> None:
    wrong = FUNCTIONS.replace("db = dout.sum(axis=0)\n", "db = dout.mean(axis=0)\n", 1)
    wrong = wrong.replace("return dout * (cache > 0)", "raise NotImplementedError").replace("svm_loss", "svm_los")
    ada = {"ada/layers.py": FUNCTIONS, "ada/net.py": "class Net:\n    pass\n"}
    filled(tmp_path, {**ada, "bela.py": wrong})
    rows = [*homework.grade(tmp_path, "affine_backward, relu_forward, svm_loss", seed=1, seconds=600)]
    parts = ("affine_forward", "affine_backward", "relu_forward", "relu_backward", "svm_loss")
    right = [[part for part in parts if part in {result.part for result in row.results if result.ok}] for row in rows]
    assert [row.submission for row in rows] == ["ada/layers.py", "bela.py"]
    assert right == [[*parts], ["affine_forward", "relu_forward"]]
    assert [row.passed for row in rows] == [5, 2]
    assert "svm_loss is not in the file" in rows[1].remark
