"""Users' Python files as modules: names, packages, relative imports, and what is left afterwards."""

import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule._io import python_files
from chainrule.errors import StudentError

FILES = {
    "alone.py": "import beside\nvalue = beside.value + 1\n",
    "beside.py": "value = 1\n",
    "course/__init__.py": "level = 3\n",
    "course/week/__init__.py": "",
    "course/week/task.py": "from . import helper\nfrom .. import level\nvalue = helper.value + level\n",
    "course/week/helper.py": "value = 10\n",
    "course/week/named.py": "import course.week.helper\nvalue = course.week.helper.value\n",
    "loose/part.py": "from .other import value\n",
    "loose/other.py": "value = 7\n",
    "loose/deep/inner.py": "from ..other import value\n",
    "eager/__init__.py": "from eager import task\nvalue = task.value\n",
    "eager/task.py": "from . import __name__ as package\nvalue = 5\n",
}
VALUES = {
    "alone.py": 2,
    "course/week/task.py": 13,
    "course/week/named.py": 10,
    "loose/part.py": 7,
    "loose/deep/inner.py": 7,
    "eager/task.py": 5,
}


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    before = dict(sys.modules)
    yield tmp_path
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


@pytest.mark.parametrize("name", VALUES)
def test_a_file_finds_its_folder_and_its_package(folder: Path, name: str) -> None:
    """The second time, the file is run again, as it is then; searches leave nothing."""
    path, finders = [*sys.path], [*sys.meta_path]
    module = python_files.load(folder / name)
    assert module.value == VALUES[name]
    assert sys.modules[module.__name__] is module
    with (folder / name).open("a") as file:
        file.write("\nvalue = value * 1000  # longer, so that no compiled file stands for it\n")
    if name != "eager/task.py":
        assert python_files.load(folder / name).value == 1000 * VALUES[name]
    assert (sys.path, sys.meta_path) == (path, finders)


def test_a_file_does_not_take_the_name_of_a_library(folder: Path) -> None:
    (folder / "json.py").write_text("mine = True\n")
    import json

    module = python_files.load(folder / "json.py")
    assert module.mine
    assert sys.modules["json"] is json
    assert module.__name__ != "json"
    (folder / "random_package/__init__.py").parent.mkdir()
    (folder / "random_package/__init__.py").write_text("")
    (folder / "random_package/user.py").write_text("import random_package\nhere = random_package.__path__\n")
    assert [*python_files.load(folder / "random_package/user.py").here] == [str(folder / "random_package")]


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        ("x = 1\ny = 1 / 0\n", 2, "ZeroDivisionError"),
        ("def f():\n    return [][3]\n\n\nf()\n", 2, "IndexError"),
        ("x = (\n", 1, "SyntaxError"),
        ("import nowhere_to_be_found\n", 1, "ModuleNotFoundError"),
        ("import sys\nsys.exit('done')\n", 2, "SystemExit"),
        ("raise ValueError('two\\nlines')\n", 1, "ValueError"),
    ],
)
def test_errors_are_one_line_with_the_line_of_the_file(folder: Path, text: str, line: int, kind: str) -> None:
    (folder / "wrong.py").write_text(text)
    path, finders = [*sys.path], [*sys.meta_path]
    with pytest.raises(StudentError) as caught:
        python_files.load(folder / "wrong.py")
    message = str(caught.value)
    assert message.startswith("wrong.py")
    assert kind in message
    assert f"(line {line})" in message
    assert "\n" not in message
    assert (sys.path, sys.meta_path) == (path, finders)


def test_files_that_are_no_modules(folder: Path) -> None:
    for name in ("absent.py", "course"):
        with pytest.raises(StudentError, match=name):
            python_files.load(folder / name)
    (folder / "notes.txt").write_text("value = 1\n")
    with pytest.raises(StudentError, match=r"notes\.txt"):
        python_files.load(folder / "notes.txt")
    error = ValueError("nobody raised it")
    assert "line" not in python_files.describe(error, folder / "alone.py")
