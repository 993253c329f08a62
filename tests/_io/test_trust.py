"""Code of other users never runs: who may write to a file, and modules beside a file."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from chainrule._io import python_files
from chainrule._io.trust import import_folders, writers
from chainrule.cli import main
from chainrule.errors import StudentError

NEIGHBOR = 12_345  # id of another user and of the only group of this user
PREPARE = 'F=$1; B=$(dirname "$F"); A=$(dirname "$B"); chmod 777 "$F" "$B" "$A"'
MOVE = 'mv "$B" "$B.old" || mv "$A" "$A.old"'
REPLACE = f'{PREPARE}; echo x >> "$F" || mv "$F" "$F.old" || {MOVE}'
ADD = f'{PREPARE}; touch "$B/added" || {MOVE}'
LAYER = """
class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and permissions as on POSIX systems")
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="acts as another user")


@pytest.fixture
def shared() -> Generator[Path]:
    """Return a folder that every user can search."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def succeeds(script: str, file: Path) -> bool:
    """Return whether another user can do this to a file."""
    command = ["/bin/sh", "-c", script, "sh", str(file)]
    ids: dict[str, Any] = {"user": NEIGHBOR, "group": NEIGHBOR, "extra_groups": []}
    return subprocess.run(command, stderr=subprocess.DEVNULL, cwd="/", check=False, **ids).returncode == 0


def drawn(random: np.random.Generator, folder: Path) -> Path:
    """Return a file below two folders, with random owners and permissions."""
    file = folder / "a" / "b" / "file"
    file.parent.mkdir(parents=True)
    file.touch()
    for path, sticky in ((file, 0), (file.parent, stat.S_ISVTX), (file.parents[1], stat.S_ISVTX)):
        owner, group = (NEIGHBOR * int(random.random() < 0.1) for _ in range(2))
        os.chown(path, owner, group)
        writable = (0, 0o20, 0o22)[random.choice(3, p=(0.6, 0.2, 0.2))]  # a group may do what everybody may
        path.chmod(0o755 | writable | sticky * int(random.random() < 0.3))
    return file


@needs_root
def test_writers_are_those_who_can_write(shared: Path) -> None:
    """Compare with another user, who tries to change a file, and to add one beside it."""
    random = np.random.default_rng()
    for draw in range(12):
        replaced, extended = (drawn(random, shared / f"{draw} {kind}") for kind in ("replaced", "extended"))
        assert succeeds(REPLACE, replaced) == bool(writers(replaced)), draw
        assert succeeds(ADD, extended) == bool(writers(extended.parent)), draw


def checked(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", str(file), *options])


def test_code_of_other_users_never_runs(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in a folder above the file is not imported, also if everybody may write to the folder."""
    monkeypatch.chdir(shared)
    shared.chmod(0o777)
    work = shared / "mine" / "deep"
    work.mkdir(parents=True)
    for folder in (shared, shared / "mine"):
        (folder / "planted.py").write_text("raise SystemExit('code of another user')\n")
    (work / "layer.py").write_text(f"import planted\n\n{LAYER}")
    (work / "relative.py").write_text(f"from . import planted\n\n{LAYER}")
    for file in (work / "layer.py", work / "relative.py"):
        result = checked(file)
        assert result.exit_code == 2
        assert "planted" in result.output
        assert "another user" not in result.output
    (work / "network.py").write_text("import planted\n")
    result = CliRunner().invoke(main, ["train", "--model", str(work / "network.py")])
    assert result.exit_code == 2
    assert "No module named 'planted'" in result.output


@needs_root
def test_the_owner_of_a_link_can_point_it_elsewhere(shared: Path) -> None:
    """A link counts as its owner's, also on the way to a path, and wherever it points to now."""
    mine = shared / "mine"
    mine.mkdir(mode=0o755)
    (mine / "file").touch()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(mine)
    (shared / "further").symlink_to(shared / "link")
    assert [writers(shared / place) for place in ("link", "link/file", "further/file")] == [set()] * 3
    os.chown(shared / "link", NEIGHBOR, NEIGHBOR, follow_symlinks=False)
    assert [writers(shared / place) for place in ("link", "link/file", "further/file")] == [{NEIGHBOR}] * 3


@needs_root
@pytest.mark.parametrize("text", ["from .helper import SIZE", "import helper"])
def test_packages_of_other_users_are_no_packages(text: str, shared: Path) -> None:
    """Another user may write __init__.py into a folder for all above a file: it is not run."""
    shared.chmod(0o1777)
    folder = shared / "mine"
    folder.mkdir()
    (folder / "helper.py").write_text("SIZE = 2\n")
    (folder / "layer.py").write_text(f"{text}\n{LAYER}")
    (shared / "__init__.py").write_text("raise SystemExit('code of another user')\n")
    os.chown(shared / "__init__.py", NEIGHBOR, NEIGHBOR)
    assert hasattr(python_files.load(folder / "layer.py"), "Double")


def test_a_folder_for_everybody_is_not_searched(shared: Path) -> None:
    """Others may add modules to a folder such as /tmp, but not change the file in it."""
    shared.chmod(0o1777)
    (shared / "planted.py").write_text("raise SystemExit('code of another user')\n")
    (shared / "layer.py").write_text(f"import planted\n\n{LAYER}")
    with pytest.raises(StudentError, match=r"planted.*other users may add"):
        python_files.load(shared / "layer.py")
    result = checked(shared / "layer.py")
    assert result.exit_code == 2
    assert "another user" not in result.output
    shared.chmod(0o755)
    assert import_folders(shared / "layer.py") == [str(shared.resolve())]
    with pytest.raises(StudentError, match="code of another user"):
        python_files.load(shared / "layer.py")


@pytest.mark.parametrize("is_package", [True, False])
@pytest.mark.parametrize("statement", ["from .parts import two", "from ..above import two", "from {}.above import two"])
def test_a_file_imports_its_own_package(statement: str, is_package: bool, shared: Path) -> None:
    """But no module beside the package, even one with its name."""
    package = f"package{shared.name}"
    inner = shared / package / "inner"
    inner.mkdir(parents=True)
    (inner / "parts.py").write_text("two = 2\n")
    (inner.parent / "above.py").write_text("two = 2\n")
    (shared / f"{package}.py").write_text("raise SystemExit('beside the package')\n")
    (shared / "beside.py").write_text("")
    if is_package or "{" in statement:  # without relative imports, a folder without __init__.py is no package
        (inner / "__init__.py").touch()
        (inner.parent / "__init__.py").touch()
    (inner / "layer.py").write_text(f"{statement.format(package)}\n\n{LAYER.replace('2', 'two')}")
    assert vars(python_files.load(inner / "layer.py"))["two"] == 2
    assert checked(inner / "layer.py").exit_code == 3  # no layer of this library
    (inner / "layer.py").write_text(f"{statement.format(package)}\nimport beside\n")
    with pytest.raises(StudentError, match="No module named 'beside'"):
        python_files.load(inner / "layer.py")
