"""Runs a command in this process and judges how it ends."""

import os
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner
from fuzz.judge import one_line_fault

from chainrule.cli import main
from chainrule.errors import ChainruleError, printable

RUNNER = CliRunner()
NAME = "chainrule: "
ENVIRONMENT = {"CHAINRULE_OFFLINE": "1", "CHAINRULE_ENGINE": "numpy", "CHAINRULE_DATA": ""}


class Refused(ChainruleError):
    """The first stderr line of a command that exited with 2."""


class Misbehaved(Exception):
    """A command that ended in a forbidden way."""


def command(folder: Path, words: Sequence[str]) -> str:
    """Run a command in a folder and return what it printed.

    Errors   Refused when it exited with 2 after lines of at most 300 letters; Misbehaved for any other end but 0 or 1
    """
    before = Path.cwd()
    os.chdir(folder)
    try:
        environment = {**ENVIRONMENT, "CHAINRULE_CACHE": str(folder / "cache")}
        result = RUNNER.invoke(main, list(words), prog_name="chainrule", env=environment)
    finally:
        os.chdir(before)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code in (0, 1):
        if fault := next((line for line in result.stdout.splitlines() if printable(line) != line), None):
            raise Misbehaved(f"printed {fault[:200]!r}")
        return result.stdout
    lines = result.stderr.removesuffix("\n").split("\n")  # one for each refused image
    if result.exit_code != 2 or not all(line.startswith(NAME) for line in lines):
        raise Misbehaved(f"exit code {result.exit_code} after {result.stderr[:200]!r}")
    faults = [one_line_fault(line.removeprefix(NAME)) for line in lines]
    if fault := next((fault for fault in faults if fault), None):
        raise Misbehaved(fault)
    raise Refused(lines[0].removeprefix(NAME))
