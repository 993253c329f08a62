"""Result files of graders: Gradescope, GitHub Classroom, classroom50, Otter-Grader, nbgrader."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from chainrule._io.files import csv_bytes, json_bytes
from chainrule.check.homework import Grade, PartResult
from chainrule.check.points import PointScheme
from chainrule.check.submissions import student_of
from chainrule.errors import OptionError

UNEARNED = "Right, but earns no points: something else in the submission is wrong or was not checked: {}"
CLASSROOM50_VARIABLES = {  # environment variables set by classroom50's runner → keys of its result
    "CLASSROOM": "classroom",
    "ASSIGNMENT": "assignment",
    "SUBMISSION_TAG": "submission",
    "COMMIT_URL": "commit",
    "RELEASE_URL": "release",
}
POINTS_POSSIBLE = "points-per-question"
REMARK = "remark"  # column of this library, after those of the format: the reason of each 0
NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score", REMARK),
)


def gradescope(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the contents of Gradescope's results.json."""
    tests = list[dict[str, str | float]]()
    for part_result, score, passed, message in _tests(grade, scheme):
        tests.append(
            {
                "name": part_result.part,
                "score": score,
                "max_score": scheme.points[part_result.part],
                "status": "passed" if passed else "failed",
                "output": message,
                "output_format": "text",
                "visibility": scheme.visibility,
            }
        )
    content = {
        "score": scheme.score(grade),
        "execution_time": grade.seconds,
        "output": grade.remark if not grade.results else "",
        "output_format": "text",
        "visibility": scheme.visibility,
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {name: getattr(grade, name) for name in ("submission", "seed", "draw", "protection")},
    }
    return json_bytes(content)


def github_classroom(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the result of one runner for GitHub Classroom's autograding, before base64 encoding."""
    tests = list[dict[str, str | float | int | None]]()
    for test, score, passed, message in _tests(grade, scheme):
        tests.append(
            {
                "name": test.part,
                "status": "pass" if passed else "fail",
                "score": score,
                "message": message or None,
                "test_code": "",
                "filename": "",
                "line_no": 0,
            }
        )
    if not grade.graded:
        status = "error"
    elif all(test["status"] == "pass" for test in tests):
        status = "pass"
    else:
        status = "fail"
    return json_bytes({"version": 1, "status": status, "max_score": scheme.total, "tests": tests})


def classroom50(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the contents of classroom50's result.json; OptionError outside its runner and for fractional points."""
    if any(not isinstance(points, int) for points in scheme.points.values()):
        raise OptionError("classroom50 takes whole numbers of points only")
    missing = list[str]()
    for name in CLASSROOM50_VARIABLES:
        if not os.environ.get(name):
            missing.append(name)
    if missing:
        raise OptionError(f"classroom50: environment variable {missing[0]} is not set; its runner sets it")
    variables: dict[str, str] = {key: os.environ[name] for name, key in CLASSROOM50_VARIABLES.items()}
    tests = list[dict[str, str | bool | float]]()
    for part_result, score, passed, message in _tests(grade, scheme):
        tests.append(
            {
                "test-name": part_result.part,
                "passed": passed,
                "score": score,
                "max-score": scheme.points[part_result.part],
                "message": message,
            }
        )
    content = {
        "schema": "classroom50/result/v1",
        **variables,
        "review": os.environ.get("REVIEW_URL") or variables["commit"],
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": scheme.score(grade),
        "max-score": scheme.total,
        "tests": tests,
    }
    return json_bytes(content)


def _tests(grade: Grade, scheme: PointScheme) -> list[tuple[PartResult, float, bool, str]]:
    """Return for each part: its verdict, the points that it earns, whether these are all its points, and a message."""
    scores = scheme.scores(grade)
    results = grade.results or tuple(PartResult(part, False, remark=grade.remark) for part in scheme.points)
    tests: list[tuple[PartResult, float, bool, str]] = []
    for part_result in results:
        passed = part_result.ok and scores[part_result.part] == scheme.points[part_result.part]
        if part_result.ok and not passed:
            remark = UNEARNED.format(grade.remark)
        else:
            remark = part_result.remark
        message = "\n\n".join(filter(None, (remark, part_result.details)))
        tests.append((part_result, scores[part_result.part], passed, message))
    return tests


def otter(grades: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the contents of a final_grades.csv in the format of `otter grade`."""
    parts = sorted(scheme.points)
    head = ["file", *parts, "total_points_earned", "percent_correct", "grading_status", REMARK]
    possible = list[float]()
    for part in parts:
        possible.append(scheme.points[part])
    table: list[list[object]] = [[POINTS_POSSIBLE, *possible, scheme.total, 1, "--", ""]]
    for grade in sorted(grades, key=lambda grade: grade.submission):
        scores = scheme.scores(grade)
        score = scheme.score(grade)
        if grade.graded:
            status = "Completed"
        else:
            status = grade.remark
        earned = list[float]()
        for part in parts:
            earned.append(scores[part])
        table.append([grade.submission, *earned, score, round(score / scheme.total, 4), status, grade.remark])
    return csv_bytes([head, *table])


def nbgrader(grades: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the contents of a grades.csv in the format of `nbgrader export`. Dates and student names are empty."""
    table: list[list[object]] = []
    for grade in grades:
        score = scheme.score(grade)
        student = student_of(grade.submission)
        table.append([scheme.assignment, "", "", student, "", "", "", score, 0, score, scheme.total, grade.remark])
    return csv_bytes([NBGRADER, *table])


SINGLE_FORMATS: dict[str, Callable[[Grade, PointScheme], bytes]] = {
    "gradescope": gradescope,
    "github-classroom": github_classroom,
    "classroom50": classroom50,
}
CLASS_FORMATS: dict[str, Callable[[Sequence[Grade], PointScheme], bytes]] = {"otter": otter, "nbgrader": nbgrader}
FORMATS = (*SINGLE_FORMATS, *CLASS_FORMATS)


def results(name: str, grades: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the contents of a grader's file; OptionError for several submissions if the format only supports one."""
    if name in CLASS_FORMATS:
        return CLASS_FORMATS[name](grades, scheme)
    if len(grades) != 1:
        raise OptionError(f"{name} files hold one submission; found {len(grades)}: use --single for one submission")
    return SINGLE_FORMATS[name](grades[0], scheme)
