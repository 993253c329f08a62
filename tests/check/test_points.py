"""Points by part: what a submission earns, and files that are refused in one line."""

import tomllib
from pathlib import Path

import pytest
from check.submissions import written
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.check.grade_files import PointScheme
from chainrule.check.homework import Grade, PartResult
from chainrule.check.points import VISIBILITIES, read
from chainrule.errors import FormatError

PARTS = ("y", "dx", "dw", "db")
NUMBERS = st.integers(0, 1000) | st.integers(0, 1000).map(lambda quarters: quarters / 4)
SCHEMES = st.lists(NUMBERS, min_size=4, max_size=4).filter(any)


def graded(right: list[bool], beside: bool = False) -> Grade:
    """Return the row of a submission; `beside`: whether something beside the parts is wrong."""
    results = tuple(PartResult(part, ok) for part, ok in zip(PARTS, right, strict=True))
    return Grade("ada.py", min(sum(right), 4 - beside), 4, "", "", 0.1, results=results)


@given(SCHEMES, st.lists(st.booleans(), min_size=4, max_size=4), st.booleans())
def test_a_submission_earns_the_points_of_its_right_parts(values: list[float], right: list[bool], beside: bool) -> None:
    scheme = PointScheme(dict(zip(PARTS, values, strict=True)))
    score = scheme.score(graded(right, beside))
    earned = [value for value, ok in zip(values, right, strict=True) if ok]
    if all(right) and beside:  # never full marks
        earned.remove(min(value for value in values if value))
        assert score < scheme.total
    assert_close(score, sum(earned))
    assert scheme.score(Grade("ada.py", 0, 4, "", "", 0.1, graded=False)) == 0


@given(SCHEMES, st.text("é🙂\"'\\ a", min_size=1, max_size=9), st.sampled_from(VISIBILITIES))
def test_a_scheme_survives_as_toml(values: list[float], title: str, visibility: str) -> None:
    scheme = PointScheme(dict(zip(PARTS, values, strict=True)), title, visibility)
    table = tomllib.loads(scheme.to_toml())
    assert table == {"assignment": title, "visibility": visibility, "points": dict(scheme.points)}


def test_a_file_of_points_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, "[points]\ndb = 1\ndw = 2.5\ndx = 4.0\ny = 0\n", "hw3.toml")
    scheme = read(file, PARTS)
    assert [*scheme.points.items()] == [("y", 0), ("dx", 4), ("dw", 2.5), ("db", 1)]
    assert (scheme.assignment, scheme.visibility, scheme.total) == ("hw3", "visible", 7.5)


ALL = "y = 1\ndx = 1\ndw = 1\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[points", "not TOML"),
        ("", "expected a table [points] with an entry for each of y, dx, dw, db"),
        (f"late = 3\n[points]\n{ALL}db = 1", "unknown entry 'late'; known: assignment, visibility, points"),
        (f"[points]\n{ALL}dbeta = 1", "points: unknown part 'dbeta'; known: y, dx, dw, db"),
        (f"[points]\n{ALL}", "points: db has no entry"),
        (f"[points]\n{ALL}db = -1", "points: db is -1; expected a number from 0"),
        (f"[points]\n{ALL}db = nan", "points: db is nan"),
        (f"[points]\n{ALL}db = {'9' * 400}", "points: db is an integer of"),
        (f"assignment = '\\n'\n[points]\n{ALL}db = 1".replace("'", '"'), "assignment is '\\n'"),
        (f"visibility = 'never'\n[points]\n{ALL}db = 1", "unknown visibility 'never'"),
        ("[points]\ny = 0\ndx = 0\ndw = 0\ndb = 0", "every part earns 0"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(written(tmp_path, text, "points.toml"), PARTS)
    assert part in str(caught.value)
    assert str(caught.value).isprintable()
    with pytest.raises(FormatError):
        read(tmp_path, PARTS)
