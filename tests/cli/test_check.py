"""`chainrule check` and `chainrule grade`."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from check.submissions import relu
from cli.commands import answer, refused

EXAMPLES = Path(__file__).parents[2] / "examples" / "homework" / "submissions"
LAYER = "Conv2D(4, (3, 2))"
AGAINST = f"--against '{LAYER}'"
SMALL = f"{AGAINST} --input-shape 3,4,3"
RELU = "--against ReLU()"


def test_a_skeleton_is_not_written_yet(invoke):
    result = invoke(f"check {EXAMPLES.parent}/skeleton.py {AGAINST}")
    assert result.exit_code == 3
    assert "not written" in result.stdout
    assert "forward is yours to write (line 15 of skeleton.py)" in result.stdout


def test_json(invoke):
    report = answer(invoke(f"check --json {EXAMPLES}/ida.py {SMALL}"), 1)
    assert report["ok"] is False
    assert {row["tensor"]: (row["ok"], row["diagnosis"]) for row in report["rows"]} == {
        "y": (False, "correlation-convolution-mixed-up"),
        **dict.fromkeys(("dx", "dw", "db"), (True, None)),
    }


POOLING = """
import numpy as np


def forward(x):
    y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2))
    for i, j in np.ndindex(*y.shape[2:]):
        y[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
    return y


def backward(dy, x):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        u, v = divmod(int(x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].argmax()), 2)
        dx[n, c, 2 * i + u, 2 * j + v] += dy[n, c, i, j]
    return dx
"""


def test_no_warnings_about_complex_steps(invoke, tmp_path):
    """A right file that writes its output into an array of zeros, which drops imaginary parts."""
    (tmp_path / "pooling.py").write_text(POOLING, encoding="utf-8")
    result = invoke("check --against MaxPool2D(2)", tmp_path / "pooling.py")
    assert (result.exit_code, result.stderr) == (0, "")


def test_printed_lines_do_not_spoil_the_json(invoke, tmp_path):
    (tmp_path / "loud.py").write_text("print('hello')\n" + relu("print('here')"), encoding="utf-8")
    result = invoke(f"check loud.py {RELU} --json")
    assert answer(result)["ok"]
    assert "hello" in result.stderr


def mine(folder: Path, line: str, top: str = "") -> None:
    """Write a layer that is right except for a line in its forward."""
    (folder / "mine.py").write_text(top + "\n" + relu(line), encoding="utf-8")


def test_an_endless_loop_in_a_later_call_is_named(invoke, tmp_path):
    mine(tmp_path, "COUNT.append(1)\nwhile len(COUNT) > 9: pass", "COUNT = []")
    said = invoke(f"check mine.py {RELU} --seconds 3").stderr
    assert all(words in said for words in ("3 s", "endless loop", "--seconds"))


def test_an_endless_loop_ends_with_a_sentence(invoke, tmp_path):
    (tmp_path / "mine.py").write_text("while True: print('round')", encoding="utf-8")
    result = invoke(f"check mine.py {RELU} --seconds 4")
    *printed, said = result.stderr.splitlines()
    assert result.exit_code == 2
    assert said.startswith("chainrule: mine.py: stopped after 4 s")
    assert printed[:-1] == ["round"] * 40
    assert re.fullmatch(r"… [\d,]+ more lines", printed[-1])
    for seconds in (0, 10**9):
        assert invoke("check mine.py --seconds", seconds).exit_code == 2


def test_ten_thousand_lines_are_cut(invoke, tmp_path):
    mine(tmp_path, "pass", top="for n in range(10_000): print('\x1b[31mline', n)")
    result = invoke(f"check mine.py {RELU}")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [*(rf"\x1b[31mline {n}" for n in range(40)), "… 9,960 more lines"]


def test_lines_printed_before_an_error_are_shown(invoke, tmp_path):
    mine(tmp_path, "print('so far'); 1 / 0")
    result = invoke(f"check mine.py {RELU}")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "so far"
    assert "Layer.forward: ZeroDivisionError: division by zero (line" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("line", ["import os; os._exit(0)", "import os; os.abort()", "import sys; sys.exit()"])
def test_code_that_ends_itself(invoke, tmp_path, line):
    mine(tmp_path, line)
    refused(invoke(f"check mine.py {RELU}"), "mine.py" if "os" in line else "SystemExit")


def test_own_code_sees_what_is_installed(invoke, tmp_path, monkeypatch):
    """Import a neighbouring file and the folder of the command too."""
    (tmp_path / "neighbour.py").write_text("import scipy, chainrule as cr\nok = cr.ReLU()", encoding="utf-8")
    mine(tmp_path, "open('here.txt').close()", top="import neighbour")
    (tmp_path / "here.txt").write_text("")
    assert invoke(f"check mine.py {RELU}").exit_code == 0


@pytest.mark.parametrize("subject", ["Dense(4)", "Exp()", "softmax-cross-entropy", "mlp"])
def test_built_in_layers_losses_and_networks_are_right(invoke, subject):
    result = invoke("check --engine numpy", subject)
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_run(invoke, finished):
    assert invoke("check --engine numpy", finished).exit_code == 0


def progress(result) -> str:
    """Return what was printed on stderr, without the warning of machines that have no namespaces."""
    return "".join(
        line for line in result.stderr.splitlines(keepends=True) if not line.startswith("chainrule: WARNING")
    )


def test_grade_says_what_was_not_judged(invoke, tmp_path):
    """List every entry in the table and in the files, with harmless names and cells."""
    folder = tmp_path / "class"
    for name in ("empty", "two", "_shared"):
        (folder / name).mkdir(parents=True)
    for name in ("two/a.py", "two/b.py", "work.zip", "@sum.txt", "_given.py"):
        (folder / name).write_text("", encoding="utf-8")
    (folder / "ada.py").write_text(relu(), encoding="utf-8")
    result = invoke(f"grade class {RELU} --csv grades.csv --quiet --seed 7")
    assert (result.exit_code, progress(result)) == (3, "")
    assert [line.split()[0] for line in result.stdout.splitlines() if re.search(r" \d/2", line)] == [
        "@sum.txt", "ada.py", "empty", "two", "work.zip",
    ]  # fmt: skip
    assert "_given.py, _shared" in result.stdout
    assert result.stdout.endswith("seed 7\n")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["submission"]: row for row in csv.DictReader(stream)}
    assert [*rows] == ["'@sum.txt", "ada.py", "empty", "two", "work.zip"]
    assert {row["passed"] for name, row in rows.items() if name != "ada.py"} == {"0"}
    assert "a.py, b.py" in rows["two"]["remark"]
    again = json.loads(invoke(f"grade class {RELU} --quiet --seed 7 --json").stdout)
    assert [(row["judged"], row["ok"]) for row in again] == [(False, False), (True, True), *[(False, False)] * 3]


def running(group_of: int) -> list[str]:
    """Return the submissions whose parent is that process."""
    result = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            result += [place.name] * (parent == group_of and b"boot.py" in (place / "cmdline").read_bytes())
    return result


def ends(numbers: list[str]) -> bool:
    """Return whether these submissions end soon; they may remain as zombies."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        alive = []
        for number in numbers:
            with suppress(OSError):
                alive += [number] * (b"boot.py" in Path("/proc", number, "cmdline").read_bytes())
        if not alive:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_submission_ends_with_its_grader(tmp_path, number):
    shutil.copy(EXAMPLES / "gus.py", tmp_path)
    command = [sys.executable, "-m", "chainrule", "grade", str(tmp_path), "--against", LAYER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not (started := running(process.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert started
    assert number == signal.SIGKILL or (process.returncode, errors) == (130, "chainrule: interrupted\n")
    assert ends(started)


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_grade_prints_names_harmlessly(invoke, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a\n\x1b[2J=.py").write_text("raise ValueError('\x1b[2J')", encoding="utf-8")
    result = invoke(f"grade class {AGAINST}")
    assert result.exit_code == 0
    assert progress(result) == "1/1 a\\n\\x1b[2J=.py\n"
    assert "\x1b" not in result.stdout


def test_grade_writes_what_graders_read(invoke, tmp_path):
    """Give points by part, the results of one submission, and autograders without a folder to grade."""
    (tmp_path / "points.toml").write_text("[points]\ny = 5\ndx = 5\n")
    (tmp_path / "carl.py").write_text(relu(gradient="dy"), encoding="utf-8")
    options = f"{RELU} --points points.toml"
    written = "--results gradescope results.json --results nbgrader grades.csv --csv table.csv"
    result = invoke(f"grade carl.py --quiet --single {options} {written}")
    assert (result.exit_code, progress(result)) == (0, "")
    assert json.loads((tmp_path / "results.json").read_text())["score"] == 5
    assert "carl,,,,5,0,5,10" in (tmp_path / "grades.csv").read_text()
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        assert [(row["points"], row["max_points"]) for row in csv.DictReader(stream)] == [("5", "10")]
    actual = invoke(f"grade carl.py --json --quiet --single {options}")
    assert [(row["points"], row["max_points"]) for row in answer(actual)] == [(5, 10)]
    result = invoke(f"grade --autograder a.zip --autograder a.yml --autograder a.py {options}")
    assert (result.exit_code, result.output) == (0, "")
    assert all((tmp_path / f"a.{ending}").stat().st_size > 500 for ending in ("zip", "yml", "py"))
