"""The main job as a whole: `chainrule train` on real MNIST reaches 99 % in two epochs and writes its files."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import chainrule as cr

PICTURES = ("curves.png", "kernels-conv1.png", "kernels-conv2.png", "confusion.png", "mistakes.png")


def test_make_train(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "chainrule", "train", "--out", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(run)
    evaluation = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["accuracy"] >= 0.99
    assert evaluation["samples"] == 10_000
    with (run / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * -(-58_800 // 32)  # 2 % are held back for validation
    assert [row["epoch"] for row in rows if row["validation_accuracy"]] == ["1", "2"]
    assert all(float(row["loss"]) >= 0 for row in rows)
    assert json.loads((run / "config.json").read_text(encoding="utf-8"))["recipe"]["epochs"] == 2
    assert all((run / name).read_bytes().startswith(b"\x89PNG") for name in PICTURES)
    _, test = cr.data.load("mnist")
    again = cr.load(run, engine="numpy").evaluate(test).accuracy
    assert abs(again - evaluation["accuracy"]) <= 2e-4  # a close prediction may depend on the engine
