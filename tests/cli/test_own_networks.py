"""A user's own network with the commands: started, trained, stopped, extended, compared, explained."""

import json
from pathlib import Path

import numpy as np
from cli.commands import Invoke, answer, succeeded
from numerical import assert_close

import chainrule


def test_a_skeleton_trains_as_it_stands(invoke: Invoke, digits: Path, stroke: Path) -> None:
    name = "mine.py"
    begun = invoke("models --new", name)
    assert (begun.exit_code, begun.stdout) == (0, f"{name}\n")
    assert begun.stderr == f"train it with: chainrule train --model {name}\n"
    done = succeeded(invoke(f"train --quiet --model {name} --data", digits, "--epochs", 3))
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.name.startswith("mine-")
    assert json.loads((folder / "config.json").read_text())["recipe"]["epochs"] == 3
    Path(name).unlink()  # the run contains the whole network
    for words in (
        ("evaluate", folder),
        ("predict", folder, stroke),
        ("explain --cell conv1.w[0,0,0,0]", folder),
        ("train --epochs 4 --quiet --resume", folder),
    ):
        succeeded(invoke(*words))


def test_a_network_for_series_trains_on_a_file(invoke: Invoke) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 2, 16)) * [[1], [100]], np.arange(60) % 2
    for length in (16, 12):
        np.savez(f"{length}.npz", x=x[:, :, :length], y=y, x_test=x[:, :, :length], y_test=y)
    layers = "[cr.Conv1D(3, 3), cr.ReLU(), cr.GlobalMaxPool1D(), cr.Dense(2), cr.Softmax()]"
    Path("own.py").write_text(f"import chainrule as cr\nnet = cr.Sequential({layers}, (2, 16))")
    words = "--model own.py --data 16.npz"
    for command in (
        f"train --epochs 2 --out o --quiet {words}",
        "train --epochs 3 --quiet --resume o",
    ):
        succeeded(invoke(command))
    model, cell = chainrule.load("o"), "conv1.y[1,0,2]"
    (explained,) = answer(invoke("explain o --sample 4 --json --cell", cell))["cells"]
    assert_close(explained["value"], model.trace(x[4:5], y[4:5]).explain(cell).value)
    assert model.normalization.kind == "standardize"
    for length in (16, 12):
        figures = answer(invoke(f"evaluate o --json --data {length}.npz"))
        assert_close(figures["loss"], model.evaluate(x[:, :, :length], y).loss)


def test_the_effect_of_more_epochs_is_stated(invoke: Invoke, finished: Path) -> None:
    said = invoke("train --epochs 6 --resume", finished).stderr
    assert "6 epochs instead of 4: a new cycle of one-cycle" in said
    assert "same result" not in said
