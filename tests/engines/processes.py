"""Processes of Python that tests of engines start."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
FORKS = "ignore:This process:DeprecationWarning"  # Python 3.12 and later warn of forks where there are threads


def python(*arguments: object, code: int = 0, **environment: object) -> "subprocess.CompletedProcess[str]":
    """Run Python with arguments and further variables of the environment; it must end with a code."""
    done = subprocess.run(
        [sys.executable, "-W", FORKS, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}", **_texts(environment)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == code, done.stdout[-1000:] + done.stderr[-3000:]
    return done


def _texts(environment: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


def scenario(*names: str, code: int = 0, **environment: object) -> "subprocess.CompletedProcess[str]":
    """Run scenarios of `process_driver` in a process."""
    return python(Path(__file__).with_name("process_driver.py"), *names, code=code, **environment)
