"""Where the kernel grants namespaces to other programs, submissions run in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.check.host import available_protection

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")


def test_namespaces_are_used_where_the_kernel_grants_them(tmp_path: Path) -> None:
    """Ask `unshare` of util-linux to mount a file system in new namespaces of the same kinds."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare of util-linux here")
    options = ["--mount", "--pid", "--net", "--ipc", "--fork"]
    if os.getuid() != 0:
        options += ["--user", "--map-root-user"]
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    granted = subprocess.run([unshare, *options, *mount], capture_output=True, check=False).returncode == 0
    if not granted:
        pytest.skip("the kernel grants no namespaces here")
    assert available_protection().namespaces, str(available_protection())
