"""`chainrule check` and `chainrule grade`."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from check.processes import orphaned_submissions
from check.submissions import relu
from cli.commands import answer

EXAMPLES = Path(__file__).parents[2] / "examples" / "homework" / "submissions"
LAYER = "Conv2D(4, (3, 2))"
RELU = "--against ReLU()"


def test_printed_lines_are_on_stderr_also_before_an_error(invoke, tmp_path):
    mine(tmp_path, "print('here')", top="print('hello')")
    result = invoke(f"check mine.py {RELU} --json")
    assert answer(result)["ok"]
    assert "hello" in result.stderr
    mine(tmp_path, "print('so far'); 1 / 0")
    result = invoke(f"check mine.py {RELU}")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == "so far"
    assert "Layer.forward: ZeroDivisionError: division by zero (line" in " ".join(result.stdout.split())


def mine(folder: Path, line: str, top: str = "") -> None:
    """Write a layer that is right except for a line in its forward."""
    (folder / "mine.py").write_text(top + "\n" + relu(line), encoding="utf-8")


def test_an_endless_loop_ends_with_a_sentence(invoke, tmp_path):
    mine(tmp_path, "pass", top="while True: print('\x1b[31mround')")
    result = invoke(f"check mine.py {RELU} --seconds 3")
    *printed, last = result.stderr.splitlines()
    assert result.exit_code == 2
    assert last.startswith("chainrule: mine.py: stopped after 3 s")
    assert printed[:-1] == [r"\x1b[31mround"] * 40
    assert re.fullmatch(r"… [\d,]+ more lines", printed[-1])


@pytest.mark.parametrize("subject", ["softmax-cross-entropy", "mlp", "Conv2D(2, 3)"])
def test_other_subjects_are_refused(invoke, subject):
    result = invoke("check", subject)
    assert result.exit_code == 2
    assert "check_gradients" in result.stderr


def progress(result) -> str:
    """Return what was printed on stderr, without the warning of machines that have no namespaces."""
    return "".join(
        line for line in result.stderr.splitlines(keepends=True) if not line.startswith("chainrule: WARNING")
    )


def test_grade_says_what_was_not_graded(invoke, tmp_path):
    """List every entry in the table and in the files, with harmless names and cells."""
    folder = tmp_path / "class"
    for name in ("empty", "two", "_shared"):
        (folder / name).mkdir(parents=True)
    for name in ("two/a.py", "two/b.py", "work.zip", "@sum.txt", "_given.py", "a\n\x1b[2J=.zip"):
        (folder / name).write_text("", encoding="utf-8")
    (folder / "ada.py").write_text(relu(), encoding="utf-8")
    result = invoke(f"grade class {RELU} --csv grades.csv --quiet --seed 7")
    assert (result.exit_code, progress(result)) == (3, "")
    names = ["@sum.txt", r"a\n\x1b[2J=.zip", "ada.py", "empty", "two", "work.zip"]
    assert [line.split()[0] for line in result.stdout.splitlines() if re.search(r" \d/2", line)] == names
    assert "_given.py, _shared" in result.stdout
    assert "\nseed 7\n" in result.stdout
    with Path("grades.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["submission"]: row for row in csv.DictReader(stream)}
    assert [*rows] == ["'@sum.txt", *names[1:]]
    assert {row["passed"] for name, row in rows.items() if name != "ada.py"} == {"0"}
    assert "a.py, b.py" in rows["two"]["remark"]


def eventually(is_true: Callable[[], Any]) -> bool:
    """Wait up to a minute until a condition holds, and return whether it does."""
    until = time.monotonic() + 60
    while not is_true() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(is_true())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_submission_ends_with_its_grader(tmp_path, number):
    shutil.copy(EXAMPLES / "gus.py", tmp_path)
    command = [sys.executable, "-m", "chainrule", "grade", str(tmp_path), "--against", LAYER, "--trust"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert eventually(lambda: orphaned_submissions(process.pid))
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert number == signal.SIGKILL or (process.returncode, errors) == (130, "chainrule: interrupted\n")
    assert eventually(lambda: not orphaned_submissions())


def test_grade_writes_what_graders_read(invoke):
    """Give points by part, the results of one submission, and autograders without a folder to grade."""
    Path("points.toml").write_text("[points]\ny = 5\ndx = 5\n")
    Path("carl.py").write_text(relu(gradient="dy"), encoding="utf-8")
    options = f"{RELU} --points points.toml"
    written = "--results gradescope results.json --results otter grades.csv"
    result = invoke(f"grade carl.py --quiet --single {options} {written}")
    assert (result.exit_code, progress(result)) == (0, "")
    assert json.loads(Path("results.json").read_text())["score"] == 5
    assert "carl.py,0,5,5,0.5,Completed" in Path("grades.csv").read_text()
    actual = invoke(f"grade carl.py --json --quiet --single {options}")
    assert [(row["points"], row["max_points"]) for row in answer(actual)] == [(5, 10)]
    result = invoke(f"grade --autograder a.zip {options}")
    assert (result.exit_code, result.output) == (0, "")
    assert Path("a.zip").stat().st_size > 500
    assert "FILE.zip" in invoke(f"grade --autograder a.yml {options}").stderr
