"""`model.fit(…, run=FOLDER)`: the run folder of the command, from Python arrays."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs.processes import assert_same
from runs.run_driver import Halt
from training.made import Doubled

import chainrule as cr
from chainrule._io import files
from chainrule.data import load
from chainrule.errors import ChainruleError, DataError, OptionError, RunError, StudentError
from chainrule.runs import jobs, loading, running
from chainrule.runs.folder import RUN_FILES

FIT: dict[str, Any] = {
    "batch_size": 7,
    "validation_split": 0.2,
    "optimizer": "adam",
    "learning_rate": 0.02,
    "progress": False,
}


def network(**options: Any) -> cr.Sequential:
    layers = [cr.Conv2D(3, 3), cr.ReLU(), cr.Dropout(0.2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, (1, 8, 8), engine="numpy", name="mine", seed=5, **options)


@pytest.fixture
def parts(data: Path) -> tuple[Any, Any]:
    return load(data)


def weights(folder: Path) -> dict[str, Any]:
    return files.read_tensors(folder / "model.safetensors", "model")[0]


def same(actual: dict[str, Any], expected: dict[str, Any]) -> bool:
    return actual.keys() == expected.keys() and all(np.array_equal(actual[name], expected[name]) for name in actual)


def test_a_run_folder_has_the_model_and_its_evaluation(parts: Any, tmp_path: Path) -> None:
    training, test = parts
    model = network()
    model.fit(training, epochs=2, run=cr.Run(tmp_path / "run", test_data=test), **FIT)
    assert same(model.weights, weights(tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {*RUN_FILES}
    evaluation, loaded = (
        files.read_json(tmp_path / "run" / "evaluation.json"),
        loading.open_run(tmp_path / "run", engine="numpy").model,
    )
    assert evaluation["accuracy"] == loaded.evaluate(test).accuracy


class Stops(cr.Callback):
    """Ends training after a step: by a request, by Ctrl-C or by an exception."""

    def __init__(self, step: int, way: str) -> None:
        self.step, self.way = step, way

    def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
        if len(trainer.history) == self.step:
            trainer.stop = self.way == "request"
            if self.way == "error":
                raise ZeroDivisionError
            if self.way == "signal":
                signal.raise_signal(signal.SIGINT)


OPTIONS: list[dict[str, Any]] = [{"patience": 9}, {"ema_decay": 0.8}, {"patience": 2, "ema_decay": 0.8}, {}]


@pytest.mark.parametrize("way", ["request", "error", "signal", "end"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_however_it_ends_the_model_is_that_without_a_folder(parts: Any, tmp_path: Path, options: Any, way: str) -> None:
    """Stop within an epoch and at its end. A run folder treats Ctrl-C as a request, and any run can go on."""
    training, _ = parts
    words: dict[str, Any] = FIT | {"learning_rate": 0.1, "epochs": 5} | options
    epoch_steps = -(-round(0.8 * len(training.x)) // FIT["batch_size"])
    for step in (3 * epoch_steps - 1, 4 * epoch_steps):
        run, models, restored = cr.Run(tmp_path / str(step), resume=True, plots=False), list[Any](), list[Any]()
        errors = list[str]()
        for folder in (None, run):
            stops, models = Stops(step, "request" if (folder, way) == (None, "signal") else way), [*models, network()]
            try:
                restored.append(models[-1].fit(training, run=folder, callbacks=stops, **words).restored)
            except (ZeroDivisionError, KeyboardInterrupt) as error:
                errors.append(str(error))
        assert same(models[0].weights, models[1].weights)
        assert ["resume=True" in each for each in errors] == {"error": [False] * 2, "signal": [True]}.get(way, [])
        assert len({*restored}) <= 1
        whole, resumed = network(), network()
        whole.fit(training, **words)
        resumed.fit(training, run=run, **words)
        assert same(resumed.weights, whole.weights)


@pytest.mark.parametrize("stop", [1, 9])
def test_the_command_resumes_it_to_the_same_bits(parts: Any, tmp_path: Path, stop: int) -> None:
    """Train on arrays, and resume with a file of the same arrays."""
    training, test = parts
    run, whole = tmp_path / "run", tmp_path / "whole"
    network().fit(training, epochs=2, run=cr.Run(whole, test_data=test), **FIT)
    words: dict[str, Any] = {"run": cr.Run(run, test_data=(test.x, test.y)), "callbacks": [Halt(stop)]}
    network().fit(training.x, training.y, epochs=2, **words, **FIT)
    assert not (run / "model.safetensors").exists()
    running.resume(run, training, test)
    assert_same(run, whole)


def test_weights_that_no_seed_gives(parts: Any, tmp_path: Path) -> None:
    """Keep the weights of a trained model for a run that was killed before its first step."""
    training, test = parts
    plain, kept = network(), network()
    for model in (plain, kept):
        model.fit(training, epochs=1, **FIT)
    words: dict[str, Any] = {**FIT, "epochs": 1, "normalization": "scale"}
    plain.fit(training, **words)
    with pytest.raises(ZeroDivisionError):
        kept.fit(training, run=cr.Run(tmp_path / "run", test_data=test), callbacks=Killed(), **words)
    running.resume(tmp_path / "run", training, test)
    assert same(weights(tmp_path / "run"), plain.weights)


class Killed(cr.Callback):
    """Ends training before the first step."""

    def begin(self, trainer: Any) -> None:
        raise ZeroDivisionError


class Wave(cr.Constant):  # pyright: ignore[reportGeneralTypeIssues]
    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        return 0.5


def test_another_recipe_data_or_model_does_not_resume_a_run(parts: Any, tmp_path: Path) -> None:
    training, test = parts
    run, new = cr.Run(tmp_path / "run", resume=True), cr.Run(tmp_path / "new")
    known: dict[str, Any] = {**FIT, "epochs": 2}
    network().fit(training, run=run, **known)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}

    def fit(*data: Any, model: Any = None, run: Any = run, **options: Any) -> Any:
        return lambda: (model or network()).fit(*(data or (training,)), run=run, **known | options)

    layers: list[Any] = [Doubled(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    custom = cr.Sequential(layers, (1, 8, 8), engine="numpy")
    refused: dict[str, tuple[type[ChainruleError], Any]] = {
        "with batch_size 7, not 8": (OptionError, fit(batch_size=8)),
        "with optimizer Adam": (OptionError, fit(optimizer="sgd")),
        "with schedule": (OptionError, fit(schedule="cosine")),
        "2 epochs are done": (OptionError, fit(epochs=1)),
        "with validation 0.2, not 0.3": (OptionError, fit(validation_split=0.3)),
        "already contains a run": (RunError, fit(run=replace(run, resume=False))),
        "not those this run was started with": (DataError, fit(training.x[::-1], training.y)),
        "dtype differ": (ChainruleError, fit(model=network(dtype="float64"))),
        "use --data, or": (ChainruleError, lambda: jobs.read_job(tmp_path / "run").choice.load(0)),
        "Doubled.*custom layers are not saved in run folders": (StudentError, fit(model=custom, run=new)),
        "optimizers and augmentation are not saved": (RunError, fit(schedule=Wave(), run=new)),
        "inputs are not finite, the first in sample 0": (
            ChainruleError,
            fit(run=replace(new, test_data=(test.x * np.nan, test.y))),
        ),
        "label .unknown. of sample 0": (
            ChainruleError,
            fit(run=replace(new, test_data=(test.x, ["unknown"] * len(test.y)))),
        ),
        "expected a run folder": (OptionError, fit(run=tmp_path / "new")),
    }
    for message, (error, act) in refused.items():
        with pytest.raises(error, match=message) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert not (tmp_path / "new").exists()
