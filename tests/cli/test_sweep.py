"""`chainrule sweep`: its table, its second start, its errors, and the commands of its page."""

import csv
import shlex
from pathlib import Path
from typing import Any

import pytest
from cli.commands import Invoke, answer, succeeded
from docs.pages import fences

PAGE = "docs/sweeps.md"
QUICK = "--engine numpy --epochs 1 --backend threading --quiet --limit 90"


def test_trials_and_a_second_start(invoke: Invoke, digits: Path, tmp_path: Path) -> None:
    words = [f"sweep --model mlp {QUICK} --validation 0.2 --out all --data", digits, "--grid"]
    first = succeeded(invoke(*words, "learning-rate=0.001,0.02", "--seeds", 2))
    lines = first.stdout.splitlines()
    assert lines[0].split()[:4] == ["learning-rate", "trials", "validation", "accuracy"]
    assert [line.split()[0] for line in lines[1:]] == ["0.02", "0.001", "all"]  # the best first, the folder last
    models = {path: path.stat().st_mtime_ns for path in Path("all").glob("*/model.safetensors")}
    assert len(models) == 4
    again = invoke(*words, "learning-rate=0.001,0.02", "--seeds", 3, "--json")
    assert {path: path.stat().st_mtime_ns for path in models} == models  # not trained again
    with (tmp_path / "all" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["finished"] * 6
    assert [float(row["test"]) for row in rows] == [trial["test"] for trial in answer(again)["trials"]]
    other = invoke(*words, "learning-rate=0.001", "--batch-size", 8)
    assert other.exit_code == 1
    assert "was trained with batch_size 32, not 8" in other.stdout


def test_results_outlive_a_full_disk(invoke: Invoke, digits: Path, tmp_path: Path) -> None:
    """The table is printed where its files cannot be written."""
    (tmp_path / "all" / "sweep.png").mkdir(parents=True)
    command = f"sweep --model mlp {QUICK} --validation 0.2 --out all --grid learning-rate=0.01 --seeds 2 --data"
    full = invoke(command, digits)
    assert (full.exit_code, full.stderr.count("\n")) == (2, 1)
    assert "sweep.png" in full.stderr
    assert full.stdout.splitlines()[1].split()[:2] == ["0.01", "2"]


def test_the_commands_and_the_example_of_the_page(
    invoke: Invoke, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the command of docs/sweeps.md, short and quiet, and the example in Python."""
    (line,) = fences(PAGE, "")
    words = shlex.split(line.replace("mnist", str(digits)))[1:]
    succeeded(invoke(*words[:-1], "page", *QUICK.split()))
    assert len([*Path("page").glob("*/evaluation.json")]) == 20
    (code,) = fences(PAGE, "python")
    names: dict[str, Any] = {}
    exec(code.replace("seeds=3,", 'seeds=1, backend="threading",'), names)
    assert names["found"].best["learning_rate"] > 0.001
    assert not names["found"].failed
