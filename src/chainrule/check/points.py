"""Points for the parts of an assignment, from a TOML file that the teacher writes.

[points]                    # an entry for every part of the assignment; 0 for a part that earns nothing
y = 2
dx = 4
dw = 2.5
db = 1

visibility = "visible"      # when students see the parts: visible, after_due_date, after_published or hidden;
                            # optional, before [points]
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from chainrule._io.files import read_toml
from chainrule.check.homework import Grade
from chainrule.errors import FormatError, quoted, unknown_name

MAX_POINTS = 1e6  # maximum number of points per part
VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")
KEYS = ("visibility", "points")


@dataclass(frozen=True)
class PointScheme:
    """The points for every part of an assignment.

    points      points by part, in the order of the parts; at least one is positive
    visibility  when students can see the result of a part, in Gradescope's terms
    """

    points: Mapping[str, float]
    visibility: str = VISIBILITIES[0]

    @property
    def total(self) -> float:
        """Points of a submission whose parts are all right."""
        return _plain(math.fsum(self.points.values()))

    def scores(self, grade: Grade) -> dict[str, float]:
        """Return the points that a submission earns, by part.

        Results that belong to no part may be wrong or unchecked although every part is right. The cheapest part with
        points then earns none, so that the submission does not earn full marks.
        """
        earned: dict[str, float] = dict.fromkeys(self.points, 0)
        right = set[str]()
        if grade.graded:
            right = {result.part for result in grade.results if result.ok}
        for part, points in self.points.items():
            if part in right:
                earned[part] = points
        if grade.passed < len(right):
            cheapest = min((part for part in right if earned[part]), key=earned.__getitem__)
            earned[cheapest] = 0
        return earned

    def score(self, grade: Grade) -> float:
        """Return the total number of points that a submission earns."""
        return _plain(math.fsum(self.scores(grade).values()))

    def to_toml(self) -> str:
        """Return the scheme as TOML text."""
        lines = [f'visibility = "{self.visibility}"', "", "[points]"]
        for part, points in self.points.items():
            lines.append(f"{part} = {points}")
        return "\n".join(lines) + "\n"


def one_point_each(parts: Sequence[str]) -> PointScheme:
    """Return the scheme where every part earns one point."""
    return PointScheme(dict.fromkeys(parts, 1))


def read(path: Path, parts: Sequence[str]) -> PointScheme:
    """Read the points for an assignment's parts; FormatError if the file is not in the format of this module."""
    table = read_toml(path)
    for key in table:
        if key not in KEYS:
            raise FormatError(f"{path}: {unknown_name('entry', key, KEYS)}")
    listed = table.get("points")
    if not isinstance(listed, dict):
        raise FormatError(f"{path}: expected a table [points] with an entry for each of {', '.join(parts)}")
    points = _points(cast("dict[str, object]", listed), parts, path)
    visibility = table.get("visibility", VISIBILITIES[0])
    if visibility not in VISIBILITIES:
        raise FormatError(f"{path}: {unknown_name('visibility', visibility, VISIBILITIES)}")
    return PointScheme(points, visibility)


def _points(listed: Mapping[str, object], parts: Sequence[str], path: Path) -> dict[str, float]:
    """Return the points in the order of the parts."""
    for part in listed:
        if part not in parts:
            raise FormatError(f"{path}: points: {unknown_name('part', part, tuple(parts))}")
    points: dict[str, float] = {}
    for part in parts:
        if part not in listed:
            raise FormatError(f"{path}: points: {part} has no entry; write 0 if it earns nothing")
        value = listed[part]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_POINTS:
            raise FormatError(
                f"{path}: points: {part} is {quoted(value)}; expected a number from 0 to {MAX_POINTS:,.0f}"
            )
        points[part] = _plain(value)
    if not any(points.values()):
        raise FormatError(f"{path}: points: every part earns 0")
    return points


def _plain(value: float) -> float:
    """Return whole numbers as int, so that they are written without a decimal point."""
    if value == int(value):
        return int(value)
    return value
