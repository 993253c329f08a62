"""The thread pool runs every iteration once, and the caller sees what all threads have written."""

import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.engines.native import build

DRIVER = Path(__file__).with_name("pool_driver.c")
SOURCES = [DRIVER, *(build.FOLDER / name for name in ("pool.c", "scratch.c"))]
FLAGS = ["-std=gnu11", "-O1", "-DFLOAT", "-I", build.FOLDER, "-pthread", "-lm"]


@pytest.mark.skipif(not sys.platform.startswith("linux") or not build.compiler(), reason="a C compiler for Linux")
@pytest.mark.parametrize("flags", [[], ["-fsanitize=thread", "-DRACES"]], ids=["plain", "races"])
def test_loops_of_two_callers_and_a_forked_process(flags: list[str], tmp_path: Path) -> None:
    driver = tmp_path / "driver"
    subprocess.run([*build.compiler(), *SOURCES, *FLAGS, *flags, "-o", driver], check=True)
    subprocess.run([driver], check=True, timeout=300)
