"""`chainrule explain`: any value of the next training step, as text and as JSON."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, refused
from numerical import assert_close
from PIL import Image

from chainrule.data import load
from chainrule.explain import Trace
from chainrule.runs import resume_point
from chainrule.runs.loading import load as load_model
from chainrule.training.options import LEFT_OUT, OPTIONS, flag_of
from chainrule.training.samples import Samples

CELL = "--cell dense1.dw[3,400]"


def expected(folder, number=0):
    """Trace a sample without the command."""
    stands = resume_point.read_resume_point(folder, engine="numpy")
    _, test = load(stands.job.choice.name)
    model = stands.model
    x = model.normalization.apply(test.x[number : number + 1], model.dtype)
    t = Samples.of(test.x[number : number + 1], test.y[number : number + 1], 10).targets
    return Trace(model, x, t, model.loss, stands.training), test


@pytest.mark.parametrize("number", [0, 7])
def test_a_run_as_json(invoke, finished, number):
    words = [f"explain {CELL} --cell dense1.update[3,400] --json", finished, "--sample", number]
    result = invoke(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    report = answer(result)
    trace, test = expected(finished, number)
    assert report["sample"].startswith(f"sample {number} of ")
    assert report["label"] == str(test.y[number])
    assert report["answer"] == str(load_model(finished, engine="numpy").predict(test.x[number : number + 1]).argmax())
    assert (report["step"], report["optimizer"]) == (trace.training.step, trace.training.optimizer.name)
    assert report["learning_rate"] == trace.update.learning_rate
    assert report["cells"] == [
        json.loads(json.dumps(trace.explain(cell).to_json())) for cell in ("dense1.dw[3,400]", "dense1.w.update[3,400]")
    ]
    moments = [step for step in report["cells"][1]["steps"] if step["name"] in ("m′", "v′")]
    assert len(moments) == len(trace.training.optimizer.moments) == 2


def test_text(invoke, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    result = invoke("explain --cell relu1.dx[5] --cell dense2.y[4]", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    trace, test = expected(finished)
    assert lines[0] == f"mlp, step {trace.training.step} (adam, learning rate {lines[0].split('rate ')[1]}"
    assert lines[1].startswith(f"sample 0 of {test.name}, class {test.y[0]} (predicted ")
    assert "relu1.dx[5] is dense1.dy[5]. " in " ".join(lines)
    assert f"dense2.y[4] = {trace.explain('dense2.y[4]').shown}" in lines
    assert sum("smaller terms" in line for line in lines) == 1
    assert "dense2.y[4] is" not in result.stdout
    everything = invoke("explain --cell dense2.y[4] --all", finished).stdout
    assert everything.count("dense2.w[4,") == trace["dense2.w"].shape[1]


def test_a_bare_model_has_no_memory(invoke, finished, digits):
    words = ["explain --cell dense1.update[3] --json", finished / "model.safetensors", "--data", digits]
    report = answer(invoke(*words))
    # its data are known from the run's config beside it; its moments are not searched
    assert (report["optimizer"], report["step"], report["learning_rate"]) == ("adam", 1, 0.001)
    other = answer(invoke(*words, "--optimizer", "momentum", "--learning-rate", 0.5))
    assert (other["optimizer"], other["learning_rate"]) == ("momentum", 0.5)
    assert other["cells"][0]["operation"] == "momentum_update"


def test_an_image(invoke, finished, tmp_path):
    pixels = np.full((90, 70), 230, np.uint8)
    pixels[15:60, 20:27] = 30
    Image.fromarray(pixels).save(tmp_path / "stroke.png")
    words = ("explain --image stroke.png --cell loss.y", finished)
    report = answer(invoke(*words, "--json"))
    model = load_model(finished, engine="numpy")
    outputs = model.predict(tmp_path / "stroke.png")[0]
    assert report["label"] == report["answer"] == str(outputs.argmax())
    assert_close(report["cells"][0]["value"], -np.log(outputs.max()))
    other = answer(invoke(*words, "--label", "3", "--json"))
    assert (other["label"], other["answer"]) == ("3", report["answer"])
    assert_close(other["cells"][0]["value"], -np.log(outputs[3]))
    assert "assumed" in invoke(*words).stdout


def test_a_step_follows_the_options_of_its_run_or_says_that_it_does_not(invoke, digits, tmp_path):
    """Smoothed labels are part of the loss. Every option that `OPTIONS` declares as left out is named, and no other."""
    values = {"class_weight": "balanced", "ema_decay": "0.9", "lookahead": "every=2"}
    assert {name for name, option in OPTIONS.items() if option.shown == LEFT_OUT} == {*values}
    flags = [word for name, value in values.items() for word in (flag_of(name), value)]
    train = f"train --model mlp --engine numpy --quiet --epochs 1 --label-smoothing 0.3 --data {digits} --out"
    for folder, left_out in ((tmp_path / "followed", []), (tmp_path / "left", flags)):
        assert invoke(train, folder, *left_out).exit_code == 0
        result = invoke("explain --cell loss --json", folder)
        _, test = load(digits)
        stands = resume_point.read_resume_point(folder, engine="numpy")
        p = stands.model.predict(test.x[:1])[0].astype(float)
        share = 0.7 * np.eye(10)[int(test.y[0])] + 0.3 / 10
        assert_close(answer(result)["cells"][0]["value"], -(share * np.log(p)).sum(), error=1e-5)
        words = ("class weights balanced", "averaged with decay 0.9", "lookahead every=2")
        named = answer(result)["left_out"]
        assert all((word in named) == bool(left_out) for word in words)
        assert named in invoke("explain --cell loss", folder).stdout


def test_a_network_that_is_not_trained(invoke, monkeypatch, digits):
    from chainrule import zoo
    from chainrule.runs.jobs import DataChoice

    entry = zoo.find("mlp")
    monkeypatch.setitem(zoo.NAMED, "mlp", replace(entry, choice=DataChoice(str(digits))))
    report = answer(invoke("explain --model mlp --cell dense1.w[3,5] --json"))
    training, _ = load(digits)
    fresh = entry.build(training.shape, training.classes, engine="numpy", seed=entry.recipe.seed)
    assert report["cells"][0]["value"] == fresh.weights["dense1.w"][3, 5]
    assert (report["step"], report["model"]) == (1, "mlp")


def test_a_run_without_its_checkpoint_or_without_weights(invoke, finished):
    (finished / "checkpoint.safetensors").write_bytes(b"torn")
    refused(invoke(f"explain {CELL}", finished), "checkpoint.safetensors")
    (finished / "checkpoint.safetensors").unlink()
    assert invoke(f"explain {CELL}", finished).exit_code == 0
    for name in ("model", "best"):
        (finished / f"{name}.safetensors").unlink()
    for command in (f"explain {CELL}", "export --onnx m.onnx"):
        refused(invoke(command, finished), "contains no weights yet")


def test_a_whole_tensor(invoke, finished):
    """Print shape, statistics and the cell of the largest value, which can be explained next."""
    words = ["explain --cell dense1.w --cell relu1.x --cell loss --json", finished]
    whole, alias, loss = answer(invoke(*words))["cells"]
    trace, _ = expected(finished)
    w = trace["dense1.w"]
    assert (whole["shape"], whole["numbers"], whole["zeros"]) == (list(w.shape), w.size, int((w == 0).sum()))
    assert_close([whole[name] for name in ("least", "mean", "greatest")], [w.min(), w.mean(), w.max()])
    assert abs(whole["largest"]) == np.abs(w).max()
    asked = answer(invoke("explain --json", finished, "--cell", whole["largest_cell"]))["cells"][0]
    assert asked["value"] == whole["largest"]
    assert (alias["name"], alias["tensor"], alias["shape"]) == ("relu1.x", "dense1.y", [128])
    assert (loss["cell"], loss["value"]) == ("loss.y", float(trace["loss.y"]))
    lines = invoke("explain --cell dense1.w", finished).stdout.splitlines()
    assert lines[3] == "dense1.w is 128×784: 100,352 numbers"
    assert f'--cell "{whole["largest_cell"]}"' in lines[-1]


def test_without_a_run_the_newest_is_taken(invoke, finished, digits, monkeypatch):
    from chainrule import zoo
    from chainrule.runs.jobs import DataChoice

    Path("runs").mkdir()
    for number, name in enumerate(["older", "newer"]):
        shutil.copytree(finished, Path("runs") / name)
        os.utime(Path("runs") / name / "config.json", (number, number))
    result = invoke(f"explain {CELL}")
    assert (result.exit_code, result.stderr) == (0, f"chainrule: {Path('runs') / 'newer'}, the newest run\n")
    report = answer(invoke(f"explain {CELL} --json"))
    assert report["run"] == str(Path("runs") / "newer")
    assert report["cells"] == answer(invoke(f"explain {CELL} --json", finished))["cells"]
    shutil.rmtree("runs")
    entry = zoo.find("numpy-cnn")
    monkeypatch.setitem(zoo.NAMED, "numpy-cnn", replace(entry, choice=DataChoice(str(digits))))
    result = invoke("explain --cell loss --json")
    assert result.stderr == "chainrule: no run under runs: numpy-cnn, untrained\n"
    assert answer(result)["run"] is None
