"""What the kernel stops, tried out; and gradings where it grants nothing."""

import os
import re
import sys
from pathlib import Path

import pytest
from check.submissions import relu

from chainrule.check import homework
from chainrule.check.guest import isolation
from chainrule.check.guest.isolation import mount
from chainrule.check.host import package_folders
from chainrule.check.host.survey import Survey, survey
from chainrule.cli.grade import UNISOLATED

SECURITY = Path(__file__).parents[3] / "SECURITY.md"
HARMLESS = "Call a function of the C library"  # what native code does is what matters
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")


@pytest.fixture(scope="module")
def here() -> Survey:
    found = survey()
    if not found.protection.isolated:
        pytest.skip(f"no namespaces here: {found.protection.reason}")
    return found


def test_the_kernel_stops_any_code(here: Survey) -> None:
    """Stop native code and processes left behind too, with the fence taken down."""
    assert [name for name, stopped in here.kernel.items() if not stopped] == [HARMLESS]


def stated() -> dict[str, list[bool]]:
    """Return the table of SECURITY.md: whether an attempt is stopped, by attempt and column."""
    rows = re.findall(r"^\| (.+?) +" + r"\| (stopped|–) +" * 4 + r"\|$", SECURITY.read_text(encoding="utf-8"), re.M)
    return {name: [cell == "stopped" for cell in cells] for name, *cells in rows}


def test_the_documented_table_with_namespaces(here: Survey) -> None:
    assert {name: cells[0] for name, cells in stated().items()} == here.kernel


def test_the_documented_table_without_namespaces() -> None:
    """Compare the columns of this user: root whose Python another user can read, or any other."""
    found = survey(namespaces=False)
    if os.getuid() == 0 and not found.protection.user:
        pytest.skip("another user could not read Python here")
    column = 2 if os.getuid() == 0 else 1
    assert {name: cells[column] for name, cells in stated().items()} == found.kernel
    for name, cells in stated().items():
        assert found.kernel[name] or found.fence[name] == cells[3], name


def test_without_namespaces_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grade on, and say loudly that the kernel has not isolated the submission."""
    from chainrule.check.host import Permissions

    (tmp_path / "one.py").write_text(relu(), encoding="utf-8")
    monkeypatch.setattr(homework, "Permissions", lambda *given: Permissions(*given, namespaces=False))
    (row,) = homework.grade(tmp_path, "ReLU()", shape=(2, 3, 2))
    assert row.ok
    assert row.unisolated
    assert row.unisolated in UNISOLATED.format(row.unisolated)


def test_private_submissions_are_graded(tmp_path: Path) -> None:
    """Grade files that only the grader may read, also where submissions run as another user."""
    (tmp_path / "ada").mkdir(mode=0o700)
    for name, text in {"layer.py": "from parts import *\n" + relu(), "parts.py": ""}.items():
        (tmp_path / "ada" / name).write_text(text, encoding="utf-8")
        (tmp_path / "ada" / name).chmod(0o600)
    os.mkfifo(tmp_path / "ada" / "pipe")  # nothing that is handed in prevents the isolation
    (row,) = homework.grade(tmp_path, "ReLU()", shape=(2, 3, 2), seconds=120)
    assert row.ok, row.remark
    assert row.unisolated in ("", survey().protection.reason)


def test_the_view_hides_other_packages(tmp_path: Path) -> None:
    """Show the folders of exposed packages, and hide those in which others are installed."""
    libraries = [f"{package_folders()['numpy']}/numpy", str(tmp_path / "none")]
    view = isolation.make_view([str(tmp_path)], libraries, "/work", "/library")
    assert {libraries[0], os.path.dirname(os.__file__)} <= {*view.visible}
    assert view.submission == (str(tmp_path),)
    assert str(tmp_path / "none") not in view.visible
    shown = tuple(f"{path}/" for path in view.visible)
    sites = [path for path in sys.path if path.endswith("-packages") and path.startswith(shown)]
    assert {*sites, "/library"} <= {*view.hidden}


def test_a_failed_system_call_is_named() -> None:
    with pytest.raises(OSError, match="mount: "):
        mount("none", "/no/such/folder", "tmpfs", 0)
