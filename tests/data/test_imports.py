"""Importing the data package is cheap: heavy modules are imported on first use."""

import subprocess
import sys

import chainrule

ALONE = """
import sys, types
package = sys.modules["chainrule"] = types.ModuleType("chainrule")
package.__path__ = [sys.argv[1]]  # without what the package itself imports
from chainrule.data import *
print(*{name.split(".")[0] for name in sys.modules})
"""


def test_nothing_heavy_is_imported() -> None:
    heavy = {"PIL", "rich", "ssl", "http", "tarfile", "subprocess", "platformdirs", "llvmlite", "email"}
    command = [sys.executable, "-c", ALONE, chainrule.__path__[0]]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert heavy & set(loaded) == set()
