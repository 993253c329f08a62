"""Files of results: each is read as its grader reads it, and agrees with the points earned."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from chainrule.check import grade_files
from chainrule.check.grade_files import PointScheme
from chainrule.check.homework import Grade, PartResult
from chainrule.errors import OptionError

SCHEME = PointScheme({"y": 2, "dx": 4, "db": 1.5}, "Homework 3", "after_due_date")
WRONG = PartResult("dx", False, "sign", "dx has the wrong sign.")
RIGHT = tuple(PartResult(part, True) for part in SCHEME.points)
ALL_RIGHT = Grade("ada.py", 3, 3, "", "", 1.25, seed=7, results=RIGHT)
ADA = replace(ALL_RIGHT, passed=2, diagnosis="dx: sign", remark=WRONG.remark, results=(RIGHT[0], WRONG, RIGHT[2]))
BELA = Grade("bela/layer.py", 0, 3, "", "not graded: an empty folder", 0.0, graded=False)


def written(name: str, *rows: Grade, scheme: PointScheme = SCHEME) -> dict:
    return json.loads(grade_files.results(name, rows, scheme))


FORMATS = ("text", "html", "simple_format", "md", "ansi")
VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")
OF_TEST = {  # Gradescope's "Autograder Specifications", Output format: what each key may hold
    "score": (int, float), "max_score": (int, float), "status": ("passed", "failed"), "name": str, "tags": list,
    "name_format": FORMATS, "number": str, "output": str, "output_format": FORMATS, "visibility": VISIBILITIES,
    "extra_data": dict,
}  # fmt: skip
OF_RESULTS = {
    "score": (int, float), "execution_time": (int, float), "output": str, "output_format": FORMATS,
    "test_output_format": FORMATS, "test_name_format": FORMATS, "visibility": VISIBILITIES,
    "stdout_visibility": VISIBILITIES, "extra_data": dict, "tests": list, "leaderboard": list,
}  # fmt: skip


def refused_by_gradescope(result: dict, keys: dict) -> list[str]:
    """Return the keys that the specification lacks, and those with another value than it allows."""

    def allowed(value: object, what: object) -> bool:
        return value in what if isinstance(what, tuple) and isinstance(what[0], str) else isinstance(value, what)

    return [key for key, value in result.items() if key not in keys or not allowed(value, keys[key])]


@pytest.mark.parametrize("row", [ADA, BELA], ids=["graded", "not graded"])
def test_gradescope_reads_every_key(row: Grade) -> None:
    result = written("gradescope", row)
    assert refused_by_gradescope(result, OF_RESULTS) == []
    assert [refused_by_gradescope(test, OF_TEST) for test in result["tests"]] == [[]] * 3


def test_points_of_gradescope_add_up() -> None:
    """Give points that add up to the score, and show what the teacher allows."""
    result = written("gradescope", ADA)
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 3.5
    assert [test["max_score"] for test in result["tests"]] == [2, 4, 1.5]
    assert {test["visibility"] for test in result["tests"]} == {result["visibility"]} == {"after_due_date"}
    assert result["stdout_visibility"] == "hidden"
    assert (result["tests"][1]["output"], result["tests"][1]["status"]) == (WRONG.remark, "failed")


def test_a_submission_that_was_not_graded_earns_nothing() -> None:
    result = written("gradescope", BELA)
    assert (result["score"], [test["score"] for test in result["tests"]]) == (0, [0, 0, 0])
    assert BELA.remark in result["output"]


OTTER = """\
file,db,dx,y,total_points_earned,percent_correct,grading_status,remark
points-per-question,1.5,4,2,7.5,1.0,--,
ada.py,1.5,0,2,3.5,0.4667,Completed,dx has the wrong sign.
bela/layer.py,0.0,0,0,0.0,0.0,not graded: an empty folder,not graded: an empty folder
"""


def as_table(text: str) -> list[list[object]]:
    """Return the rows of a table, its numbers as numbers."""
    number = re.compile(r"\d+(\.\d+)?")
    return [[float(cell) if number.fullmatch(cell) else cell for cell in row] for row in csv.reader(io.StringIO(text))]


def test_the_table_equals_that_of_otter() -> None:
    """Give what otter-grader 7.0.0 printed for these grades: `merge_scores_to_df([bela, ada]).to_csv(index=False)`.

    There ada is a GradingResults of three OKTestFiles, and bela GradingResults.without_results(error).
    """
    assert as_table(grade_files.results("otter", (BELA, ADA), SCHEME).decode()) == as_table(OTTER)


def test_gradescope_takes_one_submission() -> None:
    with pytest.raises(OptionError, match="--single"):
        grade_files.results("gradescope", (ADA, BELA), SCHEME)
