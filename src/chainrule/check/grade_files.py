"""Result files of graders: Gradescope and Otter-Grader; others read the table of `--csv`. A text for each student."""

from collections.abc import Sequence

from chainrule._io.files import csv_bytes, json_bytes
from chainrule.check.homework import Grade, PartResult
from chainrule.check.points import PointScheme
from chainrule.errors import OptionError

UNEARNED = "Right, but earns no points: something else in the submission is wrong or was not checked: {}"
FORMATS = ("gradescope", "otter")
POINTS_POSSIBLE = "points-per-question"
REMARK = "remark"  # column of this library, after those of the format: the reason of each 0


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
        "extra_data": {name: getattr(grade, name) for name in ("submission", "seed", "protection")},
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


def feedback(grade: Grade, scheme: PointScheme) -> bytes:
    """Return a text for the student: the points of the submission, then those of each part with the reason."""
    parts = [f"{grade.submission}: {scheme.score(grade)} of {scheme.total} points"]
    if not grade.results:
        parts.append(grade.remark)
    for part_result, score, _, message in _tests(grade, scheme) if grade.results else ():
        parts.append(f"{part_result.part}: {score} of {scheme.points[part_result.part]}\n{message}".strip())
    return ("\n\n".join(parts) + "\n").encode(errors="backslashreplace")


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


def results(name: str, grades: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the contents of a grader's file; OptionError for several submissions in the format of Gradescope."""
    if name == "otter":
        return otter(grades, scheme)
    if len(grades) != 1:
        raise OptionError(f"{name} files hold one submission; found {len(grades)}: use --single for one submission")
    return gradescope(grades[0], scheme)
