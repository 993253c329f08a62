"""`cr.sweep`: every trial is the training that it says, nothing is lost, and failures are rows."""

import csv
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.runs.folder import MODEL
from chainrule.runs.sweep_execution import PROCESS_ENDED, FitTrial, run_trials, train_trial
from chainrule.runs.sweep_grid import SweepTrial, trials
from chainrule.runs.sweep_results import Sweep, TrialResult

RNG = np.random.default_rng(5)
X = RNG.normal(size=(90, 4)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5, 0.0] > 0).astype(int)
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 30, "validation_split": 0.3, "optimizer": "sgd"}


def model(seed: int = 7) -> cr.Sequential:
    return cr.Sequential([cr.Dense(3), cr.Tanh(), cr.Dense(2), cr.Softmax()], (4,), seed=seed, engine="numpy")


def swept(folder: Path, **options: Any) -> Sweep:
    words = {"grid": {"learning_rate": [0.1, 0.5]}, "seeds": 2, "backend": "threading", "jobs": 2, "progress": False}
    return cr.sweep(model(), X, Y, folder=folder, **{**words, **OPTIONS, **options})


@pytest.mark.parametrize("backend", ["threading", "loky", None])
def test_each_trial_is_the_training_that_it_says(
    tmp_path: Path, backend: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a backend, nor joblib, the trials run one after the other."""
    if backend is None:
        monkeypatch.setitem(sys.modules, "joblib", None)
        with pytest.raises(OptionError, match="backend threading needs joblib"):
            swept(tmp_path)
    actual = swept(tmp_path, backend=backend)
    assert [dict(result.trial.settings) | {"seed": result.trial.seed} for result in actual.results] == [
        {"learning_rate": rate, "seed": seed} for rate in (0.1, 0.5) for seed in (0, 1)
    ]
    for result in actual.results:
        alone = model(result.trial.seed)
        history = alone.fit(X, Y, learning_rate=dict(result.trial.settings)["learning_rate"], progress=False, **OPTIONS)
        assert (result.state, result.epochs) == ("finished", 3)
        assert_close(result.validation, history.epochs[-1].validation_accuracy)
        assert_close(result.loss, history.epochs[-1].loss)
        kept = cr.load(Path(result.folder) / MODEL, engine="numpy")
        np.testing.assert_array_equal(kept.parameters, alone.parameters)


def test_the_table_the_best_and_the_picture(tmp_path: Path) -> None:
    actual = swept(tmp_path, seeds=[3, 4, 5])
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    means = {
        rate: np.mean([float(row["validation"]) for row in rows if row["learning_rate"] == rate])
        for rate in ("0.1", "0.5")
    }
    assert str(actual.best["learning_rate"]) == max(means, key=lambda rate: means[rate])
    first = actual.combinations[0]
    values = [float(row["validation"]) for row in rows if row["learning_rate"] == str(actual.best["learning_rate"])]
    assert_close(first.mean("validation"), np.mean(values))
    assert_close(first.deviation("validation"), np.std(values, ddof=1))
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_sweep_goes_on(tmp_path: Path) -> None:
    """Stop it after some results, enlarge the grid, and get what one sweep would have given."""
    seen: list[TrialResult] = []

    def stop(result: TrialResult) -> None:
        seen.append(result)
        if len(seen) == 2:
            raise KeyboardInterrupt

    train = FitTrial(model().about(), "numpy", X, Y, OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        run_trials(
            train,
            trials({"learning_rate": [0.1, 0.5]}, [0, 1]),
            tmp_path / "one",
            jobs=1,
            backend="threading",
            report=stop,
        )
    left = {result.trial.name for result in seen}
    assert {path.name for path in (tmp_path / "one").iterdir() if (path / MODEL).exists()} >= left
    whole, again = (swept(tmp_path / name, grid={"learning_rate": [0.1, 0.5, 0.7]}) for name in ("whole", "one"))
    figures = [[(each.trial.name, each.loss, each.validation) for each in sweep.results] for sweep in (whole, again)]
    assert figures[0] == figures[1]


class Deadly:
    """A training that kills its process: always for seed 2, once for seed 1 unless seed 2 came first."""

    def __init__(self, marks: Path) -> None:
        self.train, self.marks = FitTrial(model().about(), "numpy", X, Y, OPTIONS), marks

    def __call__(self, trial: SweepTrial, folder: Path) -> None:
        if trial.seed == 2 or (trial.seed == 1 and not any(self.marks.glob("[12]"))):
            (self.marks / str(trial.seed)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.train(trial, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="kills processes")
def test_trials_of_a_killed_process_are_not_lost(tmp_path: Path) -> None:
    actual = run_trials(Deadly(tmp_path), trials({"learning_rate": [0.1]}, range(6)), tmp_path / "runs", jobs=2)
    assert [result.state for result in actual.results] == ["finished", "finished", "failed", *["finished"] * 3]
    assert actual.results[2].error == PROCESS_ENDED


def test_an_error_of_a_trial_is_in_its_row(tmp_path: Path) -> None:
    """Errors of custom code are stated with their type; each is one line, also in the table of a single trial."""
    errors = [ValueError("two\nlines"), ZeroDivisionError("none"), OptionError("rate 7"), MemoryError()]

    def fail(trial: SweepTrial, folder: Path) -> None:
        raise errors[trial.seed]

    results = [train_trial(fail, trial, tmp_path) for trial in trials({"learning_rate": [0.1]}, range(len(errors)))]
    texts = [str(result.error) for result in results]
    assert texts[0].startswith("ValueError: two")
    assert texts[1:3] == ["ZeroDivisionError: none", "rate 7"]
    assert "memory" in texts[3]
    assert not any("\n" in text for text in texts)
    for result in results:
        assert result.state == "failed"
        assert Sweep(tmp_path, (result,)).to_csv().count("\n") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": {"run": ["a"]}}, "run is set by the sweep"),
        ({"grid": {"epochs": [1]}}, "epochs is given twice"),
        ({"grid": {"learning_rate": []}}, "learning_rate has no values"),
        ({"backend": "carrier-pigeon"}, "backend carrier-pigeon: "),
        ({"jobs": 0}, "jobs 0"),
    ],
)
def test_impossible_sweeps_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        swept(tmp_path, **options)
