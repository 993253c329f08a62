"""A user's own network with the commands: started, trained, stopped, extended, compared, explained."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import answer, refused
from numerical import assert_close
from PIL import Image

import chainrule
from chainrule.cli import models
from chainrule.runs import jobs
from chainrule.runs.folder import CHECKSUMS

ENGINE = "--engine numpy"
CELL = "--cell conv1.w[0,0,0,0]"


def picture(place: Path) -> Path:
    image = Image.new("L", (28, 28), 255)
    image.paste(0, (8, 4, 12, 24))
    image.save(place)
    return place


@pytest.mark.parametrize("ending", models.TEMPLATES)
def test_a_skeleton_trains_as_it_stands(invoke, digits, ending):
    begun = invoke("models --new", f"mine{ending}")
    assert (begun.exit_code, begun.stdout) == (0, f"mine{ending}\n")
    assert begun.stderr == f"train it with: chainrule train --model mine{ending}\n"
    epochs = ["--epochs", 3] if ending == ".py" else []  # the others set it in their recipe
    done = invoke(f"train {ENGINE} --quiet --model", f"mine{ending}", "--data", digits, *epochs)
    assert done.exit_code == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.name.startswith("mine-")
    assert json.loads((folder / "config.json").read_text())["recipe"]["epochs"] == 3
    x = picture(Path("x.png"))
    Path(f"mine{ending}").unlink()  # the run contains the whole network
    for words in ((f"evaluate {ENGINE}", folder), ("compare", folder), (f"predict {ENGINE}", folder, x)):
        assert invoke(*words).exit_code == 0
    assert invoke(f"explain {CELL}", folder).exit_code == 0
    more = invoke("train --epochs 4 --quiet --resume", folder)
    assert more.exit_code == 0, more.stderr
    assert answer(invoke("compare --json", folder))[0]["epochs"] == 4


def test_a_network_for_series_trains_on_a_file(invoke):
    x, y = np.random.default_rng(0).normal(size=(60, 2, 16)) * [[1], [100]], np.arange(60) % 2
    for length in (16, 12):
        np.savez(f"{length}.npz", x=x[:, :, :length], y=y, x_test=x[:, :, :length], y_test=y)
    layers = "[cr.Conv1D(3, 3), cr.ReLU(), cr.GlobalMaxPool1D(), cr.Dense(2), cr.Softmax()]"
    Path("own.py").write_text(f"import chainrule as cr\nnet = cr.Sequential({layers}, (2, 16))")
    words = f"{ENGINE} --model own.py --data 16.npz"
    assert invoke(f"train --epochs 2 --out o --quiet {words}").exit_code == 0
    assert invoke(f"find-lr {words}").exit_code == 0
    assert invoke("train --epochs 3 --quiet --resume o").exit_code == 0
    model = chainrule.load("o", engine="numpy")
    cell = "conv1.y[1,0,2]"
    (explained,) = answer(invoke("explain o --sample 4 --json --cell", cell))["cells"]
    assert_close(explained["value"], model.trace(x[4:5], y[4:5]).explain(cell).value)
    assert (model.input_shape, model.normalization.kind) == ((2, 16), "standardize")
    assert_close(np.array(model.normalization.gain), 1 / x.std((0, 2)), error=1e-8)
    for length in (16, 12):
        figures = answer(invoke(f"evaluate o --json {ENGINE} --data {length}.npz"))
        assert_close(figures["loss"], model.evaluate(x[:, :, :length], y).loss)


def test_the_effect_of_more_epochs_is_stated(invoke, finished):
    said = invoke("train --epochs 6 --resume", finished).stderr
    assert "6 epochs instead of 4: a new cycle of one-cycle" in said
    assert "same result" not in said
    refused(invoke("train --epochs 5 --quiet --resume", finished), "6 epochs are done")
    assert "a new cycle" not in invoke("train --epochs 5 --resume", finished).stderr


def test_options_come_before_the_files_recipe(invoke, digits):
    content = {
        "layers": ["Flatten()", "Dense(classes)"],
        "dtype": "float64",
        "recipe": {"epochs": 2, "learning_rate": 0.1},
    }
    Path("mine.json").write_text(json.dumps(content))
    done = invoke(f"train {ENGINE} --model mine.json --epochs 1 --out o --quiet --data", digits)
    assert done.exit_code == 0, done.stderr
    job = jobs.read_job(Path("o"))
    assert (job.recipe.epochs, job.recipe.optimizer.learning_rate, job.model["dtype"]) == (1, 0.1, "float64")
    assert job.recipe.loss == "softmax_cross_entropy"


# ---------------------------------------------------------------------- names and disks


@pytest.mark.parametrize("name", ['it\'s "$HOME"; ünï–codé 🙂', "a" * 200])
def test_names_of_run_folders(invoke, digits, name):
    done = invoke(f"train --epochs 1 --model mlp --quiet {ENGINE} --data", digits, "--out", name)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, name)
    for again in (
        ("train --epochs 2 --quiet --resume", name),
        (f"evaluate {ENGINE}", name),
        ("compare", name),
    ):
        assert invoke(*again).exit_code == 0


@pytest.mark.parametrize("name", ["line\nbreak", "\x1b[31mred", "tab\t", os.fsdecode(b"\xff"), "a" * 300])
def test_names_that_no_line_can_hold(invoke, digits, tmp_path, name):
    refused(invoke(f"train {ENGINE} --model mlp --quiet --data", digits, "--out", name), "run folder")
    assert os.listdir(tmp_path) == []


def failing(monkeypatch: pytest.MonkeyPatch, number: int, folder: Path | None = None) -> None:
    """Fail every write to the disk."""
    for call in ("open", "mkdir"):
        monkeypatch.setattr(os, call, _failed(getattr(os, call), number, call == "mkdir"))


def _failed(real: Callable[..., Any], number: int, always: bool) -> Callable[..., Any]:
    def called(path: Any, flags: int = 0, *rest: Any, **options: Any) -> Any:
        if always or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(number, os.strerror(number))
        return real(path, flags, *rest, **options)

    return called


def test_a_disk_that_can_only_be_read(invoke, finished, digits, monkeypatch):
    x = picture(Path("x.png"))
    before = {path: path.read_bytes() for path in finished.iterdir()}
    failing(monkeypatch, errno.EROFS)
    for words in ((f"evaluate {ENGINE}", finished), ("compare", finished), (f"predict {ENGINE}", finished, x)):
        assert invoke(*words).exit_code == 0
    refused(invoke("train --quiet --resume", finished), "lock the run folder", "Read-only file system")
    words = (f"train --model mlp --quiet {ENGINE} --data", digits)
    refused(invoke(*words, "--out", "new"), "the run folder", "Read-only file system")
    assert {path: path.read_bytes() for path in finished.iterdir()} == before


def test_a_disk_that_is_full_from_the_start(invoke, digits, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    failing(monkeypatch, errno.ENOSPC)
    words = (f"train --model mlp --quiet {ENGINE} --data", digits)
    for out in ((), ("--out", "new"), ("--out", "there")):
        refused(invoke(*words, *out), "No space left on device")
    assert os.listdir(tmp_path / "there") == []


def test_another_file_of_checksums_is_not_written_over(invoke, digits, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / CHECKSUMS).write_text("precious")
    words = (f"train --model mlp --quiet {ENGINE} --out mine --data", digits)
    refused(invoke(*words), "checksums.json")
    assert (tmp_path / "mine" / CHECKSUMS).read_text() == "precious"
