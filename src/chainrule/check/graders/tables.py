"""The grades of a class as CSV files of other graders.

Sources  Otter: otter-grader 7.0.0, otter/grade/utils.py, `merge_scores_to_df`: the columns of final_grades.csv, and the
         points of each question in its first row
         nbgrader: github.com/jupyter/nbgrader, nbgrader/plugins/export.py, `CsvExportPlugin`
"""

from collections.abc import Sequence

from chainrule._io.files import csv_bytes
from chainrule.check.entries import student_of
from chainrule.check.graders.points import PointScheme
from chainrule.check.homework import Grade

POINTS_POSSIBLE = "points-per-question"
NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)


def otter(rows: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the content of the final_grades.csv that `otter grade` writes."""
    parts = sorted(scheme.points)
    head = ["file", *parts, "total_points_earned", "percent_correct", "grading_status"]
    table: list[list[object]] = [[POINTS_POSSIBLE, *(scheme.points[part] for part in parts), scheme.total, 1, "--"]]
    for row in sorted(rows, key=lambda row: row.submission):
        scores, score = scheme.scores(row), scheme.score(row)
        status = "Completed" if row.judged else row.remark
        earned = [scores[part] for part in parts]
        table.append([row.submission, *earned, score, round(score / scheme.total, 4), status])
    return csv_bytes([head, *table])


def nbgrader(rows: Sequence[Grade], scheme: PointScheme) -> bytes:
    """Return the content of the grades.csv that `nbgrader export` writes; dates and names of students are empty."""
    table: list[list[object]] = []
    for row in rows:
        score = scheme.score(row)
        table.append([scheme.assignment, "", "", student_of(row.submission), "", "", "", score, 0, score, scheme.total])
    return csv_bytes([NBGRADER, *table])
