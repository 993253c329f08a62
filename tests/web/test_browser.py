"""Without a browser, tests of the page are skipped with a reason; where one is required, they fail."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_machine_without_chromium(tmp_path: Path) -> None:
    asked = "tests/web/test_state.py::test_brackets_may_come_encoded"
    words = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", asked]
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("CHAINRULE_BROWSER", None)
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen(words, cwd=root, env={**environment, **more}, stdout=subprocess.PIPE, text=True)
        for more in ({}, {"CHAINRULE_BROWSER": "required"})
    ]
    (reader, _), (machine, _) = (each.communicate(timeout=120) for each in running)
    assert "1 skipped" in reader
    assert "no chromium on this machine: the tests of the page need it" in reader
    assert "1 error" in machine
    assert "no chromium on this machine, and CHAINRULE_BROWSER=required" in machine
    assert [each.returncode for each in running] == [0, 1]
