"""The results of one submission as Gradescope and GitHub read them.

Sources  Gradescope: gradescope-autograders.readthedocs.io, "Autograder Specifications", Output format
         GitHub Classroom: github.com/classroom-resources/autograding-grading-reporter, README.md, src/main.js and
         src/notify-classroom.js, which read status, max_score and the tests' name, status, score and message
         classroom50: github.com/foundation50/classroom50, wiki/Advanced-Autograding.md, The `result.json` contract
"""

import os
from datetime import UTC, datetime
from typing import Any

from chainrule._io.files import json_bytes
from chainrule.check.graders.points import PointScheme
from chainrule.check.homework import Grade, PartResult
from chainrule.errors import OptionError

UNTOLD = "Right, but something else in the submission is wrong or was not checked: {}"
VARIABLES = {  # keys of classroom50's result, by the environment variable that its runner sets
    "CLASSROOM": "classroom",
    "ASSIGNMENT": "assignment",
    "SUBMISSION_TAG": "submission",
    "COMMIT_URL": "commit",
    "RELEASE_URL": "release",
}


def gradescope(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the content of Gradescope's results.json."""
    tests = [
        {
            "name": one.part,
            "score": score,
            "max_score": scheme.points[one.part],
            "status": "passed" if passed else "failed",
            "output": message,
            "output_format": "text",
            "visibility": scheme.visibility,
        }
        for one, score, passed, message in _tests(grade, scheme)
    ]
    content = {
        "score": scheme.score(grade),
        "execution_time": grade.seconds,
        "output": grade.remark if not grade.results else "",
        "output_format": "text",
        "visibility": scheme.visibility,
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"submission": grade.submission, "seed": grade.seed, "draw": grade.draw},
    }
    return json_bytes(content)


def github_classroom(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the result of one runner of GitHub Classroom's autograding, before it is encoded in base64."""
    tests = [
        {
            "name": one.part,
            "status": "pass" if passed else "fail",
            "score": score,
            "message": message or None,
            "test_code": "",
            "filename": "",
            "line_no": 0,
        }
        for one, score, passed, message in _tests(grade, scheme)
    ]
    status = "error" if not grade.judged else "pass" if all(one["status"] == "pass" for one in tests) else "fail"
    return json_bytes({"version": 1, "status": status, "max_score": scheme.total, "tests": tests})


def classroom50(grade: Grade, scheme: PointScheme) -> bytes:
    """Return the content of classroom50's result.json; OptionError outside its runner, and for fractions of points."""
    if any(not isinstance(points, int) for points in scheme.points.values()):
        raise OptionError("classroom50 takes whole numbers of points only")
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise OptionError(f"classroom50: its runner sets the environment variable {missing[0]}, which is not set here")
    named: dict[str, Any] = {key: os.environ[name] for name, key in VARIABLES.items()}
    tests = [
        {
            "test-name": one.part,
            "passed": passed,
            "score": score,
            "max-score": scheme.points[one.part],
            "message": message,
        }
        for one, score, passed, message in _tests(grade, scheme)
    ]
    content = {
        "schema": "classroom50/result/v1",
        **named,
        "review": os.environ.get("REVIEW_URL") or named["commit"],
        "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": scheme.score(grade),
        "max-score": scheme.total,
        "tests": tests,
    }
    return json_bytes(content)


def _tests(grade: Grade, scheme: PointScheme) -> list[tuple[PartResult, float, bool, str]]:
    """Return the verdict on each part, its points, whether it earns all of them, and a message."""
    scores = scheme.scores(grade)
    results = grade.results or tuple(PartResult(part, False, "", grade.remark) for part in scheme.points)
    tests: list[tuple[PartResult, float, bool, str]] = []
    for one in results:
        passed = one.ok and scores[one.part] == scheme.points[one.part]
        told = UNTOLD.format(grade.remark) if one.ok and not passed else one.remark
        message = "\n\n".join(part for part in (told, one.details) if part)
        tests.append((one, scores[one.part], passed, message))
    return tests
