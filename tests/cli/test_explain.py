"""`chainrule explain`: any value of the next training step, as text and as JSON, and the page without a cell."""

import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from cli.commands import Invoke, answer, refused, succeeded
from numerical import assert_close
from web.looked_at import run_of
from web.test_batch_steps import SUBJECTS

from chainrule import zoo
from chainrule.data import Dataset, load
from chainrule.explain import Trace
from chainrule.runs import resume_point
from chainrule.runs.jobs import DataChoice
from chainrule.runs.loading import load as load_model
from chainrule.training.options import LEFT_OUT, OPTIONS, flag_of
from chainrule.web import launch, single_file
from chainrule.web.document import PAGE

CELL = "--cell dense1.dw[3,400]"


def traced(folder: Path, number: int) -> tuple[Trace, Dataset]:
    """Trace a test sample without the command, and return the test set."""
    point = resume_point.read_resume_point(folder)
    _, test = load(point.job.choice.name)
    x, y = test.x[number : number + 1], test.y[number : number + 1]
    model = point.model
    trace = Trace(model, model.normalization.apply(x, model.dtype), np.eye(10)[y], model.loss, point.training)
    return trace, test


def test_cells_of_a_run_are_those_of_a_trace(invoke: Invoke, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 7
    cells = ["dense1.dw[3,400]", "dense1.update[3,400]", "dense1.w", "relu1.x", "loss"]
    result = invoke(
        "explain --json", *(word for cell in cells for word in ("--cell", cell)), finished, "--sample", number
    )
    assert result.stderr == ""
    report, (trace, test) = answer(result), traced(finished, number)
    assert report["sample"].startswith(f"sample {number} of ")
    assert report["label"] == str(test.y[number])
    assert report["answer"] == str(load_model(finished).predict(test.x[number : number + 1]).argmax())
    assert (report["step"], report["optimizer"]) == (trace.training.step, trace.training.optimizer.name)
    assert report["learning_rate"] == trace.update.learning_rate
    *single, whole, alias, loss = report["cells"]
    names = "dense1.dw[3,400]", "dense1.w.update[3,400]"
    assert single == [json.loads(json.dumps(trace.explain(name).to_json())) for name in names]
    w = trace["dense1.w"]
    assert (whole["shape"], whole["numbers"], whole["largest"]) == ([*w.shape], w.size, w.flat[np.abs(w).argmax()])
    assert (alias["name"], alias["tensor"], alias["shape"]) == ("relu1.x", "dense1.y", [128])
    assert (loss["cell"], loss["value"]) == ("loss.y", float(trace["loss.y"]))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    lines = invoke("explain --cell dense2.y[4]", finished, "--sample", number).stdout.splitlines()
    assert lines[0].startswith(f"mlp, step {trace.training.step} (adam, learning rate ")
    assert lines[1].startswith(f"sample {number} of {test.name}, class {test.y[number]} (predicted ")
    assert f"dense2.y[4] = {trace.explain('dense2.y[4]').shown}" in lines
    everything = invoke("explain --cell dense2.y[4] --all", finished).stdout
    assert everything.count("dense2.w[4,") == trace["dense2.w"].shape[1]


def test_a_model_without_its_run_has_no_memory(invoke: Invoke, finished: Path, digits: Path) -> None:
    """The data are known from the run's config beside it; the moments are not searched."""
    words = ["explain --cell dense1.update[3] --json", finished / "model.safetensors", "--data", digits]
    for options, expected in (
        ([], ("adam", 0.001)),
        (["--optimizer", "momentum", "--learning-rate", 0.5], ("momentum", 0.5)),
    ):
        report = answer(invoke(*words, *options))
        assert (report["optimizer"], report["learning_rate"], report["step"]) == (*expected, 1)
        assert report["cells"][0]["operation"] == f"{expected[0]}_update"
    (finished / "checkpoint.safetensors").unlink()
    succeeded(invoke(f"explain {CELL}", finished))
    (finished / "model.safetensors").unlink()
    for command in (f"explain {CELL}", "export --onnx m.onnx"):
        refused(invoke(command, finished), "checkpoint.safetensors is missing")


def test_an_image(invoke: Invoke, finished: Path, stroke: Path) -> None:
    outputs = load_model(finished).predict(stroke)[0]
    words = ("explain --cell loss.y --image", stroke, finished)
    for options, label in (([], outputs.argmax()), (["--label", 3], 3)):
        report = answer(invoke(*words, *options, "--json"))
        assert (report["label"], report["answer"]) == (str(label), str(outputs.argmax()))
        assert_close(report["cells"][0]["value"], -np.log(outputs[label]))
        assert ("assumed" in invoke(*words, *options).stdout) == (not options)


def test_a_step_follows_the_options_of_its_run_or_says_that_it_does_not(invoke: Invoke, digits: Path) -> None:
    """Smoothed labels are part of the loss. Every option that `OPTIONS` declares as left out is named."""
    values = {"class_weight": "balanced", "ema_decay": "0.9"}
    assert {name for name, option in OPTIONS.items() if option.shown == LEFT_OUT} == {*values}
    flags = [word for name, value in values.items() for word in (flag_of(name), value)]
    succeeded(invoke(f"train --model mlp --quiet --epochs 1 --label-smoothing 0.3 --out run --data {digits}", *flags))
    report, (_, test) = answer(invoke("explain --cell loss --json run")), load(digits)
    p = resume_point.read_resume_point(Path("run")).model.predict(test.x[:1])[0].astype(float)
    share = 0.7 * np.eye(10)[int(test.y[0])] + 0.3 / 10
    assert_close(report["cells"][0]["value"], -(share * np.log(p)).sum(), error=1e-5)
    for words in ("class weights balanced", "averaged with decay 0.9"):
        assert words in report["left_out"]
    assert report["left_out"] in invoke("explain --cell loss run").stdout


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch, digits: Path) -> None:
    """Give networks of the zoo the small data."""
    for name in ("mlp", "numpy-cnn"):
        monkeypatch.setitem(zoo.NAMED, name, replace(zoo.find(name), choice=DataChoice(str(digits))))


@pytest.mark.usefixtures("untrained")
def test_without_a_run_the_newest_is_taken_or_an_untrained_network(invoke: Invoke, finished: Path) -> None:
    entry = zoo.find("mlp")
    training, _ = load(entry.choice.name)
    fresh = entry.build(training.sample_shape, training.classes, seed=entry.recipe.seed)
    report = answer(invoke("explain --model mlp --cell dense1.w[3,5] --json"))
    assert report["cells"][0]["value"] == fresh.weights["dense1.w"][3, 5]
    assert (report["step"], report["model"]) == (1, "mlp")
    result = invoke("explain --cell loss --json")
    assert (result.stderr, answer(result)["run"]) == ("chainrule: no run under runs: numpy-cnn, untrained\n", None)
    shutil.copytree(finished, "runs/only")
    result = invoke(f"explain {CELL} --json")
    assert result.stderr == f"chainrule: {Path('runs') / 'only'}, the newest run\n"
    assert answer(result)["cells"] == answer(invoke(f"explain {CELL} --json", finished))["cells"]


# ---------------------------------------------------------------------- the page


@pytest.mark.parametrize("words", ["", "--no-browser"])
def test_the_page_is_served_on_this_machine_with_a_new_token(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    hosts, opened = list[str](), list[tuple[str, int, str]]()
    server = SimpleNamespace(run=lambda sockets: hosts.append(sockets[0].getsockname()[0]))

    def seen(address: str) -> tuple[int, str]:
        """Return the permissions and the content of the file that the browser opens."""
        file = Path(url2pathname(urlsplit(address).path))
        return stat.S_IMODE(file.stat().st_mode), file.read_text(encoding="utf-8")

    def thread(target: Callable[..., Any], args: tuple[object, ...] = (), **_: object) -> Any:
        """Open a browser at once, and otherwise do nothing."""
        return SimpleNamespace(start=lambda: target(*args) if args else None)

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(launch, "server", lambda app: server)
    monkeypatch.setattr(launch.webbrowser, "open", lambda address: opened.append((address, *seen(address))))
    monkeypatch.setattr(launch.threading, "Thread", thread)
    addresses = [invoke(f"explain --model mlp {words}").stdout.strip() for _ in range(2)]
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address) for address in addresses)
    assert len({*addresses}) == len(hosts) == 2
    assert {*hosts} == {"127.0.0.1"}
    assert len(opened) == (0 if words else 2)
    for (address, mode, text), printed in zip(opened, addresses, strict=not words):
        assert address.startswith("file://")
        token = re.search(r"token=([\w-]{43})", text)
        assert token is not None
        assert token[1] not in address + printed  # the arguments of the browser's process do not contain it
        assert mode == (0o600 if os.name == "posix" else mode)
        assert printed.partition("?")[0] in text
        assert not Path(url2pathname(urlsplit(address).path)).exists()  # it is removed at the end


def test_a_port_that_is_taken(invoke: Invoke) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(invoke("explain --model mlp --port", port), f"port {port} is taken", "--port")


@pytest.mark.skipif(not (PAGE / "index.html").exists(), reason="there is no page yet")
def test_the_page_as_a_file(invoke: Invoke, finished: Path) -> None:
    result = invoke("explain --html page.html", finished)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "page.html\n", "")
    assert Path("page.html").stat().st_size < single_file.BUDGET


@pytest.mark.parametrize("name", ["regression", "several labels", "yes or no", "series", "table", "masks"])
def test_every_form_of_data_is_explained(invoke: Invoke, tmp_path: Path, name: str) -> None:
    """The target is that of the data, as the step uses it; the answer is that of `predict_classes`."""
    run = run_of(tmp_path / "run", SUBJECTS[name](tmp_path, tmp_path))
    model, number = load_model(run), 3
    report = answer(invoke("explain --json --cell t --cell loss", run, "--sample", number))
    assert report["cells"][1]["value"] > 0
    text = succeeded(invoke("explain --cell loss", run, "--sample", number)).stdout
    assert ("all values are those of training" in text) == (name not in ("series", "table"))
    if name == "masks":
        return
    with np.load(tmp_path / "data.npz") as file:
        data = dict(file)
    targets, test = (data[f"targets{end}" if "targets" in data else f"y{end}"] for end in ("", "_test"))
    target, [predicted] = test[number], model.predict_classes(data["x_test"][number : number + 1])
    if name == "regression":
        scaled = (target - targets.mean(0)) / targets.std(0)
        assert report["label"] == ", ".join(f"{value:.4g}" for value in target)
        assert report["answer"] == ", ".join(f"{value:.4g}" for value in predicted)
    elif name == "several labels":
        scaled = target
        assert report["label"] == (", ".join(str(k) for k in range(2) if target[k]) or "none")
        assert report["answer"] == (", ".join(map(str, predicted)) or "none")
    else:
        scaled = [target] if name == "yes or no" else np.eye(3)[target]
        assert (report["label"], report["answer"]) == (str(target), str(predicted))
    assert_close([report["cells"][0]["least"], report["cells"][0]["greatest"]], [np.min(scaled), np.max(scaled)])
