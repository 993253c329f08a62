"""Grades a folder of submissions: each is checked in a process of its own, with limits, and becomes a row.

What the separate process protects from is said in SECURITY.md: accidents, not attacks.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import chainrule
from chainrule import losses
from chainrule.check import expressions, probes
from chainrule.check.subjects import LayerSubject
from chainrule.errors import DataError

SECONDS, MEMORY = 30, 2048  # for each submission; MB
OUTPUT = 4000  # bytes of what a submission prints that are kept
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "CHAINRULE_CACHE")
COLUMNS = ("submission", "passed", "parts", "diagnosis", "remark", "seconds")


@dataclass(frozen=True)
class Grade:
    """The row of a submission.

    passed, parts   how many of the output and the gradients are right, and how many there are
    diagnosis       short names of the mistakes, by what they spoil: "dx: kernel-not-rotated"
    remark          the same in sentences; or why the submission could not be used
    output          the beginning of what it printed
    """

    submission: str
    passed: int
    parts: int
    diagnosis: str
    remark: str
    seconds: float
    output: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything is right."""
        return self.passed == self.parts and not self.remark


def grade(
    folder: Path,
    against: str,
    *,
    shape: Sequence[int] | None = None,
    seed: int = 0,
    seconds: int = SECONDS,
    memory: int = MEMORY,
) -> Iterator[Grade]:
    """The rows of all submissions in a folder, one after the other. See `submissions` for what is taken."""
    parts = _parts(against, shape)
    options = {"against": against, "shape": None if shape is None else list(shape), "seed": seed}
    limits = {"seconds": seconds, "memory": memory << 20}
    for file in submissions(folder):
        yield _graded(file, folder, parts, {**options, **limits})


def submissions(folder: Path) -> list[Path]:
    """The Python files of a folder, and of its sub-folders that hold just one; names with _ or . in front are none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    places = sorted(place for place in folder.iterdir() if place.name[0] not in "_.")
    found = [place for place in places if place.is_file() and place.suffix == ".py"]
    for place in places:
        inside = [file for file in sorted(place.glob("*.py")) if file.name[0] not in "_."] if place.is_dir() else []
        found += inside if len(inside) == 1 else []
    if not found:
        raise DataError(f"{folder}: no submissions (files *.py, or folders with one each)")
    return found


def write_csv(rows: Sequence[Grade], path: Path) -> None:
    """The rows as a table for a spreadsheet; no cell of it is a formula."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_harmless(getattr(row, column)) for column in COLUMNS])


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _parts(against: str, shape: Sequence[int] | None) -> int:
    """The output and the gradients of the layer or the loss that is asked for."""
    if against.replace("-", "_") in losses.NAMES:
        return 2
    layer = expressions.layer(against)
    subject = LayerSubject(layer, tuple(shape) if shape is not None else probes.shape_for(layer), engine="numpy")
    return 1 + len(subject.tests)


def _graded(file: Path, folder: Path, parts: int, options: Mapping[str, Any]) -> Grade:
    name = str(file.relative_to(folder))
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as place:
        work, result = Path(place, "work"), Path(place, "result.json")
        work.mkdir()
        given = {**options, "file": str(file.resolve()), "result": str(result)}
        code, output = _run(given, work, options["seconds"])
        took = round(time.perf_counter() - begin, 2)
        found = _read(result)
    if found is None:
        return Grade(name, 0, parts, "", _ended(code, options["seconds"]), took, output)
    if "error" in found:
        return Grade(name, 0, parts, "", str(found["error"]), took, output)
    passed, diagnosis, remark = _summary(found["rows"], parts)
    return Grade(name, passed, parts, diagnosis, remark, took, output)


def _run(options: Mapping[str, Any], work: Path, seconds: int) -> tuple[int | None, str]:
    """Exit code (None: it had to be stopped) and the beginning of what was printed."""
    root = str(Path(chainrule.__file__).parents[1])
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env |= {"PYTHONPATH": root, "HOME": str(work), "TMPDIR": str(work), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"PYTHONUTF8": "1", **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule.check.submission", json.dumps(options)],
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    kept, stream = bytearray(), cast("IO[bytes]", process.stdout)
    reader = threading.Thread(target=_drain, args=(stream, kept), daemon=True)
    reader.start()
    code: int | None = None
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill(process)
    reader.join(1)
    if not reader.is_alive():  # else a process that left the group still holds the other end
        stream.close()
    return code, bytes(kept).decode("utf-8", "replace")


def _drain(stream: IO[bytes], kept: bytearray) -> None:
    """Read all, so that the writer never waits, and keep the beginning."""
    while chunk := os.read(stream.fileno(), 1 << 16):
        kept += chunk[: max(OUTPUT - len(kept), 0)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started, as far as they stayed in its group."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _read(result: Path) -> dict[str, Any] | None:
    """What the process wrote; None where it wrote nothing that can be read."""
    try:
        found: Any = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and ("rows" in found or "error" in found)
    return cast("dict[str, Any]", found) if known else None


def _ended(code: int | None, seconds: int) -> str:
    """Why there is no result."""
    if code is None or code == -getattr(signal, "SIGXCPU", 0):
        return f"stopped after {seconds} s: does it ever end?"
    if code < 0:
        return f"crashed: {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}, before it could be checked"


def _summary(rows: Sequence[Mapping[str, Any]], parts: int) -> tuple[int, str, str]:
    """How many parts are right, and the mistakes by name and in sentences."""
    wrong: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if not row["ok"]:
            wrong.setdefault(row["tensor"], row)
    names = [f"{tensor}: {row['diagnosis'] or 'wrong'}" for tensor, row in wrong.items()]
    told = [_sentence(tensor, row) for tensor, row in wrong.items()]
    return parts - len(wrong), "; ".join(names), " ".join(told)


def _sentence(tensor: str, row: Mapping[str, Any]) -> str:
    """What is said about a wrong part."""
    if row["explanation"]:
        return f"{tensor} {row['explanation']}."
    if row["notes"]:
        return f"{'; '.join(row['notes'])}."
    if row["worst"]:
        index, found, expected = row["worst"]
        return f"{tensor} is wrong: {index} is {found:.6g}, not {expected:.6g}."
    return f"{tensor} is wrong."
