"""A learner's file: what in it is meant, and what is said when it cannot be used."""

import sys
from pathlib import Path

import pytest

from chainrule.check import sources
from chainrule.errors import StudentError

LAYER = """
class {name}:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy
"""


def written(folder: Path, text: str) -> str:
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return str(folder / "mine.py")


def test_by_name_and_without_one(tmp_path: Path) -> None:
    file = written(tmp_path, LAYER.format(name="One") + "object = One()")
    assert sources.find(f"{file}:One")[0].__name__ == "One"
    assert type(sources.find(f"{file}:object")[0]).__name__ == "One"
    with pytest.raises(StudentError, match=r"several layers; name one: .*:One, .*:object"):
        sources.find(file)
    assert sources.find(written(tmp_path, LAYER.format(name="Only")))[1] == "Only"


def test_functions_and_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("def forward(x): return x", encoding="utf-8")
    file = written(tmp_path, "from neighbour_of_mine import forward\ndef backward(dy, x): return dy")
    before = list(sys.path)
    found, name = sources.find(file)
    assert (found.forward(3), name) == (3, "mine")
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 / 0", "mine.py cannot be imported: ZeroDivisionError: division by zero (line 1)"),
        ("\n\ndef f(:", "SyntaxError"),
        ("import sys\nsys.exit('no')", "SystemExit: no (line 2)"),
        ("x = 1", "nothing in it has forward and backward"),
    ],
)
def test_refused(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(StudentError) as caught:
        sources.find(written(tmp_path, text))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_thing(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no such file"):
        sources.find(str(tmp_path / "none.py"))
    with pytest.raises(StudentError, match="has no Two; it has: One"):
        sources.find(written(tmp_path, LAYER.format(name="One")) + ":Two")
