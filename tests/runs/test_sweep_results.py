"""The table of a sweep, its combinations and the best one, against loops over drawn results."""

import csv
import io
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.runs.sweep_grid import SweepTrial
from chainrule.runs.sweep_results import FAILED, FINISHED, INTERRUPTED, PICTURE, TABLE, Sweep, TrialResult

SCORES = st.one_of(st.none(), st.floats(0, 1))


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """Draw the results of two options, with several seeds; some trials have failed, or have no score."""
    measure, results = draw(st.sampled_from(["accuracy", "mean_absolute_error"])), list[TrialResult]()
    for rate in (0.1, 0.01, 1):
        for batch in draw(st.sampled_from([("32",), ("32", "64")])):
            for seed in range(draw(st.integers(1, 3))):
                trial = SweepTrial((("rate", rate), ("batch", batch)), seed)
                state = draw(st.sampled_from([FINISHED, FINISHED, FINISHED, FAILED, INTERRUPTED]))
                values: dict[str, Any] = {"state": state, "error": 'no, "it" can\'t' if state == FAILED else ""}
                if state == FINISHED:
                    values |= {"measure": measure, "epochs": 3, "loss": draw(st.floats(0, 9)), "seconds": 1.5}
                    values |= {"validation": draw(SCORES), "test": draw(SCORES)}
                results.append(TrialResult(trial, f"runs/{trial.name}", **values))
    return Sweep(Path("sweep"), tuple(results))


@given(sweep=sweeps())
def test_combinations_are_sorted_by_their_mean_score(sweep: Sweep) -> None:
    """The score of a trial is that of its validation data, else of its test data; trials without one do not count."""
    scores: dict[Any, list[float]] = {}
    for result in sweep.results:
        score = result.test if result.validation is None else result.validation
        assert result.score == score
        group = scores.setdefault(result.trial.settings, [])
        if result.state == FINISHED and score is not None:
            group.append(score)
    sign = -1 if sweep.measure == "mean_absolute_error" else 1
    ranked = [statistics.fmean(group) * sign for group in scores.values() if group]
    found = [combination.mean("score") for combination in sweep.combinations]
    known = [mean for mean in found if mean is not None]
    assert found == known + [None] * (len(scores) - len(known))
    assert_close([mean * sign for mean in known], sorted(ranked, reverse=True), magnitude=1)
    for combination in sweep.combinations:
        group = scores[combination.settings]
        mean, deviation = combination.mean("score"), combination.deviation("score")
        assert (mean is None) == (not group)
        assert (deviation is None) == (len(group) < 2)
        if deviation is not None:
            assert_close(deviation, np.std(group, ddof=1), magnitude=1)
        assert {result.trial.settings for result in combination.results} == {combination.settings}
        assert len(combination.results) == sum(r.trial.settings == combination.settings for r in sweep.results)
        losses = [r.loss for r in combination.results if r.state == FINISHED and r.loss is not None]
        assert combination.mean("loss") == (statistics.fmean(losses) if losses else None)
    if ranked:
        best = scores[tuple(sweep.best.items())]
        assert_close(statistics.fmean(best) * sign, max(ranked), magnitude=1)
    else:
        assert sweep.best == {}
    assert [result.state for result in sweep.failed] == [FAILED] * len(sweep.failed)
    assert len(sweep.failed) == sum(result.state == FAILED for result in sweep.results)


@given(sweep=sweeps())
def test_every_trial_is_a_row_of_the_table(sweep: Sweep) -> None:
    rows = [*csv.DictReader(io.StringIO(sweep.to_csv()))]
    for row, result in zip(rows, sweep.results, strict=True):
        assert [*row][:3] == ["rate", "batch", "seed"]
        for name, value in result.trial.settings:
            assert row[name] == str(value)
        assert row["seed"] == str(result.trial.seed)
        for name in ("folder", "state", "error", "measure"):
            assert row[name] == getattr(result, name)
        for name in ("loss", "validation", "test", "seconds"):
            value = getattr(result, name)
            assert math.isclose(float(row[name]), value) if value is not None else row[name] == ""


def test_the_table_and_the_picture_are_written(tmp_path: Path) -> None:
    trials = [SweepTrial((("rate", rate),), 0) for rate in (0.1, 0.2)]
    results = [TrialResult(trial, "run", FINISHED, test=0.5, seconds=1.0) for trial in trials]
    sweep = Sweep(tmp_path, tuple(results))
    sweep.write()
    assert (tmp_path / TABLE).read_text() == sweep.to_csv()
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert "test accuracy" in sweep.plot().axes[0].get_ylabel()
    assert sweep.plot().get_suptitle() == tmp_path.name
    validated = Sweep(tmp_path, tuple(TrialResult(trial, "run", FINISHED, validation=0.5) for trial in trials))
    assert "validation accuracy" in validated.plot().axes[0].get_ylabel()
    assert Sweep(tmp_path, ()).measure == "accuracy"
