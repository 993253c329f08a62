"""Submissions as text: a ReLU layer, with lines added to it; their files, and their grades."""

import csv
import io
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

from chainrule.check import grade_files, homework
from chainrule.check.points import one_point_each

LAYER = """
import numpy as np

class Layer:
    def forward(self, x):
        {forward}
        self.x = x
        return x * (x > 0)

    def backward(self, dy):
        {backward}
        return {gradient}
"""


def relu(forward: str = "pass", backward: str = "pass", gradient: str = "dy * (self.x > 0)") -> str:
    """Return a ReLU with these lines at the start of forward and backward; correct unless they, or dx, change it."""
    lines = [textwrap.indent(textwrap.dedent(part).strip(), " " * 8).strip() for part in (forward, backward)]
    return LAYER.format(forward=lines[0], backward=lines[1], gradient=gradient)


def filled(folder: Path, files: Mapping[str, str]) -> Path:
    """Return the folder after creating these files in it; names ending with a / are folders."""
    for name, text in files.items():
        place = folder / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.write_text(text, encoding="utf-8")
    return folder


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Return a new file with this text."""
    return filled(folder, {name: text}) / name


def graded(folder: Path, text: str, against: str = "ReLU()", **options: object) -> homework.Grade:
    """Return the grade of a submission with this text, which is added to the folder."""
    written(folder, textwrap.dedent(text))
    rows = homework.grade(folder, against, **{"seconds": 120, **options})  # pyright: ignore
    return next(row for row in rows if row.submission == "mine.py")


def zeros_without_reason(row: homework.Grade) -> list[str]:
    """Return the formats of results in which a part, or the whole submission, earns 0 and no reason is stated."""
    scheme = one_point_each([result.part for result in row.results] or ["y", "dx"])
    without = list[str]()
    if row.passed < row.parts and not row.remark.strip():
        without.append("the table")
    result = json.loads(grade_files.results("gradescope", [row], scheme))
    if not all(test["output"] for test in result["tests"] if not test["score"]):
        without.append("gradescope")
    *_, line = csv.DictReader(io.StringIO(grade_files.results("otter", [row], scheme).decode()))
    if row.passed < row.parts and not line["remark"]:
        without.append("otter")
    return without
