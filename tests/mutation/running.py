"""Mutation of one module in a folder of its own: mutmut makes the mutants, runs the tests and reports survivors."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mutation.subjects import ROOT, Subject

WORK = ROOT / "build" / "mutation"
MUTMUT = Path(sys.executable).with_name("mutmut")
SETTINGS = """[mutmut]
source_paths=src
only_mutate={source}
use_git_change_detection=false
track_dependencies=false
timeout_constant=2
pytest_add_cli_args=
    -p
    no:cacheprovider
    -m
    thorough or not thorough
    -k
    {only}
pytest_add_cli_args_test_selection=
    {tests}
"""
# Use the same examples in every run (hypothesis treats CI as a machine without a database), and one thread per mutant.
QUIET = {
    "CI": "1",
    "CHAINRULE_ENGINE": "numpy",
    "CHAINRULE_DRAWS": "2",
    "CHAINRULE_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "COLUMNS": "200",
}


LIVED = ("survived", "no tests")
ENDED = ("timeout", "segfault")  # not by a failing test, but ended


class RunError(Exception):
    """A failure of mutmut itself."""


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test detected: the function, and its lines before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Outcome:
    """Results for the mutants of one module. Mutants that never end count as killed, as no test can pass on them."""

    mutants: int
    killed: int
    timed_out: int
    survivors: tuple[Survivor, ...]
    seconds: float


def run(subject: Subject, children: int, *, again: bool = False) -> Outcome:
    """Make the mutants of one module and run its tests on each.

    ``again`` resumes an earlier run and retests its survivors, as tests may have been added.
    """
    folder = WORK / subject.module.replace("/", "-")
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    _prepare(folder, subject)
    words = ("run", "--max-children", str(children))
    survivors = [name for name, state in _lived(folder) if state not in (*ENDED, "not checked")]
    clock, spent = folder / "seconds", time.monotonic()
    try:
        _mutmut(folder, *words)
        if survivors:
            _mutmut(folder, *words, *survivors)
    finally:
        before = float(clock.read_text(encoding="utf-8")) if clock.is_file() else 0.0
        clock.write_text(str(before + time.monotonic() - spent), encoding="utf-8")
    return _outcome(folder, subject, float(clock.read_text(encoding="utf-8")))


def _outcome(folder: Path, subject: Subject, seconds: float) -> Outcome:
    """Read mutmut's results from a module's folder."""
    _mutmut(folder, "export-cicd-stats")
    counts = json.loads((folder / "mutants/mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    states = _lived(folder)
    if unknown := {state for _, state in states} - {*LIVED, *ENDED}:
        raise RunError(f"{subject.module}: mutants that are {', '.join(sorted(unknown))}; run it again")
    survivors = tuple(_survivor(folder, name) for name, state in states if state in LIVED)
    return Outcome(counts["total"], counts["killed"] + counts["segfault"], counts["timeout"], survivors, seconds)


def _prepare(folder: Path, subject: Subject) -> None:
    """Prepare the project as mutmut expects it, with settings for one module and its tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("src", "tests", "pyproject.toml"):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    tests = "\n    ".join(subject.tests)
    settings = SETTINGS.format(source=subject.source.as_posix(), only=subject.only, tests=tests)
    (folder / "setup.cfg").write_text(settings, encoding="utf-8")


def _lived(folder: Path) -> list[tuple[str, str]]:
    """Return name and state of every mutant that was not killed by a failing test."""
    if not (folder / "mutants").is_dir():
        return []
    lines = _mutmut(folder, "results").splitlines()
    return [(name.strip(), state.strip()) for name, found, state in (line.partition(": ") for line in lines) if found]


def _survivor(folder: Path, name: str) -> Survivor:
    lines = _mutmut(folder, "show", name).splitlines()
    changed = [line for line in lines if not line.startswith(("---", "+++"))]
    before, after = (" ".join(line[1:].strip() for line in changed if line.startswith(sign)) for sign in "-+")
    return Survivor(name, before, after)


def _mutmut(folder: Path, *words: str) -> str:
    if not MUTMUT.exists():
        raise RunError(f"{MUTMUT} is not there; python -m pip install --editable '.[test,mutate]'")
    environment = {**os.environ, **QUIET, "CHAINRULE_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [str(MUTMUT), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = (done.stdout + done.stderr).replace("\r", "\n").strip().splitlines()
        raise RunError(f"mutmut {words[0]} in {folder}:\n" + "\n".join(told[-25:]))
    return done.stdout
