"""A learner's file: the selected object, and the messages when it cannot be used."""

import json
import os
import sys
from pathlib import Path

import pytest
from check.submissions import filled, written

from chainrule.check import sources
from chainrule.errors import StudentError

LAYER = """
class {name}:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy
"""


def test_a_layer_is_found_with_and_without_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, LAYER.format(name="One") + "object = One()")
    assert sources.find(file, "One")[0].__name__ == "One"
    assert type(sources.find(file, "object")[0]).__name__ == "One"
    assert sources.find(file)[1] == "One"
    with pytest.raises(StudentError, match=r"several layers.*:One, .*:Two"):
        sources.find(written(tmp_path, LAYER.format(name="One") + LAYER.format(name="Two")))
    assert sources.find(written(tmp_path, LAYER.format(name="Only")))[1] == "Only"


def test_functions_of_a_neighbor_are_imported(tmp_path: Path) -> None:
    filled(tmp_path, {"neighbour_of_mine.py": "def forward(x): return x"})
    file = written(tmp_path, "from neighbour_of_mine import forward\ndef backward(dy, x): return dy")
    before = list(sys.path)
    code, name = sources.find(file)
    assert (code.forward(3), name) == (3, "mine")
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
    assert sources.contents(sources.load(file)).functions == ("relu_forward",)
    assert not mark.exists()
    assert sources.contents(sources.load(file, neighbor)).functions == ("relu_forward", "relu_backward")
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
        sources.find(written(tmp_path, text) if isinstance(text, str) else notebook(tmp_path, *text))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no such file"):
        sources.find(tmp_path / "none.py")
    with pytest.raises(StudentError, match="has no Two; it has: One"):
        sources.find(written(tmp_path, LAYER.format(name="One")), "Two")


@pytest.mark.parametrize(
    ("text", "file", "name"),
    [
        ("a.py", "a.py", None),
        ("in/a.py:Layer", "in/a.py", "Layer"),
        ("a.ipynb:one.two", "a.ipynb", "one.two"),
        ("numpy-cnn", "numpy-cnn", None),
        ("", ".", None),
    ],
)
def test_an_argument_is_a_file_and_a_name(text: str, file: str, name: str | None) -> None:
    assert sources.split(text) == (Path(file), name)


def notebook(folder: Path, *cells: object) -> Path:
    content = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    return written(folder, json.dumps(content), "mine.ipynb")


def test_cells_of_a_notebook_are_run(tmp_path: Path) -> None:
    cells = ["%pip install x\nimport math\n", "1 / 0", LAYER.format(name="One"), "%%bash\nexit", "One.e = math.e"]
    layer, name = sources.find(notebook(tmp_path, *cells))
    assert (name, round(layer.e, 2)) == ("One", 2.72)
    assert sources.find(notebook(tmp_path, LAYER.format(name="One").splitlines(keepends=True)))[1] == "One"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', "[" * 100_000, "\xff"])
def test_other_texts_are_no_notebooks(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudentError, match="not a Jupyter notebook"):
        sources.find(written(tmp_path, text, "mine.ipynb"))
