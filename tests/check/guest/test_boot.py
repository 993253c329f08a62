"""A process that cannot be confined says why in one line, and serves nothing."""

import sys
from pathlib import Path

import pytest
from check.submissions import written

from chainrule.check.host import package_folders
from chainrule.check.host.process import start

OTHER_USER = 54321  # a user that owns nothing; only root can switch to it

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="users and groups of Linux")


def test_a_process_that_cannot_be_confined_says_why(tmp_path: Path) -> None:
    """Switch to another user: the kernel refuses it, or this user cannot read a package."""
    package = written(tmp_path, "", "package.py")
    package.chmod(0o600)
    confinement = {
        "packages": package_folders(),
        "installed": [str(package)],
        "submission": str(tmp_path),
        "work": str(tmp_path),
        "namespaces": False,
        "user": OTHER_USER,
        "call_filter": False,
        "seconds": 60,
        "memory": 1 << 30,
    }
    with start([str(tmp_path)], confinement) as process:
        replies, errors = process.communicate(timeout=60)
    assert replies == b""
    assert process.returncode == 1
    (reason,) = errors.decode().splitlines()
    assert "Traceback" not in reason
