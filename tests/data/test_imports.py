"""Importing the data package costs little: what is heavy waits until it is used."""

import subprocess
import sys


def test_nothing_heavy_is_imported() -> None:
    heavy = {"PIL", "rich", "ssl", "http", "tarfile", "subprocess", "platformdirs", "numba", "email"}
    script = "import sys, chainrule.data; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "chainrule" in loaded
    assert heavy & set(loaded) == set()
