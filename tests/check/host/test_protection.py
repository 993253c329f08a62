"""What the kernel stops, tried out and compared with SECURITY.md; and gradings without namespaces."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check import attempts
from check.processes import orphaned_submissions
from check.submissions import relu, written
from click.testing import CliRunner

from chainrule.check import homework, host
from chainrule.check.host import Limits, Permissions, Protection, available_protection, open_file, process, protection
from chainrule.cli import main
from chainrule.errors import StudentError

SECURITY = Path(__file__).parents[3] / "SECURITY.md"
SOURCE = Path(host.__file__).parents[2]
HARMLESS = "Call a function of the C library"  # what native code does is what matters
BOOT = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("boot", {str(process.BOOT)!r})
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
boot._install_empty_packages()
from chainrule.check.guest import isolation
{{}}
boot.main(sys.argv[1])
"""
CONTRACT = "self = {0}(); y = self.forward(x); dx = self.backward(dy)"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Create a folder that all users can read, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="chainrule-test-") as name:
        Path(name).chmod(0o755)
        yield Path(os.path.realpath(name))


def stopped(folder: Path) -> dict[str, bool]:
    """Run all attempts as a submission, and return whether each of them is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        targets = {
            "neighbor": str(written(folder, "a neighbor's work", "neighbor.py")),
            "written": str(folder / "written"),
            "library": str(SOURCE / "operations" / "reference" / "convolution.py"),
            "grader": os.getpid(),
            "port": server.getsockname()[1],
            "key": attempts.call("add_key", b"user", b"of the grader", b"secret", 6, -3),
        }
        text = Path(attempts.__file__).read_text(encoding="utf-8")
        submission = written(folder, f"TARGETS = {targets!r}\n{text}", "submission.py")
        permissions = Permissions((submission,), host.package_folders(), 2 << 30)
        with open_file(submission, Limits(60), permissions=permissions) as file:
            outputs = file.layer(CONTRACT.format("Trial")).forward(np.ones((1, 1))).arrays["y"]
    succeeded = dict(zip(attempts.ATTEMPTS, map(bool, outputs), strict=True))
    succeeded[attempts.LEAVE] = succeeded[attempts.LEAVE] and is_left()
    return {name: not success for name, success in succeeded.items()}


def is_left() -> bool:
    """Return whether a submission's process is still alive, and kill it."""
    time.sleep(0.2)
    numbers = orphaned_submissions()
    for number in numbers:
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
    return bool(numbers)


def stated(column: int) -> dict[str, bool]:
    """Return a column of the table in SECURITY.md: whether an attempt is stopped."""
    rows = re.findall(r"^\| (.+?) +" + r"\| (stopped|–) +" * 3 + r"\|$", SECURITY.read_text(encoding="utf-8"), re.M)
    return {name: cells[column] == "stopped" for name, *cells in rows}


def test_namespaces_stop_any_code(folder: Path) -> None:
    """Compare the first column. It contains everything except native code, and processes left behind."""
    if not available_protection().namespaces:
        pytest.skip(f"here: {available_protection()}")
    tried = stopped(folder)
    assert tried == stated(0)
    assert [name for name, is_stopped in tried.items() if not is_stopped] == [HARMLESS]


def test_the_kernel_stops_some_attempts_without_namespaces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the column of this user: root whose Python another user can read, or any other."""
    user = os.getuid() == 0 and not protection._failure(Protection(False, True, False))
    if os.getuid() == 0 and not user:
        pytest.skip("another user could not read Python here")
    without_namespaces = Protection(False, user, available_protection().call_filter)
    monkeypatch.setattr(host, "available_protection", lambda: without_namespaces)
    assert stopped(folder) == stated(2 if user else 1)


def test_without_namespaces_the_reason_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to grade in one line with the reason; with --trust, grade on and report it."""
    monkeypatch.setattr(protection, "_failure", lambda _: "unshare: Operation not permitted")
    for module in (homework, host):
        monkeypatch.setattr(module, "available_protection", available_protection.__wrapped__)
    written(tmp_path, relu())
    command = ["grade", str(tmp_path), "--against", "ReLU()", "--input-shape", "2,3,2", "--json", "--quiet"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "--trust" in refused.stderr
    assert refused.stderr.count("unshare: Operation not permitted") == 2  # neither namespaces nor a filter
    (row,) = json.loads(CliRunner().invoke(main, [*command, "--trust"]).stdout)
    assert row["ok"]
    assert row["protection"].count("unshare: Operation not permitted") == 2


def refuse(number: int) -> Callable[..., Any]:
    """Return a function that raises the system's error with this number."""

    def call(*_: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    return call


def test_only_the_owner_of_files_is_a_reason_to_keep_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the system, such as a full disk, do not lower the protection: they end the grading."""
    trial = Protection(False, True, False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", refuse(errno.EPERM))
        assert os.strerror(errno.EPERM) in protection._failure(trial)
    for owner, name, number in (
        (tempfile, "mkdtemp", errno.ENOSPC),
        (Path, "mkdir", errno.EIO),
        (subprocess, "Popen", errno.EAGAIN),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(os, "chown", lambda *_, **options: None)
            patch.setattr(owner, name, refuse(number))
            with pytest.raises(OSError, match=os.strerror(number)):
                protection._failure(trial)
            with pytest.raises(OSError, match=os.strerror(number)):
                available_protection.__wrapped__()


def test_private_submissions_are_graded(tmp_path: Path) -> None:
    """Grade files that only the grader may read, also where submissions run as another user."""
    (tmp_path / "ada").mkdir(mode=0o700)
    for name, text in {"layer.py": "from parts import *\n" + relu(), "parts.py": ""}.items():
        written(tmp_path / "ada", text, name).chmod(0o600)
    os.mkfifo(tmp_path / "ada" / "pipe")  # nothing that is handed in prevents the isolation
    (row,) = homework.grade(tmp_path, "ReLU()", shape=(2, 3, 2), seconds=120)
    assert row.ok, row.remark
    assert row.protection == str(available_protection())


LOOK = """
import ctypes, os
import numpy as np

class Look:
    def forward(self, x):
        filters = ctypes.CDLL(None).prctl(21, 0, 0, 0, 0)
        return np.array([[not os.path.exists("/etc"), os.getuid() != OWN, filters == 2]], float)

    def backward(self, dy):
        return dy
"""


@pytest.mark.parametrize("call_filter", [False, True])
def test_a_submission_has_the_reported_protection(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call_filter: bool
) -> None:
    """Let a submission look at its files, user and filter, with and without the filter."""
    granted = available_protection()
    if not granted.namespaces or not granted.call_filter or "Seccomp:\t0" not in Path("/proc/self/status").read_text():
        pytest.skip(f"here: {granted}")
    chosen = Protection(True, granted.user, call_filter)
    monkeypatch.setattr(host, "available_protection", lambda: chosen)
    submission = written(folder, LOOK.replace("OWN", str(os.getuid())), "look.py")
    permissions = Permissions((submission,), host.package_folders(), 2 << 30)
    with open_file(submission, Limits(60), permissions=permissions) as file:
        (seen,) = file.layer(CONTRACT.format("Look")).forward(np.ones((1, 1))).arrays["y"]
    assert [*map(bool, seen)] == [True, granted.user, call_filter]
    words = ("Linux namespaces", "another user", "filter of system calls")
    assert [word in str(chosen) for word in words] == [True, granted.user, call_filter]


def test_a_submission_does_not_run_if_its_isolation_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one step of the isolation fail, after the trials have succeeded."""
    if not available_protection().namespaces or not available_protection().call_filter:
        pytest.skip(f"here: {available_protection()}")
    mark = folder / "was run"
    folder.chmod(0o777)
    submission = written(folder, f"open({str(mark)!r}, 'w')\n" + relu(), "mine.py")
    permissions = Permissions((submission,), host.package_folders(), 2 << 30)
    for step in ("unshare", "pivot", "refuse_calls", "control", "give_up_rights"):
        failing = f"isolation.{step} = lambda *_: isolation.mount('nothing', '/nowhere', 'tmpfs', 0)"
        monkeypatch.setattr(process, "BOOT", written(folder, BOOT.format(failing), "boot.py"))
        with pytest.raises(StudentError), open_file(submission, Limits(60), permissions=permissions) as file:
            file.contents()
        assert not mark.exists(), step
