"""A learner's file: the selected object, and the messages when it cannot be used."""

import json
import os
import sys
from pathlib import Path

import pytest
from check.submissions import filled, written

from chainrule.check import sources
from chainrule.check.checked_file import LocalFile
from chainrule.check.file_checks import check_file
from chainrule.custom.signatures import contents
from chainrule.errors import StudentError

LAYER = """
class {name}:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy
"""


def checked(path: Path, *names: str) -> None:
    check_file(LocalFile(sources.load(path)), path.name, 0, names=names or None)


def test_functions_of_a_neighbor_are_imported(tmp_path: Path) -> None:
    filled(tmp_path, {"neighbour_of_mine.py": "def forward(x): return x"})
    file = written(tmp_path, "from neighbour_of_mine import forward\ndef backward(dy, x): return dy")
    before = list(sys.path)
    code = sources.load(file)
    assert code.forward(3) == 3
    assert sys.path == before


def test_only_named_files_are_run(tmp_path: Path) -> None:
    """Neither a neighbor that defines the missing function, nor a pipe, is opened."""
    mark = tmp_path / "mark"
    neighbor = written(
        tmp_path,
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\ndef relu_backward(dy, x): return dy * (x > 0)",
        "other.py",
    )
    os.mkfifo(tmp_path / "pipe.py")
    file = written(tmp_path, "def relu_forward(x): return x * (x > 0), x")
    assert [*contents(sources.load(file))] == ["relu_forward"]
    assert not mark.exists()
    assert [*contents(sources.load(file, neighbor))] == ["relu_forward", "relu_backward"]
    assert mark.exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 / 0", "mine.py cannot be imported: ZeroDivisionError: division by zero (line 1)"),
        ("\n\ndef f(:", "SyntaxError"),
        ("import sys\nsys.exit('no')", "SystemExit: no (line 2)"),
        ("x = 1", "forward and backward"),
        ("x = 1\nprint 'x'", "print(...)? (line 2)"),
        ("import numpy as np\n\nN = np.product((2, 3))", "(line 3): write np.prod"),
        (["x = 1"], "mine.ipynb: "),
        (["x = 1", "\n1 / 0", "def f(:"], "cell 2 of mine.ipynb: ZeroDivisionError: division by zero (line 2)"),
        (["def f(:"], "cell 1 of mine.ipynb: SyntaxError"),
        ([7], "not a Jupyter notebook"),
        ([["a", 7]], "not a Jupyter notebook"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, text: str | list[object], part: str) -> None:
    """Texts are files, and lists the cells of notebooks."""
    with pytest.raises(StudentError) as caught:
        checked(written(tmp_path, text) if isinstance(text, str) else notebook(tmp_path, *text))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no such file"):
        sources.load(tmp_path / "none.py")
    with pytest.raises(StudentError, match="has no Two; it has: One"):
        checked(written(tmp_path, LAYER.format(name="One")), "Two")


def notebook(folder: Path, *cells: object) -> Path:
    content = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    return written(folder, json.dumps(content), "mine.ipynb")


def test_cells_of_a_notebook_are_run(tmp_path: Path) -> None:
    cells = ["%pip install x\nimport math\n", "1 / 0", LAYER.format(name="One"), "%%bash\nexit", "One.e = math.e"]
    assert round(sources.load(notebook(tmp_path, *cells)).One.e, 2) == 2.72
    lines = LAYER.format(name="One").splitlines(keepends=True)
    assert [*contents(sources.load(notebook(tmp_path, lines)))] == ["One"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', "[" * 100_000, "\xff"])
def test_other_texts_are_no_notebooks(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudentError, match="not a Jupyter notebook"):
        sources.load(written(tmp_path, text, "mine.ipynb"))
