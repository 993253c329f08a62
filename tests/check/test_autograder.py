"""The autograder: equal options give equal bytes, and it runs as on Gradescope, under a temporary folder."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from check.submissions import filled, relu

from chainrule.check.autograder import GradedAssignment, autograder
from chainrule.check.grade_files import PointScheme
from chainrule.errors import OptionError

SCHEME = PointScheme({"y": 1, "dx": 3}, "after_published")
TASK = GradedAssignment("ReLU()", SCHEME, input_shape="2,3,2", seconds=120)
SEEDED = GradedAssignment("ReLU()", SCHEME, seconds=120, seed=11)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="scripts of a POSIX shell")


def unpacked(root: Path, task: GradedAssignment) -> dict[str, str]:
    """Unpack the zip as Gradescope does, and return the environment of its scripts."""
    (root / "autograder.zip").write_bytes(autograder(task))
    with zipfile.ZipFile(root / "autograder.zip") as archive:
        archive.extractall(root / "source")
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    for name in ("setup.sh", "run_autograder"):
        assert modes[name] == 0o100755
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    return {**os.environ, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": sys.executable}


def run(root: Path, env: dict[str, str]) -> dict:
    """Grade a submission as Gradescope does, and return results.json."""
    subprocess.run(["bash", root / "run_autograder"], cwd=root, env=env, check=True, capture_output=True, timeout=300)
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def programs(folder: Path, **texts: str) -> dict[str, str]:
    """Write scripts of bash, and return an environment in which they hide the programs of these names."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_gradescope_grades_submissions(tmp_path: Path) -> None:
    """Grade with the library in the zip: a wrong gradient, and a submission that cannot be graded."""
    env = unpacked(tmp_path, SEEDED)
    library = tmp_path / "source" / "library"
    command = [sys.executable, "-c", "import chainrule; print(chainrule.__file__)"]
    imported = subprocess.run(
        command, env={**env, "PYTHONPATH": str(library)}, capture_output=True, text=True, check=True
    )
    assert Path(imported.stdout.strip()).parent == library / "chainrule"
    filled(tmp_path, {"submission/": ""})
    result = run(tmp_path, env)
    assert (result["score"], result["output"]) == (0, "not graded: an empty folder")
    filled(tmp_path, {"submission/layer.py": relu(gradient="0 * dy")})
    result = run(tmp_path, env)
    assert (result["score"], [test["max_score"] for test in result["tests"]]) == (1, [1, 3])
    assert result["visibility"] == "after_published"
    assert result["extra_data"]["seed"] == 11


def test_the_setup_installs_the_requirements(tmp_path: Path) -> None:
    """Run setup.sh with stand-ins for Python and apt-get, which record their arguments."""
    unpacked(tmp_path, TASK)
    record = 'echo "$@" >> "$AUTOGRADER_ROOT/commands"\nif [ "$1" = -m ] && [ "$2" = venv ]; then\n'
    record += '    mkdir -p "$3/bin"; cp "$0" "$3/bin/python"\nfi'
    env = programs(tmp_path / "bin", **{"python3.14": record, "apt-get": record}) | {"AUTOGRADER_ROOT": str(tmp_path)}
    subprocess.run(["bash", tmp_path / "source" / "setup.sh"], env=env, check=True, capture_output=True)
    commands = (tmp_path / "commands").read_text().splitlines()
    assert commands[1:] == [
        f"-m venv {tmp_path}/environment", f"-m pip install --requirement {tmp_path}/source/requirements.txt",
    ]  # fmt: skip
    assert {place.stat().st_mode & 0o077 for place in (tmp_path / "source").rglob("*")} == {0}
    requirements = (tmp_path / "source" / "requirements.txt").read_text()
    assert re.search(r"^numpy>=", requirements, re.M)
    assert "extra" not in requirements


def test_equal_options_give_equal_bytes() -> None:
    assert autograder(TASK) == autograder(TASK)
    assert autograder(TASK) != autograder(GradedAssignment("ReLU()", SCHEME))


def test_packages_are_installed_too(tmp_path: Path) -> None:
    unpacked(tmp_path, GradedAssignment("ReLU()", SCHEME, packages=("scipy",)))
    assert "\nscipy==" in (tmp_path / "source" / "requirements.txt").read_text()
    assert "--package scipy" in (tmp_path / "run_autograder").read_text()


@pytest.mark.parametrize(
    ("task", "part"),
    [
        (GradedAssignment("ReLU()", SCHEME, shared=("_given.py",)), "--shared _given.py"),
        (GradedAssignment("ReLU(\n)", SCHEME), "printable characters only"),
    ],
)
def test_unusable_options_are_refused(task: GradedAssignment, part: str) -> None:
    with pytest.raises(OptionError, match=part):
        autograder(task)
