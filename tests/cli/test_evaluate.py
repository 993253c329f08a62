"""`chainrule evaluate`: metrics of the test part, as a table and as JSON."""

import json
import shutil

import numpy as np
from cli.commands import answer, refused, succeeded

from chainrule.runs.folder import MODEL


def test_the_same_as_the_run_found_itself_and_as_its_model_file(invoke, finished, tmp_path):
    kept = json.loads((finished / "evaluation.json").read_text())
    run, file = (answer(invoke("evaluate --json", path)) for path in (finished, finished / MODEL))
    assert run["samples"] == sum(row["samples"] for row in run["classes"]) == 40
    assert run | kept | {"run": ""} == run | {"run": ""} == file | {"run": ""}
    refused(invoke("evaluate", shutil.copy(finished / MODEL, tmp_path)), "--data")


def test_the_worst_of_many_classes_are_printed(invoke):
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 255, (180, 1, 4, 4), dtype=np.uint8), np.arange(180) % 60
    np.savez("many.npz", x=x, y=y)
    succeeded(invoke("train --model mlp --data many.npz --out o --epochs 5 --quiet"))
    _, table = invoke("evaluate o").stdout.split("\nclass ")
    rows = answer(invoke("evaluate o --json"))["classes"]
    assert [row["class"] for row in rows] == [*map(str, range(60))]
    printed = [line.split()[0] for line in table.splitlines()[1:11]]
    scores = {row["class"]: row["f1"] for row in rows if row["f1"] is not None}
    assert max(scores[name] for name in printed) <= min(f1 for name, f1 in scores.items() if name not in printed)
