"""The results of a sweep, for each trial and for each combination of settings."""

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule._io import files
from chainrule.runs.loading import read_run
from chainrule.runs.sweep_grid import SweepTrial
from chainrule.training.history import ERROR, Epoch
from chainrule.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINISHED, FAILED, INTERRUPTED = "finished", "failed", "interrupted"
TABLE, PICTURE = "trials.csv", "sweep.png"


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial.

    trial         settings and seed
    folder        path of the run folder
    state         finished, failed or interrupted
    error         reason for a failure; None if there was none
    measure       name of the metric: accuracy, label_accuracy or mean_absolute_error
    epochs        number of epochs
    loss          mean training loss of the last epoch
    validation_loss, validation   loss and metric on the validation data, for the epoch whose weights are kept; None
                  without validation data
    test          metric on the test data; None without test data
    seconds       training time
    """

    trial: SweepTrial
    folder: str
    state: str
    error: str | None = None
    measure: str = "accuracy"
    epochs: int = 0
    loss: float | None = None
    validation_loss: float | None = None
    validation: float | None = None
    test: float | None = None
    seconds: float | None = None

    @staticmethod
    def of_folder(trial: SweepTrial, folder: Path) -> "TrialResult":
        """Return the result of a finished run from its folder."""
        run, _ = read_run(folder)
        epochs = run.history.epochs
        measure = run.history.measure
        kept = _kept_epoch(epochs, run.job.recipe)
        test = None
        if run.evaluation is not None:
            test = run.evaluation[measure]
        return TrialResult(
            trial,
            str(folder),
            FINISHED,
            measure=measure,
            epochs=len(epochs),
            loss=epochs[-1].loss,
            validation_loss=kept.validation_loss,
            validation=kept.validation_measured,
            test=test,
            seconds=run.seconds,
        )

    @property
    def score(self) -> float | None:
        """Metric for comparing trials: on the validation data or, if there are none, on the test data."""
        if self.validation is None:
            return self.test
        return self.validation

    def row(self) -> dict[str, object]:
        """Return the trial's row of the table: settings, seed and results, by column name."""
        entries = asdict(self)
        del entries["trial"]
        return {**{name: str(value) for name, value in self.trial.settings}, "seed": self.trial.seed, **entries}


@dataclass(frozen=True)
class Combination:
    """The results of a combination of settings for all seeds."""

    settings: tuple[tuple[str, Any], ...]
    results: tuple[TrialResult, ...]

    def mean(self, name: str) -> float | None:
        """Return the mean of a field of `TrialResult` over the finished trials; None if there are none."""
        values = self._values(name)
        if not values:
            return None
        return statistics.fmean(values)

    def deviation(self, name: str) -> float | None:
        """Return the sample standard deviation of a field over the finished trials; None for fewer than two."""
        values = self._values(name)
        if len(values) < 2:
            return None
        return statistics.stdev(values)

    def _values(self, name: str) -> list[float]:
        values = list[float]()
        for result in self.results:
            value = getattr(result, name)
            if result.state == FINISHED and value is not None:
                values.append(value)
        return values


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep and the results of its trials, in order."""

    folder: Path
    results: tuple[TrialResult, ...]

    @property
    def measure(self) -> str:
        """Name of the metric of the finished trials."""
        for result in self.results:
            if result.state == FINISHED:
                return result.measure
        return "accuracy"

    @property
    def failed(self) -> list[TrialResult]:
        """Results of the failed trials."""
        return [result for result in self.results if result.state == FAILED]

    @property
    def combinations(self) -> list[Combination]:
        """Combinations of settings, sorted from best to worst mean score. Combinations without a score come last."""
        groups: dict[Any, list[TrialResult]] = {}  # by settings as text, since values may be unhashable
        for result in self.results:
            texts = tuple((name, str(value)) for name, value in result.trial.settings)
            groups.setdefault(texts, []).append(result)
        scored = list[tuple[float, Combination]]()
        unscored = list[Combination]()
        for group in groups.values():
            combination = Combination(group[0].trial.settings, tuple(group))
            score = combination.mean("score")
            if score is None:
                unscored.append(combination)
            elif self.measure == ERROR:
                scored.append((score, combination))
            else:
                scored.append((-score, combination))
        scored.sort(key=lambda entry: entry[0])
        return [*(combination for _, combination in scored), *unscored]

    @property
    def best(self) -> dict[str, Any]:
        """Settings with the best mean score over the seeds; {} if no trial is finished."""
        for combination in self.combinations:
            if combination.mean("score") is not None:
                return dict(combination.settings)
        return {}

    def to_csv(self) -> str:
        """Return a CSV table with a row for each trial."""
        text = io.StringIO()
        rows = [result.row() for result in self.results]
        writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def plot(self) -> "Figure":
        """Plot the scores of the trials over the values of each swept option as a matplotlib figure."""
        from chainrule.plotting.curves import sweep_figure

        points = list[tuple[tuple[tuple[str, Any], ...], float]]()
        dataset = "test"
        for result in self.results:
            if result.score is not None:
                points.append((result.trial.settings, result.score))
            if result.validation is not None:
                dataset = "validation"
        return sweep_figure(points, self.measure, dataset, self.folder.name)

    def write(self) -> None:
        """Write the table and, with matplotlib, the plot to the folder."""
        from chainrule.plotting.figures import can_draw, save

        files.write_atomic(self.folder / TABLE, self.to_csv().encode(errors="backslashreplace"))
        if can_draw():
            save(self.plot(), self.folder / PICTURE)


def _kept_epoch(epochs: Sequence[Epoch], recipe: Recipe) -> Epoch:
    """Return the epoch whose weights are kept: with patience and validation data the best one, otherwise the last."""
    validated = [epoch for epoch in epochs if epoch.validation_loss is not None]
    if recipe.patience is None or not validated:
        return epochs[-1]
    return validated[recipe.criterion.best(validated)]
