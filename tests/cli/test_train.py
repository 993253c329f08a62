"""`chainrule train`: the files it writes, its output, and resuming."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cli.commands import answer, refused, succeeded

from chainrule.runs import jobs, running
from chainrule.training.optimizers import Nesterov
from chainrule.training.recipe import Recipe

QUICK = "--model mlp --engine numpy --epochs 1"
ALL_FILES = {
    *("checkpoint.safetensors", "config.json", "confusion.png", "curves.png"),
    *("evaluation.json", "history.csv", "mistakes.png", "model.safetensors"),
}


def test_a_run_prints_its_figures_and_its_path_last(run, digits, tmp_path):
    done = run("train --model mlp --out here --epochs 6 --data", digits)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "here"
    assert lines[0].startswith("test accuracy")
    assert {path.name for path in (tmp_path / "here").iterdir()} == ALL_FILES
    assert all(name in done.stdout for name in ALL_FILES)
    assert "epoch 6/6" in done.stderr
    assert json.loads((tmp_path / "here" / "evaluation.json").read_text())["accuracy"] > 0.5


def test_json_and_results_before_plots(invoke, digits, monkeypatch):
    """Print the facts of the run, which keeps the command; figures are drawn after the results are printed."""
    monkeypatch.setattr(running, "draw", lambda *_: print("now"))
    words = ["train", "--data", str(digits), *QUICK.split(), "--out", "here"]
    before, _ = invoke(*words).stdout.split("now\n")
    assert re.findall(r"^test accuracy +[0-9.]+ %", before, re.M)
    words = [*words[:-1], "there", "--json", "--quiet"]
    monkeypatch.setattr(running, "draw", lambda *_: None)
    result = invoke(*words)
    report = answer(result)
    assert result.stderr == ""
    assert json.loads(Path("there/config.json").read_text())["command"] == ["chainrule", *words]
    assert {*report["files"]} == {path.name for path in Path("there").iterdir()}
    assert report.items() >= {"run": "there", "finished": True, "samples": 40, "epochs": 1, "steps": 5}.items()
    assert 0 <= report["accuracy"] <= 1
    assert report["seconds"] > 0


def test_folders_are_dated_and_never_used_twice(invoke, digits):
    before = datetime.now()
    paths = [Path(invoke(f"train {QUICK} --quiet --data", digits).stdout.splitlines()[-1]) for _ in range(2)]
    assert len(set(paths)) == 2
    dated = {f"mlp-{moment:%Y-%m-%d-%H%M}" for moment in (before, datetime.now())}
    for path in paths:
        assert path.parent == Path("runs")
        assert any(path.name.startswith(name) for name in dated)
        assert (path / "model.safetensors").is_file()


def test_options_override_the_recipe(invoke, digits):
    """Compare with the recipe that Python's options give."""
    options = "--batch-size 16 --lr 0.25 --optimizer nesterov --momentum 0.5 --weight-decay 0.01 --schedule cosine"
    options += " --seed 3 --clip-norm 2 --class-weight 3=2.5,4=0 --gradient-accumulation-steps 3 --ema-decay 0.9"
    options += " --loss mean-squared-error --augment shift=1,flip --normalization scale --validation 0.25 --patience 2"
    options += " --monitor accuracy"
    result = succeeded(invoke(f"train {QUICK} {options} --limit 100 --dtype float64 --out o --data", digits))
    assert "class weights 3=2.5,4=0" in " ".join(result.stderr.split())
    job = jobs.read_job(Path("o"))
    assert job.recipe == Recipe(
        epochs=1,
        batch_size=16,
        optimizer=Nesterov(0.25, 0.5, 0.01),
        loss="mean_squared_error",
        schedule="cosine",
        normalization="scale",
        augmentation="shift=1,flip",
        clip_norm=2,
        validation=0.25,
        patience=2,
        monitor="accuracy",
        seed=3,
        class_weight={"3": 2.5, "4": 0.0},
        gradient_accumulation_steps=3,
        ema_decay=0.9,
        standardize_targets=False,
    )
    assert (job.model["dtype"], job.model["seed"], job.epoch_images) == ("float64", 3, 75)
    assert job.choice.name == str(digits)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_an_interrupted_run_says_how_to_go_on(run, digits, tmp_path):
    """Runs in Python compare the bits, also after other ends, such as kill -9."""
    words = f"train --model mlp --data {digits} --epochs 4 --batch-size 1 --validation 0.1 --quiet --out cut"
    command, cut = [sys.executable, "-m", "chainrule", *words.split()], tmp_path / "cut"
    env = {**os.environ, "CHAINRULE_ENGINE": "numpy"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env) as process:
        while not (cut / "checkpoint.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert not (cut / "model.safetensors").exists()
    assert process.returncode == 130
    assert said.splitlines()[-1].endswith("chainrule train --resume cut")
    assert run("train --resume cut --quiet").returncode == 0


def test_a_finished_run_is_resumed_without_a_step_and_finds_data_that_moved(invoke, finished, digits, tmp_path):
    assert "this run is finished" in invoke("train --resume", finished).stderr
    job = jobs.read_job(finished)
    gone = replace(job, choice=replace(job.choice, name=str(tmp_path / "gone.npz")))
    (finished / "config.json").write_bytes(gone.to_json())
    refused(invoke("train --quiet --resume", finished), "gone.npz")
    succeeded(invoke("train --quiet --resume", finished, "--data", digits))


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(invoke, digits, tmp_path):
    done = invoke(f"train {QUICK} --lr 1e+30 --optimizer sgd --quiet --out o --data", digits)
    refused(done, "not finite", "the last good checkpoint is in o")
    assert (tmp_path / "o" / "checkpoint.safetensors").is_file()
